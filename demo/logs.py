"""What the server writes down: events with their figures, as text or as JSON lines; nothing about who asked.

No address, no name that somebody typed, no name of a file is ever handed to a logger by the pages. Messages of foreign
exceptions may still hold paths, and these the name of an uploaded file: they are cut out.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from typing import Any

FORMAT = "CANDOR_LOG"  # json: one object a line
VISITORS = re.compile(r"/[^\s'\"]*candor-\d[^'\"\n]*")
QUOTED = re.compile(r"(['\"])/[^'\"\n]*\1")
A_FILE = "(a file)"


class Plain(logging.Formatter):
    """Time, level, event, then the facts as name=value."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={value}" for name, value in _facts(record).items())
        head, _, trace = super().format(record).partition("\n")
        return "\n".join(part for part in (f"{head} {facts}".rstrip(), without_paths(trace)) if part)


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, event, facts, and the traceback of a fault."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": without_paths(record.getMessage()),
            **_facts(record),
        }
        if record.exc_info:
            line["trace"] = without_paths(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def without_paths(text: str) -> str:
    """The text without paths of visitors' files: in a temporary root, or quoted as exceptions quote them."""
    lines = text.split("\n")
    frames = [line.lstrip().startswith('File "') for line in lines]  # of a traceback: the program's own files
    cut = [
        line if own else QUOTED.sub(A_FILE, VISITORS.sub(A_FILE, line)) for line, own in zip(lines, frames, strict=True)
    ]
    return "\n".join(cut)


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts = getattr(record, "facts", None)
    return facts if isinstance(facts, dict) else {}


def start() -> None:
    """Log to standard error in the form that the setting names."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if os.environ.get(FORMAT, "").lower() == "json" else Plain())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)


def event(name: str, **facts: Any) -> None:
    """Write down that something happened. facts: figures, outcomes, names of errors."""
    logging.getLogger("candor").info(name, extra={"facts": facts})
