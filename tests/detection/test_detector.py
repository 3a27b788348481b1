"""Whole files through the shipped detector."""

from __future__ import annotations

import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from detection import Detector, Progress
from detection.detector import FIRST, PIECE, _pieces
from detection.errors import MissingExtra
from detection.model import Model
from detection.report import Report
from tests.detection.conftest import save, sway
from vasa_core.errors import WeightsError

SAMPLES = Path(__file__).parents[2] / "demo" / "samples"


@pytest.fixture(scope="module")
def report(examiner: Detector, clip: Path) -> Report:
    return examiner.examine(clip)


def test_a_photo_that_is_swayed_before_a_camera_gets_a_reason_and_no_number(report: Report) -> None:
    assert (report.status, report.verdict, report.probability) == ("cannot_tell", "cannot_tell", None)
    assert len(report.faces) == 1 and report.read["pictures"] == 70
    assert report.faces[0].seconds == pytest.approx(69 / 25, abs=0.05)
    assert [r.code for r in report.reasons] == ["still"]


@pytest.mark.parametrize(("name", "verdict"), [("gaze", "generated"), ("real", "cannot_tell")])
def test_sample_clips_get_the_verdict_that_is_true_of_them(examiner: Detector, name: str, verdict: str) -> None:
    found = examiner.examine(SAMPLES / f"{name}.mp4")
    assert found.verdict == verdict
    if verdict == "generated":
        assert found.status == "scored" and 0 <= found.low <= found.probability <= found.high <= 1  # type: ignore[operator]


def test_the_same_file_gets_the_same_answer_whatever_its_name_and_tags(
    examiner: Detector, clip: Path, report: Report, tmp_path: Path
) -> None:
    copy = tmp_path / "other name.mp4"
    copy.write_bytes(clip.read_bytes() + b"\0\0\0\x10free12345678")  # what a container may carry besides
    again = examiner.examine(copy, provenance={"manifest": {"state": "Trusted"}})
    assert again.probability == report.probability and again.verdict == report.verdict
    assert [w.probability for f in again.faces for w in f.windows] == [
        w.probability for f in report.faces for w in f.windows
    ]


def test_progress_ends_at_one(examiner: Detector, clip: Path) -> None:
    steps: list[Progress] = []
    examiner.examine(clip, steps.append)
    assert steps[-1].done == 1 and all(0 < s.done <= 1 for s in steps)


def test_the_first_piece_is_short_and_nothing_is_left_out() -> None:
    assert _pieces([(0.0, 5.0)]) == [(0.0, 5.0)]
    for spans in ([(0.0, 10.0)], [(0.0, 24.0)], [(0.0, 8.0), (100.0, 108.0)]):
        pieces = _pieces(spans)
        assert pieces[0] == (0.0, FIRST) and pieces[-1][1] == spans[-1][1]
        assert sum(b - a for a, b in pieces) == pytest.approx(sum(b - a for a, b in spans))
        assert max(b - a for a, b in pieces) < 1.5 * PIECE


