"""Whether a light network over the finished frame makes it truer; nothing of it ships.

    python -m benchmarks.refinement DEV_CLIPS_DIR --train TRAIN_CLIPS_DIR [--width 48] [--minutes 3]

Self-reenactment gives pairs: the first frame of a clip as the photo, the clip's own motion as driver, our frame and the
true one. A residual U-Net on the frame folded to a quarter of its side (pixel shuffle, Shi et al., CVPR 2016) learns
the difference inside the face with an L1 loss on pixels and on gradients. Printed for clips in no training set, inside
the face: PSNR, SSIM, sharpness (variance of the Laplacian) against the true frame, how much neighbouring frames differ
against the true ones, how far that change is off, between parted lips PSNR and SSIM; beside our frame as it is and our
frame merely blurred, which is what an L1 loss is prone to learn. Then GFLOP and CPU milliseconds a frame.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.render import latents, mouth_figures, ssim_map
from vasa_core.errors import CandorError
from vasa_core.face.detector import FaceDetector
from vasa_core.face.geometry import FACE_POINTS
from vasa_core.face.portrait import CANVAS, MARGIN, prepare_portrait
from vasa_core.face.space import FaceSpace
from vasa_core.render.renderer import LiveRenderer
from vasa_core.render.warp import Warp
from vasa_core.types import FRAME_SIZE, Controls, Photo

FOLD = 4  # pixels of the frame along one side of a cell
CROP = 128  # pixels, side of a training crop
BATCH = 4
NAMES = ("PSNR", "SSIM", "sharpness", "change", "change error", "mouth PSNR", "mouth SSIM")


@dataclass(frozen=True)
class Pair:
    """Ours and the true frame, uint8 (512, 512, 3); the face's share, float32 (512, 512); landmarks on the canvas."""

    ours: np.ndarray
    true: np.ndarray
    face: np.ndarray
    seen: np.ndarray


class Block(nn.Module):
    """A residual depthwise separable block (Sandler et al., CVPR 2018, without expansion)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 5, padding=2, groups=width), nn.Conv2d(width, width, 1), nn.GELU()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.layers(x)
        return out


class Refiner(nn.Module):
    """Frame (B, 3, H, W) in 0..1 -> what to add to it, of the same shape; nothing at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        cells = 3 * FOLD**2
        self.enter = nn.Sequential(nn.Conv2d(cells, width, 3, padding=1), nn.GELU(), Block(width))
        self.down = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.deep = nn.Sequential(
            *(Block(2 * width) for _ in range(3)), nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.GELU()
        )
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.leave = nn.Sequential(Block(width), nn.Conv2d(width, cells, 3, padding=1))
        for parameter in self.leave[1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        high = self.enter(F.pixel_unshuffle(x - 0.5, FOLD))  # (B, width, H/4, W/4)
        out: torch.Tensor = F.pixel_shuffle(self.leave(high + self.up(self.deep(self.down(high)))), FOLD)
        return out


def chosen(path: Path, runs: int) -> list[np.ndarray]:
    """Frame 0, then `runs` twos of neighbours spread over the first 300 frames; uint8 (H, W, 3) each."""
    with av.open(str(path)) as container:
        count = min(container.streams.video[0].frames or 300, 300)
        starts = np.linspace(3, max(count - 3, 4), runs).astype(int)
        wanted = {0} | {int(s) + k for s in starts for k in (0, 1)}
        found = []
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                found.append(frame.to_ndarray(format="rgb24"))
            if index >= max(wanted):
                break
    return found


def pairs_of(path: Path, runs: int, detector: FaceDetector, space: FaceSpace) -> list[Pair]:
    """Ours against the true frames of a clip. Raises CandorError where its first frame cannot be used."""
    frames = chosen(path, runs)
    photo = Photo(frames[0], b"", "image/png", path.name)
    face, _ = detector.choose(photo.pixels)
    portrait = prepare_portrait(photo, face, detector)
    renderer, warp, pairs = LiveRenderer(portrait, space), Warp(), list[Pair]()
    for frame in frames[1:]:
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
        canvas = cv2.warpAffine(
            frame, portrait.to_photo, (CANVAS, CANVAS), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
        seen = detector.landmarks(canvas)
        if seen is None:
            continue
        pose, code = latents(portrait, space, renderer, seen)
        mask = np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(seen[:FACE_POINTS, :2] - MARGIN).astype(np.int32)), 1)
        drawn = renderer.draw(pose, code, Controls(), warp)
        share = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 4)
        pairs.append(Pair(drawn, np.ascontiguousarray(canvas[MARGIN:-MARGIN, MARGIN:-MARGIN]), share, seen))
    return pairs


