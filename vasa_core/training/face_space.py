"""Fit the face space on the tracks of clips/train and measure it on clips/dev.

    python -m vasa_core.training.face_space .cache/tracks [-o vasa_core/weights/face_space.safetensors]

Lids and brows are regressed on how far they are shut or raised, gaze is the geometry of an eyeball, and what then
remains below the eyes is described by principal components of the real tracks and their mirror images.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vasa_core.face.alignment import AlignedTrack, align, displacements, eye_openness, mirror_indices
from vasa_core.face.space import (
    FACE_EDGES,
    KIND,
    LANDMARKS,
    LID_PAIRS_LEFT,
    LID_PAIRS_RIGHT,
    LOWER_LIP,
    UPPER_LIP,
    VERSION,
    FaceSpace,
)
from vasa_core.training.tracks import load_tracks
from vasa_core.weights import FOLDER, write_weights

MOUTH_COMPONENTS = 14
EYEBALL_MM, IRIS_MM = 12.0, 11.7  # radius of the eyeball, diameter of the iris (nearly the same in all adults)
LID_FOLLOWS_GAZE = (0.65, 0.25)  # share of the iris' vertical way that the upper and the lower lid go along
IRIS_RIGHT, IRIS_LEFT = range(468, 473), range(473, 478)
BROW_RIGHT = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55)
BROW_LEFT = (300, 293, 334, 296, 336, 276, 283, 282, 295, 285)


@dataclass(frozen=True)
class Regions:
    """Soft masks over the landmarks, (478,) in 0..1, and the mesh's neighbours as a row-stochastic matrix."""

    eye_right: np.ndarray
    eye_left: np.ndarray
    brows: np.ndarray
    mouth: np.ndarray
    neighbours: np.ndarray


