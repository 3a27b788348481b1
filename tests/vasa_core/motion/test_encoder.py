"""The speech encoder and its features: real classes at tiny size, and the shipped weights on made-up sound."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from vasa_core.errors import WeightsError
from vasa_core.motion import features as module
from vasa_core.motion.encoder import AHEAD, LOOK_AHEAD, STEM_AHEAD, STEM_BEFORE, SpeechEncoder, config_of
from vasa_core.motion.features import LIP_UNIT, SPEECH, SpeechFeatures, frames_of, load_encoder, voice
from vasa_core.motion.incremental import Listener
from vasa_core.motion.listening import LOUDNESS_FRAME, RunningLoudness, RunningProsody
from vasa_core.motion.prosody import analyse
from vasa_core.motion.visemes import LOUDNESS, VISEMES
from vasa_core.types import SAMPLE_RATE
from vasa_core.weights import FOLDER

D = SpeechFeatures.dim


@pytest.fixture(scope="module")
def tiny() -> SpeechFeatures:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return SpeechFeatures(SpeechEncoder(config_of("debug")))


@pytest.fixture(scope="module")
def shipped() -> SpeechFeatures:
    return SpeechFeatures.from_pretrained()


def syllables(seconds: float, seed: int = 0) -> np.ndarray:
    """Buzzes with formants between silences, float32 (n,)."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone = np.cumsum(120 + 15 * np.sin(2 * np.pi * 0.7 * time)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * k * tone) / (1 + abs(k * 120 - 750) / 250) for k in range(1, 30))
    envelope = np.clip(np.sin(2 * np.pi * 1.5 * time), 0, 1) ** 0.5
    return (0.12 * buzz * envelope + 0.002 * rng.normal(size=len(time))).astype(np.float32)


@pytest.mark.parametrize("count", [1, 639, 640, 641, 30_000])
def test_in_step_with_the_motion_at_any_length(tiny: SpeechFeatures, count: int) -> None:
    sound = syllables(2.0)[:count]
    for made in (tiny(sound), tiny.live(sound)):
        assert made.shape == (frames_of(sound), D) and made.dtype == np.float32
        assert np.isfinite(made).all()
        assert np.exp(made[:, :14]).sum(1) == pytest.approx(np.ones(len(made)), abs=0.01)
    assert tiny.contact(tiny(sound)).shape == (frames_of(sound),)


