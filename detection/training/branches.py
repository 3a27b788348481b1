"""Training of one member's branches on the takes of the people it may see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from detection.evidence import Lips
from detection.metrics import logistic
from detection.model import STRETCH, Gauss, MotionNet, SkinNet, sync_stretches
from detection.pixels import PixelConfig, PixelNet, as_tensor
from detection.sync import COLUMNS, agreement, fit_listener
from detection.training.takes import GENERATED, Take
from vasa_core.types import MOTION_RATE


@dataclass(frozen=True)
class TrainConfig:
    steps: int = 120
    batch: int = 32  # windows
    crops: int = 1  # of a window per step
    rate: float = 3e-3  # AdamW, one-cycle
    decay: float = 0.02
    erase: float = 0.35  # probability that a rectangle of a crop is greyed
    motion_steps: int = 500
    motion_hidden: int = 24
    skin_ridge: float = 2.0
    shrinkage: float = 0.3  # of the embeddings' covariance towards its diagonal
    # How often a kind is drawn among the fakes.
    shares: tuple[tuple[str, float], ...] = (
        ("self", 0.3), ("audio", 0.16), ("controls", 0.16), ("cross", 0.1), ("mouth", 0.13), ("blended", 0.15)
    )  # fmt: skip


class Sampler:
    """Draws windows: half of them real; people alike often, kinds by their shares."""

    def __init__(self, takes: list[Take], config: TrainConfig, rng: np.random.Generator, pixels: bool) -> None:
        self.rng = rng
        pool = [t for t in takes if t.has_pixels or not pixels]
        self.real = self._by_person([t for t in pool if not t.fake])
        shares = dict(config.shares) if pixels else {**dict(config.shares), "kinematic": 0.2, "blended": 0.0}
        self.kinds = {k: self._by_person([t for t in pool if t.kind == k]) for k, s in shares.items() if s}
        self.kinds = {k: v for k, v in self.kinds.items() if v}
        weights = np.array([shares[k] for k in self.kinds])
        self.weights = weights / weights.sum()

    @staticmethod
    def _by_person(takes: list[Take]) -> list[list[Take]]:
        groups: dict[str, list[Take]] = {}
        for take in takes:
            groups.setdefault(take.person, []).append(take)
        return list(groups.values())

    def draw(self, count: int) -> tuple[list[tuple[Take, int]], np.ndarray]:
        """(take, window) pairs and labels float32 (count,)."""
        labels = (np.arange(count) % 2).astype(np.float32)
        names = list(self.kinds)
        out = []
        for label in labels:
            groups = self.kinds[str(self.rng.choice(names, p=self.weights))] if label else self.real
            people = groups[int(self.rng.integers(len(groups)))]
            take = people[int(self.rng.integers(len(people)))]
            out.append((take, int(self.rng.integers(take.windows))))
        return out, labels


def train_pixels(takes: list[Take], config: TrainConfig, seed: int, say=print) -> PixelNet:  # type: ignore[no-untyped-def]
    """The pixel branch, from scratch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    sampler = Sampler(takes, config, rng, pixels=True)
    net = PixelNet(PixelConfig()).train()
    optimizer = torch.optim.AdamW(net.parameters(), config.rate, weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=config.steps, pct_start=0.15)
    loss_of = nn.functional.binary_cross_entropy_with_logits
    for step in range(config.steps):
        drawn, labels = sampler.draw(config.batch)
        crops, skin = augmented(drawn, config, rng)
        y = torch.from_numpy(labels) * 0.96 + 0.02
        crop, flat, _ = net(crops, skin)
        loss = loss_of(crop + flat, y) + 0.5 * loss_of(crop, y) + 0.5 * loss_of(flat, y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 49:
            say(f"  pixels step {step + 1}: loss {loss.item():.3f}")
    return net.eval()


def augmented(
    drawn: list[tuple[Take, int]], config: TrainConfig, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """crops (B, F, 3, S, S) and skin (B, 5, M, M), mirrored, recoloured, partly hidden."""
    crops, skin = [], []
    for take, window in drawn:
        chosen = rng.choice(take.crops.shape[1], config.crops, replace=False)
        own = take.crops[window, chosen].astype(np.float32)
        flat = take.skin[window].astype(np.float32)
        inside = flat != 0
        if rng.random() < 0.5:
            own, flat, inside = own[:, :, ::-1], flat[..., ::-1], inside[..., ::-1]
        own = (own - 128) * rng.uniform(0.85, 1.15) + 128 + rng.uniform(-12, 12, 3).astype(np.float32)
        dy, dx = rng.integers(-4, 5, 2)
        own = np.roll(own, (dy, dx), (1, 2))
        if rng.random() < config.erase:
            y, x = rng.integers(0, 96, 2)
            h, w = rng.integers(16, 56, 2)
            own[:, y : y + h, x : x + w] = 128
        if rng.random() < config.erase:
            y, x = rng.integers(0, 72, 2)
            h, w = rng.integers(10, 36, 2)
            inside = inside.copy()
            inside[:, y : y + h, x : x + w] = False
        flat = (flat + rng.normal(0, 0.12) + rng.normal(0, 0.06, (5, 1, 1)).astype(np.float32)) * inside
        crops.append(np.clip(own, 0, 255))
        skin.append(flat)
    return as_tensor(np.stack(crops)), torch.from_numpy(np.stack(skin).astype(np.float32))


def train_motion(takes: list[Take], config: TrainConfig, seed: int) -> MotionNet:
    """The motion branch: a small perceptron on standardised features."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed + 1)
    sampler = Sampler(takes, config, rng, pixels=False)
    everything = np.concatenate([t.motion for t in takes])
    mean, scale = everything.mean(0), everything.std(0) + 1e-3
    net = nn.Sequential(
        nn.Dropout(0.2), nn.Linear(len(mean), config.motion_hidden), nn.ReLU(), nn.Dropout(0.4),
        nn.Linear(config.motion_hidden, 1),
    ).train()  # fmt: skip
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.motion_steps)
    for _ in range(config.motion_steps):
        drawn, labels = sampler.draw(128)
        x = np.stack([t.motion[w] for t, w in drawn])
        x = np.clip((x - mean) / scale, -4, 4)
        y = torch.from_numpy(labels) * 0.9 + 0.05
        loss = nn.functional.binary_cross_entropy_with_logits(net(torch.from_numpy(x.astype(np.float32)))[:, 0], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    state = {n: p.detach().numpy().copy() for n, p in net.named_parameters()}
    return MotionNet(
        mean.astype(np.float32), scale.astype(np.float32),
        state["1.weight"], state["1.bias"], state["4.weight"], state["4.bias"],
    )  # fmt: skip


def train_skin(takes: list[Take], config: TrainConfig) -> SkinNet:
    """The skin branch: logistic regression in which people and classes count alike. Takes with another mouth only are
    left out: nearly all of their skin is real."""
    pool = [t for t in takes if t.kind in ("real", *GENERATED)]
    x = np.concatenate([t.light for t in pool])
    fake = np.concatenate([np.full(t.windows, t.fake) for t in pool])
    people = np.concatenate([np.full(t.windows, t.person) for t in pool])
    weight = np.ones(len(x))
    for label in (False, True):
        for person in np.unique(people[fake == label]):
            rows = (fake == label) & (people == person)
            weight[rows] /= np.sqrt(weight[rows].sum())
        weight[fake == label] *= len(x) / 2 / weight[fake == label].sum()
    mean, scale = x.mean(0), x.std(0) + 1e-3
    beta = logistic(np.clip((x - mean) / scale, -STRETCH, STRETCH), fake, weight, ridge=config.skin_ridge)
    return SkinNet(*(a.astype(np.float32) for a in (mean, scale, beta[1:], beta[:1])))


def train_listener(takes: list[Take]) -> np.ndarray:
    """What lips do for a voice, from real talkers only; the clips' own shifts are found and undone on the way."""
    real = [t for t in takes if not t.fake and len(t.voice) and len(t.clock)]
    weights = np.zeros(COLUMNS, np.float32)
    # Where to start: open classes open, closed ones close (order of vasa_core.motion.visemes.VISEMES).
    prior = np.array([-0.6, -1, -0.5, 0, 0, -0.2, 0, 0.1, 0, -0.5, 0.3, 1, 0.7, 0.2], np.float32)
    weights[COLUMNS // 2 - 7 : COLUMNS // 2 + 7] = prior
    for _ in range(2):
        pairs = []
        for take in real:
            for start, stop in sync_stretches(Lips(take.clock, take.lips)):
                found = agreement(take.clock[start:stop], take.lips[start:stop], take.voice, weights)
                if found is None or found.correlation < 0.25:
                    continue
                first = round((take.clock[start] - found.offset) * MOTION_RATE)
                low, high = max(first, 0), min(first + stop - start, len(take.voice))
                pairs.append((take.voice[low:high], take.lips[start + low - first : start + high - first]))
        if len(pairs) >= 4:
            weights = fit_listener(pairs)
    return weights


def gauss(embedding: np.ndarray, shrinkage: float) -> Gauss:
    """Mean and whitening of embeddings (N, E), the covariance shrunk towards its diagonal."""
    mean = embedding.mean(0)
    covariance = np.cov(embedding - mean, rowvar=False)
    diagonal = np.diag(np.diag(covariance) + 1e-4)
    covariance = (1 - shrinkage) * covariance + shrinkage * diagonal + 1e-4 * np.eye(len(mean))
    values, vectors = np.linalg.eigh(covariance)
    return Gauss(mean.astype(np.float32), (vectors / np.sqrt(values)).astype(np.float32))


__all__ = [
    "GENERATED",
    "TrainConfig",
    "gauss",
    "train_listener",
    "train_motion",
    "train_pixels",
    "train_skin",
]
