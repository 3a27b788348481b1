"""What a frame costs in a published neural renderer, beside one of ours, on this machine and one thread.

    python -m benchmarks.published_renderer [--runs 1] [--frames 60]

The layers that LivePortrait (Guo et al., arXiv 2407.03168) runs for every frame are built with plain torch layers in
the sizes of its published configuration (github.com/KwaiVGI/LivePortrait, src/config/models.yaml: 21 keypoints, dense
motion of 32 to 1024 features in 5 blocks over a 32 x 16 x 64 x 64 volume, SPADE decoder of 512 features, two times
upsampling to 512 x 512), with random weights: timing does not depend on them. Its motion extractor is left out, since
speech drives ours as well.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from vasa_core.photo import load_photo
from vasa_core.pipeline import TalkingFace
from vasa_core.render.renderer import LiveRenderer
from vasa_core.render.warp import Warp
from vasa_core.types import Controls

PHOTO = Path(__file__).parent.parent / "demo" / "samples" / "grace_hopper.jpg"
KEYPOINTS, CHANNELS, DEPTH, SIDE = 21, 32, 16, 64  # keypoints; the feature volume is CHANNELS x DEPTH x SIDE x SIDE
COMPRESSED, EXPANSION, WIDEST, BLOCKS = 4, 32, 1024, 5  # dense motion
DECODER, LABEL, SPADE_HIDDEN, LAST = 512, 256, 128, 64  # decoder's features, its condition, inside SPADE, before pixels


class DenseMotion(nn.Module):
    """Hourglass over warped feature volumes -> where every voxel comes from."""

    def __init__(self) -> None:
        super().__init__()
        given = (KEYPOINTS + 1) * (COMPRESSED + 1)
        widths = [min(WIDEST, EXPANSION * 2**i) for i in range(BLOCKS + 1)]  # 32 64 128 256 512 1024
        self.compress = nn.Conv3d(CHANNELS, COMPRESSED, 1)
        self.down = nn.ModuleList(
            nn.Conv3d(given if i == 0 else widths[i], widths[i + 1], 3, padding=1) for i in range(BLOCKS)
        )
        self.up = nn.ModuleList(
            nn.Conv3d(widths[i + 1] * (1 if i == BLOCKS - 1 else 2), widths[i], 3, padding=1)
            for i in reversed(range(BLOCKS))
        )
        out = EXPANSION + given
        self.last = nn.Conv3d(out, out, 3, padding=1)
        self.mask = nn.Conv3d(out, KEYPOINTS + 1, 7, padding=3)
        self.occlusion = nn.Conv2d(out * DEPTH, 1, 7, padding=3)

    def forward(self, volume: torch.Tensor, grids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Volume (1, 32, 16, 64, 64) and grids (22, 16, 64, 64, 3) -> grid (1, 16, 64, 64, 3), occlusion."""
        small = F.relu(self.compress(volume))
        moved = F.grid_sample(small.expand(KEYPOINTS + 1, -1, -1, -1, -1), grids, align_corners=False)
        heat = torch.exp(-(grids**2).sum(-1))[:, None]
        x = torch.cat([heat, moved], 1).reshape(1, -1, DEPTH, SIDE, SIDE)  # (1, 110, 16, 64, 64)
        kept = [x]
        for layer in self.down:
            kept.append(F.avg_pool3d(F.relu(layer(kept[-1])), (1, 2, 2)))
        x = kept.pop()
        for layer in self.up:
            x = torch.cat([F.relu(layer(F.interpolate(x, scale_factor=(1, 2, 2)))), kept.pop()], 1)
        x = F.relu(self.last(x))
        share = torch.softmax(self.mask(x), 1)  # (1, 22, 16, 64, 64)
        grid = (share[0, ..., None] * grids).sum(0)[None]
        return grid, torch.sigmoid(self.occlusion(x.reshape(1, -1, SIDE, SIDE)))


