"""Learn the tone of a mouth's inside for any shape of the lips, from the real mouths of the training clips.

    python -m vasa_core.training.mouth DATA_DIR [--cache .cache/mouths] [-o FILE]

DATA_DIR holds clips/train. Every clip's mouths are cut out once, in the mouth's own coordinates, into the cache; a clip
that is there is skipped. Training writes a checkpoint beside them and the same command goes on from it; every batch is
drawn from (seed, step), so an interrupted run and a whole one end alike. About four minutes on one core.

Colours are relative to what teeth would look like in the clip's light (`tooth_colour`), so that the same numbers serve
any photo. What tells people apart and not shapes (a tint and a style of four numbers) is learned per clip and shared by
its frames; what ships is the average person.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from vasa_core.errors import CandorError
from vasa_core.face import geometry
from vasa_core.face.alignment import Track, align, aperture
from vasa_core.face.portrait import close_lips
from vasa_core.face.space import FaceSpace
from vasa_core.render import interior
from vasa_core.render.interior import FEATURES, InteriorConfig, mouth_frame, shape_features
from vasa_core.render.mouth import tooth_colour
from vasa_core.training.media import read_frames
from vasa_core.weights import FOLDER, write_weights

UNIT = 60  # patch pixels per mouth width
WIDTH = round((interior.RIGHT - interior.LEFT) * UNIT)  # 72
HEIGHT = round((interior.BOTTOM - interior.TOP) * UNIT)  # 48
OPEN = 0.018  # of the face's height: narrower openings show nothing
LEAST_AREA = 25  # patch pixels between the lips
JITTER = 0.05  # noise on the features, in standard deviations: shapes that a tracker sees tremble


class ClipsMissing(CandorError):
    """There are no training clips."""

    code = "clips_missing"


@dataclass(frozen=True)
class TrainingConfig:
    steps: int = 6000
    batch: int = 32
    rate: float = 3e-3  # peak, cosine to zero
    average: float = 0.35  # share of samples that are drawn as the average person
    smooth: float = 0.3  # weight of squared steps between neighbouring cells
    per_clip: int = 350  # frames at most, spread over the clip
    seed: int = 0
    checkpoint_every: int = 500


@dataclass(frozen=True)
class Mouths:
    """Mouths of all clips, N of them.

    features: float32 (N, FEATURES).  colour: float32 (N, 3, rows, columns) relative to teeth in full light.
    mask: float32 (N, rows, columns) share of the cell between the lips.  clip: int64 (N,).
    """

    features: np.ndarray
    colour: np.ndarray
    mask: np.ndarray
    clip: np.ndarray


def cut_clip(path: Path, space: FaceSpace, limit: int) -> dict[str, np.ndarray]:
    """Open mouths of one clip: patches uint8 (n, 48, 72, 3), features (n, FEATURES), ivory (3,)."""
    from mediapipe.python.solutions.face_mesh import FaceMesh

    marks, frames = [], []
    with FaceMesh(refine_landmarks=True, max_num_faces=1) as mesh:
        for _, pixels in read_frames(path):
            found = mesh.process(pixels).multi_face_landmarks
            if found:
                height, width = pixels.shape[:2]
                scale = np.array([width, height, width])
                marks.append(np.array([[p.x, p.y, p.z] for p in found[0].landmark]) * scale)
                frames.append(pixels)
    if len(marks) < 12:
        return {
            "patches": np.zeros((0, HEIGHT, WIDTH, 3), np.uint8),
            "features": np.zeros((0, FEATURES), np.float32),
            "ivory": np.ones(3, np.float32),
        }
    seen = np.array(marks, np.float32)  # (F, 478, 3)
    (aligned,), _ = align([Track(path.stem, seen / frames[0].shape[0], np.ones(len(seen), bool))], space.template)
    own = aligned.neutral.astype(np.float64)
    rest = close_lips(own).astype(np.float64)
    anchors, _ = mouth_frame(rest)
    chosen = np.flatnonzero(aperture(seen) > OPEN)
    if len(chosen) > limit:
        chosen = chosen[np.linspace(0, len(chosen) - 1, limit).astype(int)]
    patches, features = [], []
    for index in chosen:
        face = seen[index].astype(np.float64)
        size_of, turn, shift = geometry.procrustes(own[geometry.RIGID], face[geometry.RIGID])
        drop = (((face - shift) @ turn / size_of)[:468] - rest)[interior.JAW].mean(0)
        skull, jaw = ((size_of * a @ turn.T + shift)[:, :2] for a in (anchors, anchors + drop))
        axes = np.column_stack([skull[1] - skull[0], skull[2] - skull[0]])
        corner = skull[0] + axes @ (np.array([interior.LEFT, interior.TOP]) + 0.5 / UNIT)
        matrix, size = np.column_stack([axes / UNIT, corner]), (WIDTH, HEIGHT)
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
        patches.append(cv2.warpAffine(frames[index], matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))
        features.append(shape_features(face[interior.LIPS, :2], skull, jaw))
    oval = np.zeros(frames[0].shape[:2], np.uint8)
    cv2.fillConvexPoly(oval, cv2.convexHull(np.round(seen[0, geometry.OVAL, :2]).astype(np.int32)), 1)
    skin = frames[0][oval > 0]
    light = np.percentile(cv2.cvtColor(skin[None], cv2.COLOR_RGB2GRAY), 75) / 255
    ivory = tooth_colour(np.median(skin, axis=0), float(light))
    return {
        "patches": np.array(patches, np.uint8),
        "features": np.array(features, np.float32).reshape(-1, FEATURES),
        "ivory": ivory.astype(np.float32),
    }


def cut_all(data: Path, cache: Path, limit: int) -> None:
    """Cut the clips that are not in the cache yet."""
    space = FaceSpace.from_pretrained()
    cache.mkdir(parents=True, exist_ok=True)
    for path in sorted((data / "clips" / "train").glob("*.mp4")):
        target = cache / f"{path.stem}.npz"
        if not target.exists():
            cut = cut_clip(path, space, limit)
            part = target.with_suffix(".part.npz")
            np.savez(part, patches=cut["patches"], features=cut["features"], ivory=cut["ivory"])
            os.replace(part, target)
            print(f"{path.name}: {len(cut['patches'])} mouths", flush=True)


def read_mouths(cache: Path, model: InteriorConfig) -> Mouths:
    """All mouths of a cache, averaged over the cells of the network's picture. Raises ClipsMissing for an empty one."""
    features, colours, masks = [], [], []
    clips: list[int] = []
    cells = (model.columns, model.rows)
    for path in sorted(p for p in cache.glob("*.npz") if ".part" not in p.name):
        with np.load(path) as f:
            patches, shapes, ivory = f["patches"], f["features"], f["ivory"]
        number = len({*clips})
        for patch, feature in zip(patches, shapes, strict=True):
            mask = between_lips(feature)
            if len(patches) >= 8 and mask.sum() >= LEAST_AREA:
                seen = (patch / ivory).astype(np.float32) * mask[..., None]
                covered = cv2.resize(mask, cells, interpolation=cv2.INTER_AREA)
                colour = cv2.resize(seen, cells, interpolation=cv2.INTER_AREA) / np.maximum(covered, 1e-3)[..., None]
                features.append(feature)
                colours.append(np.clip(colour, 0, interior.BRIGHTEST).transpose(2, 0, 1))
                masks.append(covered)
                clips.append(number)
    if not features:
        raise ClipsMissing(f"{cache} holds no mouths; give the folder that has clips/train.")
    return Mouths(np.array(features), np.array(colours), np.array(masks), np.array(clips))


