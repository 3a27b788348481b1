"""Errors of the pages and the command line themselves; the other rooms bring their own."""

from vasa_core.errors import CandorError


class UsageError(CandorError):
    """The command line or a form was filled in wrongly."""

    code = "usage"


class Missing(CandorError):
    """Something has to be given before the work can start."""

    code = "missing"


class Busy(CandorError):
    """Too many people are waiting already."""

    code = "busy"


class Overloaded(CandorError):
    """Live speech comes faster than this computer can follow."""

    code = "overloaded"
