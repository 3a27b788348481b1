"""Errors of the detector. Every message says what is wrong and what to do."""

from vasa_core.errors import CandorError


class DetectionError(CandorError):
    """A file cannot be examined."""

    code = "detection"


class UnreadableSuspect(DetectionError):
    """Not a video, damaged beyond reading, without pictures, too large, or not there."""

    code = "suspect_unreadable"


class NothingToExamine(DetectionError):
    """The paths hold no file at all."""

    code = "nothing_to_examine"


class MissingExtra(DetectionError):
    """An optional package is needed for what was asked."""

    code = "missing_extra"
