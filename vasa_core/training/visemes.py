"""Train the viseme network on the speech corpus.

    python -m vasa_core.training.visemes .cache/speech [--steps 1400] [-o vasa_core/weights/visemes.safetensors]

A checkpoint is written every 100 steps beside the corpus; the same command goes on from it. Every batch is drawn from
(seed, step), so an interrupted run and a whole one end alike.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vasa_core.motion.visemes import VISEMES, VisemeConfig, VisemeNet, log_mel, normalise_loudness
from vasa_core.training.augment import augment, coloured_noise, crop, music
from vasa_core.training.speech_corpus import CorpusMissing, Utterance, load_shard
from vasa_core.weights import FOLDER, write_weights

KIND, VERSION = "visemes", "1"


@dataclass(frozen=True)
class TrainingConfig:
    """One training run."""

    steps: int = 1400
    batch: int = 20
    frames: int = 150  # 3 s per crop
    rate: float = 2e-3  # peak learning rate, reached after a twentieth of the run, then cosine to zero
    decay: float = 0.02
    real_share: float = 0.4  # of the crops come from real recordings
    quiet_share: float = 0.06  # of the crops hold no speech at all
    smoothing: float = 0.05
    seed: int = 0
    checkpoint_every: int = 100


@dataclass(frozen=True)
class Corpus:
    """Utterances and backgrounds in memory."""

    synthetic: list[Utterance]
    real: list[Utterance]
    held_out: list[Utterance]
    pieces: list[np.ndarray]

    @classmethod
    def load(cls, folder: Path, seed: int = 0, pieces: int = 24) -> Corpus:
        """Raises CorpusMissing when there is nothing to train on."""
        synthetic = [u for p in sorted(folder.glob("synthetic_*.npz")) if ".part" not in p.name for u in load_shard(p)]
        real, held_out = (
            load_shard(folder / name) if (folder / name).exists() else []
            for name in ("real_train.npz", "real_held_out.npz")
        )
        if not synthetic and not real:
            raise CorpusMissing(
                f"{folder} holds no speech; run: python -m vasa_core.training.speech_corpus -o {folder}"
            )
        rng = np.random.default_rng(seed)
        return cls(synthetic, real, held_out, [music(rng, 8.0) for _ in range(pieces)])


def batch(corpus: Corpus, config: TrainingConfig, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Sound float32 (batch, frames * 320) and labels int64 (batch, frames) of one step."""
    rng = np.random.default_rng([config.seed, step])
    sounds, labels = [], []
    for _ in range(config.batch):
        if rng.random() < config.quiet_share:
            count = config.frames * 320
            piece = (
                corpus.pieces[rng.integers(len(corpus.pieces))][:count]
                if rng.random() < 0.4
                else coloured_noise(rng, count)
            )
            item = Utterance(piece * 10 ** (-rng.uniform(20, 70) / 20), np.zeros(config.frames, np.uint8))
            sounds.append(item.samples * 1.0)
        else:
            real = corpus.real and (not corpus.synthetic or rng.random() < config.real_share)
            pool = corpus.real if real else corpus.synthetic
            if real:  # recordings differ in length: every second of them counts alike
                lengths = np.array([len(u.labels) for u in pool])
                chosen = pool[rng.choice(len(pool), p=lengths / lengths.sum())]
            else:
                chosen = pool[rng.integers(len(pool))]
            item = augment(rng, crop(rng, chosen, config.frames), corpus.pieces)
            sounds.append(normalise_loudness(item.samples) * 10 ** (rng.normal(0, 3) / 20))
        labels.append(item.labels)
    return torch.from_numpy(np.stack(sounds).astype(np.float32)), torch.from_numpy(np.stack(labels).astype(np.int64))


