"""`demo detect` and the Detect page, with the shipped detector."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from demo import texts
from demo.cli import main
from demo.detect import Detect
from demo.session import Visitors
from demo.specimens import Specimens
from demo.studio import Studio
from tests.detection.conftest import astronaut, save, sway

_ = astronaut  # a fixture


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, astronaut) -> Path:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("suspects")
    return save(folder / "sway.mp4", [sway(astronaut, i) for i in range(55)])


def test_a_folder_with_broken_files_is_examined_to_its_end(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANDOR_HOME", str(tmp_path / "home"))
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "a.txt").write_text("no video")
    (folder / "b.mp4").write_bytes(clip.read_bytes())
    out = ("--csv", str(tmp_path / "o.csv"), "--html", str(tmp_path / "html"))
    assert main(["detect", str(folder), "--json", *out]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert [f["status"] == "unreadable" for f in facts["files"]] == [True, False]
    for key in ("status", "probability", "verdict", "segments", "faces", "provenance"):
        assert key in facts["files"][1]
    assert facts["files"][1]["provenance"]["manifest"]["state"] == "none"
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 3
    assert sorted(p.name for p in (tmp_path / "html").iterdir()) == ["a.txt.html", "b.mp4.html"]

    assert main(["detect", str(tmp_path / "missing.mp4")]) == 2
    said = capfd.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "missing.mp4" in said[0]


def test_the_page_shows_the_report_and_offers_it_as_a_file(clip: Path, tmp_path: Path) -> None:
    visitors = Visitors(tmp_path / "visitors")
    try:
        with gr.Blocks():
            studio = Studio(tmp_path / "home")
            page = Detect(studio, visitors, Specimens(studio, visitors))
        request = SimpleNamespace(client=None, session_hash="s")
        with texts.speaking("fr"):
            steps = list(page.watch(str(clip), request))  # type: ignore[arg-type]
        report, save_button = steps[-1]
        said = [html for html, _ in steps]
        nothing = next(place for place, html in enumerate(said) if "Ce que le fichier dit de lui-même" in html)
        assert nothing < len(said) - 1  # what the traces say is shown before any face has been judged
        assert 'class="dr"' in report and "Provenance" in report and "Visage 1" in report
        saved = Path(str(save_button.value["path"] if isinstance(save_button.value, dict) else save_button.value))
        assert saved.exists() and 'lang="fr"' in saved.read_text()
        assert {saved, clip} <= visitors.find("s").uploads  # type: ignore[union-attr]  # they go with the visitor
        (tmp_path / "text.mp4").write_text("hello")
        *_, (refused, _) = page.watch(str(tmp_path / "text.mp4"), request)  # type: ignore[arg-type]
        assert texts.DETECT_TAB and "not a video that can be read" in refused
        assert page.clear()[0] == page._empty()
    finally:
        visitors.close()
