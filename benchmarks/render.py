"""How true a redrawn face is: every clip's first frame, driven by the clip's own motion, against the clip.

    python -m benchmarks.render CLIPS_DIR [--every 3]

CLIPS_DIR holds videos of people who are in no training set. Inside the face, per frame: PSNR, SSIM, landmark error in
pixels of a 512 frame, correlation of lip opening, and sharpness (variance of the Laplacian) against the true frame.
Between parted lips: PSNR, SSIM and mean absolute error of the luma's gradient. Baselines on the same frames: the first
frame frozen; a mesh warp that is told the same motion as Candor but has no layers (no matte, eyes or mouth); a plain
warp of the first frame to the true landmarks, which no speech could know. "No mouth" and "no eyes" are Candor without
that layer: what it costs or gains in figures. Printed as well: CPU milliseconds per frame
of the renderer alone, on one thread, by stage.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from scipy.spatial import Delaunay

from vasa_core.errors import CandorError
from vasa_core.face.detector import FaceDetector
from vasa_core.face.geometry import FACE_POINTS, LOWER_LIP, RIGID, UPPER_LIP, face_height, procrustes, rotation
from vasa_core.face.portrait import CANVAS, MARGIN, Portrait, prepare_portrait
from vasa_core.face.space import FaceSpace
from vasa_core.render.renderer import LiveRenderer
from vasa_core.render.warp import Warp, oversample
from vasa_core.types import POSE_DIM, Controls, Photo

NAMES = ("PSNR", "SSIM", "landmarks", "sharpness", "mouth PSNR", "mouth SSIM", "mouth edge")
PARTED = 0.025  # lip opening over face height from which the inside of the mouth is compared
CORNERS = np.array([[x, y] for x in (0, CANVAS / 2, CANVAS - 1) for y in (0, CANVAS / 2, CANVAS - 1)])


def frames_of(path: Path, every: int) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [f.to_ndarray(format="rgb24") for i, f in enumerate(container.decode(video=0)) if i % every == 0]


def latents(
    portrait: Portrait, space: FaceSpace, renderer: LiveRenderer, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pose (6,) and facial code (D,) that put the portrait where landmarks `seen` (478, 3) are, canvas pixels."""
    rest = np.vstack([portrait.neutral, portrait.landmarks[FACE_POINTS:]]).astype(np.float64)
    scale, turn, shift = procrustes(rest[RIGID], seen[RIGID].astype(np.float64))
    still = (seen - shift) @ turn / scale  # the face of this frame in the photo's own place
    moved = (still - rest) @ portrait.attitude / portrait.face_width
    code = space.encode(moved[None].astype(np.float32))[0]
    relative = portrait.attitude.T @ turn @ portrait.attitude
    yaw, pitch = np.arctan2(relative[2, 0], relative[2, 2]), np.arcsin(np.clip(relative[2, 1], -1, 1))
    roll = np.arctan2(-relative[0, 1], relative[1, 1])
    sheet = renderer._sheet
    placed = sheet.carry(sheet.rest[RIGID].astype(np.float64), turn, scale, np.zeros(2))
    aside = (seen[RIGID, :2] - placed[:, :2]).mean(0) / portrait.face_width
    return np.array([yaw, pitch, roll, *aside, np.log(scale)], np.float32), code


