"""The exit for live pictures: consent for any recording, both marks and a sign in every picture, an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from safety import Attestation, Vault, attest, issue_token
from safety.badge import badge
from safety.consent import revoke
from safety.errors import ConsentMismatch, ConsentMissing, ConsentWithdrawn, TokenUsed
from safety.live import ASK_EVERY, PREVIEW_ID, LiveExit, LiveOver, preview
from safety.video_mark import VideoMark
from safety.watermark import rgb_to_i420
from vasa_core.types import Photo, Speech


class Time:
    """Monotonic seconds, moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock_hand() -> Time:
    return Time()


Opened = Callable[..., LiveExit]


@pytest.fixture
def opened(vault: Vault, attestation: Attestation, photo: Photo, speech: Speech, clock_hand: Time) -> Opened:
    def build(any_audio: bool = True, seconds: float = 60.0) -> LiveExit:
        record = attest(vault, replace(attestation, any_audio=any_audio), photo, speech)
        token = issue_token(vault, record, photo, speech)
        return LiveExit(vault, token, photo, speech, seconds, clock_hand)

    return build


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_every_picture_carries_both_marks_and_a_visible_sign(opened: Opened, vault: Vault, photo: Photo) -> None:
    leave = opened()
    before = photo.pixels.copy()
    pictures = [decoded(leave.picture(photo.pixels)) for _ in range(4)]
    assert (photo.pixels == before).all(), "the caller's frame was changed"
    for picture in pictures:  # each alone, not only all together
        reading = VideoMark(vault.mark_key).read_both([rgb_to_i420(picture)])
        assert reading.agree and reading.luma.hex == leave.watermark_id
    left, top, width, height = badge(512, 512).box
    sign = np.s_[top : top + height, left : left + width]
    assert np.abs(pictures[0][sign].astype(int) - photo.pixels[sign]).mean() > 20 and leave.frames == 4


def test_a_preview_is_signed_and_marked_without_a_video_id(vault: Vault, photo: Photo) -> None:
    picture = decoded(preview(vault, photo.pixels))
    left, top, width, height = badge(512, 512).box
    sign = np.s_[top : top + height, left : left + width]
    assert np.abs(picture[sign].astype(int) - photo.pixels[sign]).mean() > 20
    assert VideoMark(vault.mark_key).read_both([rgb_to_i420(picture)]).luma.id == PREVIEW_ID


def test_the_stream_is_logged_when_it_begins(opened: Opened, vault: Vault) -> None:
    leave = opened(seconds=60.0)
    (entry,) = vault.ledger.entries("output", leave.watermark_id)
    assert entry.position == leave.log_index
    assert entry.body["live"] is True and entry.body["record_id"] == leave.record_id
    assert vault.ledger.entries("mark", leave.watermark_id)


def test_no_picture_leaves_without_a_consent_for_any_recording(
    opened: Opened, vault: Vault, photo: Photo, speech: Speech
) -> None:
    with pytest.raises(ConsentMismatch, match="any recording"):
        opened(any_audio=False)
    for token in ("", "made up"):
        with pytest.raises(ConsentMissing):
            LiveExit(vault, token, photo, speech, 60.0)


def test_a_token_opens_one_stream(vault: Vault, attestation: Attestation, photo: Photo, speech: Speech) -> None:
    record = attest(vault, replace(attestation, any_audio=True), photo, speech)
    token = issue_token(vault, record, photo, speech)
    LiveExit(vault, token, photo, speech, 60.0)
    with pytest.raises(TokenUsed):
        LiveExit(vault, token, photo, speech, 60.0)


def test_the_stream_ends_with_its_time(opened: Opened, photo: Photo, clock_hand: Time) -> None:
    leave = opened(seconds=10.0)
    clock_hand.now += 9.9
    assert leave.picture(photo.pixels) and 0 < leave.left < 0.2
    clock_hand.now += 0.2
    with pytest.raises(LiveOver):
        leave.picture(photo.pixels)
    assert leave.left == 0


def test_the_stream_ends_when_the_consent_is_withdrawn(
    opened: Opened, vault: Vault, photo: Photo, clock_hand: Time
) -> None:
    leave = opened()
    leave.picture(photo.pixels)
    revoke(vault, leave.record_id)
    clock_hand.now += ASK_EVERY + 0.1
    with pytest.raises(ConsentWithdrawn):
        leave.picture(photo.pixels)


@pytest.mark.parametrize("shape", [(256, 256, 3), (512, 512), (512, 512, 4)])
def test_frames_of_another_shape_are_refused(opened: Opened, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="512"):
        opened().picture(np.zeros(shape, np.uint8))
