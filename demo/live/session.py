"""One live session: sound goes in as it comes, marked pictures come out; bounded in time, memory and delay."""

from __future__ import annotations

import io
import threading
import wave
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from demo.errors import Overloaded
from vasa_core.types import MOTION_RATE, SAMPLE_RATE, Controls

if TYPE_CHECKING:
    from safety.live import LiveExit
    from vasa_core.motion.generator import MotionSource
    from vasa_core.render.renderer import LiveRenderer

SAMPLES_A_FRAME = SAMPLE_RATE // MOTION_RATE
BEHIND = 0.5  # seconds of unheard sound from which pictures are left out, so that the delay does not grow
DEAF = 3.0  # seconds of unheard sound from which the session is given up
SHORTEST = 1.0  # seconds that a recording must last
TOO_SLOW = "This computer cannot keep up with you: it is busy with other work. Try again in a minute."


@dataclass
class Recording:
    """What was heard and how the portrait moved: sound int16 at 16 kHz, latents at 25 Hz, controls of every frame."""

    sound: list[np.ndarray] = field(default_factory=list)
    pose: list[np.ndarray] = field(default_factory=list)
    dynamics: list[np.ndarray] = field(default_factory=list)
    controls: list[Controls] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return len(self.pose) / MOTION_RATE

    def wav(self) -> bytes:
        """The sound of the frames, as a WAV file."""
        samples = np.concatenate(self.sound)[: len(self.pose) * SAMPLES_A_FRAME]
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes(samples.astype("<i2").tobytes())
        return buffer.getvalue()

    def frames(self, renderer: LiveRenderer) -> Iterator[np.ndarray]:
        """The pictures once more, uint8 (512, 512, 3), at 25 a second, unmarked: for the seal."""
        from vasa_core.render.warp import Warp

        warp = Warp()
        for pose, dynamics, controls in zip(self.pose, self.dynamics, self.controls, strict=True):
            yield renderer.draw(pose, dynamics, controls, warp)


@dataclass(frozen=True)
class Picture:
    """frame: its number at 25 a second; it belongs to the samples from frame * 640 on."""

    frame: int
    jpeg: bytes


@dataclass(frozen=True)
class _Latent:
    """A frame that has its motion and waits to be drawn."""

    frame: int
    pose: np.ndarray
    dynamics: np.ndarray
    controls: Controls


class LiveSession:
    """Hears and moves in one thread, draws and marks in a second: no picture waits for the motion of the next.

    show:   called from the second thread with every picture; must not wait.
    wanted: whether the next picture can be taken; if not, it is not even drawn, so that a slow client costs nothing.
    over:   called once when both threads are done, with the error that ended the session or None.
    """

    def __init__(
        self,
        stream: MotionSource,
        renderer: LiveRenderer,
        leave: LiveExit,
        controls: Controls,
        show: Callable[[Picture], None],
        wanted: Callable[[], bool],
        over: Callable[[BaseException | None], None],
    ) -> None:
        self.stream, self.renderer, self.exit, self.controls = stream, renderer, leave, controls
        self.recording = Recording()
        self.frames = self.skipped = 0  # frames that were drawn or left out
        self.heard = 0  # samples
        self._show, self._wanted, self._over = show, wanted, over
        self._waiting: deque[np.ndarray] = deque()
        self._queued = 0  # samples in `_waiting`
        self._moved: deque[_Latent] = deque()
        self._news = threading.Condition()
        self._ended = self._still = False  # no more sound is taken; no more motion comes
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._move, name="candor-live", daemon=True)
        self._drawer = threading.Thread(target=self._draw, name="candor-live-draw", daemon=True)

    def start(self) -> None:
        self._drawer.start()
        self._thread.start()

    def hear(self, samples: np.ndarray) -> None:
        """int16 (n,) at 16 kHz, in order and without gaps."""
        with self._news:
            if self._ended:
                return
            if self._queued > DEAF * SAMPLE_RATE:
                self._fault, self._ended = Overloaded(TOO_SLOW), True
            self._waiting.append(samples)
            self._queued += len(samples)
            self.heard += len(samples)
            self._news.notify_all()

    def stop(self, wait: float = 5.0) -> None:
        """End the session; the recording stays."""
        with self._news:
            self._ended = True
            self._news.notify_all()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(wait)

    @property
    def running(self) -> bool:
        return self._thread.is_alive() and not self._ended

    # in the threads ---------------------------------------------------------------------------------------------------

    def _move(self) -> None:
        try:
            while (samples := self._next()) is not None:
                self.recording.sound.append(samples)
                controls = self.controls
                motion = self.stream.push(samples.astype(np.float32) / 32768, controls)
                for pose, dynamics in zip(motion.pose, motion.dynamics, strict=True):
                    self._keep(_Latent(len(self.recording.pose), pose, dynamics, controls))
        except BaseException as error:
            self._end(error)
        with self._news:
            self._ended = self._still = True
            self._news.notify_all()
        self._drawer.join()
        self._over(self._fault)

    def _next(self) -> np.ndarray | None:
        """Everything that waits, or None when the session has ended."""
        with self._news:
            while not self._waiting and not self._ended:
                self._news.wait(0.5)
                if self.exit.left <= 0:
                    self._ended, self._fault = True, self.exit.over()
            if self._ended:
                return None
            samples = np.concatenate(self._waiting)
            self._waiting.clear()
            self._queued = 0
            return samples

    def _keep(self, latent: _Latent) -> None:
        """Record a frame and let it be drawn."""
        self.recording.pose.append(latent.pose)
        self.recording.dynamics.append(latent.dynamics)
        self.recording.controls.append(latent.controls)
        with self._news:
            self._moved.append(latent)
            self._news.notify_all()

    def _draw(self) -> None:
        from vasa_core.render.warp import Warp

        warp = Warp()
        try:
            while (latent := self._oldest()) is not None:
                if self._late() or not self._wanted():
                    self.skipped += 1
                else:
                    frame = self.renderer.draw(latent.pose, latent.dynamics, latent.controls, warp)
                    self._show(Picture(latent.frame, self.exit.picture(frame)))
                self.frames += 1
        except BaseException as error:
            self._end(error)

    def _oldest(self) -> _Latent | None:
        """The next frame to draw, or None when there will be none."""
        with self._news:
            while not self._moved and not self._still:
                self._news.wait()
            return self._moved.popleft() if self._moved else None

    def _late(self) -> bool:
        """Whether this frame is left out because newer ones wait; the newest is always drawn."""
        behind = self._queued + len(self._moved) * SAMPLES_A_FRAME
        return bool(self._moved) and behind > BEHIND * SAMPLE_RATE

    def _end(self, error: BaseException) -> None:
        with self._news:
            self._fault, self._ended = self._fault or error, True
            self._moved.clear()
            self._news.notify_all()
