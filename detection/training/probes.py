"""What a detector could know without looking at a face. On a sound set each of these ranks no better than chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detection.metrics import auc, by_people, logistic
from detection.training.looks import KINDS as LOOKS
from detection.training.takes import GENERATED, REAL, Take

CODECS = ("h264", "hevc", "vp9")
LIMIT = 0.55  # AUC that no probe may exceed


def container(take: Take) -> list[float]:
    """Width, height, frames a second, seconds, bit rate, bits a pixel, sound or not, codec."""
    width, height, rate, seconds, bits, density, sound = take.facts["container"]
    kinds = [float(take.facts["codec"] == name) for name in CODECS]
    return [width, height, rate, seconds, np.log(bits), np.log(density), sound, *kinds]


def encoder(take: Take) -> list[float]:
    """Everything that was drawn for the encoder, the colours and the look."""
    facts = take.facts
    drawn = ("quality", "gop", "rate", "gamma", "contrast", "saturation", "blur", "noise")
    kinds = [float(facts["codec"] == name) for name in CODECS]
    presets = [float(facts["preset"] == name) for name in ("ultrafast", "veryfast", "medium")]
    looks = [float(facts.get("look", "none") == name) for name in LOOKS]
    return [*(float(facts[name]) for name in drawn), *kinds, *presets, *looks]


def face_size(take: Take) -> list[float]:
    return [float(np.log(take.facts["face_px"]))]


def silence(take: Take) -> list[float]:
    """How loud the first 0.2 s are."""
    return [take.facts["lead"], float(take.facts["lead"] == 0)]


def background(take: Take) -> list[float]:
    """What a still picture shows in its corners."""
    return take.background.tolist()


PROBES: dict[str, Callable[[Take], list[float]]] = {
    "container": container,
    "encoder settings": encoder,
    "face size": face_size,
    "leading silence": silence,
    "background": background,
}


def probes(takes: list[Take]) -> dict[str, tuple[float, float, float]]:
    """AUC and its 95 % interval by people for every probe: logistic regression with squares, held-out folds."""
    used = [t for t in takes if t.kind in (REAL, *GENERATED)]
    fake = np.array([t.fake for t in used])
    folds, people = np.array([t.fold for t in used]), np.array([t.person for t in used])
    out = {}
    for name, look in PROBES.items():
        x = np.array([look(t) for t in used], float)
        scores = np.zeros(len(x))
        for fold in np.unique(folds):
            learn = folds != fold
            z = np.clip((x - x[learn].mean(0)) / (x[learn].std(0) + 1e-6), -3, 3)
            z = np.hstack([z, z**2])
            beta = logistic(z[learn], fake[learn], ridge=5.0)
            part = beta[0] + z[~learn] @ beta[1:]
            # Ranks within the fold: probes compare takes of one split, not the folds' different base rates.
            scores[~learn] = part.argsort().argsort() / max(len(part) - 1, 1)
        out[name] = (auc(scores, fake), *by_people(auc, scores, fake, people, draws=200))
    return out
