"""Fakes made from real video without any generator, so that the detector learns more than one program's habits.

`blend`: Self-Blended Images (Shiohara and Yamasaki, CVPR 2022, section 3) carried over time: the face is replaced by a
slightly moved and recoloured copy of itself. `distort`: landmark tracks whose parts no longer go together, in the
spirit of kinematic pseudo-fakes (arXiv 2512.04175). `filmed` is no fake: a photo under a camera that moves, about which
the detector must say nothing.
"""

from __future__ import annotations

import cv2
import numpy as np

from vasa_core.face.geometry import FACE_POINTS, OVAL

LIPS: tuple[int, ...] = (0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185, 191)
LIPS += (267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415)
JAW = (152, 148, 176, 149, 150, 377, 400, 378, 379, 175, 199, 200, 18, 83, 313, 182, 406, 201, 421)


def blend(frames: list[np.ndarray], points: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Frames whose face is a jittered copy of itself under a soft mask. points: (N, 478, >= 2) pixels."""
    width = float(np.median(np.ptp(points[:, :FACE_POINTS, 0], axis=1)))
    shift = rng.uniform(-0.03, 0.03, 2) * width
    zoom, turn = 1 + rng.uniform(-0.04, 0.04), np.radians(rng.uniform(-2.5, 2.5))
    gain, offset = rng.uniform(0.9, 1.1, 3), rng.uniform(-10, 10, 3)
    blur = rng.uniform(0.0, 0.9)
    lower = rng.random() < 0.35  # only the lower half, as in re-dubbing
    shrink, soft = rng.uniform(0.78, 0.98), rng.uniform(0.03, 0.12) * width
    strength = rng.choice([0.5, 0.75, 1.0, 1.0])
    out = []
    for frame, own in zip(frames, points, strict=True):
        centre = own[:FACE_POINTS, :2].mean(0)
        c, s = np.cos(turn) * zoom, np.sin(turn) * zoom
        matrix = np.array([[c, -s], [s, c]])
        move = np.column_stack([matrix, centre - matrix @ centre + shift])
        copy = cv2.warpAffine(frame, move, frame.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        copy = copy * gain + offset
        if blur > 0.3:
            copy = cv2.GaussianBlur(copy, (0, 0), blur)
        oval = (own[OVAL, :2] - centre) * shrink + centre
        if lower:
            oval[:, 1] = np.maximum(oval[:, 1], own[5, 1])
        mask = np.zeros(frame.shape[:2], np.float32)
        cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(oval).astype(np.int32)), 1.0)
        mask = cv2.GaussianBlur(mask, (0, 0), max(soft, 1.0))[..., None] * strength
        out.append(np.clip(frame * (1 - mask) + copy * mask, 0, 255).astype(np.uint8))
    return out


def distort(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tracks (N, 478, 3) with one part out of step: lips late, stretched or frozen, a stiff head, or over-smooth."""
    out = points.copy()
    count = len(points)
    parts = list(LIPS + JAW) if rng.random() < 0.6 else list(range(FACE_POINTS))
    base = points[:, [168, 33, 263]].mean(1, keepdims=True)  # between the eyes: carries the head's own movement
    local = points - base
    kind = rng.choice(["shift", "gain", "smooth", "freeze", "stiff"])
    if kind == "shift":
        local[:, parts] = np.roll(local[:, parts], int(rng.integers(5, 16)), axis=0)
    elif kind == "gain":
        mean = local[:, parts].mean(0)
        local[:, parts] = mean + (local[:, parts] - mean) * rng.choice([0.45, 0.6, 1.5, 1.8])
    elif kind == "smooth":
        kernel = np.hanning(int(rng.integers(7, 14)))
        kernel /= kernel.sum()
        flat = local[:, parts].reshape(count, -1)
        padded = np.pad(flat, ((len(kernel) // 2, len(kernel) - 1 - len(kernel) // 2), (0, 0)), mode="edge")
        smooth = np.stack([np.convolve(column, kernel, "valid") for column in padded.T], 1)
        local[:, parts] = smooth.reshape(count, len(parts), 3)
    elif kind == "freeze":
        held = np.arange(count) // int(rng.integers(2, 5)) * 1
        step = max(1, count // (held[-1] + 1))
        local[:, parts] = local[np.minimum(held * step, count - 1)][:, parts]
    else:
        base = base.mean(0, keepdims=True) + (base - base.mean(0, keepdims=True)) * 0.2
    out[:] = local + base
    return out


def filmed(photo: np.ndarray, count: int, face: float, rng: np.random.Generator) -> list[np.ndarray]:
    """A photo uint8 (H, W, 3) as a hand-held camera films it, `count` frames: drift, zoom, roll and the sensor's noise.
    face: size of its face in pixels."""
    time = np.linspace(0, 1, count)[:, None]

    def wander(amount: float) -> np.ndarray:
        steps = cv2.GaussianBlur(rng.normal(0, 1, (count + 60, 3)).astype(np.float32), (1, 0), 8)[30:-30]
        return steps / max(float(steps.std()), 1e-6) * amount

    drift = wander(float(rng.uniform(0.005, 0.06))) * [face, face, 1.0] + (
        time * rng.uniform(-0.15, 0.15, 3) * [face, face, 0.3]
    )
    zoom = 1 + time[:, 0] * rng.uniform(-0.12, 0.12)
    noise = float(rng.uniform(0.5, 4))
    centre = np.array(photo.shape[1::-1]) / 2
    out = []
    for (x, y, turn), scale in zip(drift, zoom, strict=True):
        c, s = np.cos(0.3 * turn) * scale, np.sin(0.3 * turn) * scale
        matrix = np.array([[c, -s], [s, c]])
        move = np.column_stack([matrix, centre - matrix @ centre + (x, y)])
        frame = cv2.warpAffine(photo, move, photo.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        grain = rng.standard_normal(photo.shape[:2], np.float32)[..., None] * noise
        out.append(np.clip(frame + grain, 0, 255).astype(np.uint8))
    return out