def plain_warp(portrait: Portrait, seen: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """The photo pulled to the true landmarks by its triangles, nothing else."""
    source = np.vstack([portrait.landmarks[:FACE_POINTS, :2], CORNERS]).astype(np.float32)
    moved = np.column_stack([np.vstack([seen[:FACE_POINTS, :2], CORNERS]), np.zeros(len(source))]).astype(np.float32)
    return Warp().draw(Delaunay(source).simplices.astype(np.int32), moved, source, texture)


def mesh_warp(renderer: LiveRenderer, pose: np.ndarray, code: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """The photo pulled along with the face's triangles by Candor's own motion, without any layer."""
    portrait, sheet = renderer._portrait, renderer._sheet
    moved = renderer._space.decode(code[None])[0, :FACE_POINTS].astype(np.float64)
    turn = portrait.attitude @ rotation(*pose[:3]) @ portrait.attitude.T
    shift = pose[3:5].astype(np.float64) * portrait.face_width
    placed = sheet.place(moved @ portrait.attitude.T * portrait.face_width, turn, float(np.exp(pose[5])), shift)
    return plain_warp(portrait, placed, texture)


def mouth_figures(true: np.ndarray, drawn: np.ndarray, seen: np.ndarray) -> list[float]:
    """PSNR, SSIM and gradient error between the lips; NaN where they are closed. seen: (478, 3) canvas pixels."""
    mask = np.zeros(true.shape[:2], np.uint8)
    lips = np.concatenate([seen[UPPER_LIP, :2], seen[LOWER_LIP[::-1], :2]]) - MARGIN
    cv2.fillPoly(mask, [np.round(lips).astype(np.int32)], 1)
    inside = cv2.dilate(mask, np.ones((7, 7))) > 0
    if aperture(seen) < PARTED or inside.sum() < 80:
        return [np.nan] * 3
    error = ((true.astype(np.float64) - drawn) ** 2)[inside].mean()
    grey = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY).astype(np.float64) for x in (true, drawn)]
    soft = [cv2.GaussianBlur(x, (0, 0), 0.8) for x in grey]
    edges = [np.stack([cv2.Sobel(x, cv2.CV_64F, 1, 0), cv2.Sobel(x, cv2.CV_64F, 0, 1)])[:, inside] / 8 for x in soft]
    return [10 * np.log10(255**2 / error), ssim_map(*grey)[inside].mean(), np.abs(edges[0] - edges[1]).mean()]


class Left:
    """A layer that is not drawn: what the mesh shows in its place stays."""

    def __init__(self, wrapped: object) -> None:
        self._wrapped = wrapped

    def paint(self, *_: object) -> None:
        """Nothing."""

    def __getattr__(self, name: str) -> object:
        return getattr(self._wrapped, name)


class Timed:
    """An object whose `method` adds its CPU seconds to `spent`."""

    def __init__(self, wrapped: object, method: str, spent: dict[str, float], stage: str) -> None:
        self._wrapped = wrapped

        def timed(*args: object) -> object:
            started = time.thread_time()
            result = getattr(wrapped, method)(*args)
            spent[stage] = spent.get(stage, 0.0) + time.thread_time() - started
            return result

        setattr(self, method, timed)

    def __getattr__(self, name: str) -> object:
        return getattr(self._wrapped, name)


