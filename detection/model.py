"""The trained detector: members that never saw some people each, their fusion, calibration and limits of validity.

Each member was trained without one fold of people. On people nobody has seen the members' logits are averaged, and the
spread between them is part of the uncertainty; on training people, figures come from the member that never saw them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from detection.crops import FOLDER
from detection.evidence import Lips, Window
from detection.motion import liveliness
from detection.pixels import PixelConfig, PixelNet, as_tensor
from detection.sync import FEATURES as SYNC_FEATURES
from detection.sync import Agreement, agreement
from vasa_core.errors import WeightsError
from vasa_core.types import MOTION_RATE
from vasa_core.weights import read_weights

KIND, VERSION = "detector", "3"
SYNC_STRETCH = 2.6  # seconds of lips compared with the voice at a time, as in training
BRANCHES = ("pixels", "skin", "motion", "sync")
PICTURE_BRANCHES = BRANCHES[:3]
STRETCH = 1.5  # standard deviations beyond which a figure of the skin says no more
ASIDE = 2.0  # log-odds that texture and movement may say at most: neither decides alone
BATCH = 8  # windows the networks see at once


@dataclass(frozen=True)
class Gauss:
    """Where embeddings of one class lie: mean (E,), whitening (E, E)."""

    mean: np.ndarray
    whiten: np.ndarray

    def distance(self, x: np.ndarray) -> np.ndarray:
        """Mahalanobis distances per square root of dimension, (N,)."""
        return np.sqrt((((x - self.mean) @ self.whiten) ** 2).mean(1))


@dataclass(frozen=True)
class MotionNet:
    """Two-layer perceptron on standardised motion features."""

    mean: np.ndarray
    scale: np.ndarray
    first: np.ndarray
    first_bias: np.ndarray
    last: np.ndarray
    last_bias: np.ndarray

    def logits(self, motion: np.ndarray) -> np.ndarray:
        """(N, F) -> (N,)."""
        x = np.clip((motion - self.mean) / self.scale, -4, 4)
        hidden = np.maximum(x @ self.first.T + self.first_bias, 0)
        return (hidden @ self.last.T + self.last_bias)[:, 0]


@dataclass(frozen=True)
class SkinNet:
    """Logistic regression on what the light on the skin does while the head moves (`light_features`): light and
    wrinkles that do not change although the head turns belong to a picture. How much the face moves by itself is left
    to the motion branch: people who hardly move are no pictures."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def logits(self, light: np.ndarray) -> np.ndarray:
        """(N, L) -> (N,)."""
        x = np.clip((light - self.mean) / self.scale, -STRETCH, STRETCH)
        return x @ self.weights + self.bias[0]


