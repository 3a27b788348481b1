import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.spatial import Delaunay

from vasa_core.errors import ControlError
from vasa_core.face.geometry import IRIS, LOWER_LID, LOWER_LIP, UPPER_LID, UPPER_LIP, rotation
from vasa_core.face.portrait import MARGIN
from vasa_core.render.eyes import eyes_of
from vasa_core.render.mesh import MAX_SLOPE, build_sheet, limit_slope
from vasa_core.render.renderer import BELOW_LIP, LEAST_LINK, LiveRenderer, frame_count, resample
from vasa_core.render.warp import Warp
from vasa_core.types import FRAME_SIZE, Controls, Motion

STILL = np.zeros(6, np.float32)


@pytest.fixture(scope="module")
def renderer(portrait, space):
    return LiveRenderer(portrait, space)


@pytest.fixture
def code(space):
    """Weighted directions -> facial code (D,)."""
    return lambda **weights: sum((w * space.direction(n) for n, w in weights.items()), np.zeros(space.dim, np.float32))


def frame_of(renderer, dynamics, pose=STILL, controls=None):
    return renderer.draw(np.asarray(pose, np.float32), dynamics.astype(np.float32), controls or Controls(), Warp())


def photo(portrait):
    return portrait.texture[MARGIN:-MARGIN, MARGIN:-MARGIN]


def around(portrait, index, reach):
    x, y = (portrait.landmarks[index, :2].reshape(-1, 2).mean(0) - MARGIN).astype(int)
    return slice(y - reach, y + reach), slice(x - reach, x + reach)


def test_rest_is_the_photo(renderer, portrait, code):
    """Nothing moves: outside the closed smile every pixel is the photo's."""
    error = np.abs(frame_of(renderer, code()).astype(int) - photo(portrait)).mean(2)
    mouth = around(portrait, UPPER_LIP, 80)
    error[mouth] = 0
    assert error.mean() < 1.5


def test_mouth_opens_onto_something_darker_than_lips(renderer, portrait, code):
    closed, opened = frame_of(renderer, code()), frame_of(renderer, code(jaw_open=1.0))
    window = around(portrait, [13, 14], 40)
    assert (opened[window].mean(2) < 60).sum() > (closed[window].mean(2) < 60).sum() + 100


def test_open_mouth_is_seen_by_the_detector(renderer, detector, code):
    def aperture(frame):
        found = detector.landmarks(frame)
        return np.linalg.norm(found[13] - found[14]) / np.linalg.norm(found[10] - found[152])

    closed, opened = aperture(frame_of(renderer, code())), aperture(frame_of(renderer, code(jaw_open=1.0)))
    assert closed < 0.035 and opened > closed + 0.05


def test_blink_covers_the_eye_with_skin(renderer, portrait, code):
    window = around(portrait, IRIS["left"][0], 6)
    opened = frame_of(renderer, code())[window].astype(float)
    shut = frame_of(renderer, code(blink_left=1, blink_right=1))[window].astype(float)
    assert shut.mean() > opened.mean() + 15  # skin is brighter than her iris
    assert shut.std() < opened.std()


@pytest.mark.parametrize("degrees", [-20, 20])
def test_gaze_moves_the_iris_that_way(renderer, detector, code, degrees):
    rest = detector.landmarks(frame_of(renderer, code()))
    turned = detector.landmarks(frame_of(renderer, code(gaze_yaw=degrees)))
    for side in ("left", "right"):
        moved = (turned - rest)[IRIS[side][0], 0] - (turned - rest)[[33, 133, 362, 263], 0].mean()
        assert np.sign(moved) == np.sign(degrees) and abs(moved) > 1


@pytest.mark.parametrize(("axis", "angle"), [(0, 0.3), (0, -0.3), (1, 0.25), (1, -0.25), (2, 0.4), (2, -0.4)])
def test_head_turns_as_asked_and_the_backdrop_stays(renderer, portrait, detector, code, axis, angle):
    pose = STILL.copy()
    pose[axis] = angle
    frame = frame_of(renderer, code(), pose)
    face, _ = detector.choose(frame)
    start, _ = detector.choose(frame_of(renderer, code()))
    change = np.radians([face.yaw - start.yaw, face.pitch - start.pitch, face.roll - start.roll])
    assert np.sign(change[axis]) == np.sign(angle)
    assert 0.4 < abs(change[axis] / angle) < 1.4  # a sheet is flatter than a head
    background = portrait.person[MARGIN:-MARGIN, MARGIN:-MARGIN, 3] == 0
    background &= cv2.erode(background.astype(np.uint8), np.ones((121, 121))) > 0
    assert np.abs(frame.astype(int) - photo(portrait))[background].mean() < 2