def test_every_kind_of_bad_input_gets_a_named_status_and_no_number(
    examiner: Detector, astronaut: np.ndarray, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    grey = [np.full((120, 160, 3), 3 * i % 255, np.uint8) for i in range(30)]
    (tmp_path / "text.mp4").write_text("hello " * 100)
    (tmp_path / "noise.mp4").write_bytes(rng.bytes(5000))
    Image.fromarray(astronaut).save(tmp_path / "photo.png")
    save(tmp_path / "no_face.mp4", grey)
    save(tmp_path / "two_frames.mp4", [sway(astronaut, i) for i in range(2)])
    save(tmp_path / "hdr.mkv", grey[:3], color_trc=18, color_primaries=9, colorspace=9)
    save(tmp_path / "small.mp4", [sway(astronaut, i, 128) for i in range(50)])
    expected = {
        "text.mp4": ("unreadable", "unreadable"),
        "noise.mp4": ("unreadable", "unreadable"),
        "missing.mp4": ("unreadable", "unreadable"),
        "photo.png": ("cannot_tell", "picture"),
        "no_face.mp4": ("no_face", "no_face"),
        "two_frames.mp4": ("cannot_tell", "too_short"),
        "hdr.mkv": ("cannot_tell", "hdr"),
        "small.mp4": ("cannot_tell", "too_small"),
    }
    for name, (status, code) in expected.items():
        report = examiner.examine(tmp_path / name)
        assert report.status == status and code in {r.code for r in report.reasons}, name
        assert report.probability is None and report.verdict == "cannot_tell" and report.file == name
        assert report.to_dict()["reasons"][0]["text"]


def test_alpha_rotation_and_variable_rates_are_read(examiner: Detector, astronaut: np.ndarray, tmp_path: Path) -> None:
    frames = [sway(astronaut, i, 192) for i in range(50)]
    alpha = [np.dstack([f, np.full(f.shape[:2], 255, np.uint8)]) for f in frames]
    save(tmp_path / "alpha.mov", alpha, codec="qtrle", pix_fmt="argb")
    times = np.cumsum(np.random.default_rng(0).choice([0.03, 0.04, 0.06], 50))
    save(tmp_path / "variable.mkv", frames, times=list(times - times[0]), rate=1000)
    for name in ("alpha.mov", "variable.mkv"):
        report = examiner.examine(tmp_path / name)
        assert len(report.faces) == 1 and report.faces[0].seconds > 1.8, name


def test_a_phone_held_upright_is_turned_and_a_drawn_face_and_a_cat_get_no_certainty(
    examiner: Detector, astronaut: np.ndarray, tmp_path: Path
) -> None:
    frames = [sway(astronaut, i, 192) for i in range(50)]
    lying = save(tmp_path / "phone.mp4", [np.ascontiguousarray(np.rot90(f)) for f in frames])
    data = bytearray(lying.read_bytes())
    matrix = data.index(b"tkhd") + 44  # ISO 14496-12, 8.3.2, version 0
    data[matrix : matrix + 20] = struct.pack(">5i", 0, 1 << 16, 0, -1 << 16, 0)  # a quarter turn to the right
    lying.write_bytes(data)
    report = examiner.examine(lying)
    assert len(report.faces) == 1 and report.faces[0].seconds > 1.8
    drawn = np.asarray(Image.open(SAMPLES / "rosalind.jpg").convert("RGB"))
    report = examiner.examine(save(tmp_path / "drawn.mp4", [sway(drawn, i) for i in range(60)]))
    assert report.status in ("cannot_tell", "no_face") and report.reasons and report.probability is None
    cat = examiner.examine(save(tmp_path / "cat.mp4", [sway(skimage.data.chelsea(), i) for i in range(60)]))
    assert cat.status == "no_face" and cat.verdict == "cannot_tell"


def test_two_examinations_at_once_do_not_mix(examiner: Detector, clip: Path, report: Report, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    got: dict[str, Report] = {}
    paths = {"clip": clip, "text": tmp_path / "text.mp4"}
    threads = [
        threading.Thread(target=lambda n=n, p=p: got.__setitem__(n, examiner.examine(p)))  # type: ignore[misc]
        for n, p in paths.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got["clip"].probability == report.probability and got["text"].status == "unreadable"
    assert not [t for t in threading.enumerate() if t.name in ("candor-decode", "candor-listen")]


def test_weights_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="missing"):
        Model.from_pretrained(tmp_path / "detector.safetensors")
    (tmp_path / "detector.safetensors").write_bytes(b"none")
    with pytest.raises(WeightsError, match="damaged"):
        Detector.from_pretrained(tmp_path / "detector.safetensors").examine("a.mp4")


def test_the_shipped_weights_are_small_and_name_their_figures() -> None:
    from detection.crops import FOLDER

    assert sum(p.stat().st_size for p in FOLDER.glob("*.safetensors")) < 8_000_000
    model = Model.from_pretrained()
    assert model.authentic <= model.generated and len(model.members) == 4
    for key in ("people", "real", "generated", "auc", "ece", "real_called_generated"):
        assert key in model.figures


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from detection.batch import Workers, make_plain

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match="pip install ray"):
        Workers(make_plain)
