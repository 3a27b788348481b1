from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from safety import SealedVideo, Vault, attest, issue_token, revoke, seal
from safety.consent import Attestation
from safety.errors import (
    ConsentMismatch,
    ConsentMissing,
    ConsentWithdrawn,
    RenderingFailed,
    TokenUsed,
)
from tests.safety.helpers import moving, no_file, tone, untouched
from vasa_core.errors import Cancelled, ControlError, NoFaceFound
from vasa_core.types import Photo, Speech

Clip = Callable[[int], Iterator[np.ndarray]]


def test_a_sealed_video_plays_everywhere(sealed: tuple[Vault, SealedVideo]) -> None:
    video = sealed[1]
    data = video.path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")  # plays before it is loaded
    with av.open(str(video.path)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert picture.codec_context.name == "h264"
        assert picture.codec_context.pix_fmt == "yuv420p"
        assert (picture.width, picture.height, picture.average_rate) == (512, 512, 25)
        assert sound.codec_context.name == "aac"
        assert sound.codec_context.sample_rate == 48_000
        assert sum(1 for _ in container.decode(picture)) == video.frames == 25
    with av.open(str(video.path)) as container:
        heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert abs(heard.shape[1] / 48_000 - 1.0) < 0.06
    assert 0.1 < np.abs(heard).max() < 0.5  # the beep, at its level


def test_what_it_reports_is_true(sealed: tuple[Vault, SealedVideo]) -> None:
    vault, video = sealed
    assert video.manifest_state == "Trusted"
    assert (video.frames, video.fps, video.width, video.height, video.seconds) == (25, 25, 512, 512, 1.0)
    assert len(video.watermark_id) == 8
    entry = vault.ledger.entries("output", video.watermark_id)[0]
    assert entry.position == video.log_index
    assert entry.body["manifest_label"] == video.manifest_label
    assert entry.body["record_id"] == video.record_id
    assert entry.body["seed"] == 7
    assert vault.ledger.verify() == 3  # consent, watermark id, output
    assert {"mark", "encode", "frames", "sign", "write", "check"} <= set(video.timings)
    assert all(seconds >= 0 for seconds in video.timings.values())


def test_colours_survive(sealed: tuple[Vault, SealedVideo], photo: Photo) -> None:
    with av.open(str(sealed[1].path)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(float)[:400]  # above the sign
    expected = next(moving(photo.pixels, 1)).astype(float)[:400]
    np.testing.assert_allclose(shown.mean((0, 1)), expected.mean((0, 1)), atol=1.5)


def test_progress_names_every_stage(attempt: Callable[..., SealedVideo]) -> None:
    seen: list[tuple[str, float]] = []
    attempt(total=25, progress=lambda stage, fraction: seen.append((stage, fraction)))
    assert list(dict.fromkeys(stage for stage, _ in seen)) == ["rendering", "signing", "checking"]
    rendering = [fraction for stage, fraction in seen if stage == "rendering"]
    assert rendering == sorted(rendering)
    assert rendering[-1] == 1.0
    assert seen[-1] == ("checking", 1.0)


@pytest.mark.parametrize("fps", [1, 30, 60])
def test_rates(attempt: Callable[..., SealedVideo], clip: Clip, fps: int) -> None:
    video = attempt(clip(12), fps=fps)
    with av.open(str(video.path)) as container:
        assert container.streams.video[0].average_rate == fps


def test_stereo_and_very_short_sound(
    vault: Vault, attestation: Attestation, photo: Photo, clip: Clip, tmp_path: Path
) -> None:
    mono = tone(0.3)
    speech = replace(mono, playback=np.repeat(mono.playback, 2, axis=1))
    token = issue_token(vault, attest(vault, attestation, photo, speech), photo, speech)
    video = seal(vault, token, photo, speech, clip(8), out=tmp_path / "short.mp4", fps=25)
    with av.open(str(video.path)) as container:
        assert container.streams.audio[0].codec_context.channels == 2


def test_an_older_video_is_replaced_whole(attempt: Callable[..., SealedVideo], tmp_path: Path) -> None:
    (tmp_path / "out" / "talking.mp4").write_bytes(b"old")
    assert attempt().path.read_bytes()[4:8] == b"ftyp"


# ---- the gate


@pytest.mark.parametrize("token", [None, "", "guess"])
def test_without_a_token_no_frame_is_taken(
    attempt: Callable[..., SealedVideo], tmp_path: Path, token: str | None
) -> None:
    with pytest.raises(ConsentMissing):
        attempt(untouched([]), token=token)
    assert no_file(tmp_path)


def test_a_token_makes_one_video(attempt: Callable[..., SealedVideo], tmp_path: Path) -> None:
    attempt()
    with pytest.raises(TokenUsed):
        attempt(untouched([]), out=tmp_path / "out" / "second.mp4")


def test_other_inputs_and_withdrawn_consent_are_refused(
    attempt: Callable[..., SealedVideo],
    vault: Vault,
    attestation: Attestation,
    photo: Photo,
    speech: Speech,
    tmp_path: Path,
) -> None:
    with pytest.raises(ConsentMismatch):
        attempt(untouched([]), photo=replace(photo, pixels=photo.pixels[::-1].copy()))
    with pytest.raises(ConsentMismatch):
        attempt(untouched([]), speech=tone(1.0, hertz=300))
    record = attest(vault, attestation, photo, speech)
    token = issue_token(vault, record, photo, speech)
    revoke(vault, record.id)
    with pytest.raises(ConsentWithdrawn):
        attempt(untouched([]), token=token)
    assert no_file(tmp_path)


def test_two_videos_at_once_from_one_token(attempt: Callable[..., SealedVideo], clip: Clip, tmp_path: Path) -> None:
    results: list[object] = []

    def run(name: str) -> None:
        try:
            results.append(attempt(clip(10), out=tmp_path / name))
        except TokenUsed as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(f"{i}.mp4",)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(result).__name__ for result in results) == ["SealedVideo", "TokenUsed"]
    assert len(list(tmp_path.glob("*.mp4"))) == 1


# ---- failures leave nothing


def failing(clip: Iterator[np.ndarray], error: BaseException) -> Iterator[np.ndarray]:
    for _ in range(6):
        yield next(clip)
    raise error


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RuntimeError("the renderer broke"), RenderingFailed),
        (NoFaceFound("no face"), NoFaceFound),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (MemoryError(), MemoryError),
    ],
    ids=["error", "named error", "ctrl-c", "memory"],
)
def test_frames_that_break_off(
    attempt: Callable[..., SealedVideo],
    clip: Clip,
    tmp_path: Path,
    raised: BaseException,
    expected: type[BaseException],
) -> None:
    with pytest.raises(expected):
        attempt(failing(clip(25), raised))
    assert no_file(tmp_path)


