"""What happens to every frame between renderer and encoder: the visible sign, both watermarks, a look to remember."""

from __future__ import annotations

import cv2
import numpy as np

from safety.badge import Badge, badge
from safety.picture_print import PicturePrinter
from safety.video_mark import VideoMark
from safety.watermark import FrameWriter


class FrameWork:
    """One clip's frames. `writer` is what the encoder asks for; the rest answers once all frames have passed."""

    def __init__(self, marker: VideoMark, mark_id: int, fps: int, badged: bool) -> None:
        self._marker, self._mark_id, self._fps, self._badged = marker, mark_id, fps, badged
        self._badge: Badge | None = None
        self._printer: PicturePrinter | None = None
        self._still: np.ndarray | None = None

    def writer(self, height: int, width: int) -> FrameWriter:
        """Function that works on one I420 frame in place: sign, then marks."""
        mark = self._marker.writer(self._mark_id, height, width)
        self._printer = PicturePrinter(height, width, self._fps)
        self._badge = badge(height, width) if self._badged else None
        seen = 0

        def work(i420: np.ndarray) -> None:
            nonlocal seen
            if self._badge is not None:
                self._badge.draw(i420)
            mark(i420)
            assert self._printer is not None
            self._printer.look(i420)
            if seen in (0, self._fps):  # the first frame, or one second in, when there is one
                self._still = i420.copy()
            seen += 1

        return work

    @property
    def badge(self) -> dict[str, object]:
        """What the manifest says about the visible sign."""
        return self._badge.to_dict() if self._badge is not None else {"shown": False}

    def picture_print(self) -> bytes:
        """Fingerprint of the pictures (safety.picture_print)."""
        return self._printer.result() if self._printer is not None else b""

    def still(self) -> np.ndarray | None:
        """A frame as it was marked: uint8 (H, W, 3) RGB."""
        return None if self._still is None else cv2.cvtColor(self._still, cv2.COLOR_YUV2RGB_I420)
