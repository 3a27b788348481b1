"""Following every face through a video: who is there from when to when, across entries, exits and cuts.

The same code runs on suspect files and on the training set. Faces are searched for at the start, after every cut and
every two seconds with the detector of the generation core, which tells humans from animals and things; in between
MediaPipe Face Mesh follows each of them in a square that moves along. While nothing changes outside the faces, nobody
can have come, and the next search waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from detection.crops import around, crop, unwrap
from detection.video import Picture
from vasa_core.face.angles import head_angles
from vasa_core.face.detector import FaceDetector
from vasa_core.face.geometry import FACE_POINTS
from vasa_core.face.graphs import quiet_start


@dataclass(frozen=True)
class FollowConfig:
    search_every: float = 2.0  # seconds between searches of the whole picture
    search_latest: float = 6.0  # the same while nothing changes outside the faces
    news: float = 6.0  # change of a thumbnail's cell, 0..255, that a person might be
    retry_after: float = 0.4  # seconds, while there is no face at all
    most_faces: int = 4  # followed at once, the largest
    least_width: float = 36.0  # pixels of face width below which a face is not followed
    region: float = 2.2  # side of the square that is looked at, in face sizes
    region_pixels: int = 320  # and the most pixels it is looked at with
    drift: float = 0.15  # of the region's side that the face may wander before the square follows
    patience: float = 0.5  # seconds a face may be hidden before its track ends
    jump: float = 0.7  # face widths between two pictures that end a track: somebody else
    same: float = 0.3  # intersection over union from which a found face is the one followed
    cut: float = 34.0  # mean difference of two thumbnails, 0..255, that is a change of scene
    crop_every: float = 0.3  # seconds between crops for the pixel branch


@dataclass
class Trace:
    """One face followed without a break.

    times: (N,) seconds.  points: (N, 478, 3) pixels of the pictures.  flat: (N, MAP, MAP) uint8, skin laid flat.
    crops: (C, CROP, CROP, 3) uint8 at `crop_times`.  backs: (C, 2, 3) affines from crops to pictures.
    angles: (C, 3) yaw, pitch, roll in degrees at the crops.  width: face width in pixels of the file, per picture.
    """

    number: int
    times: list[float] = field(default_factory=list)
    points: list[np.ndarray] = field(default_factory=list)
    flat: list[np.ndarray] = field(default_factory=list)
    crops: list[np.ndarray] = field(default_factory=list)
    crop_times: list[float] = field(default_factory=list)
    backs: list[np.ndarray] = field(default_factory=list)
    angles: list[tuple[float, float, float]] = field(default_factory=list)
    width: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.times[-1] - self.times[0] if len(self.times) > 1 else 0.0


@dataclass
class _Follower:
    trace: Trace
    mesh: Any
    region: tuple[float, float, float]  # centre x, y and side
    last: np.ndarray
    seen: float


class Tracker:
    """Follows faces through one stretch of pictures after another. Use it from one thread; a context manager."""

    def __init__(self, detector: FaceDetector, config: FollowConfig = FollowConfig()) -> None:
        self.config = config
        self._detector = detector
        self._meshes: list[Any] = []
        self._count = 0
        self.cuts: list[float] = []

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for mesh in self._meshes:
            mesh.close()
        self._meshes.clear()

    def follow(self, pictures: Iterable[Picture], known: np.ndarray | None = None) -> list[Trace]:
        """Traces of all faces in the pictures, in order of appearance.

        known: (478, 3) landmarks of the one face in the first picture; then nobody else is searched for.
        """
        config = self.config
        live: list[_Follower] = []
        done: list[Trace] = []
        before = seen = None  # thumbnails of the picture before and of the one last searched
        searched = -1e9
        for picture in pictures:
            small = _thumbnail(picture.pixels)
            if before is not None and float(np.abs(small - before).mean()) > config.cut:
                self.cuts.append(picture.time)
                done += [self._end(f) for f in live]
                live, searched = [], -1e9
            before = small
            kept = []
            for follower in live:
                if self._step(follower, picture):
                    kept.append(follower)
                else:
                    done.append(self._end(follower))
            live = _distinct(kept)
            done += [self._end(f) for f in kept if f not in live]
            wait = config.search_every if live else config.retry_after
            if known is not None:
                if not live and not done:
                    live = [f for f in [self._begin(known, picture)] if f is not None]
            elif picture.time - searched >= wait and len(live) < config.most_faces:
                if (
                    live
                    and seen is not None
                    and picture.time - searched < config.search_latest
                    and _change(small, seen, [f.last for f in live], picture.pixels.shape) < config.news
                ):
                    continue
                searched, seen = picture.time, small
                live += self._newcomers(picture, live)
        done += [self._end(f) for f in live]
        return sorted((t for t in done if t.times), key=lambda t: t.number)

    # -- one face

    def _newcomers(self, picture: Picture, live: list[_Follower]) -> list[_Follower]:
        found: list[_Follower] = []
        for face in self._detector.find(picture.pixels, [other.last for other in live]):
            if len(live) + len(found) >= self.config.most_faces:
                break
            points = face.landmarks.astype(np.float64)
            known = any(_overlap(points, other.last) >= self.config.same for other in [*live, *found])
            if known or np.ptp(points[:FACE_POINTS, 0]) < self.config.least_width:
                continue
            follower = self._begin(points, picture)
            if follower is not None:
                found.append(follower)
        return found

    def _begin(self, points: np.ndarray, picture: Picture) -> _Follower | None:
        """A new follower of the face at `points` (478, 3), None when the mesh does not see it there."""
        follower = _Follower(Trace(self._count), self._mesh(), self._square(points), points, picture.time)
        self._count += 1
        if self._step(follower, picture) and follower.trace.times:
            return follower
        self._end(follower)
        return None

    def _step(self, follower: _Follower, picture: Picture) -> bool:
        """Look for the face in the next picture; False when the track has ended."""
        points = _mesh_points(follower.mesh, picture.pixels, follower.region, self.config.region_pixels)
        if points is None:
            return picture.time - follower.seen <= self.config.patience
        width = max(float(np.ptp(points[:FACE_POINTS, 0])), 1.0)
        moved = float(np.linalg.norm(_centre(points) - _centre(follower.last)))
        if follower.trace.times and moved > self.config.jump * width:
            return False
        if width < self.config.least_width:
            return False
        x, y, side = follower.region
        size = float(np.ptp(points[:FACE_POINTS, :2], axis=0).max())
        if np.abs(_centre(points) - (x, y)).max() > self.config.drift * side or not 0.8 < size * 2.2 / side < 1.25:
            follower.region = self._square(points)
        follower.last, follower.seen = points, picture.time
        trace = follower.trace
        trace.times.append(picture.time)
        trace.points.append(points.astype(np.float32))
        trace.width.append(float(np.linalg.norm(points[454, :2] - points[234, :2])) / picture.shrink)
        near, local = around(picture.pixels, points)
        trace.flat.append(unwrap(cv2.cvtColor(near, cv2.COLOR_RGB2GRAY), local))
        if not trace.crop_times or picture.time - trace.crop_times[-1] >= self.config.crop_every - 1e-3:
            image, back = crop(picture.pixels, points)
            trace.crops.append(image)
            trace.backs.append(back / picture.shrink)
            trace.crop_times.append(picture.time)
            trace.angles.append(head_angles(points))
        return True

    def _square(self, points: np.ndarray) -> tuple[float, float, float]:
        x, y = _centre(points)
        return float(x), float(y), float(np.ptp(points[:FACE_POINTS, :2], axis=0).max()) * self.config.region

    def _mesh(self) -> Any:
        if self._meshes:
            return self._meshes.pop()
        from mediapipe.python.solutions.face_mesh import FaceMesh

        with quiet_start():
            mesh = FaceMesh(refine_landmarks=True, max_num_faces=1)
            mesh.process(np.zeros((96, 96, 3), np.uint8))  # the first run still starts threads that print
        return mesh

    def _end(self, follower: _Follower) -> Trace:
        # What the mesh remembers is where the face was in its square, and there the next one will be too.
        if len(self._meshes) < self.config.most_faces:
            self._meshes.append(follower.mesh)
        else:
            follower.mesh.close()
        return follower.trace


def _mesh_points(mesh: Any, pixels: np.ndarray, region: tuple[float, float, float], most: int) -> np.ndarray | None:
    """Landmarks (478, 3) in pixels of the picture, of the face in the square region."""
    x, y, side = region
    size = int(min(most, max(96, side)))
    step = side / size
    back = np.array([[step, 0, x - side / 2], [0, step, y - side / 2]])
    flags = (cv2.INTER_AREA if step > 1.5 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(pixels, back, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    found = mesh.process(cut).multi_face_landmarks
    if not found:
        return None
    points = np.array([[p.x, p.y, p.z] for p in found[0].landmark]) * size  # (478, 3)
    return np.column_stack([points[:, :2] * step + back[:, 2], points[:, 2] * step])


def _thumbnail(pixels: np.ndarray) -> np.ndarray:
    """float32 (18, 32, 3), from a few of the pixels: enough to see a cut or a newcomer."""
    every = max(1, min(pixels.shape[:2]) // 90)
    sparse = np.ascontiguousarray(pixels[::every, ::every])
    return np.asarray(cv2.resize(sparse, (32, 18), interpolation=cv2.INTER_AREA), np.float32)


def _change(now: np.ndarray, then: np.ndarray, faces: list[np.ndarray], shape: tuple[int, ...]) -> float:
    """The largest change of a thumbnail's cell that belongs to nobody who is followed.

    faces: landmarks in pixels of a picture of `shape`.
    """
    change = np.abs(now - then).mean(2)  # (18, 32)
    rows, columns = change.shape
    cell = np.array([shape[1] / columns, shape[0] / rows])
    for points in faces:
        low, high = points[:FACE_POINTS, :2].min(0), points[:FACE_POINTS, :2].max(0)
        size = (high - low).max()
        for above, beside in ((0.5, 0.5), (-0.8, 1.2)):  # the head, and from the chin on the shoulders; face sizes
            left, top = np.maximum((low - [beside * size, above * size]) // cell, 0).astype(int)
            right = max(0, int((high[0] + beside * size) // cell[0]) + 1)
            change[top:, left:right] = 0
    return float(change.max())


def _centre(points: np.ndarray) -> np.ndarray:
    flat = points[:FACE_POINTS, :2]
    return (flat.min(0) + flat.max(0)) / 2


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of the boxes around two faces."""
    (al, at), (ar, ab) = a[:FACE_POINTS, :2].min(0), a[:FACE_POINTS, :2].max(0)
    (bl, bt), (br, bb) = b[:FACE_POINTS, :2].min(0), b[:FACE_POINTS, :2].max(0)
    shared = max(0.0, min(ar, br) - max(al, bl)) * max(0.0, min(ab, bb) - max(at, bt))
    union = (ar - al) * (ab - at) + (br - bl) * (bb - bt) - shared
    return float(shared / union) if union > 0 else 0.0


def _distinct(followers: list[_Follower]) -> list[_Follower]:
    """Two tracks that have run into one face become one: the older goes on."""
    kept: list[_Follower] = []
    for follower in followers:
        if all(_overlap(follower.last, other.last) < 0.5 for other in kept):
            kept.append(follower)
    return kept
