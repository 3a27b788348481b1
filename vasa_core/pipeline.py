"""The core's front door: a photo and a speech clip in, frames in memory out.

Nothing here writes a face to disk. What leaves the program leaves through `safety.seal`.

    core = TalkingFace.from_pretrained()
    portrait = core.prepare(load_photo("grace.jpg"))
    motion = core.animate(load_speech("hello.wav"), Controls(seed=3))
    for frame in core.render(portrait, motion, fps=40): ...
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vasa_core.face.detector import FaceDetector
from vasa_core.face.portrait import Portrait, prepare_portrait
from vasa_core.face.space import FaceSpace
from vasa_core.motion.generator import MotionGenerator
from vasa_core.motion.reenact import reenact
from vasa_core.render.fullframe import render_full
from vasa_core.render.renderer import LiveRenderer, frame_count
from vasa_core.types import Controls, Motion, Photo, Speech

__all__ = ["TalkingFace", "frame_count"]


class TalkingFace:
    """Detector, motion generator and renderer behind three calls; safe to share between threads.

    Models load on first use. `weights` is a folder of safetensors; None means those that ship.
    """

    def __init__(
        self,
        detector: FaceDetector | None = None,
        space: FaceSpace | None = None,
        motion: MotionGenerator | None = None,
        weights: Path | None = None,
    ) -> None:
        self.detector = detector or FaceDetector()
        self._space = space
        self._motion = motion
        self._weights = weights
        self._loading = threading.Lock()

    @classmethod
    def from_pretrained(cls, weights: Path | str | None = None) -> TalkingFace:
        """The shipped models, or those in the folder `weights`. Cheap: nothing is read before it is needed."""
        return cls(weights=Path(weights) if weights is not None else None)

    def prepare(self, photo: Photo, face: int | None = None) -> Portrait:
        """Work out everything that depends on the photo alone.

        face: which of several faces, largest first; None takes the largest.
        Raises NoFaceFound, FaceTooSmall, FaceTooTurned.
        """
        chosen, _ = self.detector.choose(photo.pixels, face)
        return prepare_portrait(photo, chosen, self.detector)

    def animate(
        self, speech: Speech, controls: Controls = Controls(), progress: Callable[[float], None] | None = None
    ) -> Motion:
        """Head pose and facial dynamics for the speech, at 25 Hz. Same seed, same motion. Raises AudioError."""
        return self.generator()(speech.samples, controls, progress)

    def reenact(self, driver: Speech, progress: Callable[[float], None] | None = None) -> Motion:
        """The performance of the face in the video that `driver` was read from, at 25 Hz. Raises UnusableDriver."""
        return reenact(driver, self.detector, self._face_space(), progress)

    def render(
        self, portrait: Portrait, motion: Motion, fps: float = 40, controls: Controls = Controls()
    ) -> Iterator[np.ndarray]:
        """Yield `frame_count(motion, fps)` frames, uint8 (512, 512, 3) RGB, in order. Raises ControlError."""
        return LiveRenderer(portrait, self._face_space()).render(motion, fps, controls)

    def space(self) -> FaceSpace:
        """The space that facial codes live in. Raises WeightsError."""
        return self._face_space()

    def renderer(self, portrait: Portrait) -> LiveRenderer:
        """What draws single frames of the portrait: `draw`, with a `Warp` of one's own."""
        return LiveRenderer(portrait, self._face_space())

    def render_full(
        self, photo: Photo, portrait: Portrait, motion: Motion, fps: float = 40, controls: Controls = Controls()
    ) -> Iterator[np.ndarray]:
        """Yield as many frames, uint8 (H, W, 3), of the whole photo with the living head in it (longer side <= 1920).

        Raises ControlError; distance and position must be 0.
        """
        return render_full(photo, portrait, self._face_space(), motion, fps, controls)

    def load(self) -> None:
        """Read the weights now, so that the first visitor does not wait for them. Raises WeightsError."""
        self._face_space()
        self.generator()

    def _face_space(self) -> FaceSpace:
        with self._loading:
            if self._space is None:
                self._space = FaceSpace.from_pretrained(self._weights and self._weights / "face_space.safetensors")
            return self._space

    def generator(self) -> MotionGenerator:
        """What turns speech into motion, loaded on first use; threads may share it. Raises WeightsError."""
        with self._loading:
            if self._motion is None:
                # Imported here: diffusers takes seconds, and a page should not wait for them (docs/motion.md).
                from vasa_core.motion.diffusion import DiffusionMotion

                self._motion = DiffusionMotion.from_pretrained(weights=self._weights)
            return self._motion
