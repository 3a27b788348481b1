"""Finding human faces in a photo, at any scale, and saying what is wrong with those that cannot be used.

Three steps. Search: BlazeFace over the whole picture and, in large pictures, over overlapping tiles. Judge: each
candidate is cut out upright, several times and each time a little differently; on a human face the close-range
detector stays certain and the 478-point mesh comes to rest in the same place, on an animal or a thing neither does
(docs/decisions/0002-what-counts-as-a-human-face.md). Measure: the mesh gives box, landmarks and head angles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vasa_core.errors import FaceTooSmall, FaceTooTurned, NoFaceFound, PhotoError
from vasa_core.face.alignment import eye_openness
from vasa_core.face.angles import head_angles
from vasa_core.face.geometry import FACE_POINTS, OUTER_LIPS, face_width
from vasa_core.face.graphs import Detection, Graphs
from vasa_core.types import FaceBox

MIN_FACE = 96  # pixels, longer side of the face
MAX_TURN = 45.0  # degrees away from the camera, in yaw, pitch or roll


@dataclass(frozen=True)
class DetectorConfig:
    view: int = 384  # pixels, side of what the detectors are shown (they see 192 or 128 of it)
    smallest_in_view: float = 0.1  # of a view's side; smaller faces are missed, so tiles are MIN_FACE / this at least
    max_candidates: int = 16  # judged per picture, largest first
    overlap: float = 0.35  # intersection over union from which two boxes are one face
    tightness: tuple[float, ...] = (1.3, 1.45, 1.6, 1.9)  # sides of the crops for certainty, in detector boxes
    mesh_crop: float = 2.2  # side of the crop for landmarks, in detector boxes
    mesh_view: int = 384  # pixels, side of that crop
    # Crops that test whether the landmarks stay put: factor on mesh_crop, turn [rad], shift x and y [detector boxes].
    nudges: tuple[tuple[float, float, float, float], ...] = (
        (0.82, 0.0, 0.0, 0.0),
        (1.18, 0.15, 0.05, 0.0),
        (1.0, -0.15, -0.05, 0.03),
    )
    wobble_weight: float = 12.0  # score = certainty - wobble_weight * wobble [face widths]
    human: float = 0.67  # score from which a face counts as human
    small: int = 160  # pixels; from MIN_FACE to here a face is usable but will look soft
    turned: float = 25.0  # degrees; from here to MAX_TURN the far side of the face will be guessed
    room: float = 0.03  # face sizes between the face and the picture's edge
    dark: float = 40.0  # mean luma of the face, 0..255
    # Face widths by which lips wander from crop to crop: from the first it is said that something may cover the mouth,
    # from the second it is believed (statues lie between).
    doubtful_mouth: float = 0.0045
    hidden_mouth: float = 0.0075
    shut_eyes: float = 0.12  # mean height of both eyes over their width, below which they count as closed


class FaceDetector:
    """Human faces in photos, by MediaPipe. Cheap to construct, safe to share between threads, a context manager.

    Images are uint8 (H, W, 3) RGB.
    """

    def __init__(self, config: DetectorConfig = DetectorConfig()) -> None:
        self.config = config
        self._graphs = Graphs()

    def __enter__(self) -> FaceDetector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the graphs. Using the detector again starts them anew."""
        self._graphs.close()

    def find(self, pixels: np.ndarray, known: Sequence[np.ndarray] = ()) -> list[FaceBox]:
        """All human faces, largest first; an empty list if there are none. Head angles as in `head_angles`.

        known: landmarks (478, >= 2) of faces that were found before; they are neither judged again nor returned.
        """
        pyramid = _Pyramid(pixels)
        for turn in (0.0, np.pi, np.pi / 2, -np.pi / 2):  # nothing upright: perhaps the photo lies on its side
            candidates = self._candidates(pyramid, turn)[: self.config.max_candidates]
            candidates = [each for each in candidates if not any(_shows(each, points) for points in known)]
            judged = [face for each in candidates if (face := self._judged(pixels, pyramid, each)) is not None]
            faces: list[FaceBox] = []
            for face in sorted(judged, key=lambda face: -face.score):
                if all(_iou(face.box, other.box) < self.config.overlap for other in faces):
                    faces.append(face)
            if faces or known:
                return sorted(faces, key=lambda face: -face.size)
        return []

    def choose(self, pixels: np.ndarray, index: int | None = None) -> tuple[FaceBox, list[FaceBox]]:
        """The face to use (the largest, or `index` into the second result) and all faces, largest first.

        Raises NoFaceFound, FaceTooSmall (< 96 pixels), FaceTooTurned (> 45 degrees), PhotoError (no such index).
        """
        faces = self.find(pixels)
        if not faces:
            raise NoFaceFound(
                "No human face was found in this photo. Use a picture in which one person faces the camera, "
                "well lit and unobstructed."
            )
        if index is not None and not 0 <= index < len(faces):
            raise PhotoError(f"There is no face number {index + 1} in this photo; choose 1 to {len(faces)}.")
        face = faces[index or 0]
        other = " or choose another face" if len(faces) > 1 else ""
        if face.size < MIN_FACE:
            raise FaceTooSmall(
                f"The face is only {face.size} pixels large; at least {MIN_FACE} are needed. "
                f"Use a larger original or a closer picture{other}."
            )
        if abs(face.roll) > MAX_TURN:
            raise FaceTooTurned(f"The head is tilted by {abs(face.roll):.0f} degrees. Turn the photo upright{other}.")
        turn = max(abs(face.yaw), abs(face.pitch))
        if turn > MAX_TURN:
            raise FaceTooTurned(
                f"The face looks {turn:.0f} degrees away from the camera; up to {MAX_TURN:.0f} work. "
                f"Use a picture in which the person faces the camera{other}."
            )
        if len(faces) > 1:
            which = "the largest is used" if index is None else f"number {index + 1} is used"
            several = f"{len(faces)} faces: {which}; you can choose another."
            face = replace(face, advice=f"{several} {face.advice}".strip())
        return face, faces

    def landmarks(self, pixels: np.ndarray) -> np.ndarray | None:
        """float32 (478, 3) in pixels (z grows away from the camera) of the one face in a head crop, or None."""
        found = self._graphs.mesh(pixels)
        if found is None:  # the mesh's own face search is the short-range one; the wider search may still see it
            pyramid = _Pyramid(pixels)
            for candidate in self._candidates(pyramid):
                found = self._mesh(pyramid, candidate) if found is None else found
        return found

    def matte(self, pixels: np.ndarray) -> np.ndarray:
        """float32 (H, W) in 0..1: the person in front of the background (MediaPipe selfie segmentation)."""
        height, width = pixels.shape[:2]
        scale = 512 / max(height, width)  # the network sees 256 x 256; more pixels only cost time
        if scale >= 1:
            return np.clip(self._graphs.person(pixels), 0, 1)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = self._graphs.person(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
        return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)

    # -- search

    def _candidates(self, pyramid: _Pyramid, turn: float = 0.0) -> list[Detection]:
        """Detections in photo pixels, without duplicates, largest first; looked for in a photo turned by `turn`."""
        found: list[Detection] = []
        for number, view in enumerate(self._views(pyramid)):
            if turn and number >= 2:
                break  # a photo on its side is worth a hint, not a search of every corner
            image, back = pyramid.cut(*view, turn, self.config.view)
            detections = self._graphs.detect(image, "full")
            if number < 2:  # the whole picture: the short-range detector is better at close-ups
                detections += self._graphs.detect(image, "short")
            found += [_moved(detection, back) for detection in detections]
        kept: list[Detection] = []
        for detection in sorted(found, key=lambda d: -d.score):
            if all(_iou(_corners(detection), _corners(other)) < self.config.overlap for other in kept):
                kept.append(detection)
        return sorted(kept, key=lambda detection: -detection.side)

    def _views(self, pyramid: _Pyramid) -> Iterator[tuple[float, float, float]]:
        """Square views as centre x, centre y, side: the whole with little and with much margin, then tiles."""
        width, height = pyramid.width, pyramid.height
        long = max(width, height)
        yield width / 2, height / 2, long
        yield width / 2, height / 2, long * 1.6
        sides = []
        side = MIN_FACE / self.config.smallest_in_view
        while side < long:
            sides.append(side)
            side *= 3
        for side in reversed(sides):
            rows, columns = _tile_centres(height, side), _tile_centres(width, side)
            yield from ((x, y, side) for y in rows for x in columns)

    # -- judge and measure

    def _judged(self, pixels: np.ndarray, pyramid: _Pyramid, candidate: Detection) -> FaceBox | None:
        points = self._mesh(pyramid, candidate)
        if points is None:
            return None
        score, unrest = self._humanity(pyramid, candidate, points)
        return self._measure(pixels, points, score, unrest) if score >= self.config.human else None

    def _humanity(self, pyramid: _Pyramid, candidate: Detection, points: np.ndarray) -> tuple[float, float]:
        """How surely this is a human face: at most 1, above 0.75 for nearly all; see DetectorConfig for its parts.

        And how much its lips wander from crop to crop, in face widths: where a mask, a hand or a microphone hides
        them, the mesh guesses, and guesses differently each time.
        """
        certainties = []
        for factor in self.config.tightness:
            image, _ = pyramid.cut(*candidate.centre, candidate.side * factor, _roll(candidate), 256)
            sizes = 256 / factor * 0.5, 256 / factor * 1.7  # the same face, not one beside or inside it
            hits = [found.score for found in self._graphs.detect(image, "short") if sizes[0] < found.side < sizes[1]]
            certainties.append(max(hits, default=0.0))
        width = face_width(points)
        looks = [points]
        for nudge in self.config.nudges:
            nudged = self._mesh(pyramid, candidate, nudge)
            if nudged is None:
                return 0.0, 0.0
            looks.append(nudged)
        all_looks = np.stack(looks)[..., :2]  # (looks, 478, 2)
        wobble = np.linalg.norm(all_looks[1:] - all_looks[0], axis=2).mean() / width
        lips = all_looks[:, OUTER_LIPS]
        unrest = np.linalg.norm(lips - lips.mean(0), axis=2).mean() / width
        return float(np.mean(certainties) - self.config.wobble_weight * wobble), float(unrest)

    def _mesh(
        self,
        pyramid: _Pyramid,
        candidate: Detection,
        nudge: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0),
    ) -> np.ndarray | None:
        """Landmarks (478, 3) in photo pixels, from an upright crop around the candidate."""
        zoom, turn, shift_x, shift_y = nudge
        side = candidate.side * self.config.mesh_crop * zoom
        x, y = candidate.centre[0] + shift_x * candidate.side, candidate.centre[1] + shift_y * candidate.side
        image, back = pyramid.cut(x, y, side, _roll(candidate) + turn, self.config.mesh_view)
        points = self._graphs.mesh(image)
        if points is None:
            return None
        flat = points[:, :2] @ back[:, :2].T + back[:, 2]
        depth = points[:, 2:] * (side / self.config.mesh_view)
        return np.concatenate([flat, depth], axis=1).astype(np.float32)

    def _measure(self, pixels: np.ndarray, points: np.ndarray, score: float, unrest: float) -> FaceBox | None:
        height, width = pixels.shape[:2]
        low, high = points[:FACE_POINTS, :2].min(0), points[:FACE_POINTS, :2].max(0)
        left, top = (int(v) for v in np.floor(np.clip(low, 0, [width, height])))
        right, bottom = (int(v) for v in np.ceil(np.clip(high, 0, [width, height])))
        if right - left < 8 or bottom - top < 8:
            return None
        yaw, pitch, roll = head_angles(points)
        covered = unrest > self.config.hidden_mouth
        face = FaceBox((left, top, right, bottom), points, yaw, pitch, roll, score, covered=covered)
        room = min(*low, *([width, height] - high)) / face.size  # negative where the picture cuts the face off
        return replace(face, advice=self._advice(pixels, face, float(room), unrest))

    def _advice(self, pixels: np.ndarray, face: FaceBox, room: float, unrest: float) -> str:
        left, top, right, bottom = face.box
        patch = pixels[top : bottom : max(1, (bottom - top) // 64), left : right : max(1, (right - left) // 64)]
        luma = float((patch @ np.array([0.299, 0.587, 0.114])).mean())
        sentences = []
        if MIN_FACE <= face.size < self.config.small:
            sentences.append(f"The face is small ({face.size} pixels): the video will look soft.")
        turn = max(abs(face.yaw), abs(face.pitch))
        if self.config.turned < turn <= MAX_TURN:
            sentences.append(f"The face is turned {turn:.0f} degrees: a frontal picture looks better.")
        if self.config.turned < abs(face.roll) <= MAX_TURN:
            sentences.append(f"The head is tilted {abs(face.roll):.0f} degrees: an upright picture looks better.")
        if room < self.config.room:
            sentences.append("The face is at the picture's edge: leave some room around the head.")
        if face.covered:
            sentences.append(
                "Something seems to cover the mouth: it will hardly move. An uncovered mouth looks better."
            )
        elif unrest > self.config.doubtful_mouth:
            sentences.append("Something may cover the mouth: an uncovered mouth looks better.")
        if eye_openness(face.landmarks[None]).mean() < self.config.shut_eyes:
            sentences.append("The eyes are closed in this photo and will stay so; open eyes look better.")
        if luma < self.config.dark:
            sentences.append("The face is very dark: a brighter picture looks better.")
        return " ".join(sentences)


class _Pyramid:
    """A picture and its halvings, so that cutting a large region to a small crop does not alias."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.levels = [pixels]
        self.height, self.width = pixels.shape[:2]

    def cut(self, x: float, y: float, side: float, angle: float, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The square around (x, y), turned upright by `angle` radians, as (size, size, 3); and the affine (2, 3) that
        takes its pixels back to the photo's."""
        level = 0
        while side / size >= 2 ** (level + 1) and min(self.levels[level].shape[:2]) > 1:
            level += 1
            if level == len(self.levels):
                above = self.levels[-1]
                half = (max(1, above.shape[1] // 2), max(1, above.shape[0] // 2))
                self.levels.append(cv2.resize(above, half, interpolation=cv2.INTER_AREA))
        step, c, s = side / size, np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s], [s, c]]) * step
        back = np.column_stack([turn, np.array([x, y]) - turn @ [size / 2, size / 2]])
        image = self.levels[level]
        shrink = np.array([image.shape[1] / self.width, image.shape[0] / self.height])
        crop = cv2.warpAffine(
            image,
            back * shrink[:, None],
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(128, 128, 128),
        )
        return crop, back


def _tile_centres(length: int, side: float) -> list[float]:
    """Centres of tiles of `side` that cover 0..length and overlap by at least a quarter."""
    if length <= side:
        return [length / 2]
    count = int(np.ceil((length / side - 1) / 0.75)) + 1
    return [float(centre) for centre in np.linspace(side / 2, length - side / 2, count)]


def _roll(detection: Detection) -> float:
    """How far the eyes are from level, in radians; positive tilts the head to the viewer's right."""
    (x0, y0), (x1, y1) = detection.points[0], detection.points[1]  # the person's right eye is the viewer's left
    return float(np.arctan2(y1 - y0, x1 - x0))


def _moved(detection: Detection, back: np.ndarray) -> Detection:
    """A detection in a view, in photo pixels, as a square."""
    scale = float(np.hypot(back[0, 0], back[1, 0]))
    side = detection.side * scale
    x, y = back[:, :2] @ detection.centre + back[:, 2]
    points = detection.points @ back[:, :2].T + back[:, 2]
    return Detection(detection.score, (x - side / 2, y - side / 2, side, side), points.astype(np.float32))


def _corners(detection: Detection) -> tuple[float, float, float, float]:
    x, y, width, height = detection.box
    return x, y, x + width, y + height


def _shows(candidate: Detection, points: np.ndarray) -> bool:
    """Whether a detection is of the face with these landmarks (478, >= 2): in the middle of it and about as large."""
    low, high = points[:FACE_POINTS, :2].min(0), points[:FACE_POINTS, :2].max(0)
    away = np.abs(np.array(candidate.centre) - (low + high) / 2) / np.maximum(high - low, 1)
    return bool(away.max() < 0.3 and 0.4 < candidate.side / max(float((high - low).max()), 1.0) < 1.6)


def _iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom)."""
    overlap = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / union if union > 0 else 0.0
