"""Following faces: entries, exits, cuts, several people, and what is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from detection import light
from detection.crops import CROP, GREY, MAP, canonical, crop
from detection.evidence import CROPS, gather
from detection.faces import FollowConfig, Trace, Tracker
from detection.motion import FEATURES, head_frame
from detection.skin import CHANNELS, skin_maps
from detection.training.pseudo import blend, distort
from detection.video import Picture
from tests.detection.conftest import sway
from vasa_core.face.detector import FaceDetector
from vasa_core.types import FaceBox

CONFIG = FollowConfig(search_every=0.6, retry_after=0.2)


def follow(detector: FaceDetector, frames: list[np.ndarray]) -> tuple[list[Trace], list[float]]:
    with Tracker(detector, CONFIG) as tracker:
        return tracker.follow(Picture(i / 25, f) for i, f in enumerate(frames)), tracker.cuts


@pytest.fixture(scope="module")
def trace(detector: FaceDetector, astronaut: np.ndarray) -> Trace:
    traces, cuts = follow(detector, [sway(astronaut, i) for i in range(60)])
    assert len(traces) == 1 and not cuts
    return traces[0]


def test_one_face_is_one_trace(trace: Trace) -> None:
    assert len(trace.times) == 60 and trace.seconds == pytest.approx(59 / 25)
    assert np.array(trace.points).shape == (60, 478, 3)
    assert np.array(trace.flat).shape == (60, MAP, MAP)
    assert 60 < np.median(trace.width) < 160
    assert np.allclose(np.diff(trace.crop_times), 0.32, atol=0.03)  # every eighth picture


def test_a_cut_ends_one_face_and_begins_another(
    detector: FaceDetector, astronaut: np.ndarray, hopper: np.ndarray
) -> None:
    frames = [sway(astronaut, i) for i in range(15)] + [sway(hopper, i) for i in range(15)]
    traces, cuts = follow(detector, frames)
    assert cuts == [pytest.approx(0.6)]
    assert [(round(t.times[0] * 25), round(t.times[-1] * 25)) for t in traces] == [(0, 14), (15, 29)]


def test_two_people_are_followed_and_one_may_leave(
    detector: FaceDetector, astronaut: np.ndarray, hopper: np.ndarray
) -> None:
    wall = np.full((256, 256, 3), 120, np.uint8)
    frames = [np.hstack([sway(astronaut, i), sway(hopper, i) if 4 <= i < 24 else wall]) for i in range(40)]
    traces, _ = follow(detector, frames)
    lengths = sorted(len(t.times) for t in traces)
    assert lengths[-1] == 40  # who stays
    assert len(traces) >= 2 and 5 <= lengths[-2] <= 30  # who came and went, found at one of the searches


def test_nobody_is_searched_for_while_nothing_changes_around_the_face(
    astronaut: np.ndarray, hopper: np.ndarray
) -> None:
    class Counting(FaceDetector):
        searches = 0

        def find(self, pixels: np.ndarray, known: Sequence[np.ndarray] = ()) -> list[FaceBox]:
            self.searches += 1
            return super().find(pixels, known)

    wall = np.full((256, 768, 3), 120, np.uint8)
    alone, joined = wall.copy(), wall.copy()
    joined[:, 512:] = sway(hopper, 0)
    frames = []
    for i in range(40):
        frame = (joined if i >= 25 else alone).copy()
        frame[:, 128:384] = sway(astronaut, i)
        frames.append(frame)
    with Counting() as detector:
        assert len(follow(detector, frames[:25])[0]) == 1 and detector.searches == 1
        assert len(follow(detector, frames)[0]) == 2  # who comes is found all the same


def test_no_face_gives_no_trace(detector: FaceDetector) -> None:
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 255, (128, 128, 3), np.uint8) for _ in range(6)]
    assert follow(detector, noise)[0] == []


def test_the_crop_shows_the_face_and_nothing_else(detector: FaceDetector, astronaut: np.ndarray) -> None:
    points = detector.find(astronaut)[0].landmarks
    image, back = crop(astronaut, points)
    assert image.shape == (CROP, CROP, 3)
    for corner in (image[:6, :6], image[:6, -6:], image[-6:, :6], image[-6:, -6:]):
        assert (corner == GREY).all()  # no badge, no background
    changed = astronaut.copy()
    changed[:20] = (255, 0, 0)
    changed[-30:, -90:] = (0, 255, 0)
    assert np.array_equal(crop(changed, points)[0], image)
    nose = np.linalg.solve(back[:, :2], points[1, :2] - back[:, 2])
    assert np.abs(nose - CROP / 2).max() < 0.2 * CROP


def test_skin_laid_flat_stays_in_place_while_the_head_moves(trace: Trace) -> None:
    flat = np.array(trace.flat, np.float32)
    inside = canonical().inside
    still = np.corrcoef(flat[0][inside], flat[30][inside])[0, 1]
    shifted = np.corrcoef(flat[0][inside], np.roll(flat[30], 6, 1)[inside])[0, 1]
    assert still > 0.95 > shifted + 0.03


def test_skin_maps_tell_change_from_stillness(trace: Trace) -> None:
    still = np.repeat(np.array(trace.flat[:1]), 20, 0)
    rng = np.random.default_rng(0)
    restless = np.clip(still + rng.normal(0, 12, still.shape), 0, 255).astype(np.uint8)
    a, b = skin_maps(still), skin_maps(restless)
    inside = canonical().inside
    flicker, shading = CHANNELS.index("flicker"), CHANNELS.index("shading")
    assert (a[:, ~inside] == 0).all()
    assert np.median(b[flicker][inside]) > np.median(a[flicker][inside]) + 1
    assert np.median(a[shading][inside]) < np.median(b[shading][inside])


def test_windows_hold_what_the_branches_look_at(trace: Trace) -> None:
    windows, lips = gather(trace)
    assert len(windows) == 1 and lips is not None
    window = windows[0]
    assert window.end - window.start == pytest.approx(2.0)
    assert window.crops.shape == (CROPS, CROP, CROP, 3)
    assert window.motion.shape == (FEATURES,) and np.isfinite(window.motion).all()
    assert window.light.shape == (light.FEATURES,) and np.isfinite(window.light).all()
    assert len(gather(trace, hop=0.1)[0]) > 3


def test_short_traces_have_no_window(trace: Trace) -> None:
    short = Trace(0, trace.times[:20], trace.points[:20], trace.flat[:20], trace.crops[:3], trace.crop_times[:3])
    assert gather(short) == ([], None)


def test_movement_does_not_depend_on_size_or_place(trace: Trace) -> None:
    times, points = np.array(trace.times), np.array(trace.points)
    _, a, _ = head_frame(times, points)
    _, b, _ = head_frame(times, points * 2.5 + np.array([40, -10, 0]))
    assert np.abs(a - b).max() < 2e-2 * max(1.0, float(np.abs(a).max()))


def test_pseudo_fakes_change_the_face_and_not_the_rest(trace: Trace, astronaut: np.ndarray) -> None:
    frames = [sway(astronaut, i) for i in range(6)]
    points = np.array(trace.points[:6])
    blended = blend(frames, points, np.random.default_rng(3))
    assert np.abs(blended[0][:10].astype(int) - frames[0][:10]).max() <= 1
    assert any(np.abs(b.astype(int) - f).max() > 4 for b, f in zip(blended, frames, strict=True))
    moved = distort(np.array(trace.points), np.random.default_rng(0))
    assert moved.shape == (60, 478, 3) and np.isfinite(moved).all() and not np.allclose(moved, np.array(trace.points))
