"""Controls become smooth wishes; emotions are offsets that leave blinks whole."""

from __future__ import annotations

import numpy as np
import pytest

from vasa_core.face.space import FaceSpace
from vasa_core.motion.emotion import EMOTIONS, ease_in, emotion_offset, emotion_offsets, lids_of
from vasa_core.motion.steering import BLINKS, MOST_BLINKS, Steering
from vasa_core.types import Controls


def test_wishes_glide_and_arrive() -> None:
    steering = Steering()
    first = steering.follow([Controls(gaze=(10, -5), emotion={"sad": 0.8}, head_motion=1.5, mouth=0.5)] * 40)
    assert first.gaze[0] == pytest.approx([0.8, -0.4], abs=0.3)  # from the photo's own gaze
    assert first.gaze[-1] == pytest.approx([10, -5], abs=0.05)
    assert first.emotion[-1, Controls.EMOTIONS.index("sad")] == pytest.approx(0.8, abs=0.01)
    assert (first.head == 1.5).all() and (first.mouth == 0.5).all() and (first.blinks == BLINKS).all()
    then = steering.follow([Controls(blinks=60.0)] * 40)
    assert 0 < first.gaze[-1, 0] - then.gaze[0, 0] < 2  # no jump
    assert then.gaze[-1] == pytest.approx([0, 0], abs=0.05) and then.blinks[-1] == pytest.approx(MOST_BLINKS, abs=0.1)


def test_one_piece_or_many_is_the_same() -> None:
    wanted = [Controls()] * 5 + [Controls(gaze=(20, 0))] * 7
    whole, parts = Steering().follow(wanted), Steering()
    cut = [parts.follow(wanted[a:b]).gaze for a, b in ((0, 3), (3, 4), (4, 12))]
    assert np.allclose(np.concatenate(cut), whole.gaze)


def test_emotions_are_distinct_and_add_up() -> None:
    space = FaceSpace.from_pretrained()
    codes = emotion_offsets(space)
    assert codes.shape == (len(Controls.EMOTIONS), space.dim) and set(EMOTIONS) == set(Controls.EMOTIONS)
    assert not codes[0].any()  # neutral
    moved = space.decode(codes[1:]).reshape(len(codes) - 1, -1)
    assert np.linalg.norm(moved, axis=1).min() > 0.1
    unit = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    assert (unit @ unit.T - np.eye(len(unit))).max() < 0.85
    mixed = emotion_offset(space, {"happy": 0.5, "surprised": 1.0})
    names = Controls.EMOTIONS
    assert mixed == pytest.approx(0.5 * codes[names.index("happy")] + codes[names.index("surprised")])


def test_a_blink_shuts_the_eye_under_every_emotion() -> None:
    space = FaceSpace.from_pretrained()
    shut = space.direction("blink_left") + space.direction("blink_right")
    lid = space.names.index("blink_left")
    for offset in emotion_offsets(space):
        code, feeling = np.stack([offset, offset + shut]), np.stack([offset, offset])
        held = lids_of(space, code, feeling)
        assert held[0] == pytest.approx(offset, abs=1e-6) and held[1, lid] == pytest.approx(1, abs=1e-6)


def test_ease_in() -> None:
    eased = ease_in(50, 1.0)
    assert eased[0] == 0 and (eased[25:] == 1).all() and (np.diff(eased[:26]) >= 0).all()


def test_neutral_is_no_feeling() -> None:
    assert not Steering().follow([Controls(emotion={"neutral": 1.0})] * 20).emotion.any()