def between_lips(features: np.ndarray) -> np.ndarray:
    """float32 (HEIGHT, WIDTH): 1 between the lips that `features` (FEATURES,) describe."""
    lips = features[:-2].reshape(-1, 2)
    upper, lower = lips[:11], lips[11:]
    outline = (np.vstack([upper, lower[::-1]]) - [interior.LEFT, interior.TOP]) * UNIT - 0.5
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


class MouthNet(nn.Module):
    """The network of `interior.Interior` with what it learns of each clip beside it."""

    def __init__(self, clips: int, features: np.ndarray, config: InteriorConfig) -> None:
        super().__init__()
        self.config = config
        self.mean: torch.Tensor
        self.spread: torch.Tensor
        self.register_buffer("mean", torch.tensor(features.mean(0), dtype=torch.float32))
        self.register_buffer("spread", torch.tensor(features.std(0) + 0.02, dtype=torch.float32))
        self.style = nn.Parameter(0.05 * torch.randn(clips, config.style))
        self.tint = nn.Parameter(torch.zeros(clips, 3))  # log gain
        sizes = (FEATURES + config.style, config.hidden, config.hidden, config.hidden)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True))
        self.out = nn.Linear(config.hidden, 3 * config.rows * config.columns)

    def forward(
        self, features: torch.Tensor, clip: torch.Tensor, keep: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Mouths (B, 3, rows, columns). keep: (B, 1), 0 draws the average person.  noise: (B, FEATURES), in spreads."""
        told = ((features - self.mean) / self.spread + noise).clamp(-3, 3)
        h = torch.cat([told, self.style[clip] * keep], 1)
        for layer in self.layers:
            h = nn.functional.silu(layer(h))
        picture = interior.BRIGHTEST * torch.sigmoid(self.out(h))
        picture = picture.view(-1, 3, self.config.rows, self.config.columns)
        tint = torch.exp((self.tint - self.tint.mean(0))[clip] * keep)
        return picture * tint[..., None, None]


def train(mouths: Mouths, config: TrainingConfig, model: InteriorConfig, checkpoint: Path | None = None) -> MouthNet:
    """Train, going on from `checkpoint` when it exists."""
    torch.manual_seed(config.seed)
    net = MouthNet(int(mouths.clip.max()) + 1, mouths.features, model)
    optimiser = torch.optim.Adam(net.parameters(), config.rate)
    first = 0
    if checkpoint is not None and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    share = 1 / np.sqrt(np.bincount(mouths.clip)[mouths.clip])  # long clips count less
    share /= share.sum()
    began, running = time.monotonic(), 0.0
    for step in range(first, config.steps):
        rng = np.random.default_rng([config.seed, step])
        index = rng.choice(len(share), config.batch, p=share)
        features, colour, mask = (
            torch.from_numpy(a[index].astype(np.float32)) for a in (mouths.features, mouths.colour, mouths.mask)
        )
        clip = torch.from_numpy(mouths.clip[index])
        keep = torch.from_numpy((rng.random((config.batch, 1)) > config.average).astype(np.float32))
        noise = torch.from_numpy(rng.normal(0, JITTER, features.shape).astype(np.float32))
        for group in optimiser.param_groups:
            group["lr"] = config.rate * min((step + 1) / 100, 0.5 * (1 + math.cos(math.pi * step / config.steps)))
        drawn = net(features, clip, keep, noise)
        error = ((drawn - colour).abs().mean(1) * mask).sum((1, 2)) / mask.sum((1, 2))
        # Cells that lips never bare must be something: what their neighbours are.
        rough = ((drawn[..., 1:] - drawn[..., :-1]) ** 2).mean() + ((drawn[:, :, 1:] - drawn[:, :, :-1]) ** 2).mean()
        prior = (net.tint**2).sum(1).mean() / 0.3**2 + (net.style**2).sum(1).mean()
        loss = error.mean() + config.smooth * rough
        optimiser.zero_grad()
        (loss + 1e-3 * prior).backward()
        optimiser.step()
        running = loss.item() if step == first else 0.99 * running + 0.01 * loss.item()
        done = step + 1
        if checkpoint is not None and (done % config.checkpoint_every == 0 or done == config.steps):
            part = checkpoint.with_suffix(".part")
            torch.save({"model": net.state_dict(), "optimiser": optimiser.state_dict(), "step": done}, part)
            part.replace(checkpoint)
            print(f"step {done}: loss {running:.4f} ({time.monotonic() - began:.0f} s)", flush=True)
    return net.eval()


@torch.inference_mode()
def tensors_of(net: MouthNet) -> dict[str, np.ndarray]:
    """What `interior.Interior` reads; large matrices in half precision."""
    state = {name: value.numpy() for name, value in net.state_dict().items()}
    out = {f"w{i}": state[f"layers.{i}.weight"].T for i in range(3)}
    out |= {f"b{i}": state[f"layers.{i}.bias"] for i in range(3)}
    out |= {"wout": state["out.weight"].T, "bout": state["out.bias"], "mean": state["mean"], "spread": state["spread"]}
    return {name: value.astype(np.float16 if name.startswith("w") else np.float32) for name, value in out.items()}


def save(net: MouthNet, path: Path) -> None:
    """Write what ships."""
    write_weights(path, interior.KIND, interior.VERSION, tensors_of(net), **interior.metadata_of(net.config))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".cache/mouths"))
    parser.add_argument("--steps", type=int, default=TrainingConfig.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, default=FOLDER / "mouth_interior.safetensors")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    config = TrainingConfig(steps=options.steps, seed=options.seed)
    cut_all(options.data, options.cache, config.per_clip)
    mouths = read_mouths(options.cache, InteriorConfig())
    print(f"{len(mouths.clip)} mouths of {mouths.clip.max() + 1} clips", flush=True)
    net = train(mouths, config, InteriorConfig(), options.cache / "mouth.ckpt")
    save(net, options.output)
    print(f"{sum(t.size for t in tensors_of(net).values()) / 1e6:.2f} M numbers in {options.output}")


if __name__ == "__main__":
    main()
