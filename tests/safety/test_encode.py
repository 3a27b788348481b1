"""The encoder: what stands still in the frames stands still in the file."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np

from safety.encode import encode

FPS = 25


def steps(frames: list[np.ndarray], still: np.ndarray) -> np.ndarray:
    """Mean absolute difference of neighbouring decoded frames inside `still`, luma steps, (n - 1,)."""
    video = encode(frames, np.zeros((0, 1), np.int16), FPS, lambda height, width: lambda i420: None)
    with av.open(io.BytesIO(video.mp4)) as made:
        luma = [f.to_ndarray(format="gray")[still].astype(np.float64) for f in made.decode(video=0)]
    return np.array([np.abs(a - b).mean() for a, b in zip(luma[1:], luma[:-1], strict=True)])


def test_a_still_background_beside_movement_is_as_steady_as_a_still_picture() -> None:
    rng = np.random.default_rng(0)
    wall = cv2.GaussianBlur(rng.normal(0, 60, (256, 384, 3)).astype(np.float32), (0, 0), 2) + 128
    head = cv2.GaussianBlur(rng.normal(0, 200, (128, 128, 3)).astype(np.float32), (0, 0), 3) + 128
    frames = []
    for n in range(3 * FPS):
        frame = wall.copy()
        top, left = np.round(64 + 12 * np.array([np.sin(0.3 * n), np.cos(0.2 * n)])).astype(int)
        frame[top : top + 128, left + 128 : left + 256] = head
        frames.append(np.clip(frame, 0, 255).astype(np.uint8))
    still = np.zeros((256, 384), bool)
    still[:, :144] = still[:, 360:] = True
    moving, frozen = steps(frames, still), steps(frames[:1] * len(frames), still)
    key = 2 * FPS - 1  # the step into the second key frame
    assert moving.mean() <= frozen.mean()
    assert np.delete(moving, key).max() < 0.05
    assert moving[key] < 0.65
