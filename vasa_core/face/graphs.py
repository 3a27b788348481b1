"""MediaPipe's graphs behind plain functions on arrays: one lock, lazy start, native log noise kept off standard error.

The wheel of MediaPipe 0.10.14 carries every model used here, so nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

LANDMARKS = 478  # 468 of the face mesh, 5 of each iris

# What MediaPipe's C++ side prints at start whatever the log level: TensorFlow Lite's delegate, absl before its setup.
_NOISE = re.compile(
    rb"Created TensorFlow Lite XNNPACK delegate|before absl::InitializeLog|inference_feedback_manager|"
    rb"gl_context|face_landmarker_graph|^[IW]\d{4} "
)
_START_LOCK = threading.Lock()  # file descriptor 2 belongs to the whole process


@dataclass(frozen=True)
class Detection:
    """A face detector's answer in pixels of the image it was given.

    box: x, y, width, height. points: float32 (6, 2) right eye, left eye, nose tip, mouth, right ear, left ear, as the
    person's own right and left.
    """

    score: float
    box: tuple[float, float, float, float]
    points: np.ndarray

    @property
    def side(self) -> float:
        return max(self.box[2], self.box[3])

    @property
    def centre(self) -> tuple[float, float]:
        x, y, width, height = self.box
        return x + width / 2, y + height / 2


class Graphs:
    """Two face detectors, the face mesh with irises, and the selfie matte; each is built when first asked for.

    Safe to use from several threads: one call runs at a time. Images are uint8 (H, W, 3) RGB.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._graphs: dict[str, Any] = {}

    def detect(self, image: np.ndarray, reach: Literal["short", "full"], least: float = 0.3) -> list[Detection]:
        """Faces by BlazeFace: `short` knows close faces best, `full` also small ones. Best score first."""
        height, width = image.shape[:2]
        found = self._run(reach, image).detections or []
        detections = []
        for item in found:
            if item.score[0] < least:
                continue
            place = item.location_data
            frame = place.relative_bounding_box
            points = np.array([[p.x * width, p.y * height] for p in place.relative_keypoints], np.float32)
            box = (frame.xmin * width, frame.ymin * height, frame.width * width, frame.height * height)
            detections.append(Detection(float(item.score[0]), box, points))
        return sorted(detections, key=lambda d: -d.score)

    def mesh(self, image: np.ndarray) -> np.ndarray | None:
        """float32 (478, 3) in pixels of the image (z grows away from the camera), or None.

        Of several faces the one nearest to the middle.
        """
        found = self._run("mesh", image).multi_face_landmarks
        if not found:
            return None
        height, width = image.shape[:2]
        faces = [np.array([[p.x, p.y, p.z] for p in face.landmark], np.float32) for face in found]
        nearest = min(faces, key=lambda points: float(np.linalg.norm(points[:, :2].mean(0) - 0.5)))
        return nearest * np.array([width, height, width], np.float32)

    def person(self, image: np.ndarray) -> np.ndarray:
        """float32 (H, W) in 0..1: how much each pixel belongs to a person."""
        return np.array(self._run("person", image).segmentation_mask, np.float32)

    def close(self) -> None:
        with self._lock:
            for graph in self._graphs.values():
                graph.close()
            self._graphs.clear()

    def _run(self, which: str, image: np.ndarray) -> Any:
        image = np.ascontiguousarray(image)
        with self._lock:
            if which in self._graphs:
                return self._graphs[which].process(image)
            with quiet_start():
                graph = self._graphs[which] = _build(which)
                return graph.process(image)  # the first run still starts threads that print


def _build(which: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mediapipe.python.solutions import face_detection, face_mesh, selfie_segmentation  # 2 s to import
    warnings.filterwarnings("ignore", message="SymbolDatabase.GetPrototype", category=UserWarning)
    if which == "short":
        return face_detection.FaceDetection(min_detection_confidence=0.3, model_selection=0)
    if which == "full":
        return face_detection.FaceDetection(min_detection_confidence=0.3, model_selection=1)
    if which == "mesh":
        return face_mesh.FaceMesh(
            static_image_mode=True, max_num_faces=4, refine_landmarks=True, min_detection_confidence=0.2
        )
    return selfie_segmentation.SelfieSegmentation(model_selection=0)


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Hold back what native code writes to standard error, then pass on every line that is not known noise.

    The descriptor is shared by all threads. What other threads write meanwhile is delayed, not lost: it goes through
    the same file and comes out at the end.
    """
    with _START_LOCK:
        try:
            sys.stderr.flush()
            saved = os.dup(2)
        except (OSError, AttributeError, ValueError):  # no standard error at all: nothing to keep clean
            yield
            return
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            try:
                yield
                time.sleep(0.01)  # graph threads write their start-up lines just after the first result
            finally:
                with contextlib.suppress(OSError, AttributeError, ValueError):
                    sys.stderr.flush()
                os.dup2(saved, 2)
                held.seek(0)
                kept = b"".join(line for line in held if not _NOISE.search(line))
                with contextlib.suppress(OSError):
                    os.write(saved, kept)
                os.close(saved)
