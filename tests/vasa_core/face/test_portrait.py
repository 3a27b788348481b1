import cv2
import numpy as np
import pytest

from vasa_core.face.beyond import body_goes_on, drawn_out
from vasa_core.face.fill import push_pull
from vasa_core.face.geometry import LOWER_LIP, UPPER_LIP, face_height, procrustes, rotation
from vasa_core.face.portrait import CANVAS, MARGIN, _without_border, close_lips, prepare_portrait
from vasa_core.types import FRAME_SIZE, Photo


def test_shapes_and_scale(portrait):
    assert portrait.texture.shape == portrait.plate.shape == (CANVAS, CANVAS, 3)
    assert portrait.person.shape == (CANVAS, CANVAS, 4)
    assert portrait.landmarks.shape == (478, 3) and portrait.neutral.shape == (468, 3)
    assert 0.35 * FRAME_SIZE < portrait.face_height < 0.7 * FRAME_SIZE
    inside = portrait.landmarks[:, :2]
    assert (inside > MARGIN).all() and (inside < MARGIN + FRAME_SIZE).all()


def test_person_over_plate_is_the_photo(portrait):
    alpha = portrait.person[..., 3:].astype(np.float32) / 255
    rebuilt = portrait.person[..., :3] + (1 - alpha) * portrait.plate
    error = np.abs(rebuilt - portrait.texture)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    assert error.mean() < 1.0


def test_plate_does_not_know_the_person(portrait):
    """Where the face was, the background plate shows something else."""
    x, y = portrait.landmarks[1, :2].astype(int)
    patch = (slice(y - 20, y + 20), slice(x - 20, x + 20))
    assert np.abs(portrait.plate[patch].astype(int) - portrait.texture[patch]).mean() > 10
    assert portrait.person[..., 3][patch].min() == 255


def test_transform_leads_back_into_the_photo(portrait, astronaut):
    centre = np.append(portrait.landmarks[1, :2], 1.0)
    x, y = portrait.to_photo @ centre
    colour = astronaut.pixels[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].mean((0, 1))
    cx, cy = portrait.landmarks[1, :2].round().astype(int)
    assert np.abs(colour - portrait.texture[cy - 4 : cy + 5, cx - 4 : cx + 5].mean((0, 1))).max() < 8


def test_a_smile_is_closed(portrait):
    """The astronaut shows her teeth; at rest her lips must meet, and the skull must not move."""
    before = np.linalg.norm(portrait.landmarks[UPPER_LIP[5]] - portrait.landmarks[LOWER_LIP[5]])
    after = np.abs(portrait.neutral[UPPER_LIP[1:-1], 1] - portrait.neutral[LOWER_LIP[1:-1], 1])
    assert before > 4 and after.max() < 1.0
    forehead = [10, 151, 9, 33, 263, 168]
    assert np.abs(portrait.neutral[forehead] - portrait.landmarks[forehead]).max() < 0.2


def test_closed_lips_stay_where_they_are(portrait):
    closed = np.vstack([portrait.neutral, portrait.landmarks[468:]])
    assert np.abs(close_lips(closed) - portrait.neutral).max() < 0.02 * face_height(closed)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_any_size_of_photo(astronaut, detector, scale):
    pixels = cv2.resize(astronaut.pixels[0:260, 100:360], None, fx=scale * 2, fy=scale * 2)
    face, _ = detector.choose(pixels)
    made = prepare_portrait(Photo(pixels, b"", "image/png"), face, detector)
    assert 0.3 * FRAME_SIZE < made.face_height < 0.8 * FRAME_SIZE


def test_push_pull_keeps_what_is_known():
    image = np.zeros((33, 47, 3), np.float32)
    image[:, :20] = [200, 100, 50]
    known = np.zeros((33, 47), np.float32)
    known[:, :20] = 1
    filled = push_pull(image, known)
    assert np.allclose(filled[:, :20], image[:, :20])
    assert np.allclose(filled, [200, 100, 50], atol=1)


def test_push_pull_without_anything_known_does_not_divide_by_zero():
    assert np.isfinite(push_pull(np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.float32))).all()


def test_procrustes_recovers_a_similarity():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(30, 3))
    turn = rotation(0.3, -0.2, 0.1)
    scale, found, shift = procrustes(points, 1.7 * points @ turn.T + [1, 2, 3])
    assert scale == pytest.approx(1.7) and np.allclose(found, turn) and np.allclose(shift, [1, 2, 3])


def test_signs_of_rotation():
    """Positive yaw turns the nose to the viewer's right, pitch lowers it, roll tips the head to the right."""
    nose, crown = np.array([0, 0, -1.0]), np.array([0, -1.0, 0])
    assert (rotation(0.2, 0, 0) @ nose)[0] > 0
    assert (rotation(0, 0.2, 0) @ nose)[1] > 0
    assert (rotation(0, 0, 0.2) @ crown)[0] > 0


