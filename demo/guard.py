"""No visitor sees a traceback: a named error becomes its sentence, anything else a reference into the server log."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from demo import texts
from vasa_core.errors import CandorError

if TYPE_CHECKING:
    import gradio as gr

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


def outcome(error: BaseException | None) -> str:
    """One word for metrics and logs: "done", the error's stable code, or "fault"."""
    return "done" if error is None else error.code if isinstance(error, CandorError) else "fault"


def address(request: gr.Request) -> str:
    """The client that a request came from, as the Doorman has it; empty when nobody knows."""
    return request.client.host if request.client else ""
