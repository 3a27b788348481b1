"""The mark in the sound: written, read after what happens to sound, and named by the audit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.sound import coded, noise_to_mask, noisy, resampled
from safety import Attestation, SealedVideo, Vault, attest, audit, issue_token, seal
from safety.errors import UnreadableVideo
from safety.sound_mark import SoundEvidence, SoundMark, _keyed_words
from safety.watermark import random_id, rgb_to_i420
from tests.safety.helpers import moving, remux
from tests.safety.test_sound_print import voice
from tests.safety.test_witnesses import frames_of, write
from vasa_core.audio import load_speech
from vasa_core.types import Photo, Speech

KEY, MARK_ID, RATE = b"k" * 32, 0x2BCDEF12, 48_000
SPOKEN = Path(__file__).resolve().parents[2] / "demo" / "samples" / "english.m4a"


@pytest.fixture(scope="module")
def speech_7s() -> np.ndarray:
    """A synthetic voice, int16 (n, 1)."""
    return load_speech(SPOKEN).playback[: 7 * RATE, :1]


@pytest.fixture(scope="module")
def delivered(speech_7s: np.ndarray) -> np.ndarray:
    """Marked, then encoded as the seal does it."""
    return coded(SoundMark(KEY).write(speech_7s, MARK_ID, RATE), "aac", 128)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s,
        lambda s: coded(s, "aac", 64),
        lambda s: coded(s, "libopus", 32),
        lambda s: coded(s, "libmp3lame", 96),
        lambda s: s // 4,
        lambda s: np.repeat(s, 2, axis=1),
        lambda s: noisy(20)(s),
        resampled(44_100),
        resampled(22_050),
        resampled(16_000),
    ],
    ids=["delivered", "aac 64", "opus 32", "mp3 96", "quieter", "stereo", "noise", "44.1 kHz", "22.05 kHz", "16 kHz"],
)
@pytest.mark.parametrize("start", [0, 77_777])
def test_five_seconds_from_anywhere_give_the_id(delivered: np.ndarray, change: Callable, start: int) -> None:  # type: ignore[type-arg]
    heard = change(delivered[start : start + 5 * RATE])
    reading = SoundMark(KEY).read(*(heard if isinstance(heard, tuple) else (heard, RATE)))
    assert (reading.found, reading.id) == (True, MARK_ID)


def test_it_cannot_be_heard(speech_7s: np.ndarray) -> None:
    """The change lies below what even a tone would mask, by more than 6 dB on average, and far below the voice."""
    marked = SoundMark(KEY).write(speech_7s, MARK_ID, RATE)
    assert marked.shape == speech_7s.shape
    assert marked.dtype == np.int16
    error = (marked - speech_7s.astype(float)).std()
    assert 20 * np.log10(speech_7s.std() / error) > 15
    ratio, above = noise_to_mask(speech_7s[::3, 0] / 32768, marked[::3, 0] / 32768)
    assert ratio < -6
    assert above < 0.03


def test_silence_stays_silent_and_pauses_stay_as_they_are(speech_7s: np.ndarray) -> None:
    mark = SoundMark(KEY)
    assert not mark.write(np.zeros((RATE, 2), np.int16), MARK_ID, RATE).any()
    hushed = speech_7s.copy()
    hushed[2 * RATE : 3 * RATE] = np.random.default_rng(0).integers(-3, 4, (RATE, 1))  # the noise of a room
    inside = slice(2 * RATE + 1600, 3 * RATE - 1600)
    assert np.abs(mark.write(hushed, MARK_ID, RATE)[inside] - hushed[inside]).max() <= 1


@pytest.mark.filterwarnings("error")
def test_a_voice_between_digital_silences_stays_a_voice() -> None:
    """Every prepared recording: synthetic voices stop at exact zeros, which a running sum must not leave below zero."""
    for file in sorted(SPOKEN.parent.glob("*.m4a")):
        plain = load_speech(file).playback
        moved = np.abs(SoundMark(KEY).write(plain, MARK_ID, RATE).astype(int) - plain)
        assert moved.max() < 0.2 * np.abs(plain).max(), file.name


def test_other_keys_and_unmarked_sounds_give_nothing(speech_7s: np.ndarray, delivered: np.ndarray) -> None:
    issued = [random_id() for _ in range(1000)]
    for sound in (speech_7s, delivered, voice(6.0, 5)):
        evidence = SoundEvidence(sound, RATE)
        readings = [SoundMark(b"unused key %021d" % i).find(evidence, issued) for i in range(8)]
        assert not any(reading.found for reading in readings)


def test_issued_ids_help_where_it_is_faint(delivered: np.ndarray) -> None:
    """A second and a half through Opus at 16 kb/s."""
    evidence = SoundEvidence(coded(delivered[30_000:106_800], "libopus", 16), RATE)
    mark, issued = SoundMark(KEY), [random_id() for _ in range(10_000)]
    assert not mark.find(evidence).found
    helped = mark.find(evidence, [*issued, MARK_ID])
    assert (helped.found, helped.id, helped.assisted) == (True, MARK_ID, True)
    assert not mark.find(evidence, issued).found


def test_a_few_seconds_in_a_long_sound(delivered: np.ndarray) -> None:
    stranger = np.tile(voice(6.0, 0), (4, 1))
    long = np.concatenate([stranger, delivered[: 6 * RATE], stranger])
    assert SoundMark(KEY).read(long, RATE).id == MARK_ID


@pytest.mark.parametrize("count", [0, 1, 100, 2000])
def test_moments_say_nothing_and_stay_as_long_as_they_were(count: int) -> None:
    sound = np.full((count, 1), 1000, np.int16)
    assert SoundMark(KEY).write(sound, MARK_ID, RATE).shape == sound.shape
    assert not SoundMark(KEY).read(sound, RATE).found


def test_bad_ids_and_rates_are_refused(speech_7s: np.ndarray) -> None:
    with pytest.raises(ValueError, match="30-bit"):
        SoundMark(KEY).write(speech_7s, 1 << 30, RATE)
    with pytest.raises(ValueError, match="multiple"):
        SoundMark(KEY).write(speech_7s, 1, 44_100)


def test_patterns_do_not_depend_on_library_versions() -> None:
    """A mark written today must be readable in years: these numbers may never change."""
    words = [f"{int(word):016x}" for word in _keyed_words(bytes(32), b"order", 2)]
    assert words == ["f75647e5efb38213", "19e912416fa9d0da"]


def test_it_costs_a_fraction_of_real_time(speech_7s: np.ndarray) -> None:
    started = time.thread_time()
    SoundMark(KEY).write(speech_7s, MARK_ID, RATE)
    assert time.thread_time() - started < 0.1 * len(speech_7s) / RATE


# ---- the audit


@pytest.fixture(scope="module")
def two_videos(
    tmp_path_factory: pytest.TempPathFactory, attestation: Attestation, photo: Photo, speech_7s: np.ndarray
) -> Iterator[tuple[Vault, list[SealedVideo]]]:
    """Two videos of one installation that say different things."""
    folder, videos = tmp_path_factory.mktemp("two"), []
    with Vault.open(folder / "vault", environment={}) as vault:
        for index, playback in enumerate((speech_7s[: 4 * RATE], load_speech(SPOKEN).playback[-4 * RATE :, :1])):
            samples = (playback[::3, 0] / 32768).astype(np.float32)
            speech = Speech(samples, playback, playback.tobytes(), "audio/ogg")
            token = issue_token(vault, attest(vault, attestation, photo, speech), photo, speech)
            out = folder / f"{index}.mp4"
            videos.append(seal(vault, token, photo, speech, moving(photo.pixels, 40), out=out, fps=10))
        yield vault, videos


def test_a_sealed_video_carries_its_id_in_both(two_videos: tuple[Vault, list[SealedVideo]], tmp_path: Path) -> None:
    vault, videos = two_videos
    for path in (videos[0].path, remux(videos[0].path, tmp_path / "copy.mp4")):
        report = audit(vault, path)
        assert report.watermark.id == report.sound.mark == videos[0].watermark_id
        assert report.sound.state == "same"
        assert report.contradictions == ()


def test_the_sound_of_another_video_is_named(two_videos: tuple[Vault, list[SealedVideo]], tmp_path: Path) -> None:
    vault, videos = two_videos
    sound = load_speech(videos[1].path).playback
    report = audit(vault, write(tmp_path / "mixed.mp4", frames_of(videos[0].path), sound, fps=10))
    assert report.watermark.id == videos[0].watermark_id
    assert report.sound.mark == videos[1].watermark_id
    assert [item.code for item in report.contradictions] == ["other_sound"]
    assert all(video.watermark_id in report.summary for video in videos)


def test_our_sound_under_another_picture_is_named(
    two_videos: tuple[Vault, list[SealedVideo]], photo: Photo, tmp_path: Path
) -> None:

    vault, videos = two_videos
    pictures = [rgb_to_i420(np.ascontiguousarray(frame[::-1])) for frame in moving(photo.pixels, 40)]
    report = audit(vault, write(tmp_path / "foreign.mp4", pictures, load_speech(videos[0].path).playback, fps=10))
    assert not report.watermark.found
    assert report.sound.mark == videos[0].watermark_id
    assert [item.code for item in report.contradictions] == ["other_picture"]
    assert report.consent.record_id == videos[0].record_id
    assert report.log.included


def test_a_sound_alone_is_traced(two_videos: tuple[Vault, list[SealedVideo]], tmp_path: Path) -> None:
    vault, videos = two_videos
    for codec, name in (("aac", "sound.m4a"), ("libmp3lame", "sound.mp3")):
        with av.open(str(tmp_path / name), "w") as out:
            stream = out.add_stream(codec, rate=RATE, layout="mono")
            frame = av.AudioFrame.from_ndarray(load_speech(videos[0].path).playback.reshape(1, -1), "s16", "mono")
            frame.sample_rate = RATE
            for piece in av.AudioResampler(stream.format.name, "mono", RATE, stream.frame_size).resample(frame):
                out.mux(stream.encode(piece))
            out.mux(stream.encode(None))
        report = audit(vault, tmp_path / name)
        assert report.sound.mark == videos[0].watermark_id
        assert (report.verdict, report.consent.record_id) == ("stripped_copy", videos[0].record_id)
        assert "The sound carries" in report.summary


def test_a_stranger_s_sound_is_refused_as_before(two_videos: tuple[Vault, list[SealedVideo]]) -> None:
    with pytest.raises(UnreadableVideo, match="no picture"):
        audit(two_videos[0], SPOKEN)
