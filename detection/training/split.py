"""Who is in which part: by person, and by source, so that nothing can be recognised instead of judged."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

# Files of one person, as the data's own notes say; every other file shows somebody else.
SAME_PERSON = {
    "lipnet_pwij3p": "grid_a",
    "lipnet_id2_vcd_swwp2s": "grid_a",
    "audio-visual-spe_m1_s30": "grid_s30",
    "audio-visual-spe_m2_s30": "grid_s30",
    "audio-visual-spe_f1_s33": "grid_s33",
    "audio-visual-spe_f2_s33": "grid_s33",
}
# Repositories whose clips come from one recording project are one source.
SOURCE = {"rizkiarm/LipNet": "grid", "dr-pato/audio-visual-speech-inpainting": "grid"}
FOLDS = 4
# Source-disjoint folds of about equal weight: whatever the detector is measured on, it has never seen a person nor a
# source of it.
SOURCE_FOLD = {
    "grid": 0,
    "KwaiVGI/LivePortrait": 1,
    "OpenTalker/SadTalker": 2,
    "tanshuai0219/EDTalk": 2,
    "Zejun-Yang/AniPortrait": 2,
    "sstzal/DFRF": 3,
    "YuvalNirkin/fsgan": 3,
    "cbsjtu01/IMTalker": 3,
    "OpenTalker/video-retalking": 3,
}


@dataclass(frozen=True)
class Clip:
    """One real clip. split: "train" or "dev".  fold: source-disjoint; person_fold: by person, sources mixed."""

    path: Path
    name: str
    split: str
    person: str
    source: str
    fold: int
    person_fold: int
    seconds: float
    face: float
    sound: bool


def person_of(name: str) -> str:
    return next((person for start, person in SAME_PERSON.items() if name.startswith(start)), name)


def clips(data: Path) -> list[Clip]:
    """All clips of a data folder by clips/manifest.csv, in order of name."""
    with open(data / "clips" / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["file"])
    out: list[Clip] = []
    turn: dict[str, int] = {}
    folds: dict[str, int] = {}
    for row in rows:
        split, _, stem = row["file"].partition("/")
        matches = sorted((data / "clips" / split).glob(f"{Path(stem).stem}*.mp4"))  # long names are cut in the list
        path = data / "clips" / row["file"] if (data / "clips" / row["file"]).exists() else matches[0]
        person, source = person_of(path.stem), SOURCE.get(row["repository"], row["repository"])
        if person not in folds:  # people of a source are dealt out in turn
            turn[source] = turn.get(source, len(turn)) + 1
            folds[person] = turn[source] % FOLDS
        out.append(
            Clip(
                path=path,
                name=path.stem,
                split=split,
                person=person,
                source=source,
                fold=SOURCE_FOLD.get(source, 0),
                person_fold=folds[person],
                seconds=float(row["seconds"]),
                face=float(row["face_px"]),
                sound=row["audio"] != "none",
            )
        )
    return out
