"""What the detector has to say about one file, as data. Nothing here judges; words for it are in `detection.words`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detection import words

STATUSES = ("scored", "cannot_tell", "no_face", "unreadable")
VERDICTS = ("generated", "authentic_looking", "cannot_tell")


@dataclass(frozen=True)
class Reason:
    """Why something was not judged, or judged with reserve. code: of `words.REASONS`; values fill its sentence."""

    code: str
    values: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"code": self.code, "text": words.reason(self, "en")}


@dataclass(frozen=True)
class WindowResult:
    """Two seconds of one face: calibrated probability, and from low to high where it may lie (one standard deviation
    between the members, and at least the detector's own)."""

    start: float
    end: float
    probability: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        return {k: round(float(getattr(self, k)), 3) for k in ("start", "end", "probability", "low", "high")}


@dataclass(frozen=True)
class Branch:
    """One branch on its own. probability: calibrated, None when it had nothing to look at.  saw: code and values of the
    sentence that says what it saw."""

    name: str
    probability: float | None
    saw: Reason

    def to_dict(self) -> dict[str, Any]:
        value = None if self.probability is None else round(self.probability, 4)
        return {"name": self.name, "probability": value, "saw": words.reason(self.saw, "en"), "code": self.saw.code}


@dataclass(frozen=True)
class Shot:
    """A face crop that counted, for the report's pictures only.

    crop: uint8 (S, S, 3) as the network saw it.  heat: float32 (s, s) on the flat face, positive speaks for generated.
    """

    time: float
    probability: float
    crop: np.ndarray
    heat: np.ndarray


@dataclass(frozen=True)
class FaceReport:
    """One face, which may be seen several times. width: median face width in pixels of the file.

    spans: (from, to) in seconds where it was followed.  strange: 1 is the limit beyond which nothing is said.
    """

    number: int
    spans: tuple[tuple[float, float], ...]
    width: float
    status: str
    verdict: str
    probability: float | None
    low: float | None
    high: float | None
    reasons: tuple[Reason, ...]
    branches: tuple[Branch, ...]
    windows: tuple[WindowResult, ...]
    strange: float | None
    shots: tuple[Shot, ...] = ()

    @property
    def seconds(self) -> float:
        return sum(stop - start for start, stop in self.spans)

    def to_dict(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "spans": [[round(a, 2), round(b, 2)] for a, b in self.spans],
            "seconds": round(self.seconds, 2),
            "width": round(self.width, 1),
            "status": self.status,
            "verdict": self.verdict,
            "probability": _rounded(self.probability),
            "interval": None if self.low is None or self.high is None else [_rounded(self.low), _rounded(self.high)],
            "reasons": [r.to_dict() for r in self.reasons],
            "branches": [b.to_dict() for b in self.branches],
            "windows": [w.to_dict() for w in self.windows],
            "strangeness": _rounded(self.strange),
        }


@dataclass(frozen=True)
class Segment:
    """A stretch whose windows all lie beyond the threshold: where in the file generated pictures seem to be."""

    start: float
    end: float
    face: int
    probability: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "start": round(self.start, 2),
            "end": round(self.end, 2),
            "face": self.face,
            "probability": round(self.probability, 4),
        }


@dataclass(frozen=True)
class Report:
    """The answer for one file.

    status: "scored"; "cannot_tell" (faces, but none that can be judged); "no_face"; "unreadable".
    probability: calibrated probability of "generated", of the face that speaks for it most; None unless scored.
    read: what was looked at, in seconds and counts.  facts: of the container, shown and never judged.
    error_rates: of this detector on people it never saw.  provenance: what manifest, watermark, consent and log say,
    from elsewhere, never part of the score.
    """

    file: str
    status: str
    verdict: str
    probability: float | None
    low: float | None
    high: float | None
    reasons: tuple[Reason, ...]
    faces: tuple[FaceReport, ...] = ()
    segments: tuple[Segment, ...] = ()
    read: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    error_rates: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] | None = None
    seconds: float = 0.0
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The object that `detect --json` prints. Strings from the file are as they are: escape before showing."""
        return {
            "file": self.file,
            "status": self.status,
            "verdict": self.verdict,
            "probability": _rounded(self.probability),
            "interval": None if self.low is None or self.high is None else [_rounded(self.low), _rounded(self.high)],
            "meaning": words.meaning(self, "en"),
            "reasons": [r.to_dict() for r in self.reasons],
            "segments": [s.to_dict() for s in self.segments],
            "faces": [f.to_dict() for f in self.faces],
            "provenance": self.provenance,
            "read": self.read,
            "container": self.facts,
            "detector": {"version": self.version, "held_out": self.error_rates},
            "seconds": round(self.seconds, 2),
            "error": self.error,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