def test_chunks_do_not_change_the_result(tiny: SpeechFeatures, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = syllables(13.0)
    whole = tiny(sound)
    monkeypatch.setattr(module, "_CHUNK", 2)
    assert np.abs(tiny(sound) - whole).max() < 1e-4
    assert np.abs(tiny.live(sound) - tiny.live(sound)).max() == 0


def test_a_stream_hears_the_same_however_it_is_cut(tiny: SpeechFeatures) -> None:
    sound, rng = syllables(4.0), np.random.default_rng(0)
    reference = tiny.live(sound)
    stream, parts, at = tiny.stream(), [], 0
    while at < len(sound):
        step = int(rng.integers(1, 4000))
        parts.append(stream.push(sound[at : at + step]))
        at += step
        ready = sum(map(len, parts))
        assert ready * 640 <= max(0, at - LOOK_AHEAD) + 640
        assert ready >= (min(at, len(sound)) - LOOK_AHEAD - LOUDNESS_FRAME) // 640  # no later than promised
    parts.append(stream.flush())
    made = np.concatenate(parts)
    assert made.shape == reference.shape and np.abs(made - reference).max() < 1e-3


def test_live_hears_no_further_than_its_look_ahead(tiny: SpeechFeatures) -> None:
    sound = syllables(3.0)
    changed = sound.copy()
    at = 40 * 640
    changed[at:] = 0.3 * np.random.default_rng(1).normal(size=len(sound) - at)
    before, after = tiny.live(sound), tiny.live(changed)
    told = int(np.flatnonzero(np.abs(before - after).max(1) > 1e-4)[0])
    assert told == 38  # two frames: 80 ms
    offline = np.flatnonzero(np.abs(tiny(sound)[:, :34] - tiny(changed)[:, :34]).max(1) > 1e-5)
    assert offline[0] < told  # the whole sound is known


def test_extending_equals_hearing_all_at_once(tiny: SpeechFeatures) -> None:
    encoder = tiny.encoder
    mels = torch.randn(1, STEM_BEFORE + 4 * 60 + STEM_AHEAD, 48, generator=torch.Generator().manual_seed(0))
    mels[:, :STEM_BEFORE] = 0
    with torch.inference_mode():
        whole = encoder(mels[:, STEM_BEFORE:], ahead=0)
        listener, past, parts, at = Listener(encoder), None, [], 0
        for count in (1, 2, 30, 3, 24):
            piece = mels[0, 4 * at : 4 * (at + count) + STEM_BEFORE + STEM_AHEAD].numpy()
            said, lips, past = listener.extend(piece, past)
            parts.append((torch.from_numpy(said), torch.from_numpy(lips)))
            at += count
        said, lips = (torch.cat(part) for part in zip(*parts, strict=True))
        assert torch.allclose(said, whole.visemes[0], atol=1e-4)
        assert torch.allclose(lips, whole.lips[0], atol=1e-5)
        assert not torch.allclose(encoder(mels[:, STEM_BEFORE:], ahead=AHEAD).lips, whole.lips, atol=1e-3)


def test_threads_share_the_encoder(tiny: SpeechFeatures) -> None:
    sounds, made = [syllables(2.0, seed) for seed in range(2)], {}
    threads = [threading.Thread(target=lambda k=k: made.update({k: tiny(sounds[k % 2])})) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(made[k], tiny(sounds[k % 2])) for k in range(4))


def test_running_loudness_finds_the_level_of_the_whole_clip() -> None:
    for gain in (0.05, 1.0):
        sound = gain * syllables(8.0)
        sound = sound[: len(sound) // LOUDNESS_FRAME * LOUDNESS_FRAME]
        out = RunningLoudness().normalise(sound)
        rms = np.sqrt((out[-4 * SAMPLE_RATE :].reshape(-1, LOUDNESS_FRAME) ** 2).mean(1))
        assert np.quantile(rms, 0.9) == pytest.approx(LOUDNESS, rel=0.35)
    assert not RunningLoudness().normalise(np.zeros(3200, np.float32)).any()


def test_running_prosody_agrees_with_that_of_the_whole_clip() -> None:
    sound = syllables(8.0)
    listener, count = RunningProsody(), 190
    listener.push(sound)
    live, whole = listener.frames(count), analyse(sound, 200)
    for name in ("activity", "energy"):
        assert np.corrcoef(getattr(live, name)[50:], getattr(whole, name)[50:count])[0, 1] > 0.8


def test_running_prosody_forgets_what_nothing_reaches_back_to() -> None:
    at_once, bit_by_bit = RunningProsody(), RunningProsody()
    for listener in (at_once, bit_by_bit):
        listener.push(syllables(4.0))
    whole = voice(at_once.frames(90))
    assert np.array_equal(whole, np.concatenate([voice(bit_by_bit.frames(1)) for _ in range(90)]))
    assert len(bit_by_bit._lift) < 100 - 60  # of a hundred frames heard


def test_weights_survive_saving_and_damage_is_named(tiny: SpeechFeatures, tmp_path: Path) -> None:
    tiny.encoder.save_pretrained(tmp_path / "whole")
    loaded = SpeechFeatures.from_pretrained(tmp_path / "whole")
    assert np.array_equal(loaded(syllables(1.0)), tiny(syllables(1.0)))
    for name, change in (
        ("gone", lambda f: f.unlink()),
        ("cut", lambda f: f.write_bytes(f.read_bytes()[:-40])),
        ("other", lambda f: shutil.copy(FOLDER / "face_space.safetensors", f)),
    ):
        shutil.copytree(tmp_path / "whole", tmp_path / name)
        change(tmp_path / name / "model.safetensors")
        with pytest.raises(WeightsError, match="speech encoder"):
            SpeechFeatures.from_pretrained(tmp_path / name)
    config = tmp_path / "whole" / "config.json"
    config.write_text(config.read_text().replace('"bilabial"', '"labial"'))
    with pytest.raises(WeightsError, match="other visemes"):
        SpeechFeatures.from_pretrained(tmp_path / "whole")
    config.write_text("{")
    with pytest.raises(WeightsError, match="speech encoder"):
        SpeechFeatures.from_pretrained(tmp_path / "whole")


def test_the_shipped_encoder_is_loaded_by_name() -> None:
    encoder = load_encoder(SPEECH)
    assert isinstance(encoder, SpeechFeatures) and (encoder.name, encoder.dim) == ("speech", 38)


def test_shipped_silence_rests_and_syllables_open(shipped: SpeechFeatures) -> None:
    opening = 2 * len(VISEMES)
    for quiet in (np.zeros(3 * SAMPLE_RATE, np.float32), syllables(3.0) * 0 + 1e-4):
        for heard in (shipped(quiet), shipped.live(quiet)):
            assert np.exp(heard[:, 0]).mean() > 0.8  # rest
            assert np.abs(heard[:, opening]).max() * LIP_UNIT < 0.02
    sound = np.concatenate([syllables(4.0), np.zeros(SAMPLE_RATE, np.float32)])
    for heard in (shipped(sound), shipped.live(sound)):
        lips = heard[:, opening] * LIP_UNIT
        assert np.quantile(lips[:100], 0.9) > 0.03
        assert np.abs(lips[108:]).max() < 0.02  # settled within 320 ms of the end


def test_shipped_clipped_and_loud_sound_is_heard_like_clean(shipped: SpeechFeatures) -> None:
    clean = shipped(syllables(4.0))
    for other in (0.05 * syllables(4.0), np.clip(3 * syllables(4.0), -0.5, 0.5)):
        heard = shipped(other.astype(np.float32))
        assert np.corrcoef(heard[:, 28], clean[:, 28])[0, 1] > 0.8
