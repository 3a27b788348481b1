"""The samples that ship: complete, small, honest about who made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo import samples
from demo.samples.recognise import recognise
from safety.consent import Attestation
from tests.demo.conftest import Desk
from vasa_core.audio import load_speech
from vasa_core.types import Controls

MAKE = "make the prepared clips with: python -m demo.samples"


def test_every_recipe_can_be_followed() -> None:
    found = samples.recipes()
    assert {sample.recipe.language for sample in found} >= {"en", "fr"} and len(
        {sample.name for sample in found}
    ) == len(found)
    for sample in found:
        assert sample.photo.exists() and 4 <= load_speech(sample.speech).seconds <= 14
        assert Attestation(**sample.recipe.attestation).basis in ("public-domain", "synthetic")
        assert Controls(**sample.recipe.controls) and sample.recipe.fps in (25, 40, 60)


def test_samples_are_small_and_their_sources_named() -> None:
    files = [path for path in samples.FOLDER.iterdir() if path.is_file() and path.suffix != ".py"]
    assert sum(path.stat().st_size for path in files) < 9_000_000
    sources = (samples.FOLDER / "SOURCES.md").read_text("utf-8")
    assert all(
        f"`{sample.recipe.photo}`" in sources and f"`{sample.speech.name}`" in sources for sample in samples.recipes()
    )


def test_prepared_clips_are_recognised_on_any_machine(desk: Desk) -> None:
    assert len(samples.ready()) >= 2, MAKE
    for sample in samples.ready():
        known = recognise(sample.clip)
        assert known is not None and known.marked and known.watermark_id == sample.report()["watermark_id"]


def test_a_changed_clip_is_not_taken_for_a_sample(tmp_path: Path) -> None:
    assert samples.ready(), MAKE
    data = bytearray(samples.ready()[0].clip.read_bytes())
    data[len(data) // 2] ^= 0xFF
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(data)
    assert recognise(changed) is None


@pytest.mark.parametrize("name", ["english.m4a", "grace_hopper.jpg", "SOURCES.md"])
def test_other_files_are_not_taken_for_samples(name: str) -> None:
    assert recognise(samples.FOLDER / name) is None
