"""No visitor sees a traceback: a named error becomes its sentence, anything else a reference into the server log."""

from __future__ import annotations

import logging
import secrets

from demo import texts
from vasa_core.errors import CandorError

log = logging.getLogger("candor")


def explain(error: BaseException) -> str:
    """The sentence to show for an error, in the language being spoken. Faults are logged with their traceback."""
    if isinstance(error, CandorError):
        return texts.said(str(error))
    if isinstance(error, FileNotFoundError):  # most likely a folder that was removed while the page was idle
        log.warning("a file is missing", exc_info=error)
        return texts.GONE
    mark = secrets.token_hex(3)
    log.error("fault %s", mark, exc_info=error)
    return texts.FAULT.format(mark=mark)