@dataclass(frozen=True)
class Member:
    """One of the cross-fitted detectors."""

    pixels: PixelNet
    skin: SkinNet
    motion: MotionNet
    listener: np.ndarray
    known: tuple[Gauss, ...]
    reach: float  # distance to real and to generated takes beyond which nothing is said
    near: float  # distance to real takes up to which a face may be called authentic looking

    @torch.inference_mode()
    def look(self, crops: np.ndarray, skin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """crops (N, F, S, S, 3), skin (N, 5, M, M) -> logits of crops, of skin, distance to anything seen and to real
        faces (limit 1): (N,)."""
        parts = []
        for k in range(0, len(crops), BATCH):
            shown = as_tensor(crops[k : k + BATCH])
            flat = torch.from_numpy(skin[k : k + BATCH].astype(np.float32))
            parts.append([t.numpy() for t in self.pixels(shown, flat)])
        crop, flat_logit, embedding = (np.concatenate(p) for p in zip(*parts, strict=True))
        away = [gauss.distance(embedding) for gauss in self.known]  # real, generated
        return crop, flat_logit, np.min(away, axis=0) / self.reach, away[0] / self.near


@dataclass(frozen=True)
class Scores:
    """What the branches say about one face, as log-odds of "generated" (uncalibrated), per window or as a whole.

    pixels, skin, motion: (N,) means over members.  spread: (N, 3) their standard deviations between members.
    strange: (N,), above 1 the faces are unlike anything seen.  unfilmed: (N,), above 1 they are unlike the real ones
    seen.  lively: (N,), how much a face moves by itself.
    sync: vector (6,) of lip-sync features, None without speech.  agreements: one per stretch.
    """

    pixels: np.ndarray
    skin: np.ndarray
    motion: np.ndarray
    spread: np.ndarray
    strange: np.ndarray
    unfilmed: np.ndarray
    lively: np.ndarray
    sync: np.ndarray | None
    agreements: tuple[tuple[float, float, Agreement], ...] = ()


@dataclass(frozen=True)
class Model:
    """Members and what turns their answers into a calibrated probability.

    fusion: "full" and "silent" -> bias, then a weight per branch.  branch: name -> (slope, offset) of its own
    calibration, for what is shown of it.  sync: bias and weights of the lip-sync features.  generated, authentic: fused
    log-odds from which and up to which the verdict is given.  still: liveliness below which a face may be a filmed
    photo.  figures: what was measured on held-out people.
    """

    members: tuple[Member, ...]
    fusion: dict[str, np.ndarray]
    branch: dict[str, tuple[float, float]]
    sync: np.ndarray
    generated: float
    authentic: float
    still: float
    version: str
    figures: dict[str, Any]

    def score(self, windows: list[Window], lips: Lips | None, voice: np.ndarray, only: int | None = None) -> Scores:
        """Everything the branches say about one trace. voice: posteriors (N, 14) at 25 Hz from the video's start.

        only: ask this member alone.
        """
        members = self.members if only is None else (self.members[only],)
        crops, skin = np.stack([w.crops for w in windows]), np.stack([w.skin for w in windows])
        light, motion = np.stack([w.light for w in windows]), np.stack([w.motion for w in windows])
        seen = [m.look(crops, skin) for m in members]
        said = np.array(
            [(s[0] + s[1], m.skin.logits(light), m.motion.logits(motion)) for s, m in zip(seen, members, strict=True)]
        )  # (members, 3, N)
        mean = said.mean(0)
        stretches: list[tuple[float, float, Agreement]] = []
        vectors = []
        for start, stop in sync_stretches(lips):
            found = [agreement(lips.clock[start:stop], lips.opening[start:stop], voice, m.listener) for m in members]  # type: ignore[union-attr]
            heard = [a for a in found if a is not None]
            if heard:
                vectors.append(np.mean([a.vector() for a in heard], axis=0))
                stretches.append((float(lips.clock[start]), float(lips.clock[stop - 1]), heard[0]))  # type: ignore[union-attr]
        return Scores(
            pixels=mean[0],
            skin=mean[1],
            motion=mean[2],
            spread=said.std(0).T,
            strange=np.mean([s[2] for s in seen], axis=0),
            unfilmed=np.mean([s[3] for s in seen], axis=0),
            lively=liveliness(motion),
            sync=np.mean(vectors, axis=0) if vectors else None,
            agreements=tuple(stretches),
        )

    def branch_logit(self, name: str, value: float) -> float:
        """Calibrated log-odds of one branch on its own."""
        slope, offset = self.branch[name]
        return slope * value + offset

    def sync_logit(self, vector: np.ndarray) -> float:
        return float(self.sync[0] + vector @ self.sync[1:])

    def fuse(
        self, pixels: np.ndarray | float, skin: np.ndarray | float, motion: np.ndarray | float, sync: np.ndarray | None
    ) -> np.ndarray:
        """Calibrated log-odds from branch values: of a whole face with `sync`, of windows with None."""
        parts = [np.clip(pixels, -ASIDE, ASIDE), np.asarray(skin), np.clip(motion, -ASIDE, ASIDE)]
        weights = self.fusion["silent" if sync is None else "full"]
        out = weights[0] + sum(w * part for w, part in zip(weights[1:4], parts, strict=True))
        return out if sync is None else out + weights[4] * self.sync_logit(sync)

    def gains(self, with_sync: bool) -> np.ndarray:
        """(3,) fused log-odds per unit of pixels, skin and motion."""
        return np.abs(self.fusion["full" if with_sync else "silent"][1:4])

    @classmethod
    def from_pretrained(cls, path: Path | None = None) -> Model:
        """The shipped detector, or the one in `path`. Raises WeightsError."""
        path = Path(path) if path is not None else FOLDER / "detector.safetensors"
        tensors, metadata = read_weights(path, KIND, VERSION)
        try:
            facts = json.loads(metadata["facts"])
            members = tuple(_member(tensors, f"{k}.", facts) for k in range(int(facts["members"])))
            return cls(
                members=members,
                fusion={name: np.array(w) for name, w in facts["fusion"].items()},
                branch={name: (float(a), float(b)) for name, (a, b) in facts["branch"].items()},
                sync=np.array(facts["sync"]),
                generated=float(facts["generated"]),
                authentic=float(facts["authentic"]),
                still=float(facts["still"]),
                version=str(facts["version"]),
                figures=dict(facts["figures"]),
            )
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(
                f"The weights file {path} does not hold a detector ({type(error).__name__}); install Candor again."
            ) from None


def _member(tensors: dict[str, np.ndarray], start: str, facts: dict[str, Any]) -> Member:
    own = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
    config = {k: tuple(v) if isinstance(v, list) else v for k, v in facts["pixels"].items()}
    net = PixelNet(PixelConfig(**config))  # type: ignore[arg-type]
    state = {n.removeprefix("pixels."): torch.from_numpy(t) for n, t in own.items() if n.startswith("pixels.")}
    net.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in state.items()})
    known = tuple(Gauss(own[f"known{c}.mean"], own[f"known{c}.whiten"]) for c in range(2))
    motion = MotionNet(**{name: own[f"motion.{name}"] for name in MotionNet.__dataclass_fields__})
    skin = SkinNet(**{name: own[f"skin.{name}"] for name in SkinNet.__dataclass_fields__})
    return Member(net.eval(), skin, motion, own["listener"], known, *(float(x) for x in own["reach"]))


def sync_stretches(lips: Lips | None) -> list[tuple[int, int]]:
    """(first, last + 1) frames of the stretches whose lips are compared with the voice."""
    if lips is None:
        return []
    size = round(SYNC_STRETCH * MOTION_RATE)
    count = len(lips.clock)
    if count <= size + 10:
        return [(0, count)]
    return [(k, k + size) for k in range(0, count - size + 1, size)]


def sigmoid(x: np.ndarray | float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


__all__ = ["BRANCHES", "SYNC_FEATURES", "Gauss", "Member", "Model", "MotionNet", "Scores", "sigmoid", "sync_stretches"]
