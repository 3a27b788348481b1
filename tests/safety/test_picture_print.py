"""A mark that was lifted off one clip and put onto another picture is found out; copies of the clip itself are not."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skimage.data

from safety import SealedVideo, Vault, audit
from safety.picture_print import MOST_SKETCHES, PicturePrint, PicturePrinter, agreement, cell_of
from safety.watermark import MarkReading, rgb_to_i420
from tests.safety.helpers import moving


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def encoded(frames: list[np.ndarray], path: Path, crf: int = 20) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="bgr24")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def copies() -> dict[str, object]:
    return {
        "flipped": lambda frame: np.ascontiguousarray(frame[:, ::-1]),
        "cropped": lambda frame: np.ascontiguousarray(frame[52:460, 40:448]),
        "half": lambda frame: cv2.resize(frame, (256, 256), interpolation=cv2.INTER_AREA),
        "letterbox": lambda frame: cv2.copyMakeBorder(frame, 0, 0, 128, 128, cv2.BORDER_CONSTANT),
    }


@pytest.mark.parametrize("attack", copies())
def test_copies_of_the_clip_show_its_picture(sealed: tuple[Vault, SealedVideo], tmp_path: Path, attack: str) -> None:
    vault, video = sealed
    change = copies()[attack]
    report = audit(vault, encoded([change(f) for f in decoded(video.path)], tmp_path / "copy.mp4", 23))  # type: ignore[operator]
    assert report.watermark.found and report.watermark.picture.state == "same", report.watermark
    assert "copied_mark" not in {item.code for item in report.contradictions}


def test_a_lifted_mark_is_called_copied(sealed: tuple[Vault, SealedVideo], tmp_path: Path) -> None:
    """What stays when the picture is smoothed away and the rest averaged, added to another face."""
    vault, video = sealed
    lifted = np.mean([f.astype(np.float32) - cv2.GaussianBlur(f, (0, 0), 4) for f in decoded(video.path)], axis=0)
    other = cv2.resize(skimage.data.cat(), (512, 512), interpolation=cv2.INTER_AREA)
    forged = [np.clip(frame + np.clip(lifted, -9, 9), 0, 255).astype(np.uint8) for frame in moving(other, 25)]
    report = audit(vault, encoded(forged, tmp_path / "forged.mp4"))
    assert report.watermark.found and report.watermark.id == video.watermark_id
    assert report.watermark.picture.state == "other", report.watermark
    assert "copied_mark" in {item.code for item in report.contradictions}
    assert report.verdict == "contradiction"


def test_an_edited_print_is_not_believed(sealed: tuple[Vault, SealedVideo], tmp_path: Path) -> None:
    vault, video = sealed
    with vault.ledger.transaction() as connection:
        kept = connection.exec_driver_sql("SELECT print FROM picture_prints").scalar_one()
        connection.exec_driver_sql("UPDATE picture_prints SET print = ?", (bytes(len(kept)),))
    try:
        assert audit(vault, video.path).watermark.picture.state == "unknown"
    finally:
        with vault.ledger.transaction() as connection:
            connection.exec_driver_sql("UPDATE picture_prints SET print = ?", (kept,))


def test_prints_round_trip_and_stay_small() -> None:
    printer = PicturePrinter(512, 512, 2)
    frames = [rgb_to_i420(frame) for frame in moving(skimage.data.astronaut(), 8)]
    for index in range(2 * 800):
        printer.look(frames[index % 8])
    data = printer.result()
    kept = PicturePrint.from_bytes(data)
    assert MOST_SKETCHES // 2 <= len(kept.sketches) <= MOST_SKETCHES and len(data) < 260 * MOST_SKETCHES
    assert kept.to_bytes() == data and set(np.unique(kept.sketches)) == {-1, 0, 1}
    aligned = MarkReading(True, 1, 20.0)
    assert agreement(kept, [frames[0][:512]], aligned) == pytest.approx(1.0)
    assert agreement(kept, [frames[0][:128, :128]], aligned) is None  # too little to be seen
    for broken in (b"", data[:-1], data + b"x", data[:5]):
        with pytest.raises(ValueError):
            PicturePrint.from_bytes(broken)


def test_a_picture_that_changes_within_a_second_is_remembered_more_often() -> None:
    wide = np.hstack([skimage.data.astronaut()] * 2)
    still, panned = PicturePrinter(512, 512, 24), PicturePrinter(512, 512, 24)
    frames = [rgb_to_i420(np.ascontiguousarray(wide[:, 10 * i : 10 * i + 512])) for i in range(48)]
    for frame in frames:
        still.look(frames[0])
        panned.look(frame)
    kept = PicturePrint.from_bytes(panned.result())
    assert len(PicturePrint.from_bytes(still.result()).sketches) == 2 and 8 <= len(kept.sketches) <= 16
    aligned = MarkReading(True, 1, 20.0)
    assert min(agreement(kept, [frame[:512]], aligned) or 0.0 for frame in frames) > 0.55


@pytest.mark.parametrize(
    ("size", "cell"), [((256, 256), 16), ((1024, 1024), 16), ((1200, 1600), 32), ((4096, 256), 64), ((9000, 256), 128)]
)
def test_cells_grow_with_the_frame(size: tuple[int, int], cell: int) -> None:
    assert cell_of(*size) == cell
    printer = PicturePrinter(*size, 25)
    printer.look(np.zeros((size[0] * 3 // 2, size[1]), np.uint8))
    assert len(printer.result()) < 3000