def test_the_frames_iterator_is_closed(attempt: Callable[..., SealedVideo], clip: Clip, tmp_path: Path) -> None:
    closed = threading.Event()

    def frames() -> Iterator[np.ndarray]:
        try:
            yield from clip(25)
        finally:
            closed.set()

    with pytest.raises(Cancelled):
        attempt(frames(), cancelled=iter([False] * 5 + [True] * 50).__next__)
    assert closed.is_set()
    assert no_file(tmp_path)


@pytest.mark.parametrize("after", [0, 10, 26, 27, 28])
def test_cancelling_at_any_stage(attempt: Callable[..., SealedVideo], tmp_path: Path, after: int) -> None:
    """25 frames ask 26 times; then once after encoding, writing and checking each."""
    asked = iter(range(1000))
    with pytest.raises(Cancelled):
        attempt(cancelled=lambda: next(asked) >= after)
    assert no_file(tmp_path)


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [np.zeros((512, 512), np.uint8)],
        [np.zeros((512, 512, 3), np.float32)],
        [np.zeros((100, 100, 3), np.uint8)],
        [np.zeros((510, 512, 3), np.uint8)],
        [np.zeros((512, 512, 3), np.uint8), np.zeros((256, 256, 3), np.uint8)],
        ["frame"],
    ],
    ids=["none", "grey", "float", "small", "odd", "changing", "text"],
)
def test_wrong_frames(attempt: Callable[..., SealedVideo], tmp_path: Path, frames: list[Any]) -> None:
    with pytest.raises(RenderingFailed):
        attempt(frames)
    assert no_file(tmp_path)


@pytest.mark.parametrize("fps", [0, 61, -5, 25.0, "25"])
def test_wrong_rates(attempt: Callable[..., SealedVideo], tmp_path: Path, fps: Any) -> None:
    with pytest.raises(ControlError):
        attempt(untouched([]), fps=fps)
    assert no_file(tmp_path)


def test_a_consent_that_is_withdrawn_while_frames_are_drawn_makes_no_video(
    vault: Vault, attestation: Attestation, photo: Photo, speech: Speech, tmp_path: Path
) -> None:
    record = attest(vault, attestation, photo, speech)
    token = issue_token(vault, record, photo, speech)

    def frames() -> Iterator[np.ndarray]:
        for index, frame in enumerate(moving(photo.pixels, 10)):
            if index == 5:
                revoke(vault, record.id)
            yield frame

    with pytest.raises(ConsentWithdrawn):
        seal(vault, token, photo, speech, frames(), out=tmp_path / "a.mp4", fps=25)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".mp4", ".part")]
    assert vault.ledger.size() == 3  # consent, watermark id, revocation; no output