def test_far_backdrop_is_the_same_to_the_last_bit(renderer, portrait, code):
    person = portrait.person[MARGIN:-MARGIN, MARGIN:-MARGIN, 3] > 5
    far = cv2.dilate(person.astype(np.uint8), np.ones((49, 49))) == 0
    assert far.mean() > 0.05
    turned = STILL + np.array([0.15, -0.1, 0.1, 0.03, 0.02, 0.02], np.float32)
    assert np.array_equal(frame_of(renderer, code())[far], frame_of(renderer, code(jaw_open=1.0), turned)[far])


def test_no_fold_within_twenty_degrees(portrait):
    """No triangle of the head turns over, so nothing tears or doubles."""
    sheet = build_sheet(portrait)

    def areas(points):
        a, b, c = (points[sheet.triangles[:, i], :2] for i in range(3))
        (ux, uy), (vx, vy) = (b - a).T, (c - a).T
        return ux * vy - uy * vx

    rest = areas(sheet.place(np.zeros((468, 3)), np.eye(3), 1.0, np.zeros(2)))
    sizeable = np.abs(rest) > 2  # slivers between nearly equal points have no sign worth testing
    for yaw, pitch in [(0.35, 0), (-0.35, 0), (0, 0.35), (0, -0.35)]:
        turned = areas(sheet.place(np.zeros((468, 3)), rotation(yaw, pitch, 0), 1.0, np.zeros(2)))
        assert (np.sign(turned) == np.sign(rest))[sizeable].mean() > 0.99


