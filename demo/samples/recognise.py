"""Telling the project's own prepared clips from anything else, on any machine.

They were signed by an authority whose certificate ships as `anchor.pem`, and marked by an installation whose secret
key is gone; what remains readable for everyone is the manifest and the public chroma mark.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from demo.samples import FOLDER

ANCHOR = FOLDER / "anchor.pem"
MARK_LABEL = "org.candor.watermark"


@dataclass(frozen=True)
class Recognised:
    """A prepared clip. watermark_id: as its manifest names it.  marked: the public mark in the pixels says the same."""

    watermark_id: str
    marked: bool


def recognise(path: str | Path) -> Recognised | None:
    """None when the file was not signed by the sample authority, or was changed afterwards."""
    named = _named_mark(Path(path))
    if named is None:
        return None
    from safety.chroma_mark import ChromaMark
    from safety.media import sample_frames
    from safety.watermark import format_id

    reading = ChromaMark().read(sample_frames(Path(path), 12))
    return Recognised(named, reading.found and format_id(reading.id) == named)


def _named_mark(path: Path) -> str | None:
    import c2pa  # type: ignore[import-untyped]

    if not ANCHOR.exists():
        return None
    try:
        with path.open("rb") as file, c2pa.Reader("video/mp4", file, context=_context()) as reader:
            if reader.get_validation_state() != "Trusted":
                return None
            store = json.loads(reader.json())
    except c2pa.C2paError:
        return None
    assertions = store["manifests"][store["active_manifest"]].get("assertions", [])
    marks = [item["data"].get("id") for item in assertions if item.get("label") == MARK_LABEL]
    return str(marks[0]) if marks else None


@lru_cache(maxsize=1)
def _context() -> Any:
    import c2pa

    return c2pa.Context.from_dict(
        {
            "version": 1,
            "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
            "trust": {"user_anchors": ANCHOR.read_text("utf-8")},
        }
    )
