"""Many videos from a table: made, skipped when made before, and bad rows named without stopping the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.cli import main
from tests.demo.conftest import Desk


def table(path: Path, *rows: str, head: str = "photo,audio,consent,out,fps,seed") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", "utf-8")
    return path


def test_a_table_is_made_once_and_a_changed_row_again(
    desk: Desk, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = f"{desk.photo},{desk.speech},{desk.consent},one.mp4,25,1"
    bad = f"{desk.photo},{desk.photo},{desk.consent},two.mp4,25,1"
    jobs = table(tmp_path / "jobs.csv", good, bad)
    assert main(["batch", str(jobs), "-o", str(tmp_path), "--json"]) == 2
    first = json.loads(capfd.readouterr().out)
    made = tmp_path / "one.mp4"
    assert first["failed"] == 1 and made.exists() and not (tmp_path / "two.mp4").exists()
    assert first["videos"][0]["manifest"] == "Trusted" and "message" in first["videos"][1]
    before = made.stat().st_mtime_ns

    assert main(["batch", str(table(jobs, good)), "-o", str(tmp_path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["videos"] == first["videos"][:1]
    assert made.stat().st_mtime_ns == before
    assert main(["batch", str(table(jobs, good.replace(",1", ",2"))), "-o", str(tmp_path)]) == 0
    assert made.stat().st_mtime_ns != before


@pytest.mark.slow
def test_two_workers_share_a_table(
    desk: Desk, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    rows = [f"{desk.photo},{desk.speech},{desk.consent},{name}.mp4,25,1" for name in ("one", "two")]
    jobs = table(tmp_path / "jobs.csv", *rows, f"{desk.photo},{desk.photo},{desk.consent},bad.mp4,25,1")
    assert main(["batch", str(jobs), "-o", str(tmp_path), "--ray", "--json"]) == 2
    said = json.loads(capfd.readouterr().out)
    one, two, bad = said["videos"]  # in the order of the table, whoever was first
    assert one["manifest"] == two["manifest"] == "Trusted" and one["watermark_id"] != two["watermark_id"]
    assert (tmp_path / "one.mp4").exists() and (tmp_path / "two.mp4").exists()
    assert said["failed"] == 1 and bad["error"] and not (tmp_path / "bad.mp4").exists()
    assert main(["verify", str(tmp_path / "two.mp4")]) == 0  # what a worker wrote stands in the one ledger


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("photo,audio,out", "a,b,c.mp4"),
        ("photo,audio,consent,out,colour", "a,b,c,d.mp4,red"),
        ("photo,audio,consent,out", "a,b,c,../d.mp4"),
        ("photo,audio,consent,out", "a,b,c,d.avi"),
        ("photo,audio,consent,out,fps", "a,b,c,d.mp4,many"),
        ("photo,audio,consent,out", "a,b,c,d.mp4\na,b,c,d.mp4"),
        ("photo,audio,consent,out", ""),
    ],
    ids=["missing column", "unknown column", "other folder", "no mp4", "no number", "twice", "no rows"],
)
def test_a_table_that_does_not_fit_is_refused_before_any_work(
    tmp_path: Path, head: str, row: str, capfd: pytest.CaptureFixture[str]
) -> None:
    jobs = tmp_path / "jobs.csv"
    jobs.write_text(f"{head}\n{row}\n" if row else f"{head}\n")
    assert main(["batch", str(jobs), "-o", str(tmp_path)]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1 and list(tmp_path.iterdir()) == [jobs]


def test_a_missing_table_and_folder_are_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", str(tmp_path / "no.csv"), "-o", str(tmp_path)]) == 2
    jobs = table(tmp_path / "jobs.csv", "a,b,c,d.mp4,25,1")
    assert main(["batch", str(jobs), "-o", str(tmp_path / "nowhere")]) == 2
    assert "does not exist" in capfd.readouterr().err