def smoothstep(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def regions(template: np.ndarray) -> Regions:
    """Masks that fade out towards their borders, so that no part of the mesh tears."""
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

    x, y = template[:, 0], template[:, 1]

    def around(pairs: tuple[tuple[int, int], ...]) -> np.ndarray:
        ring = template[np.array(pairs).ravel()]
        centre, half = (ring.min(0) + ring.max(0)) / 2, np.ptp(ring, axis=0) / 2
        far = np.hypot((x - centre[0]) / (half[0] * 2.0), (y - centre[1]) / (half[1] * 3.6))
        return smoothstep((1 - far) / 0.55)

    right, left = around(LID_PAIRS_RIGHT), around(LID_PAIRS_LEFT)
    eye_line = template[[33, 133, 362, 263], 1].mean()
    brow_line = template[list(BROW_RIGHT + BROW_LEFT), 1].mean()
    brows = smoothstep((eye_line - 0.03 - y) / (eye_line - 0.03 - brow_line))
    brows *= smoothstep((y - y.min()) / (brow_line - y.min()) / 0.8)
    nose_line = template[2, 1]
    mouth = smoothstep((y - eye_line - 0.06) / (nose_line - eye_line - 0.1))
    nose = np.exp(-(((x / 0.09) ** 2) + ((y - template[4, 1]) / 0.12) ** 2))
    mouth *= 1 - 0.8 * nose  # the bridge and tip of the nose hardly move
    for mask in (brows, mouth):
        mask[468:] = 0
    adjacency = np.eye(LANDMARKS)
    for a, b in FACEMESH_TESSELATION:
        adjacency[a, b] = adjacency[b, a] = 1
    return Regions(right, left, brows, mouth, adjacency / adjacency.sum(1, keepdims=True))


def symmetrical(pattern: np.ndarray, pair: np.ndarray) -> np.ndarray:
    """The pattern's mirror image, (..., 478, 3)."""
    return pattern[..., pair, :] * np.array([-1, 1, 1])


def blink_pattern(moved: np.ndarray, shut: np.ndarray, weight: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Displacement per unit of lid closure, (478, 3), by least squares through the origin."""
    w = weight * (np.abs(shut) < 1.2)
    return np.einsum("f,fvc->vc", w * shut, moved) / (w * shut**2).sum() * mask[:, None]


def shut_lids(pattern: np.ndarray, template: np.ndarray, pairs: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Scale a blink so that the lids of the template meet, and let the upper lid make up what is left."""
    upper, lower = np.array(pairs).T
    out = pattern.copy()
    gap = (template[lower] - template[upper])[:, 1]
    closed = (out[upper] - out[lower])[:, 1]
    out *= gap.mean() / closed.mean()
    left = template[lower] - template[upper] - (out[upper] - out[lower])
    left[:, 0] *= 0.3  # the lids' landmarks are not quite above one another; do not slide them sideways
    out[upper] += left
    return out


def gaze_patterns(template: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Displacement per degree of gaze yaw (to the viewer's right) and pitch (down), each (478, 3)."""
    iris = np.mean([np.linalg.norm(template[a] - template[b]) for a, b in ((469, 471), (474, 476))])
    per_degree = EYEBALL_MM / IRIS_MM * iris * np.radians(1)
    yaw, pitch = np.zeros((2, LANDMARKS, 3))
    irises = [*IRIS_RIGHT, *IRIS_LEFT]
    yaw[irises, 0] = pitch[irises, 1] = per_degree
    for pairs in (LID_PAIRS_RIGHT, LID_PAIRS_LEFT):
        bell = np.sin(np.linspace(0.15, 0.85, len(pairs)) * np.pi)  # the middle of the lid moves most
        for lid, share in zip(np.array(pairs).T, LID_FOLLOWS_GAZE, strict=True):
            pitch[lid, 1] += share * per_degree * bell
    return yaw, pitch


def carry(
    pattern: np.ndarray, mask: np.ndarray, hold: list[int], neighbours: np.ndarray, rounds: int = 60
) -> np.ndarray:
    """Spread a pattern that is known at `hold` smoothly over the mesh (harmonic interpolation inside the mask)."""
    out = pattern.copy()
    for _ in range(rounds):
        out = neighbours @ out * mask[:, None]
        out[hold] = pattern[hold]
    return out


def fit(tracks: list[AlignedTrack], template: np.ndarray) -> FaceSpace:
    """The face space of aligned tracks; every step is deterministic."""
    area, pair = regions(template), mirror_indices(template)
    moved, weight = displacements(tracks)
    openness = np.concatenate([eye_openness(t.face) / eye_openness(t.neutral[None]) for t in tracks])
    shut = np.clip(1 - openness, -0.3, 1)  # (F, 2) right, left

    # Lids. Both eyes are fitted as one eye and its mirror image.
    both = np.concatenate([moved, symmetrical(moved, pair)])
    pattern = blink_pattern(both, np.concatenate([shut[:, 0], shut[:, 1]]), np.tile(weight, 2), area.eye_right)
    pattern[468:] = 0
    smooth = 0.5 * pattern + 0.5 * area.neighbours @ pattern
    lids = [i for p in LID_PAIRS_RIGHT for i in p]
    smooth[lids] = pattern[lids]
    blink_right = shut_lids(smooth, template, LID_PAIRS_RIGHT)
    blink_left = symmetrical(blink_right, pair)

    # Gaze, with lids that follow and a soft surround.
    yaw, pitch = gaze_patterns(template)
    lids = [i for p in LID_PAIRS_RIGHT + LID_PAIRS_LEFT for i in p] + [*IRIS_RIGHT, *IRIS_LEFT]
    pitch = carry(pitch, area.eye_right + area.eye_left, lids, area.neighbours)

    # Brows: raised (each side) and drawn together.
    rise = -np.stack([moved[:, list(b), 1].mean(1) for b in (BROW_RIGHT, BROW_LEFT)], 1)  # (F, 2)
    knit = (moved[:, 55, 0] - moved[:, 285, 0] + moved[:, 107, 0] - moved[:, 336, 0]) / 2
    cause = np.stack([rise[:, 0], rise[:, 1], knit, shut[:, 0] * 0.05, shut[:, 1] * 0.05], 1)
    mirrored = cause[:, [1, 0, 2, 4, 3]]
    design, w = np.concatenate([cause, mirrored]), np.sqrt(np.tile(weight, 2))[:, None]
    upper = np.linalg.lstsq(design * w, both.reshape(len(both), -1) * w, rcond=None)[0].reshape(5, LANDMARKS, 3)
    upper = upper[:3] * area.brows[:, None]
    upper = np.einsum("vu,kuc->kvc", np.linalg.matrix_power(area.neighbours, 2), upper)
    strong = np.quantile(np.abs(rise.mean(1)), 0.98), np.quantile(knit, 0.98)
    raise_right, raise_left = upper[0] * strong[0], upper[1] * strong[0]
    frown = upper[2] * strong[1]
    frown = (frown + symmetrical(frown, pair)) / 2

    named = {
        "blink_left": blink_left,
        "blink_right": blink_right,
        "gaze_yaw": yaw,
        "gaze_pitch": pitch,
        "brow_raise_left": raise_left,
        "brow_raise_right": raise_right,
        "brow_frown": frown,
    }

    # Mouth, jaw and cheeks: principal components of what remains, of the tracks and their mirror images.
    block = np.stack(list(named.values()))
    rest = moved - project(block, moved)
    rest = rest * area.mouth[:, None]
    rest -= 0.5 * (rest - np.einsum("vu,fuc->fvc", area.neighbours, rest)) * _off_lips()[:, None]
    rest[..., 2] *= 0.7  # depth is a guess: do not let it lead
    data = np.concatenate([rest, symmetrical(rest, pair)]).reshape(2 * len(rest), -1)
    data = data * np.sqrt(np.tile(weight, 2))[:, None]
    values, vectors = np.linalg.eigh(data.T @ data / len(data))
    order = np.argsort(values)[::-1][:MOUTH_COMPONENTS]
    components = (vectors[:, order] * np.sqrt(values[order])).T.reshape(-1, LANDMARKS, 3)
    components[..., 2] /= 0.7
    sign = np.sign(components[:, LOWER_LIP, 1] + 1e-3 * components[:, 61, 0])
    components *= sign[:, None, None]
    names = (*named, *(f"mouth_{i:02d}" for i in range(len(components))))
    basis = np.concatenate([block, components]).astype(np.float32)
    space = FaceSpace(basis, template, names, {})
    return FaceSpace(basis, template, names, directions(space, space.encode(moved), moved, weight))


def _off_lips() -> np.ndarray:
    """1 where the mesh may be smoothed, 0 on the lips, (478,)."""
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_LIPS

    mask = np.ones(LANDMARKS)
    mask[sorted({i for edge in FACEMESH_LIPS for i in edge})] = 0
    return mask


def project(block: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The part of displacements (F, 478, 3) that a block of patterns (K, 478, 3) explains by least squares."""
    flat = block.reshape(len(block), -1)
    code = np.linalg.lstsq(flat.T, moved.reshape(len(moved), -1).T, rcond=None)[0]  # (K, F)
    return (code.T @ flat).reshape(moved.shape).astype(np.float32)


def lip_measures(shape: np.ndarray) -> dict[str, np.ndarray]:
    """Linear measures of the mouth on displacements or faces (F, 478, 3), each (F,)."""
    x, y, z = shape[..., 0], shape[..., 1], shape[..., 2]
    return {
        "opening": y[:, LOWER_LIP] - y[:, UPPER_LIP],
        "jaw": y[:, 152],
        "width": x[:, 291] - x[:, 61],
        "upper": -y[:, [0, 37, 267, 13]].mean(1),
        "lower": -y[:, [17, 14, 84, 314]].mean(1),
        "corners": -y[:, [61, 291]].mean(1),
        "forward": -z[:, [0, 17, 13, 14]].mean(1),
        "corner_left": x[:, 291] - y[:, 291],
        "corner_right": -x[:, 61] - y[:, 61],
    }


def directions(space: FaceSpace, code: np.ndarray, moved: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
    """Named directions. The mouth's are the likeliest codes (Gaussian) that change one measure and hold others
    still."""
    out = {name: np.eye(space.dim, dtype=np.float32)[i] for i, name in enumerate(space.names[:7])}
    out["brow_raise"] = out["brow_raise_left"] + out["brow_raise_right"]
    mouth = slice(7, space.dim)
    per_unit = lip_measures(space.basis)  # measure -> (D,)
    spread = {name: np.quantile(np.abs(v), 0.95) for name, v in lip_measures(moved).items()}
    covariance = np.cov(code[:, mouth].T, aweights=weight)

    def aim(**targets: float) -> np.ndarray:
        """Least unlikely code that reaches the targets (in 95th percentiles of the tracks)."""
        a = np.stack([per_unit[n][mouth] for n in targets])  # (K, M)
        b = np.array([v * spread[n] for n, v in targets.items()])
        gain = covariance @ a.T
        c = gain @ np.linalg.solve(a @ gain + 1e-9 * np.eye(len(b)), b)
        full = np.zeros(space.dim, np.float32)
        full[mouth] = c
        return full

    out["jaw_open"] = aim(opening=1.0, jaw=1.0, width=-0.15)
    out["lip_round"] = aim(width=-1.0, forward=1.0, opening=0.1)
    out["lip_spread"] = aim(width=1.0, corners=0.2, opening=0.0)
    out["lip_close"] = aim(opening=-1.0, jaw=0.0, width=0.0)
    out["upper_lip_raise"] = aim(upper=1.0, lower=0.0, width=0.0, jaw=0.0)
    out["lower_lip_tuck"] = aim(lower=0.8, upper=0.3, jaw=0.0)
    out["smile"] = aim(corners=1.0, width=1.0, opening=0.0, jaw=0.0)
    out["smirk"] = aim(corner_left=1.0, corner_right=0.0, opening=0.0, jaw=0.0)
    out["mouth_frown"] = aim(corners=-1.0, width=-0.1, opening=0.0, jaw=0.0)
    return out


def parts() -> dict[str, list[int]]:
    """Landmarks of the parts whose error is reported."""
    return {
        "lips": np.flatnonzero(_off_lips() == 0).tolist(),
        "lids": [i for p in LID_PAIRS_RIGHT + LID_PAIRS_LEFT for i in p],
        "brows": [*BROW_RIGHT, *BROW_LEFT],
        "irises": [*IRIS_RIGHT, *IRIS_LEFT],
        "face": list(range(468)),
    }


def reconstruction_error(
    space: FaceSpace, tracks: list[AlignedTrack], face_pixels: float = 200.0
) -> dict[str, tuple[float, float]]:
    """Part -> (mean 2-D error of the code, mean movement without it), in pixels of a crop whose face is
    `face_pixels` wide."""
    moved, _ = displacements(tracks)
    moved = moved * face_pixels
    rebuilt = space.decode(space.encode(moved / face_pixels)) * face_pixels
    out = {}
    for part, points in parts().items():
        error = np.linalg.norm((rebuilt - moved)[:, points, :2], axis=2).mean()
        out[part] = (float(error), float(np.linalg.norm(moved[:, points, :2], axis=2).mean()))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracks", type=Path, help="folder written by vasa_core.training.tracks")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER / "face_space.safetensors")
    parser.add_argument("--measure", action="store_true", help="measure the weights that are there; fit nothing")
    options = parser.parse_args()
    if options.measure:
        space = FaceSpace.from_pretrained(options.output)
    else:
        aligned, template = align([t for t in load_tracks(options.tracks, "train") if t.found.sum() > 20])
        space = fit(aligned, template)
        tensors = {"basis": space.basis, "template": space.template}
        tensors |= {f"direction.{name}": d for name, d in space.directions.items()}
        write_weights(
            options.output,
            KIND,
            VERSION,
            tensors,
            names=json.dumps(space.names),
            trained_on="face tracks of 45 public clips; see MODEL_CARD.md",
        )
    dev, _ = align([t for t in load_tracks(options.tracks, "dev") if t.found.sum() > 20], space.template)
    width = float(np.ptp(space.template[list(FACE_EDGES), 0]))
    print(f"{space.dim} coordinates; template {width:.2f} wide; people of dev, face 200 pixels wide in a 512 crop:")
    for part, (error, motion) in reconstruction_error(space, dev).items():
        print(f"  {part:7s} error {error:.2f} px of {motion:.2f} px movement")


if __name__ == "__main__":
    main()
