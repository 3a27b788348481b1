"""The few live sessions that there may be at once: who has one, for how long, and what becomes of its recording."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from demo.errors import Busy, Missing, UsageError
from demo.guard import outcome
from demo.live.session import SHORTEST, LiveSession, Picture
from demo.logs import event
from demo.progress import Pace, Step
from demo.studio import Creation, Stopwatch, Studio
from vasa_core.types import MOTION_RATE, PLAYBACK_RATE, SAMPLE_RATE, Controls, Photo, Speech

if TYPE_CHECKING:
    from safety.attestation import Attestation
    from safety.consent import ConsentRecord
    from vasa_core.render.renderer import LiveRenderer

SECONDS = 180.0  # a live session lasts at most, unless MINUTES says otherwise
MINUTES = "CANDOR_LIVE_MINUTES"
UNATTENDED = 20.0  # seconds without a connection after which a session ends
PLACES = max(1, (os.cpu_count() or 1) // 2)  # a session takes most of a core


@dataclass(eq=False)
class Place:
    """One visitor's live session.

    ticket: 192 random bits; who shows it may speak.   show, over: set by the connection that is attached.
    """

    ticket: str
    owner: str
    record: ConsentRecord
    photo: Photo
    renderer: LiveRenderer
    seconds: float
    session: LiveSession = field(init=False)
    show: Callable[[Picture], None] | None = None
    wanted: Callable[[], bool] | None = None
    over: Callable[[BaseException | None], None] | None = None
    seen: float = field(default_factory=time.monotonic)

    def attach(
        self,
        show: Callable[[Picture], None],
        wanted: Callable[[], bool],
        over: Callable[[BaseException | None], None],
    ) -> None:
        """Give the pictures to a connection; an earlier one gets none any more."""
        self.show, self.wanted, self.over, self.seen = show, wanted, over, time.monotonic()

    def detach(self, show: Callable[[Picture], None]) -> None:
        """The connection is gone. The session waits a little for another."""
        if self.show == show:
            self.show = self.wanted = self.over = None
            self.seen = time.monotonic()


def allowed() -> float:
    """Seconds that a session may last: 1 to 60 minutes of the environment, else SECONDS. Raises UsageError."""
    text = os.environ.get(MINUTES, "").strip()
    if not text:
        return SECONDS
    if not text.isdecimal() or not 1 <= int(text) <= 60:
        raise UsageError(f"{MINUTES} is '{text}'. Give a whole number of minutes from 1 to 60.")
    return 60.0 * int(text)


class LiveDesk:
    """All live sessions. Safe to share between threads."""

    def __init__(self, studio: Studio, places: int = PLACES, seconds: float = SECONDS) -> None:
        self.studio, self.places, self.seconds = studio, places, seconds
        self._lock = threading.Lock()
        self._places: dict[str, Place] = {}
        self._opening = 0  # sessions that are being prepared
        studio.metrics.watch("candor_live_running", "Live sessions under way", self._running)

    def open(
        self,
        owner: str,
        photo: Path,
        name: str,
        face: int | None,
        attestation: Attestation,
        language: str,
        who: str = "",
    ) -> Place:
        """Prepare a session: the photo's portrait, a consent for any recording, an exit that lets pictures out.

        owner: the visitor; an earlier session of theirs ends.   who: address of the client.

        Raises Busy, the PhotoError and ConsentError families.
        """
        self.studio.limits.check("live", who)
        self.close(owner)
        with self._lock:
            self._sweep()
            if self._running() + self._opening >= self.places:
                raise Busy("Somebody else is live at the moment. Please try again in a few minutes.")
            self._opening += 1
        try:
            place = self._prepared(owner, photo, name, face, attestation, language)
            with self._lock:
                self._places[owner] = place
        finally:
            with self._lock:
                self._opening -= 1
        return place

    def _prepared(
        self, owner: str, photo: Path, name: str, face: int | None, attestation: Attestation, language: str
    ) -> Place:
        from safety.consent import attest
        from safety.live import LiveExit
        from safety.tokens import issue_token
        from vasa_core.photo import load_photo

        with self.studio.reading():
            picture = load_photo(photo, name)
            renderer = self.studio.portraits.of(photo, picture, face).renderer
        silence = unheard()
        vault = self.studio.vault
        record = attest(vault, attestation, picture, silence, language=language)
        leave = LiveExit(vault, issue_token(vault, record, picture, silence), picture, silence, self.seconds)
        place = Place(secrets.token_urlsafe(24), owner, record, picture, renderer, self.seconds)
        place.session = LiveSession(
            self.studio.core.generator().stream(Controls()),
            renderer,
            leave,
            Controls(),
            show=lambda shot: place.show(shot) if place.show else None,
            wanted=lambda: place.wanted() if place.wanted else False,
            over=lambda error: self._ended(place, error),
        )
        place.session.start()
        place.seen = time.monotonic()  # reading the weights for the first visitor may take long: they are not away
        return place

    def _running(self) -> int:
        return sum(place.session.running for place in list(self._places.values()))

    def _ended(self, place: Place, error: BaseException | None) -> None:
        session, metrics, word = place.session, self.studio.metrics, outcome(error)
        metrics.live.labels(word).inc()
        metrics.pictures.labels("left out").inc(session.skipped)
        metrics.pictures.labels("shown").inc(session.frames - session.skipped)
        event("live ended", reason=word, seconds=session.recording.seconds, left_out=session.skipped)
        if place.over:
            place.over(error)

    def find(self, ticket: str) -> Place | None:
        """The running session of a ticket."""
        with self._lock:
            self._sweep()
            for place in self._places.values():
                if secrets.compare_digest(place.ticket, ticket) and place.session.running:
                    return place
        return None

    def of(self, owner: str | None) -> Place | None:
        """The latest session of a visitor, running or not."""
        with self._lock:
            return self._places.get(owner or "")

    def close(self, owner: str | None) -> None:
        """End a visitor's session and forget its recording."""
        with self._lock:
            place = self._places.pop(owner or "", None)
        if place is not None:
            place.session.stop()

    def close_all(self) -> None:
        for owner in list(self._places):
            self.close(owner)

    def _sweep(self) -> None:
        """End sessions that nobody listens to. Call it with the lock held."""
        limit = time.monotonic() - UNATTENDED
        for place in self._places.values():
            if place.show is None and place.seen < limit:
                place.session.stop(0)

    def seal(
        self,
        place: Place,
        out: Path,
        who: str = "",
        progress: Callable[[Step], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Creation:
        """The recording of an ended session as a sealed video at `out`, or a CandorError and nothing there."""
        from safety.seal import seal
        from safety.tokens import issue_token
        from vasa_core.audio import load_speech

        recording, vault, pace = place.session.recording, self.studio.vault, Pace()
        tell = progress or (lambda step: None)
        if recording.seconds < SHORTEST:
            raise Missing("Nothing was recorded. Speak for a second or more before you stop.")

        def report(stage: str, fraction: float) -> None:
            tell(pace.at(stage, fraction))

        self.studio.limits.check("videos", who)
        line = self.studio.line
        with line.turn(lambda ahead: tell(Pace.waiting(ahead, line.forecast(ahead))), cancelled, who):
            watch = Stopwatch()
            report("rendering", 0.0)
            with watch.time("read"):
                speech = load_speech(recording.wav(), "live recording")
            with watch.time("consent"):
                token = issue_token(vault, place.record, place.photo, speech)
            sealed = seal(
                vault,
                token,
                place.photo,
                speech,
                watch.frames("render", recording.frames(place.renderer)),
                out=out,
                fps=MOTION_RATE,
                total=len(recording.pose),
                progress=report,
                cancelled=cancelled,
            )
            wall = watch.elapsed
        return Creation(sealed, 0, watch.seconds | sealed.timings, wall, vault.development)


def unheard() -> Speech:
    """A second of silence: what stands for the sound when a consent for any recording is signed before anyone spoke."""
    samples = np.zeros(SAMPLE_RATE, np.float32)
    return Speech(samples, np.zeros((PLAYBACK_RATE, 1), np.int16), b"", "audio/wav", "live microphone")
