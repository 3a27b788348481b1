"""Files to try Verify and Detect on: an own video, a stripped and a tampered copy of it, and a real picture's clip.

The own video is made here at the first wish, through the real gate and seal: the drawn character of the project, under
the basis "synthetic". Its copies are made from its bytes; nothing is encoded. The clip of a real picture ships with the
program (scripts/real_clip.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import gradio as gr

from demo import cards, samples, texts
from demo.session import VISITOR, Visitors
from demo.studio import Studio

KINDS = ("own", "stripped", "tampered", "real")
RECIPE = "gaze"  # the shortest sample whose drawn character and voice are used
FOLDER = f"{VISITOR}specimens"  # among the visitors' folders, and gone with them
FPS = 25


class Specimens:
    """Makes each file once in the life of the process. Safe to share between threads."""

    def __init__(self, studio: Studio, visitors: Visitors) -> None:
        self.studio, self._folder = studio, visitors.root / FOLDER
        self._making = threading.Lock()

    def path(self, kind: str) -> Path:
        """The file of a kind, made if need be, which takes some seconds. Raises `CandorError`, KeyError."""
        if kind == "real":
            return samples.REAL
        target = self._folder / f"{kind}.mp4"
        with self._making:
            if not target.exists():
                self._folder.mkdir(mode=0o700, exist_ok=True)
                own = self._folder / "own.mp4"
                if not own.exists():
                    self._make(own)
                if kind != "own":
                    content = {"stripped": stripped, "tampered": tampered}[kind](own.read_bytes())
                    part = target.with_suffix(".part")
                    part.write_bytes(content)
                    part.replace(target)
        return target

    def _make(self, target: Path) -> None:
        from safety.consent import Attestation
        from vasa_core.types import Controls

        sample = next(sample for sample in samples.recipes() if sample.name == RECIPE)
        recipe = sample.recipe
        self.studio.create(
            sample.photo,
            sample.speech,
            partial(self.studio.consent, Attestation(**recipe.attestation)),
            target,
            controls=Controls(**recipe.controls),
            fps=FPS,
            names=(sample.photo.name, sample.speech.name),
        )


def boxes(mp4: bytes) -> dict[bytes, tuple[int, int]]:
    """Start and end of the first box of each kind at the top of an MP4 file (ISO/IEC 14496-12, 4.2)."""
    found: dict[bytes, tuple[int, int]] = {}
    start = 0
    while start + 8 <= len(mp4):
        size, kind = int.from_bytes(mp4[start : start + 4], "big"), mp4[start + 4 : start + 8]
        if size == 1:
            size = int.from_bytes(mp4[start + 8 : start + 16], "big")
        end = len(mp4) if size == 0 else start + size
        if size != 0 and size < 8:
            break
        found.setdefault(kind, (start, end))
        start = end
    return found


def stripped(mp4: bytes) -> bytes:
    """The same video without its manifest: its box becomes free space, as tools that know no C2PA may leave it."""
    start, end = boxes(mp4)[b"uuid"]
    return mp4[: start + 4] + b"free" + bytes(end - start - 8) + mp4[end:]


def tampered(mp4: bytes) -> bytes:
    """The same video with its manifest, after somebody dated it anew: one number of its header is another."""
    start, end = boxes(mp4)[b"moov"]
    at = mp4.index(b"mvhd", start, end) + 8  # version and flags, then the creation time in s since 1904
    return mp4[:at] + (int.from_bytes(mp4[at : at + 4], "big") ^ 0x5A5A).to_bytes(4, "big") + mp4[at + 4 :]


def draw(prefix: str) -> Sequence[tuple[str, gr.Button]]:
    """A button for each kind, inside the current layout. prefix: of the widgets' ids."""
    gr.HTML(f'<h2 class="step plain">{texts.SPECIMENS_TITLE}</h2>' + cards.hint(texts.SPECIMENS_HINT))
    buttons = []
    with gr.Row(elem_classes="specimens"):
        for kind in KINDS:
            name = f"{prefix}specimen-{kind}"
            buttons.append((kind, gr.Button(texts.SPECIMENS[kind], size="sm", min_width=140, elem_id=name)))
    return buttons