class Spade(nn.Module):
    """Spatially adaptive normalisation (Park et al., CVPR 2019)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(LABEL, SPADE_HIDDEN, 3, padding=1)
        self.gain = nn.Conv2d(SPADE_HIDDEN, features, 3, padding=1)
        self.shift = nn.Conv2d(SPADE_HIDDEN, features, 3, padding=1)

    def forward(self, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        told = F.relu(self.shared(F.interpolate(label, size=x.shape[2:])))
        return F.instance_norm(x) * (1 + self.gain(told)) + self.shift(told)


class Block(nn.Module):
    """A residual block with two, or with another width out three, SPADE layers."""

    def __init__(self, given: int, out: int) -> None:
        super().__init__()
        middle = min(given, out)
        self.first, self.second = nn.Conv2d(given, middle, 3, padding=1), nn.Conv2d(middle, out, 3, padding=1)
        self.norms = nn.ModuleList([Spade(given), Spade(middle)] + ([Spade(given)] if given != out else []))
        self.skip = nn.Conv2d(given, out, 1, bias=False) if given != out else None

    def forward(self, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        h = self.first(F.leaky_relu(self.norms[0](x, label), 0.2))
        h = self.second(F.leaky_relu(self.norms[1](h, label), 0.2))
        return h + (x if self.skip is None else self.skip(self.norms[2](x, label)))


class Renderer(nn.Module):
    """Feature volume and motion -> a frame of 512 x 512 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.motion = DenseMotion()
        self.third = nn.Conv2d(CHANNELS * DEPTH, LABEL, 3, padding=1)
        self.fourth = nn.Conv2d(LABEL, LABEL, 1)
        self.enter = nn.Conv2d(LABEL, DECODER, 3, padding=1)
        self.middle = nn.ModuleList(Block(DECODER, DECODER) for _ in range(6))
        self.up_0, self.up_1 = Block(DECODER, LABEL), Block(LABEL, LAST)
        self.pixels = nn.Conv2d(LAST, 12, 3, padding=1)

    def forward(self, volume: torch.Tensor, grids: torch.Tensor) -> torch.Tensor:
        """(1, 3, 512, 512)"""
        grid, occlusion = self.motion(volume, grids)
        flat = F.grid_sample(volume, grid, align_corners=False).reshape(1, -1, SIDE, SIDE)
        label = self.fourth(F.leaky_relu(self.third(flat))) * occlusion
        x = self.enter(label)
        for block in self.middle:
            x = block(x, label)
        x = self.up_0(F.interpolate(x, scale_factor=2), label)
        x = self.up_1(F.interpolate(x, scale_factor=2), label)
        return torch.sigmoid(F.pixel_shuffle(self.pixels(F.leaky_relu(x, 0.2)), 2))


def ours(frames: int) -> float:
    """CPU seconds per frame of the live renderer, one thread."""
    core = TalkingFace.from_pretrained()
    space = core._face_space()
    renderer, warp = LiveRenderer(core.prepare(load_photo(PHOTO)), space), Warp()
    codes = [k / frames * space.direction("jaw_open") for k in range(frames)]
    poses = [np.array([0.2 * np.sin(k), 0.1, 0, 0, 0, 0], np.float32) for k in range(frames)]
    renderer.draw(poses[0], codes[0], Controls(), warp)  # kernels are compiled or read on first use
    started = time.thread_time()
    for pose, code in zip(poses, codes, strict=True):
        renderer.draw(pose, code, Controls(), warp)
    return (time.thread_time() - started) / frames


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1, help="the fastest frame counts")
    parser.add_argument("--frames", type=int, default=60, help="of our renderer")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(0)
    net = Renderer().eval()
    volume = torch.randn(1, CHANNELS, DEPTH, SIDE, SIDE)
    grids = torch.rand(KEYPOINTS + 1, DEPTH, SIDE, SIDE, 3) * 2 - 1
    times = []
    for _ in range(options.runs):
        started = time.thread_time()
        with FlopCounterMode(display=False) as counter:  # costs some milliseconds of many seconds
            frame = net(volume, grids)
        times.append(time.thread_time() - started)
    assert frame.shape == (1, 3, 512, 512)
    mine = ours(options.frames)
    operations = counter.get_total_flops() / 1e9
    size = sum(p.numel() for p in net.parameters()) / 1e6
    print(f"published layers: {size:.0f} M parameters, {operations:.0f} GFLOP and {min(times):.2f} CPU-s a frame")
    print(f"Candor, live profile: {1000 * mine:.1f} CPU-ms a frame")
    print(f"ratio {min(times) / mine:.0f}")


if __name__ == "__main__":
    main()