def test_a_printed_border_is_left_out(astronaut, detector):
    framed = np.full((532, 536, 3), 250, np.uint8)
    framed[10:-10, 12:-12] = astronaut.pixels
    face, _ = detector.choose(framed)
    made = prepare_portrait(Photo(framed, b"", "image/png"), face, detector)
    bare, _ = detector.choose(astronaut.pixels)
    same = prepare_portrait(astronaut, bare, detector)
    shift = made.to_photo[:, 2] - same.to_photo[:, 2]
    assert np.abs(shift - [12, 10]).max() < 6  # the same frame of the same picture, found again inside the border
    assert _without_border(astronaut.pixels) == (0, 0, 512, 512)
    assert np.abs(np.array(_without_border(framed)) - [12, 10, 524, 522]).max() <= 1


@pytest.mark.parametrize("value", [0, 255])
def test_a_plain_backdrop_is_not_a_border(value):
    assert _without_border(np.full((300, 200, 3), value, np.uint8)) == (0, 0, 200, 300)


def test_beyond_the_photo_its_edge_goes_on_softly_with_its_grain():
    rng = np.random.default_rng(0)
    texture = np.clip(rng.normal(120, 8, (CANVAS, CANVAS, 3)), 0, 255).astype(np.uint8)
    inside = np.zeros((CANVAS, CANVAS), np.float32)
    inside[MARGIN:-MARGIN, MARGIN:-MARGIN] = 1
    texture[MARGIN + 12 : MARGIN + 60, 300:460] = 20  # hair close to the photo's edge, and its mirror image
    texture[MARGIN - 60 : MARGIN - 12, 300:460] = 20
    extended = drawn_out(texture, inside)
    assert np.array_equal(extended[inside > 0], texture[inside > 0])
    assert extended[MARGIN - 60 : MARGIN - 12, 300:460].mean() > 110
    beyond, known = (extended[rows, 300:460].mean(2).std() for rows in (slice(20, 80), slice(400, 460)))
    assert 0.5 * known < beyond < 1.5 * known + 3


def test_a_body_goes_on_beyond_the_photo_and_a_head_that_it_cuts_off_is_rounded():
    inside = np.zeros((CANVAS, CANVAS), np.float32)
    inside[MARGIN:-MARGIN, MARGIN:-MARGIN] = 1
    matte = np.zeros((CANVAS, CANVAS), np.float32)
    matte[MARGIN:-MARGIN, 300:460] = 1  # from the top edge of the photo to the bottom
    matte[500:-MARGIN, MARGIN:-MARGIN] = 1  # and shoulders from side to side
    texture = np.where(matte[..., None] > 0, [200, 40, 40], [40, 40, 200]).astype(np.uint8)
    landmarks = np.zeros((478, 3))
    landmarks[10], landmarks[152] = [380, MARGIN + 40, 0], [380, MARGIN + 300, 0]
    out, new = body_goes_on(texture, inside, matte, landmarks)
    assert np.array_equal(new[inside > 0], matte[inside > 0]) and np.array_equal(out[inside > 0], texture[inside > 0])
    red = out[..., 0].astype(int) - out[..., 2] > 0
    assert red[CANVAS - 20, 300:460].all() and (new[CANVAS - 20, 300:460] > 0.9).all()
    assert red[MARGIN - 20, 380] and not red[MARGIN - 20, 300] and not red[20, 300:460].any()
    assert red[600, CANVAS - 20] and not red[510, CANVAS - 20]  # shoulders fall


@pytest.mark.parametrize("value", [0, 255])
def test_a_dark_or_bright_line_along_an_edge_is_left_out(value):
    picture = np.clip(np.random.default_rng(0).normal(120, 6, (300, 200, 3)), 0, 255).astype(np.uint8)
    assert _without_border(picture) == (0, 0, 200, 300)
    picture[0] = value
    picture[:, -2:] = value
    assert _without_border(picture) == (0, 2, 197, 300)


def test_a_picture_of_4000_pixels_gives_the_same_portrait(astronaut, portrait, detector):
    large = cv2.resize(astronaut.pixels, (4000, 4000), interpolation=cv2.INTER_CUBIC)
    face, _ = detector.choose(large)
    same = prepare_portrait(Photo(large, b"", "image/png"), face, detector)
    assert same.softness == 1.0  # what is drawn in may be as sharp as the frame
    assert np.abs(same.landmarks[:, :2] - portrait.landmarks[:, :2]).mean() < 0.02 * portrait.face_width
    assert same.face_width == pytest.approx(portrait.face_width, rel=0.03)
