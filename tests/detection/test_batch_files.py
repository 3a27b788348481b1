"""A folder as people have them: hundreds of files, few of them videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from detection import Detector
from detection.batch import Table, examine_all, files_in
from detection.report import STATUSES
from tests.detection.conftest import save, sway


def test_five_hundred_mixed_files_each_get_a_status(
    examiner: Detector, clip: Path, astronaut: np.ndarray, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    rng = np.random.default_rng(0)
    whole = clip.read_bytes()
    for i in range(120):
        (folder / f"notes {i}.txt").write_text(f"nothing to see in {i}\n" * i)
        (folder / f"empty_{i}.mp4").touch()
        (folder / f"noise_{i}.mov").write_bytes(rng.bytes(2000 + i))
        (folder / f"cut_{i}.mp4").write_bytes(whole[: 40 + 7 * i])  # the index of an MP4 comes last
    for i in range(10):
        Image.fromarray(astronaut[i:, i:]).resize((64, 64)).save(folder / f"photo_{i}.png")
        (folder / f"späte Ürlaub {i}.webm").write_bytes(b"\x1aE\xdf\xa3" + rng.bytes(500))
    save(folder / "face.mp4", [sway(astronaut, i, 160) for i in range(45)])
    paths = files_in([folder])
    assert len(paths) == 501
    table = Table(tmp_path / "out.csv", examiner.model.version)
    outcomes = list(examine_all(paths, examiner.examine, table))
    assert [o.path for o in outcomes] == paths and len(table.known) == len(paths)
    statuses = {o.path.name: o.row["status"] for o in outcomes}
    assert set(statuses.values()) <= set(STATUSES)
    assert {s for n, s in statuses.items() if n.startswith(("notes", "empty", "noise", "cut"))} == {"unreadable"}
    assert {s for n, s in statuses.items() if n.startswith("photo")} == {"cannot_tell"}
    assert statuses["face.mp4"] in ("scored", "cannot_tell")
    assert all(o.row["reasons"] for o in outcomes if o.row["status"] != "scored")
    assert all(o.row["probability"] == "" for o in outcomes if o.row["status"] != "scored")
