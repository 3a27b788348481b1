"""`demo detect` and the Detect page, with the shipped detector."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from demo import texts
from demo.detect import Detect
from demo.session import Visitors
from demo.studio import Studio
from tests.detection.conftest import astronaut, save, sway

_ = astronaut  # a fixture


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, astronaut) -> Path:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("suspects")
    return save(folder / "sway.mp4", [sway(astronaut, i) for i in range(55)])


def detect(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"CANDOR_HOME": str(home), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "demo", "detect", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


def test_a_folder_with_broken_files_is_examined_to_its_end(clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "a.txt").write_text("no video")
    (folder / "b.mp4").write_bytes(clip.read_bytes())
    done = detect(
        str(folder),
        "--json",
        "--csv",
        str(tmp_path / "o.csv"),
        "--html",
        str(tmp_path / "html"),
        home=tmp_path / "home",
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert [f["status"] == "unreadable" for f in facts["files"]] == [True, False]
    for key in ("status", "probability", "verdict", "segments", "faces", "provenance"):
        assert key in facts["files"][1]
    assert facts["files"][1]["provenance"]["manifest"]["state"] == "none"
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 3
    assert sorted(p.name for p in (tmp_path / "html").iterdir()) == ["a.txt.html", "b.mp4.html"]


def test_what_cannot_be_read_ends_with_code_2_and_one_line(tmp_path: Path) -> None:
    done = detect(str(tmp_path / "missing.mp4"), home=tmp_path / "home")
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1 and "missing.mp4" in done.stderr


def test_the_page_shows_the_report_and_offers_it_as_a_file(clip: Path, tmp_path: Path) -> None:
    visitors = Visitors(tmp_path / "visitors")
    try:
        with gr.Blocks():
            page = Detect(Studio(tmp_path / "home"), visitors)
        request = SimpleNamespace(session_hash="s")
        with texts.speaking("fr"):
            steps = list(page.watch(str(clip), request))  # type: ignore[arg-type]
        report, save_button = steps[-1]
        assert 'class="dr"' in report and "Provenance" in report and "Visage 1" in report
        saved = Path(str(save_button.value["path"] if isinstance(save_button.value, dict) else save_button.value))
        assert saved.exists() and 'lang="fr"' in saved.read_text()
        assert visitors.find("s").folder in saved.parents  # type: ignore[union-attr]
        (tmp_path / "text.mp4").write_text("hello")
        *_, (refused, _) = page.watch(str(tmp_path / "text.mp4"), request)  # type: ignore[arg-type]
        assert texts.DETECT_TAB and "not a video that can be read" in refused
        assert page.clear()[0] == page._empty()
    finally:
        visitors.close()