def test_limit_slope_bounds_every_edge():
    rng = np.random.default_rng(0)
    points = np.stack(np.meshgrid(np.arange(8.0), np.arange(8.0)), -1).reshape(-1, 2)
    triangles = Delaunay(points).simplices
    depth = limit_slope(points, rng.normal(0, 10, 64), triangles)
    edges = np.vstack([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    slope = np.abs(depth[edges[:, 0]] - depth[edges[:, 1]]) / np.linalg.norm(
        points[edges[:, 0]] - points[edges[:, 1]], axis=1
    )
    assert slope.max() < MAX_SLOPE * 1.1


def test_lips_do_not_pass_through_each_other(renderer, space):
    expression = space.decode(-2 * space.direction("jaw_open")[None])[0].astype(float) * 200
    renderer._keep_apart(expression)
    face = renderer._portrait.neutral + expression[:468]
    gap = (face[LOWER_LIP] - face[UPPER_LIP]) @ renderer._down
    assert gap[1:-1].min() > -1e-3


@pytest.mark.parametrize("fps", [25, 30, 40, 60])
def test_rates_and_counts(renderer, space, fps):
    motion = Motion(np.zeros((10, 6), np.float32), np.zeros((10, space.dim), np.float32))
    frames = list(renderer.render(motion, fps))
    assert len(frames) == frame_count(motion, fps) == round(0.4 * fps)
    assert frames[0].shape == (FRAME_SIZE, FRAME_SIZE, 3) and frames[0].dtype == np.uint8


def test_interpolation_keeps_closures():
    """Halving the interval of a motion that touches zero never goes below it."""
    pose = np.zeros((6, 6), np.float32)
    dynamics = np.array([[1], [0.5], [0], [0], [1], [0.2]], np.float32)
    fine = resample(Motion(pose, dynamics), 60)
    assert fine.dynamics.min() >= 0 and fine.dynamics.max() <= 1
    same = resample(Motion(pose, dynamics), 25)
    assert np.allclose(same.dynamics, dynamics, atol=1e-6)


@pytest.mark.parametrize("fps", [0, 61, float("nan")])
def test_bad_rate_is_named(renderer, space, fps):
    motion = Motion(np.zeros((5, 6), np.float32), np.zeros((5, space.dim), np.float32))
    with pytest.raises(ControlError, match="frame rate"):
        next(renderer.render(motion, fps))


def test_controls_move_the_camera(renderer, code, detector):
    def size_and_place(frame):
        found = detector.landmarks(frame)
        return np.linalg.norm(found[10] - found[152]), found[1, 0]

    rest, place = size_and_place(frame_of(renderer, code()))
    near, _ = size_and_place(frame_of(renderer, code(), controls=Controls(distance=0.2)))
    far, _ = size_and_place(frame_of(renderer, code(), controls=Controls(distance=-0.3)))
    assert near / rest == pytest.approx(np.exp(0.2), abs=0.04) and far / rest == pytest.approx(np.exp(-0.3), abs=0.04)
    _, right = size_and_place(frame_of(renderer, code(), controls=Controls(position=(0.2, 0))))
    assert right - place == pytest.approx(0.2 * renderer._portrait.face_width, abs=6)


def test_stopping_half_way_leaves_no_thread(renderer, space):
    motion = Motion(np.zeros((100, 6), np.float32), np.zeros((100, space.dim), np.float32))
    frames = renderer.render(motion, 25)
    next(frames)
    frames.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("render")]


def test_two_threads_draw_the_same_frames(renderer, code):
    """One renderer serves two visitors at once without mixing them up."""
    wanted = [frame_of(renderer, code(jaw_open=k / 4)) for k in range(4)]
    got: dict[int, list[np.ndarray]] = {}

    def visit(name):
        got[name] = [frame_of(renderer, code(jaw_open=k / 4)) for k in range(4)]

    threads = [threading.Thread(target=visit, args=(i,)) for i in range(2)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all(np.array_equal(a, b) for frames in got.values() for a, b in zip(frames, wanted, strict=True))


def test_drawn_eyes_shut_without_slivers_of_white(drawn, space, code):
    renderer = LiveRenderer(drawn, space)
    assert all(eye.large for eye in eyes_of(drawn))

    def grey_share(**blink: float) -> float:
        """Share of what lies between brows and cheeks that is as bright as skin but has no tint of it."""
        frame = frame_of(renderer, code(**blink)).astype(float)
        eyes = np.concatenate([lid[side] for lid in (UPPER_LID, LOWER_LID) for side in ("left", "right")])
        eyes = drawn.landmarks[eyes, :2] - MARGIN
        low, high = eyes.min(0) - 8, eyes.max(0) + 8
        part = frame[int(low[1]) : int(high[1]), int(low[0]) : int(high[0])]
        return float(((part[..., 0] - part[..., 2] < 20) & (part.mean(-1) > 110)).mean())

    assert grey_share() > 0.05
    assert grey_share(blink_left=1, blink_right=1) < 0.002


def test_eyes_in_photographs_end_at_their_landmarks(portrait):
    assert not any(eye.large for eye in eyes_of(portrait))


def test_shut_lids_have_nothing_of_a_blue_iris_that_spills_over_its_rim(portrait):
    blue = portrait.person.copy()
    for side in ("left", "right"):
        x, y = np.round(portrait.landmarks[IRIS[side][0], :2]).astype(int)
        cv2.circle(blue, (x, y), 9, (20, 60, 220, 255), -1)  # wider than the eye is open
    spilt = replace(portrait, person=blue, texture=np.ascontiguousarray(blue[..., :3]))
    for eye, plain in zip(eyes_of(spilt), eyes_of(portrait), strict=True):
        assert plain.lids(portrait.person, portrait.landmarks[:, :2]) is None
        if eye.large:
            continue
        lids = eye.lids(spilt.person, portrait.landmarks[:, :2])
        assert lids is not None
        left, right = (int(eye.centre[0] + k * eye.span) for k in (-0.7, 0.7))
        before, after = (
            (x[:, left:right, 2].astype(int) - x[:, left:right, 0] > 60).sum()
            for x in (eye.shut(blue, portrait.landmarks[:, :2]), lids)
        )
        assert before > 20 and after < 0.2 * before


@pytest.mark.parametrize("jaw", [0.5, 1.0, 1.5])
def test_lips_opened_wide_do_not_pass_the_chin(renderer, portrait, space, jaw):
    expression = space.decode(jaw * space.direction("jaw_open")[None])[0] @ portrait.attitude.T * portrait.face_width
    moved = expression.astype(np.float64)
    renderer._keep_apart(moved)
    height = portrait.neutral @ renderer._down
    placed = height + moved[:468] @ renderer._down
    for above, below in zip(BELOW_LIP.T[:-1], BELOW_LIP.T[1:], strict=True):
        assert (placed[below] - placed[above] >= 0.99 * LEAST_LINK * (height[below] - height[above])).all()
