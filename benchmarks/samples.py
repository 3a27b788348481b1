"""What benchmarks look at when no folder is given: the shipped samples."""

from __future__ import annotations

from pathlib import Path

SAMPLES = Path(__file__).parent.parent / "demo" / "samples"
PICTURES, SOUNDS = {".jpg", ".jpeg", ".png", ".webp"}, {".ogg", ".wav", ".m4a", ".mp3", ".flac"}


def files(folder: Path, kinds: set[str]) -> list[Path]:
    """Files of these endings, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in kinds)
