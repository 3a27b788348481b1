"""A fair, bounded queue in front of the one slow machine: first come, first served, and everyone sees their place."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from demo.errors import Busy
from vasa_core.errors import Cancelled

LONGEST = 8  # people who may wait; more would wait longer than they are willing to
EACH = 2  # places that one client address may have, the one at work included
POLL = 0.2  # seconds between two looks at whether a waiting person has left
TELL = 1.0  # seconds after which a waiting person is told the time left again
RECENT = 5  # turns whose length says how long the next ones will take


@dataclass(eq=False, frozen=True)
class Ticket:
    """A place in the line."""

    who: str


class Line:
    """Lets one caller work at a time. Safe to share between threads."""

    def __init__(self, longest: int = LONGEST, each: int = EACH) -> None:
        self.longest, self.each = longest, each
        self._tickets: deque[Ticket] = deque()  # the first one is at work, the others wait
        self._moved = threading.Condition()
        self._took: deque[float] = deque(maxlen=RECENT)  # seconds
        self._began = 0.0

    def forecast(self, ahead: int) -> float | None:
        """Seconds until somebody with `ahead` people before them is served; None before the first turn has ended."""
        with self._moved:
            if not self._took:
                return None
            each = sum(self._took) / len(self._took)
            current = max(each - (time.monotonic() - self._began), 1.0) if self._began else each
            return current + each * (ahead - 1)

    def __len__(self) -> int:
        """People at work or waiting."""
        return len(self._tickets)

    @contextmanager
    def turn(
        self,
        waiting: Callable[[int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        who: str = "",
    ) -> Iterator[None]:
        """Wait for one's turn and hold it.

        waiting:   told how many people are ahead, each time that changes, and every second once there is a forecast.
        cancelled: asked while waiting; True gives the place up.
        who:       address of the client; one address gets few places. Empty: not counted.

        Raises `Busy` when the line is full or the client has its places, and `Cancelled` when the person left it.
        """
        ticket, began = Ticket(who), 0.0
        with self._moved:
            if who and sum(other.who == who for other in self._tickets) >= self.each:
                raise Busy(f"{self.each} videos for your address are being made or in line. Wait for one to finish.")
            if len(self._tickets) > self.longest:
                raise Busy(f"{self.longest} people are waiting already. Please try again in a few minutes.")
            self._tickets.append(ticket)
        try:
            ahead, told = -1, 0.0
            while True:
                with self._moved:
                    now = self._tickets.index(ticket)
                    if now == ahead:
                        self._moved.wait(POLL)
                        now = self._tickets.index(ticket)
                if now and cancelled is not None and cancelled():
                    raise Cancelled("Stopped before the work began. Nothing was written.")
                if now == 0:
                    break
                again = self._took and time.monotonic() - told > TELL
                if waiting is not None and (now != ahead or again):
                    told = time.monotonic()
                    waiting(now)
                ahead = now
            began = self._began = time.monotonic()
            yield
        finally:
            with self._moved:
                if began:
                    self._took.append(time.monotonic() - began)
                    self._began = 0.0
                self._tickets.remove(ticket)
                self._moved.notify_all()