def ssim_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Structural similarity (Wang et al., IEEE TIP 13(4), 2004) of two luma images; float64 (H, W)."""
    a, b = a.astype(np.float64), b.astype(np.float64)

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(x, (11, 11), 1.5)

    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))


def aperture(points: np.ndarray) -> float:
    return float(np.linalg.norm(points[13] - points[14]) / face_height(points))


def compare(true: np.ndarray, drawn: np.ndarray, seen: np.ndarray, detector: FaceDetector) -> tuple[list[float], float]:
    """The figures of NAMES, and the lip opening found in the drawn frame."""
    mask = np.zeros(true.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(seen[:FACE_POINTS, :2] - MARGIN).astype(np.int32)), 1)
    face = mask > 0
    error = ((true.astype(np.float64) - drawn) ** 2)[face].mean()
    grey_true, grey_drawn = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (true, drawn))
    sharp = [cv2.Laplacian(g.astype(np.float64), cv2.CV_64F)[face].var() for g in (grey_drawn, grey_true)]
    found = detector.landmarks(drawn)
    off = np.nan
    if found is not None:
        off = np.linalg.norm(found[:FACE_POINTS, :2] - (seen[:FACE_POINTS, :2] - MARGIN), axis=1).mean()
    figures = [10 * np.log10(255**2 / error), ssim_map(grey_true, grey_drawn)[face].mean(), off, sharp[0] / sharp[1]]
    figures += mouth_figures(true, drawn, seen)
    return [float(x) for x in figures], np.nan if found is None else aperture(found)


def measure(
    path: Path, every: int, detector: FaceDetector, space: FaceSpace
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Method -> mean figures (those of NAMES and the lip correlation) of a clip, and CPU ms per frame by stage."""
    frames = frames_of(path, every)
    photo = Photo(frames[0], b"", "image/png", path.name)
    face, _ = detector.choose(photo.pixels)
    portrait = prepare_portrait(photo, face, detector)
    renderer, texture = LiveRenderer(portrait, space), oversample(portrait.texture)
    spent: dict[str, float] = {}
    plain = Warp()
    warp: Any = Timed(Warp(), "draw", spent, "warp")
    watched: Any = renderer
    renderer.draw(np.zeros(POSE_DIM, np.float32), np.zeros(space.dim, np.float32), Controls(), plain)  # compiles
    watched._eyes = [Timed(eye, "paint", spent, "eyes") for eye in renderer._eyes]
    watched._mouth = Timed(renderer._mouth, "paint", spent, "mouth")
    methods = ("Candor", "no mouth", "no eyes", "frozen", "mesh warp", "plain warp")
    rows: dict[str, list[list[float]]] = {name: [] for name in methods}
    lips: dict[str, list[float]] = {name: [] for name in ("true", *rows)}
    for frame in frames[1:]:
        canvas = cv2.warpAffine(
            frame,
            portrait.to_photo,
            (CANVAS, CANVAS),
            flags=cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        seen = detector.landmarks(canvas)
        if seen is None:
            continue
        true = canvas[MARGIN:-MARGIN, MARGIN:-MARGIN]
        pose, code = latents(portrait, space, renderer, seen)
        started = time.thread_time()
        drawn = renderer.draw(pose, code, Controls(), warp)
        spent["whole frame"] = spent.get("whole frame", 0.0) + time.thread_time() - started
        mouth, eyes, so_far = watched._mouth, watched._eyes, dict(spent)
        watched._mouth = Left(mouth)
        no_mouth = renderer.draw(pose, code, Controls(), plain)
        watched._mouth, watched._eyes = mouth, [Left(eye) for eye in eyes]
        no_eyes = renderer.draw(pose, code, Controls(), plain)
        watched._eyes = eyes
        spent.update(so_far)  # what these two took does not count
        still = portrait.texture[MARGIN:-MARGIN, MARGIN:-MARGIN]
        lips["true"].append(aperture(seen))
        for name, picture in (
            ("Candor", drawn),
            ("no mouth", no_mouth),
            ("no eyes", no_eyes),
            ("frozen", still),
            ("mesh warp", mesh_warp(renderer, pose, code, texture)),
            ("plain warp", plain_warp(portrait, seen, texture)),
        ):
            figures, opening = compare(true, picture, seen, detector)
            rows[name].append(figures)
            lips[name].append(opening)
    result = {}
    for name, values in rows.items():
        good = ~np.isnan(lips[name])
        a, b = np.array(lips["true"])[good], np.array(lips[name])[good]
        moving = len(a) > 2 and a.std() > 0 and b.std() > 1e-9
        result[name] = np.append(
            np.ma.masked_invalid(values).mean(axis=0).filled(np.nan), np.corrcoef(a, b)[0, 1] if moving else np.nan
        )
    return result, {stage: 1000 * seconds / max(len(rows["Candor"]), 1) for stage, seconds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--every", type=int, default=3, help="use every n-th frame")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    space, costs = FaceSpace.from_pretrained(), list[dict[str, float]]()
    total: dict[str, list[np.ndarray]] = {}
    print(f"{'clip':<40}{'method':<12}" + "".join(f"{n:>11}" for n in (*NAMES, "lips r")))
    with FaceDetector() as detector:
        for path in sorted(arguments.clips.glob("*.mp4")):
            try:
                result, cost = measure(path, arguments.every, detector, space)
            except CandorError as error:
                print(f"{path.name:<40}{error}")
                continue
            costs.append(cost)
            for name, figures in result.items():
                total.setdefault(name, []).append(figures)
                print(f"{path.stem[:38]:<40}{name:<12}" + "".join(f"{x:11.3f}" for x in figures))
    for name, collected in total.items():
        means = np.ma.masked_invalid(collected).mean(axis=0).filled(np.nan)  # nothing moves in a frozen frame
        print(f"{f'mean of {len(collected)} clips':<40}{name:<12}" + "".join(f"{x:11.3f}" for x in means))
    print("renderer alone, one thread, CPU-ms per 512 x 512 frame:")
    for stage in costs[0] if costs else ():
        print(f"  {stage:<12}{np.mean([c.get(stage, 0.0) for c in costs]):6.2f}")


if __name__ == "__main__":
    main()
