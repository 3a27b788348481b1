"""Would a learned, curved code of the face hold more than the linear one? Measured on people neither has seen.

    python -m benchmarks.dynamics_code .cache/tracks [--steps 3000] [--seed 0]

Three codes of the same size (21 numbers a frame) are fitted on the tracks of clips/train: the shipped face space, plain
principal components, and an autoencoder on whitened principal components. Printed is what is left of the movement of
each part of the face, in pixels of a 512 crop whose face is 200 pixels wide; the last row is the movement itself.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vasa_core.face.alignment import align, mirror_indices
from vasa_core.face.space import FaceSpace
from vasa_core.training.face_space import displacements, parts, symmetrical
from vasa_core.training.tracks import load_tracks

FACE_PIXELS = 200.0
WIDE = 96  # principal components that the autoencoder sees
DEPTH_WEIGHT = 0.7  # depth is a guess: as in the face space, it does not lead

Rebuild = Callable[[np.ndarray], np.ndarray]  # displacements (F, 478, 3) -> the same after the code


def principal(moved: np.ndarray, weight: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Components (count, 478 * 3) of weighted displacements about zero (the rest face), and their spreads."""
    flat = (moved * [1, 1, DEPTH_WEIGHT]).reshape(len(moved), -1) * np.sqrt(weight)[:, None]
    values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    order = np.argsort(values)[::-1][:count]
    return vectors[:, order].T, np.sqrt(np.maximum(values[order], 1e-12))


def linear(components: np.ndarray) -> Rebuild:
    """Projection on orthonormal components."""

    def rebuild(moved: np.ndarray) -> np.ndarray:
        flat = (moved * [1, 1, DEPTH_WEIGHT]).reshape(len(moved), -1)
        return (flat @ components.T @ components).reshape(moved.shape) / [1, 1, DEPTH_WEIGHT]

    return rebuild


def autoencoder(
    moved: np.ndarray, weight: np.ndarray, size: int, hidden: int, steps: int, seed: int
) -> tuple[Rebuild, int]:
    """An autoencoder WIDE -> hidden -> size -> hidden -> WIDE beside a linear path; and its number of parameters."""
    torch.manual_seed(seed)
    components, spread = principal(moved, weight, WIDE)
    flat = (moved * [1, 1, DEPTH_WEIGHT]).reshape(len(moved), -1)
    data = torch.from_numpy((flat @ components.T).astype(np.float32))  # (F, WIDE)
    scale = torch.from_numpy(spread.astype(np.float32))
    down = nn.Sequential(nn.Linear(WIDE, hidden), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden, size))
    up = nn.Sequential(nn.Linear(size, hidden), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden, WIDE))
    straight_down, straight_up = nn.Linear(WIDE, size, bias=False), nn.Linear(size, WIDE, bias=False)
    with torch.no_grad():  # starts as the principal components, so that it can only gain on what it is shown
        straight_down.weight.copy_(torch.eye(size, WIDE) / scale[:size, None])
        straight_up.weight.copy_((torch.eye(size, WIDE) * scale[:size, None]).T)
        for net in (down, up):
            net[-1].weight.mul_(0.05)  # type: ignore[union-attr, operator]
    nets = nn.ModuleList([down, up, straight_down, straight_up])

    def through(x: torch.Tensor) -> torch.Tensor:
        code = straight_down(x) + down(x / scale)
        return straight_up(code) + scale * up(code)

    optimiser = torch.optim.AdamW(nets.parameters(), 1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    chance = torch.from_numpy((weight / weight.sum()).astype(np.float32))
    for _ in range(steps):
        x = data[torch.multinomial(chance, 256, replacement=True)]
        loss = ((through(x + 0.05 * scale * torch.randn_like(x)) - x) ** 2).sum(1).mean() / (scale**2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    nets.eval()

    @torch.inference_mode()
    def rebuild(moved: np.ndarray) -> np.ndarray:
        flat = (moved * [1, 1, DEPTH_WEIGHT]).reshape(len(moved), -1)
        x = torch.from_numpy((flat @ components.T).astype(np.float32))
        return (through(x).numpy() @ components).reshape(moved.shape) / [1, 1, DEPTH_WEIGHT]

    return rebuild, sum(p.numel() for p in nets.parameters())


def errors(rebuild: Rebuild, moved: np.ndarray) -> dict[str, float]:
    """Mean 2-D error of every part, pixels."""
    left = (rebuild(moved) - moved)[..., :2] * FACE_PIXELS
    return {part: float(np.linalg.norm(left[:, points], axis=2).mean()) for part, points in parts().items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracks", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = FaceSpace.from_pretrained()
    held: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for split in ("train", "dev"):
        tracks, _ = align([t for t in load_tracks(options.tracks, split) if t.found.sum() > 20], space.template)
        held[split] = displacements(tracks)
    moved, weight = held["train"]
    both = np.concatenate([moved, symmetrical(moved, mirror_indices(space.template))])
    twice = np.tile(weight, 2)
    components, _ = principal(both, twice, space.dim)
    codes: dict[str, Rebuild] = {
        "face space (linear, named)": lambda m: space.decode(space.encode(m)),
        "principal components": linear(components),
    }
    for hidden in (64, 256):
        began = time.process_time()
        rebuild, parameters = autoencoder(both, twice, space.dim, hidden, options.steps, options.seed)
        codes[f"autoencoder, {hidden} hidden"] = rebuild
        print(f"autoencoder, {hidden} hidden: {parameters} parameters, {time.process_time() - began:.0f} CPU s")
    codes["movement"] = np.zeros_like
    for split, (frames, _) in held.items():
        print(f"{split}: {len(frames)} frames, code of {space.dim}, error in pixels")
        for name, rebuild in codes.items():
            print(f"  {name:28s}" + "  ".join(f"{part} {e:.2f}" for part, e in errors(rebuild, frames).items()))


if __name__ == "__main__":
    main()
