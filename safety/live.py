"""The exit for live pictures: one consent, one watermark id, one time limit; every picture that leaves is marked.

A stream has no end that could be signed, so a live picture carries no manifest. What it carries instead is checked for
every single one: the consent token was redeemed when the stream began and stands since, both watermarks are written,
and a visible sign says that it is generated. A recording of the stream is another matter: it leaves through
`safety.seal`, with a token of its own, like any other video.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import cv2
import numpy as np

from safety.badge import badge
from safety.consent import find_record, parse_time, withdrawn_at
from safety.errors import ConsentError, ConsentExpired, ConsentMismatch, ConsentWithdrawn
from safety.ledger import timestamp
from safety.seal import _register_mark as register_mark
from safety.tokens import redeem
from safety.vault import Vault
from safety.video_mark import VideoMark
from safety.watermark import format_id, rgb_to_i420
from vasa_core.types import FRAME_SIZE, Photo, Speech

JPEG_QUALITY = 80  # 47 KB at 512 x 512; the luma mark reads at 24 standard deviations, 23.6 without the JPEG
ASK_EVERY = 2.0  # seconds between two looks into the ledger
PREVIEW_ID = 0  # never given to a video (safety.watermark.random_id)


class LiveOver(ConsentError):
    """The time that a live stream was allowed for has passed."""

    code = "live_over"


class LiveExit:
    """Turns frames into marked JPEG pictures while the consent stands and the time lasts. For one thread.

    token:   from `issue_token` for this photo and `sound` (the consent must cover any recording); used up here.
    seconds: how long pictures may leave.   clock: monotonic seconds.

    Raises the ConsentError family; ConsentMismatch when the consent covers one recording only.
    """

    def __init__(
        self,
        vault: Vault,
        token: str,
        photo: Photo,
        sound: Speech,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vault, self._clock = vault, clock
        self.record_id = redeem(vault, token, photo, sound).record_id
        self._expires = self._until()
        mark = register_mark(vault, self.record_id, token)
        self.watermark_id = format_id(mark)
        self._mark = VideoMark(vault.mark_key).writer(mark, FRAME_SIZE, FRAME_SIZE)
        self._badge = badge(FRAME_SIZE, FRAME_SIZE)
        self.frames = 0
        self.ends = clock() + seconds
        self._ask = clock() + ASK_EVERY
        # Logged at once: a stream that ends badly has left pictures all the same.
        body = {
            "record_id": self.record_id,
            "manifest_label": "",
            "live": True,
            "begun_at": timestamp(vault.clock()),
            "seconds": seconds,
        }
        with vault.ledger.transaction() as connection:
            self.log_index = vault.ledger.append(connection, "output", self.watermark_id, body).position

    @property
    def left(self) -> float:
        """Seconds until the time is over, at least 0."""
        return max(0.0, self.ends - self._clock())

    @staticmethod
    def over() -> LiveOver:
        """What is raised when the time has passed."""
        return LiveOver("The time of this live session is over. Start another one.")

    def picture(self, frame: np.ndarray) -> bytes:
        """A JPEG of a frame, uint8 (512, 512, 3) RGB, with both watermarks and the visible sign.

        Raises LiveOver, ConsentWithdrawn, ConsentExpired; ValueError for a frame of another shape.
        """
        if frame.shape != (FRAME_SIZE, FRAME_SIZE, 3) or frame.dtype != np.uint8:
            raise ValueError(f"a live frame is uint8 (512, 512, 3), not {frame.dtype} {frame.shape}")
        self._require_standing()
        i420 = rgb_to_i420(frame)
        self._badge.draw(i420)
        self._mark(i420)
        self.frames += 1
        return _jpeg(i420)

    def _require_standing(self) -> None:
        now = self._clock()
        if now >= self.ends:
            raise self.over()
        if now < self._ask:
            return
        self._ask = now + ASK_EVERY
        if withdrawn_at(self._vault, self.record_id) is not None:
            raise ConsentWithdrawn("This consent was withdrawn. Ask the person shown, and attest consent again.")
        if self._vault.clock() >= self._expires:
            raise ConsentExpired(f"This consent expired on {self._expires:%Y-%m-%d}. Attest consent again.")

    def _until(self) -> datetime:
        """When the consent ends. Raises ConsentMismatch for one that is not good for whatever will be said."""
        body = find_record(self._vault, self.record_id)
        scope = body["processing"]["scope"] if body else None
        if body is None or not isinstance(scope, dict) or scope.get("audio") != "any":
            raise ConsentMismatch("This consent is for one recording. Speaking live needs consent for any recording.")
        return parse_time(body["event"]["expires_at"])


def preview(vault: Vault, frame: np.ndarray) -> bytes:
    """A JPEG of one still frame, uint8 (512, 512, 3) RGB, to judge a pose by before there is a consent.

    It shows the face at rest, never speech; it carries the visible sign and a watermark whose id stands for no video,
    so that a copy of it reads as a trace of this installation.
    """
    i420 = rgb_to_i420(frame)
    badge(*frame.shape[:2]).draw(i420)
    VideoMark(vault.mark_key).writer(PREVIEW_ID, *frame.shape[:2])(i420)
    return _jpeg(i420)


def _jpeg(i420: np.ndarray) -> bytes:
    done, jpeg = cv2.imencode(
        ".jpg", cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not done:
        raise ValueError("the picture could not be encoded")
    return jpeg.tobytes()