def batches(corpus: Corpus, config: TrainingConfig, first: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of the steps from `first` on; the next is made while the last is used."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(batch, corpus, config, first)
        for step in range(first, config.steps):
            ready = future.result()
            future = pool.submit(batch, corpus, config, step + 1)
            yield ready


def mask_features(mels: torch.Tensor, seed: int) -> torch.Tensor:
    """SpecAugment (Park 2019): one band of mels and one short stretch of time per item are silenced."""
    generator = np.random.default_rng(seed)
    mels = mels.clone()
    for item in mels:
        low, width = generator.integers(0, mels.shape[2] - 8), generator.integers(0, 8)
        item[:, low : low + width] = 0
        start, length = generator.integers(0, mels.shape[1] - 8), generator.integers(0, 6)
        item[start : start + length] = 0
    return mels


@torch.inference_mode()
def evaluate(net: VisemeNet, utterances: list[Utterance]) -> dict[str, float]:
    """Share of frames named right, and AUC of the bilabial posterior against the open classes."""
    net.eval()
    right = total = 0
    closed, opened = [], []
    for u in utterances:
        sound = torch.from_numpy(normalise_loudness(u.samples))[None]
        p = net(log_mel(sound))[0].softmax(-1).numpy()[: len(u.labels)]
        right += int((p.argmax(1) == u.labels[: len(p)]).sum())
        total += len(p)
        lips = p[:, VISEMES.index("bilabial")]
        closed.append(lips[u.labels[: len(p)] == VISEMES.index("bilabial")])
        opened.append(lips[u.labels[: len(p)] >= VISEMES.index("open")])
    net.train()
    a, b = np.concatenate(closed), np.concatenate(opened)
    ranks = np.argsort(np.argsort(np.concatenate([a, b])))[: len(a)]
    auc = (ranks.sum() - len(a) * (len(a) - 1) / 2) / max(1, len(a) * len(b))
    return {"accuracy": right / max(1, total), "bilabial_auc": float(auc)}


def train(corpus: Corpus, config: TrainingConfig, model: VisemeConfig, checkpoint: Path | None = None) -> VisemeNet:
    """Train, going on from `checkpoint` when it exists."""
    torch.manual_seed(config.seed)
    net = VisemeNet(model)
    optimiser = torch.optim.AdamW(net.parameters(), config.rate, weight_decay=config.decay, betas=(0.9, 0.98))
    first = 0
    if checkpoint is not None and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    weight = torch.ones(model.classes)
    weight[[VISEMES.index("bilabial"), VISEMES.index("labiodental")]] = 1.5  # a missed closure is the worst mistake
    began, running = time.monotonic(), 0.0
    for step, (sound, labels) in enumerate(batches(corpus, config, first), first):
        warm = config.steps / 20
        scale = min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * max(0.0, step - warm) / (config.steps - warm))))
        for group in optimiser.param_groups:
            group["lr"] = config.rate * scale
        logits = net(mask_features(log_mel(sound), step))
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), weight=weight, label_smoothing=config.smoothing
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        running = loss.item() if step == first else 0.98 * running + 0.02 * loss.item()
        done = step + 1
        if checkpoint is not None and (done % config.checkpoint_every == 0 or done == config.steps):
            part = checkpoint.with_suffix(".part")
            torch.save({"model": net.state_dict(), "optimiser": optimiser.state_dict(), "step": done}, part)
            part.replace(checkpoint)
            scores = evaluate(net, corpus.held_out) if corpus.held_out else {}
            figures = ", ".join(f"{k} {v:.3f}" for k, v in scores.items())
            print(f"step {done}: loss {running:.3f}, {figures} ({time.monotonic() - began:.0f} s)", flush=True)
    return net.eval()


def save(net: VisemeNet, path: Path) -> None:
    """Ship a network; half precision, which changes no posterior by more than 0.01."""
    tensors = {name: t.detach().numpy().astype(np.float16) for name, t in net.state_dict().items()}
    write_weights(path, KIND, VERSION, tensors, config=json.dumps(net.config.to_dict()), classes=json.dumps(VISEMES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--steps", type=int, default=TrainingConfig.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--threads", type=int, default=1, help="more than there are idle cores makes it slower, not faster"
    )
    parser.add_argument("-o", "--output", type=Path, default=FOLDER / "visemes.safetensors")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = TrainingConfig(steps=options.steps, seed=options.seed)
    net = train(Corpus.load(options.corpus), config, VisemeConfig(), options.corpus / "visemes.ckpt")
    save(net, options.output)
    print(f"{sum(p.numel() for p in net.parameters()) / 1e6:.2f} M parameters in {options.output}")


if __name__ == "__main__":
    main()
