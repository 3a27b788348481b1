import numpy as np
import pytest

from vasa_core.errors import NoFaceFound, WeightsError
from vasa_core.pipeline import TalkingFace, frame_count
from vasa_core.types import PLAYBACK_RATE, SAMPLE_RATE, Controls, Photo, Speech


@pytest.fixture(scope="module")
def core(detector):
    return TalkingFace(detector=detector)


@pytest.fixture(scope="module")
def hum() -> Speech:
    """Half a second of a 150 Hz buzz with an open-vowel colour, then half a second of nothing."""
    t = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 12)) * 0.2
    samples = np.concatenate([buzz, np.zeros(SAMPLE_RATE // 2)]).astype(np.float32)
    return Speech(samples, np.zeros((PLAYBACK_RATE, 1), np.int16), b"", "audio/wav")


def test_photo_and_speech_become_frames(core, astronaut, hum):
    portrait = core.prepare(astronaut)
    motion = core.animate(hum, Controls(seed=1))
    frames = list(core.render(portrait, motion, fps=25))
    assert len(motion) == 25 and len(frames) == frame_count(motion, 25) == 25
    assert all(f.shape == (512, 512, 3) and f.dtype == np.uint8 for f in frames)
    assert len({f.tobytes() for f in frames}) > 20  # even a silent portrait breathes


def test_same_seed_same_frames(core, portrait, hum):
    def first_frames(seed):
        motion = core.animate(hum, Controls(seed=seed))
        return [f for f, _ in zip(core.render(portrait, motion, 25), range(12), strict=False)]

    again = zip(first_frames(3), first_frames(3), strict=True)
    assert all(np.array_equal(a, b) for a, b in again)
    assert not np.array_equal(first_frames(3)[-1], first_frames(4)[-1])


def test_no_face_is_named(core):
    with pytest.raises(NoFaceFound):
        core.prepare(Photo(np.full((300, 300, 3), 128, np.uint8), b"", "image/png"))


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(WeightsError):
        TalkingFace.from_pretrained(tmp_path).load()
