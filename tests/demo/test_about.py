"""The About page: the detector's error rates are those in its own weights file, in both languages."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from demo import about, samples, texts
from detection.model import Model


@pytest.mark.parametrize("language", ["en", "fr"])
def test_error_rates_are_those_of_the_shipped_detector(language: str) -> None:
    figures = Model.from_pretrained().figures
    with texts.speaking(language):
        shown = about.page()
        assert texts.ABOUT_RATES_TITLE in shown
    assert f" {figures['people']} " in shown
    for kind in ("real", "generated"):
        percent = f"{figures[f'{kind}_called_generated']:.1%}"
        assert (percent if language == "en" else percent.replace(".", ",").replace("%", "\u202f%")) in shown


def test_its_pictures_are_among_the_files_that_are_served() -> None:
    served = {str(path) for path in samples.media()}
    shown = [unquote(path) for path in re.findall(r'src="gradio_api/file=([^"]+)"', about.page())]
    assert len(shown) == len(texts.ABOUT_PICTURES) and set(shown) <= served


def test_documents_exist_and_are_named() -> None:
    assert all(path.exists() for path in about.DOCUMENTS.values())
    assert about.DOCUMENTS.keys() == texts.en.DOCUMENTS.keys()


def test_without_figures_there_is_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(about, "DETECTOR", about.ROOT / "LICENSE")
    assert about.detector_figures() == {} and 'class="rates"' not in about.page()
