"""The `live` renderer: one photo, baked once, and a stream of motion latents become frames on a CPU."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator

from vasa_core.errors import ControlError
from vasa_core.face.geometry import (
    CHIN,
    FACE_POINTS,
    FOREHEAD,
    IRIS,
    LOWER_LID,
    LOWER_LIP,
    UPPER_LID,
    UPPER_LIP,
    rotation,
)
from vasa_core.face.portrait import MARGIN, Portrait
from vasa_core.face.space import FaceSpace
from vasa_core.render.eyes import Eye, affine, eyes_of
from vasa_core.render.interior import JAW, Interior
from vasa_core.render.mesh import build_sheet
from vasa_core.render.mouth import Mouth
from vasa_core.render.warp import FRAME, WHOLE, Warp, Window, blend, oversample
from vasa_core.types import FRAME_SIZE, MAX_FPS, Controls, Motion

COVERED_MOUTH = 0.3  # share of the mouth's movement that shows through what covers it
# Columns of landmarks from the lower lip's outer edge down to the chin, and how much of its length each link keeps.
BELOW_LIP = np.array(
    [[91, 106, 204, 211], [181, 182, 194, 32], [84, 83, 201, 208], [17, 18, 200, 199]]
    + [[314, 313, 421, 428], [405, 406, 418, 262], [321, 335, 424, 431]]
)
LEAST_LINK = 0.35
MEETING = [(UPPER_LIP[1:-1], LOWER_LIP[1:-1])] + [(UPPER_LID[s][1:-1], LOWER_LID[s][1:-1]) for s in ("left", "right")]


@dataclass(frozen=True)
class RendererConfig:
    workers: int = 2  # threads; the heavy parts leave Python's lock
    ahead: int = 6  # frames worked on beyond the one asked for: bounds memory whatever the length


def frame_count(motion: Motion, fps: float) -> int:
    """Frames that `motion` lasts at `fps`, at least one."""
    return max(1, round(motion.seconds * fps))


def resample(motion: Motion, fps: float) -> Motion:
    """The same motion at another rate, by monotone cubic interpolation (no overshoot: closed lips stay closed).

    Latent k stands for the middle of its interval, (k + 1/2) / rate.
    """
    count = frame_count(motion, fps)
    if len(motion) == 1:
        return Motion(np.repeat(motion.pose, count, 0), np.repeat(motion.dynamics, count, 0), fps)
    known = (np.arange(len(motion)) + 0.5) / motion.rate
    wanted = np.clip((np.arange(count) + 0.5) / fps, known[0], known[-1])
    both = PchipInterpolator(known, np.hstack([motion.pose, motion.dynamics]), axis=0)(wanted).astype(np.float32)
    width = motion.pose.shape[1]
    return Motion(both[:, :width], both[:, width:], fps)


@dataclass(frozen=True)
class View:
    """What a renderer draws, and from which pixels.

    window: what the frames show.  texture: what `person` holds.
    person: uint8 (texture.height, texture.width, 4) premultiplied, as in `Portrait`.
    plate:  uint8 (H, W, 3) background, either of the canvas or of the window.
    """

    window: Window
    texture: Window
    person: np.ndarray
    plate: np.ndarray


class LiveRenderer:
    """Draws one portrait. Read-only after construction, so several threads may draw frames of it at once."""

    def __init__(
        self,
        portrait: Portrait,
        space: FaceSpace,
        config: RendererConfig = RendererConfig(),
        view: View | None = None,
        interior: Interior | None = None,
    ) -> None:
        """view: what is drawn, None for the 512 x 512 frame.  interior: None for the shipped one.

        Raises WeightsError.
        """
        self.config = config
        self._portrait = portrait
        self._shown = view or View(FRAME, WHOLE, oversample(portrait.person), portrait.plate)
        self._sheet = build_sheet(portrait)
        self._mouth = Mouth(portrait, interior or Interior.from_pretrained())
        self._eyes = eyes_of(portrait)
        points = self._shown.texture.from_canvas(portrait.landmarks[:, :2])
        self._person = self._shown.person
        if not portrait.covered:
            self._person = self._mouth.seal_lips(self._person, points)
        self._lids: list[np.ndarray | None] = []  # per eye, the person with skin where a shut eye would show slivers
        for eye in self._eyes:
            self._lids.append(eye.lids(self._person, points))
        for eye in self._eyes:
            self._person = eye.shut(self._person, points)
        neutral = portrait.landmarks.astype(np.float64).copy()
        neutral[:FACE_POINTS] = portrait.neutral
        centred = neutral - neutral[[234, 454]].mean(0)
        self._space = space.personal((centred @ portrait.attitude / portrait.face_width).astype(np.float32))
        self._gain = np.ones(space.dim, np.float32)
        if portrait.covered:  # a mask moves with the jaw, but less
            self._gain[[name.startswith("mouth") for name in space.names]] = COVERED_MOUTH
        self._eyeballs = [eye.centre + np.array([[0, 0, 0], [eye.span, 0, 0], [0, eye.span, 0]]) for eye in self._eyes]
        down = portrait.neutral[CHIN] - portrait.neutral[FOREHEAD]
        self._down = (down / np.linalg.norm(down)).astype(np.float64)

    def render(self, motion: Motion, fps: float = 40, controls: Controls = Controls()) -> Iterator[np.ndarray]:
        """Yield `frame_count(motion, fps)` frames of the view, uint8 (H, W, 3) RGB, in order. Raises ControlError."""
        if not 1 <= fps <= MAX_FPS:
            raise ControlError(f"The frame rate is {fps:g}; choose one from 1 to {MAX_FPS}.")
        motion = resample(motion, fps)
        scratch: queue.SimpleQueue[Warp] = queue.SimpleQueue()
        for _ in range(self.config.workers):
            scratch.put(Warp(self._shown.window, self._shown.texture))
        stop = threading.Event()

        def draw(index: int) -> np.ndarray:
            if stop.is_set():
                raise RuntimeError("rendering was stopped")
            warp = scratch.get()
            try:
                return self.draw(motion.pose[index], motion.dynamics[index], controls, warp)
            finally:
                scratch.put(warp)

        with ThreadPoolExecutor(self.config.workers, thread_name_prefix="render") as pool:
            pending: deque[Future[np.ndarray]] = deque()
            try:
                for index in range(len(motion)):
                    pending.append(pool.submit(draw, index))
                    if len(pending) > self.config.ahead:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:  # also when the caller stops listening half-way
                stop.set()
                for future in pending:
                    future.cancel()

    def draw(self, pose: np.ndarray, dynamics: np.ndarray, controls: Controls, warp: Warp) -> np.ndarray:
        """One frame of the view, uint8 (H, W, 3), of a pose (6,) and a facial code (D,)."""
        portrait, sheet, window = self._portrait, self._sheet, self._shown.window
        moved = self._space.decode((dynamics * self._gain)[None])[0].astype(np.float64)  # (478, 3)
        expression = moved @ portrait.attitude.T * portrait.face_width
        self._keep_apart(expression)
        angles = pose[:3] + np.radians(controls.rotation)
        turn = portrait.attitude @ rotation(*angles) @ portrait.attitude.T
        scale, shift = float(np.exp(pose[5])), pose[3:5].astype(np.float64) * portrait.face_width
        view = self._view(controls)

        def carry(points: np.ndarray) -> np.ndarray:
            moved = sheet.carry(points, turn, scale, shift)[:, :2]
            return window.from_canvas(moved @ view[:, :2].T + view[:, 2])

        placed = sheet.place(expression[:FACE_POINTS], turn, scale, shift)
        placed[:, :2] = placed[:, :2] @ view[:, :2].T + view[:, 2]
        person = warp.draw(sheet.triangles, placed, sheet.source, self._person)
        points = window.from_canvas(placed[:FACE_POINTS, :2])
        to_frame = [affine(resting[:, :2], carry(resting)) for resting in self._eyeballs]
        for eye, matrix, lids in zip(self._eyes, to_frame, self._lids, strict=True):
            if lids is not None:
                self._close(person, eye, points, eye.closing(points, matrix), lids, warp)
        frame = blend(person, self._plate(view))
        for eye, matrix, side in zip(self._eyes, to_frame, ("left", "right"), strict=True):
            eye.paint(frame, points, matrix, expression[IRIS[side], :2].mean(0))
        if not portrait.covered:
            jaw_shift = expression[JAW].mean(0)
            anchors = self._mouth.anchors
            self._mouth.paint(frame, points, carry(anchors), carry(anchors + jaw_shift))
        return frame

    def _close(
        self, person: np.ndarray, eye: Eye, points: np.ndarray, closing: float, lids: np.ndarray, warp: Warp
    ) -> None:
        """Let skin show around lids that close, in `person` (H, W, 4), which `warp` has just drawn; in place."""
        box = eye.around(points, person) if closing > 0 else None
        if box is None:
            return
        left, top, right, bottom = box
        patch = person[top:bottom, left:right]
        patch[:] = cv2.addWeighted(patch, 1 - closing, warp.again(lids, box), closing, 0)

    def _keep_apart(self, expression: np.ndarray) -> None:
        """Lips and lids may meet but not pass through each other, nor a lip the chin; changes (478, 3) in place."""
        neutral = self._portrait.neutral
        for upper, lower in MEETING:
            gap = (neutral[lower] + expression[lower] - neutral[upper] - expression[upper]) @ self._down
            overlap = np.minimum(gap, 0)[:, None] * self._down / 2
            expression[upper] += overlap
            expression[lower] -= overlap
        # A lip pulled down pushes the skin below it along: passing it, the mesh would fold into a jagged edge.
        moved = (neutral + expression[:FACE_POINTS]) @ self._down
        rest = neutral @ self._down
        for above, below in zip(BELOW_LIP.T[:-1], BELOW_LIP.T[1:], strict=True):
            short = np.maximum(moved[above] + LEAST_LINK * (rest[below] - rest[above]) - moved[below], 0)
            moved[below] += short
            expression[below] += short[:, None] * self._down

    def _view(self, controls: Controls) -> np.ndarray:
        """(2, 3) camera: canvas to canvas, for distance and position."""
        zoom = float(np.exp(controls.distance))
        centre = self._sheet.pivot[:2]
        shift = np.array(controls.position) * self._portrait.face_width
        return np.column_stack([np.eye(2) * zoom, centre * (1 - zoom) + shift])

    def _plate(self, view: np.ndarray) -> np.ndarray:
        """The background as the camera sees it, uint8 (H, W, 3) of the window."""
        plate, window = self._shown.plate, self._shown.window
        size = (window.width, window.height)
        if plate.shape[:2] == size[::-1]:
            return plate
        if np.allclose(view, np.eye(2, 3)) and window == FRAME:
            return plate[MARGIN : MARGIN + FRAME_SIZE, MARGIN : MARGIN + FRAME_SIZE]
        corner = window.from_canvas(view[:, 2])
        to_window = np.column_stack([view[:, :2] * window.zoom, corner])
        return cv2.warpAffine(plate, to_window, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
