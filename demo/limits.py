"""How often one client address may ask for what costs time, beyond its places in line."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from demo.errors import Busy

MOST_CALLERS = 10_000  # remembered; then the longest unseen are forgotten


@dataclass(frozen=True)
class Rates:
    """(times, seconds) that one address has.

    posts:    any request that changes something, uploads included.   videos: started.   live: sessions begun.
    examined: files given to Verify or Detect.   withdrawals: of a consent, tried.   previews: stills, for which nobody
    has consented yet: far too few for moving pictures.
    """

    posts: tuple[int, float] = (600, 60.0)
    videos: tuple[int, float] = (60, 3600.0)
    live: tuple[int, float] = (20, 3600.0)
    examined: tuple[int, float] = (40, 60.0)
    withdrawals: tuple[int, float] = (6, 60.0)
    previews: tuple[int, float] = (60, 60.0)


@dataclass
class Limits:
    """Counts by address in a sliding window. Safe to share between threads.

    over: told the limit's name whenever somebody is refused.
    """

    rates: Rates = field(default_factory=Rates)
    over: Callable[[str], None] = lambda name: None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def wait(self, name: str, who: str) -> float:
        """Seconds until `who` may do it; 0 takes one of their turns. name: of a field of Rates. Empty `who`: never."""
        times, seconds = getattr(self.rates, name)
        if not who:
            return 0.0
        now = self.clock()
        with self._lock:
            recent = self._seen.pop((name, who), deque())
            while recent and now - recent[0] >= seconds:
                recent.popleft()
            self._seen[name, who] = recent
            while len(self._seen) > MOST_CALLERS:
                self._seen.popitem(last=False)
            if len(recent) < times:
                recent.append(now)
                return 0.0
            left = seconds - (now - recent[0])
        self.over(name)
        return max(left, 1.0)

    def check(self, name: str, who: str) -> None:
        """Raises `Busy` with the time to wait when `who` had their turns."""
        left = self.wait(name, who)
        if left:
            minutes = math.ceil(left / 60)
            raise Busy(f"Your address has asked for this too often. Try again in {minutes} min.")
