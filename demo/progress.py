"""From stages and fractions to one bar and the time left, for the page and the command line alike."""

from __future__ import annotations

import time
from dataclasses import dataclass

STAGES = ("photo", "motion", "rendering", "signing", "checking")  # in the order in which they happen
# Shares of the wall time, measured on two cores with ten seconds of speech. Only the bar's smoothness hangs on them.
SHARES = {"photo": 0.06, "motion": 0.08, "rendering": 0.78, "signing": 0.02, "checking": 0.06}
TRUST_AFTER = 0.6  # seconds of work before a forecast is worth showing


@dataclass(frozen=True)
class Step:
    """One look at the work.

    stage: one of STAGES, or "waiting" while others are served first.
    done:  fraction of the whole work, 0..1.   left: seconds, of "waiting" those in line, None while unknown.
    ahead: people who are served first.
    """

    stage: str
    done: float
    left: float | None
    ahead: int = 0


class Pace:
    """Turns `(stage, fraction)` reports into `Step`s; never lets the bar run backwards."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._done = 0.0

    def at(self, stage: str, fraction: float) -> Step:
        """stage: one of STAGES; fraction: 0..1 of that stage."""
        now = time.monotonic()
        if self._started is None:
            self._started = now
        before = sum(SHARES[name] for name in STAGES[: STAGES.index(stage)])
        self._done = max(self._done, before + SHARES[stage] * min(max(fraction, 0.0), 1.0))
        spent = now - self._started
        left = spent * (1 - self._done) / self._done if self._done and spent > TRUST_AFTER else None
        return Step(stage, self._done, left)

    @staticmethod
    def waiting(ahead: int, left: float | None = None) -> Step:
        """left: seconds until one's own turn, as far as that can be told."""
        return Step("waiting", 0.0, left, ahead)
