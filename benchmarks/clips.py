"""Clips of the project's own output, for benchmarks: portraits x speech, rendered in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np

from vasa_core.audio import load_speech
from vasa_core.errors import CandorError
from vasa_core.photo import load_photo
from vasa_core.pipeline import TalkingFace
from vasa_core.types import PLAYBACK_RATE, SAMPLE_RATE, Controls, Speech


def excerpt(speech: Speech, start: float, seconds: float) -> Speech:
    """A part of a recording, shorter where it ends earlier."""

    def cut(x: np.ndarray, rate: int) -> np.ndarray:
        return x[round(start * rate) : round((start + seconds) * rate)]

    return replace(speech, samples=cut(speech.samples, SAMPLE_RATE), playback=cut(speech.playback, PLAYBACK_RATE))


def rendered(
    portraits: list[Path], recordings: list[Path], seconds: float, fps: int
) -> Iterator[tuple[str, Iterator[np.ndarray]]]:
    """Every portrait with the next recording: (name, frames uint8 (512, 512, 3) RGB).

    Pictures without a usable human face are left out, as the program refuses them.
    """
    core = TalkingFace.from_pretrained()
    sounds = cycle(recordings)
    for seed, picture in enumerate(portraits):
        try:
            portrait = core.prepare(load_photo(picture))
        except CandorError:
            continue
        speech = excerpt(load_speech(next(sounds)), 0.5, seconds)
        yield picture.stem, core.render(portrait, core.animate(speech, Controls(seed=seed)), fps)
