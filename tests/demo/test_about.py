"""The About page: the detector's error rates are those in its own weights file, in both languages."""

from __future__ import annotations

import pytest

from demo import about, texts
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


def test_without_figures_there_is_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(about, "DETECTOR", about.ROOT / "LICENSE")
    assert about.detector_figures() == {} and 'class="rates"' not in about.page()