def steps(x: torch.Tensor) -> torch.Tensor:
    """Differences of neighbouring pixels to the right and below; (B, 6, H - 1, W - 1)."""
    return torch.cat([x[..., :-1, 1:] - x[..., :-1, :-1], x[..., 1:, :-1] - x[..., :-1, :-1]], 1)


def train(pairs: list[Pair], width: int, seconds: float, seed: int) -> tuple[Refiner, int]:
    """A refiner taught for `seconds` of CPU time, and the number of steps taken."""
    torch.manual_seed(seed)
    rng, net = np.random.default_rng(seed), Refiner(width)
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    started, taken, spent = time.process_time(), 0, 0.0
    while spent < seconds:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * max(0.02, 0.5 * (1 + np.cos(np.pi * spent / seconds)))
        crops = []
        for index in rng.integers(len(pairs), size=BATCH):
            pair = pairs[index]
            low = np.clip((pair.seen[:FACE_POINTS, :2].min(0) - MARGIN).astype(int), 0, FRAME_SIZE - CROP)
            high = np.clip((pair.seen[:FACE_POINTS, :2].max(0) - MARGIN - CROP).astype(int), 0, FRAME_SIZE - CROP)
            x, y = (int(rng.integers(a, max(a, b) + 1)) for a, b in zip(low, high, strict=True))
            cut = [p[y : y + CROP, x : x + CROP] for p in (pair.ours, pair.true, pair.face)]
            stack = np.dstack([cut[0] / 255, cut[1] / 255, cut[2]]).astype(np.float32)  # (CROP, CROP, 7)
            crops.append(stack[:, ::-1] if rng.random() < 0.5 else stack)
        batch = torch.from_numpy(np.stack(crops).transpose(0, 3, 1, 2).copy())
        ours, true, share = batch[:, :3], batch[:, 3:6], batch[:, 6:]
        made = ours + share * net(ours)
        loss = (share * (made - true).abs()).mean()
        loss = loss + (share[..., :-1, :-1] * (steps(made) - steps(true)).abs()).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimiser.step()
        taken, spent = taken + 1, time.process_time() - started
    return net.eval(), taken


@torch.inference_mode()
def refine(net: Refiner, pair: Pair) -> np.ndarray:
    """Our frame with the network's difference inside the face; uint8 (512, 512, 3)."""
    given = torch.from_numpy(pair.ours.transpose(2, 0, 1)[None] / np.float32(255))
    added = 255 * net(given)[0].numpy().transpose(1, 2, 0)
    return np.clip(np.round(pair.ours + pair.face[..., None] * added), 0, 255).astype(np.uint8)


def blur(pair: Pair) -> np.ndarray:
    """Our frame, blurred by one pixel inside the face."""
    soft = cv2.GaussianBlur(pair.ours, (0, 0), 1.0).astype(np.float32)
    return np.round(pair.ours + pair.face[..., None] * (soft - pair.ours)).astype(np.uint8)


