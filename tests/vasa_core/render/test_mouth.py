"""The inside of the mouth: what the network says, and that it fits any picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from vasa_core.errors import WeightsError
from vasa_core.face.geometry import rotation
from vasa_core.face.portrait import MARGIN
from vasa_core.render.interior import BRIGHTEST, FEATURES, LIPS, Interior, mouth_frame, shape_features
from vasa_core.render.mouth import UNDER_NOSE, _whiskers
from vasa_core.render.renderer import LiveRenderer
from vasa_core.render.warp import Warp
from vasa_core.types import Controls


@pytest.fixture(scope="module")
def network():
    return Interior.from_pretrained()


def mouth_of(portrait, frame):
    x, y = (portrait.landmarks[[13, 14], :2].mean(0) - MARGIN).astype(int)
    return frame[y - 8 : y + 34, x - 24 : x + 24].astype(float)


def opened(portrait, space, jaw=0.8):
    renderer = LiveRenderer(portrait, space)
    return renderer.draw(np.zeros(6, np.float32), jaw * space.direction("jaw_open"), Controls(), Warp())


def test_features_do_not_depend_on_place_size_or_turn(portrait):
    anchors, _ = mouth_frame(portrait.neutral)
    points = np.vstack([anchors, portrait.neutral[LIPS]])

    def told(points):
        return shape_features(points[3:, :2], points[:3, :2], points[:3, :2] + 0.1 * (points[2, :2] - points[0, :2]))

    turned = 1.7 * points @ rotation(0, 0, 0.3).T + [30, -20, 0]
    assert told(points) == pytest.approx(told(turned), abs=1e-4)
    assert told(points)[-2:] == pytest.approx([0, 0.1], abs=1e-5)  # the jaw


def test_edge_on_is_no_division_by_zero():
    flat = np.array([[0, 0], [1, 0], [2, 0.0]])
    assert np.isfinite(shape_features(np.ones((20, 2)), flat, flat)).all()


def test_any_shape_gives_tones_in_range(network):
    rng = np.random.default_rng(0)
    for scale in (0, 1, 100):
        picture = network(rng.normal(0, scale, FEATURES).astype(np.float32))
        assert picture.shape == (12, 18, 3) and picture.min() >= 0 and picture.max() <= BRIGHTEST


def test_wrong_weights_are_named(network):
    with pytest.raises(WeightsError, match="wrong size"):
        Interior(network._t | {"wout": np.zeros((2, 2))})
    with pytest.raises(WeightsError, match="wrong size"):
        Interior({})


def test_black_and_white_stays_so(portrait, space):
    grey = cv2.cvtColor(cv2.cvtColor(portrait.texture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    alpha = portrait.person[..., 3]
    person = np.dstack([np.repeat(portrait.person[..., :3].mean(2, keepdims=True), 3, 2).astype(np.uint8), alpha])
    frame = opened(replace(portrait, texture=grey, person=person), space)
    assert np.ptp(mouth_of(portrait, frame), axis=2).max() <= 2


def test_dark_pictures_get_dark_teeth(portrait, space):
    def brightest(light):
        dim = replace(
            portrait,
            texture=(portrait.texture * light).astype(np.uint8),
            person=(portrait.person * np.array([light] * 3 + [1])).astype(np.uint8),
        )
        return np.percentile(mouth_of(portrait, opened(dim, space)), 98)

    assert brightest(0.4) < 0.75 * brightest(1.0)


def test_teeth_do_not_slide_while_the_jaw_drops(portrait, space):
    """The edges of the upper teeth belong to the skull: opening further changes what is below, not them."""
    less, more = (mouth_of(portrait, opened(portrait, space, jaw))[14:22].mean(2) for jaw in (0.8, 0.9))
    a, b = (cv2.Sobel(x, cv2.CV_64F, 1, 0) for x in (less, more))
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


def test_no_fence_of_teeth_behind_narrow_lips(drawn, space):

    def stripes(jaw: float, smile: float = 0) -> float:
        """Change of brightness across the middle of the mouth, steps a pixel."""
        renderer = LiveRenderer(drawn, space)
        code = (jaw * space.direction("jaw_open") + smile * space.direction("smile")).astype(np.float32)
        part = mouth_of(drawn, renderer.draw(np.zeros(6, np.float32), code, Controls(), Warp()))[6:22, :, 1]
        return float(np.abs(np.diff(part, axis=1)).max(0).mean())

    assert stripes(0.12) < 0.5 * stripes(0.6, 1.2)


def test_a_moustache_over_the_lip_hides_the_upper_teeth(portrait, space):
    whiskers = portrait.texture.copy()
    hull = cv2.convexHull(np.round(portrait.landmarks[UNDER_NOSE, :2]).astype(np.int32))
    cv2.fillConvexPoly(whiskers, hull, (15, 12, 10))
    bearded = replace(portrait, texture=whiskers)
    assert _whiskers(portrait) == 0 and _whiskers(bearded) == 1
    smile = 1.6 * space.direction("smile") + 0.4 * space.direction("jaw_open")
    bare, veiled = (
        mouth_of(p, LiveRenderer(p, space).draw(np.zeros(6, np.float32), smile, Controls(), Warp()))
        for p in (portrait, bearded)
    )
    assert np.percentile((bare - veiled).mean(-1), 98) > 30
