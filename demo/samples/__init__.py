"""Samples that ship with the program: portraits, voices, and clips made from them beforehand.

Each sample is a recipe in `recipes.json`; `python -m demo.samples` synthesises the voices and makes the clips.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
RECIPES = FOLDER / "recipes.json"
REAL = FOLDER / "real.mp4"  # a real photograph, filmed (scripts/real_clip.py)


@dataclass(frozen=True)
class Recipe:
    """How a sample is made.

    title, title_fr: what visitors read, in each language.
    photo:  file in this folder.   voice: synthesiser and voice, such as "flite:slt", "espeak-ng:fr" or "chant:en-us",
            which is espeak-ng syllable by syllable on the notes of a tune.
    text:   what it says, in `language`.   attestation: fields of the consent record.   controls: fields of `Controls`.
    answers_fr: those fields of the consent form that a French visitor reads in French.
    """

    name: str
    title: str
    title_fr: str
    photo: str
    language: str
    voice: str
    text: str
    attestation: dict[str, Any]
    controls: dict[str, Any]
    fps: int
    answers_fr: dict[str, str]


@dataclass(frozen=True)
class Sample:
    """A recipe with its files."""

    name: str
    title: str
    recipe: Recipe

    def named(self, language: str) -> str:
        """The title in "en" or "fr"."""
        return self.recipe.title_fr if language == "fr" else self.title

    def answers(self, language: str) -> dict[str, str]:
        """What is known of the picture, by field of the consent form: basis, subject, source. Who attests is not."""
        known = {name: str(self.recipe.attestation[name]) for name in ("basis", "subject", "source")}
        return known | self.recipe.answers_fr if language == "fr" else known

    @property
    def photo(self) -> Path:
        return FOLDER / self.recipe.photo

    @property
    def speech(self) -> Path:
        return FOLDER / f"{self.name}.m4a"

    @property
    def clip(self) -> Path:
        return FOLDER / f"{self.name}.mp4"

    @property
    def poster(self) -> Path:
        return FOLDER / f"{self.name}.jpg"

    @property
    def facts(self) -> Path:
        return FOLDER / f"{self.name}.json"

    def report(self) -> dict[str, Any]:
        """What `generate --json` printed when the clip was made."""
        return json.loads(self.facts.read_text("utf-8"))  # type: ignore[no-any-return]


def recipes() -> list[Sample]:
    """Every sample, whether its files exist or not."""
    return [
        Sample(recipe.name, recipe.title, recipe)
        for recipe in (Recipe(**entry) for entry in json.loads(RECIPES.read_text("utf-8")))
    ]


def ready() -> list[Sample]:
    """The samples whose clip has been made."""
    return [sample for sample in recipes() if all(path.exists() for path in (sample.clip, sample.poster, sample.facts))]


def media() -> list[Path]:
    """The files of samples that browsers fetch."""
    own = [path for sample in recipes() for path in (sample.photo, sample.speech, sample.clip, sample.poster)]
    return [*own, REAL]