def figures(pairs: list[Pair], method: Callable[[Pair], np.ndarray]) -> np.ndarray:
    """Means of NAMES over frames that come in neighbouring twos; NaN where lips never part."""
    rows: list[list[float]] = []
    for first, second in zip(pairs[::2], pairs[1::2], strict=False):
        made = [method(first), method(second)]
        for pair, picture in zip((first, second), made, strict=True):
            face = pair.face > 0.5
            error = ((pair.true.astype(np.float64) - picture) ** 2)[face].mean()
            true, drawn = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (pair.true, picture))
            sharp = [cv2.Laplacian(x.astype(np.float64), cv2.CV_64F)[face].var() for x in (drawn, true)]
            moved, should = made[1].astype(float) - made[0], second.true.astype(float) - first.true
            rows.append(
                [10 * np.log10(255**2 / error), ssim_map(true, drawn)[face].mean(), sharp[0] / sharp[1]]
                + [np.abs(moved)[face].mean() / np.abs(should)[face].mean(), np.abs(moved - should)[face].mean()]
                + mouth_figures(pair.true, picture, pair.seen)[:2]
            )
    means: np.ndarray = np.ma.masked_invalid(rows).mean(axis=0).filled(np.nan)
    return means


def cost(net: Refiner) -> tuple[float, float]:
    """GFLOP, and CPU milliseconds on one thread, of a whole frame."""
    frame = torch.rand(1, 3, FRAME_SIZE, FRAME_SIZE)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        net(frame)
    times = []
    for _ in range(8):
        started = time.thread_time()
        with torch.inference_mode():
            net(frame)
        times.append(time.thread_time() - started)
    return counter.get_total_flops() / 1e9, 1000 * float(np.median(times))


def collect(folder: Path, clips: int, runs: int, space: FaceSpace) -> dict[str, list[Pair]]:
    """Clip -> pairs, of `clips` files spread over a folder."""
    files = sorted(folder.glob("*.mp4"))
    files = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, clips).astype(int))] if files else []
    found = {}
    with FaceDetector() as detector:
        for path in files:
            try:
                found[path.stem] = pairs_of(path, runs, detector, space)
            except CandorError as error:
                print(f"{path.name}: {error}")
    return {name: pairs for name, pairs in found.items() if len(pairs) > 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help="videos of people in no training set")
    parser.add_argument("--train", type=Path, required=True, help="videos to learn from")
    parser.add_argument("--width", type=int, nargs="+", default=[48, 16], help="channels; a network for each")
    parser.add_argument("--minutes", type=float, default=2.5, help="of CPU time to train the first; half for others")
    parser.add_argument("--pairs", type=int, nargs=2, default=[12, 8], help="twos of frames per clip: seen, unseen")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="write a PNG: ours, refined, true, a row per clip")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    space = FaceSpace.from_pretrained()
    seen = [p for pairs in collect(options.train, 12, options.pairs[0], space).values() for p in pairs]
    unseen = collect(options.clips, 99, options.pairs[1], space)
    print(f"{len(seen)} training pairs; {sum(map(len, unseen.values()))} pairs of {len(unseen)} unseen clips")
    methods: dict[str, Callable[[Pair], np.ndarray]] = {"as drawn": lambda pair: pair.ours, "blurred": blur}
    for index, width in enumerate(options.width):
        net, taken = train(seen, width, 60 * options.minutes / (1 if index == 0 else 2), options.seed)
        size = sum(p.numel() for p in net.parameters()) / 1e6
        operations, spent = cost(net)
        print(f"width {width}: {size:.2f} M numbers, {taken} steps; {operations:.2f} GFLOP, {spent:.0f} CPU-ms a frame")
        methods[f"width {width}"] = lambda pair, net=net: refine(net, pair)  # type: ignore[misc]
    print(f"{'':<12}" + "".join(f"{n:>14}" for n in NAMES))
    for name, method in methods.items():
        rows = np.array([figures(pairs, method) for pairs in unseen.values()])
        print(f"{name:<12}" + "".join(f"{x:14.3f}" for x in np.ma.masked_invalid(rows).mean(axis=0).filled(np.nan)))
    if options.sheet:
        looks = (*methods.values(), lambda pair: pair.true)
        rows_of = [np.hstack([look(pairs[-1])[100:420, 96:416] for look in looks]) for pairs in unseen.values()]
        cv2.imwrite(str(options.sheet), cv2.cvtColor(np.vstack(rows_of), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
