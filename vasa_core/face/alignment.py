"""Taking the head pose out of landmark tracks and finding each person's rest face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.signal import savgol_filter

from vasa_core.face.space import CHIN, FACE_EDGES, FOREHEAD, LANDMARKS, LOWER_LIP, UPPER_LIP

# Landmarks that hardly move with expressions: bridge of the nose, eye corners, temples, forehead.
RIGID = [10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 33, 133, 362, 263, 127, 356, 234, 454, 93, 323]
RIGID += [132, 361, 109, 338, 67, 297, 103, 332, 54, 284]
EYE_RIGHT, EYE_LEFT = (33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380)  # outer/inner corners and lids


@dataclass(frozen=True)
class Track:
    """One clip's face.

    landmarks: float32 (N, 478, 3) in units of picture heights (square pixels), MOTION_RATE per second.
    found:     bool (N,), False where no face was seen and the landmarks are interpolated.
    split: which part of a training set it belongs to.   synchronous: whether the sound belongs to the picture.
    offset: seconds by which the lips come late, None when unknown.
    """

    name: str
    landmarks: np.ndarray
    found: np.ndarray
    split: str = ""
    synchronous: bool = True
    offset: float | None = None


@dataclass(frozen=True)
class AlignedTrack:
    """One clip in the head frame.

    face:    float32 (N, 478, 3), head frame, unit = the person's face width.
    neutral: float32 (478, 3), the person's rest face: eyes open, lips together.
    angles:  float32 (N, 3) yaw, pitch, roll in degrees (signs of vasa_core.types.Motion).
    place:   float32 (N, 3) x, y in face widths and log scale of the head in the picture, relative to the clip's median.
    """

    track: Track
    face: np.ndarray
    neutral: np.ndarray
    angles: np.ndarray
    place: np.ndarray


def procrustes(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales (N,), rotations (N, 3, 3), shifts (N, 3) that bring sources (N, K, 3) nearest to target (K, 3) (Umeyama
    1991)."""
    mean = source.mean(1, keepdims=True)
    a, b = source - mean, target - target.mean(0)
    u, values, vt = np.linalg.svd(np.einsum("nki,kj->nij", a, b))
    sign = np.ones_like(values)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = np.einsum("nji,nj,nkj->nik", vt, sign, u)
    scale = (values * sign).sum(1) / (a**2).sum((1, 2))
    return scale, rotation, target.mean(0) - scale[:, None] * np.einsum("nij,nj->ni", rotation, mean[:, 0])


def move(face: np.ndarray, fit: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Faces (N, K, 3) moved by what procrustes found."""
    scale, rotation, shift = fit
    return scale[:, None, None] * np.einsum("nij,nkj->nki", rotation, face) + shift[:, None]


def aperture(face: np.ndarray) -> np.ndarray:
    """Inner-lip opening / face height, (N, 478, 3) -> (N,)."""
    opening = np.linalg.norm(face[:, UPPER_LIP] - face[:, LOWER_LIP], axis=1)
    return opening / np.linalg.norm(face[:, FOREHEAD] - face[:, CHIN], axis=1)


def eye_openness(face: np.ndarray) -> np.ndarray:
    """Eye aspect ratio (Soukupova and Cech 2016) of the right and left eye, (N, 478, 3) -> (N, 2)."""
    columns = []
    for a, b, c, d, e, f in (EYE_RIGHT, EYE_LEFT):
        p = face[..., :2]
        height = np.linalg.norm(p[:, b] - p[:, f], axis=1) + np.linalg.norm(p[:, c] - p[:, e], axis=1)
        columns.append(height / (2 * np.linalg.norm(p[:, a] - p[:, d], axis=1)))
    return np.stack(columns, 1)


def mirror_indices(template: np.ndarray) -> np.ndarray:
    """For every landmark the one on the other side of the face, (478,)."""
    centre = template[list(FACE_EDGES), 0].mean()
    flipped = template * [-1, 1, 1] + [2 * centre, 0, 0]
    out = np.zeros(LANDMARKS, int)
    for part in (np.arange(468), np.arange(468, LANDMARKS)):  # irises lie on the lids: match them apart
        cost = np.linalg.norm(flipped[part][:, None] - template[part][None], axis=2)
        out[part] = part[linear_sum_assignment(cost)[1]]
    return out


def upright(face: np.ndarray) -> np.ndarray:
    """Turn a face so that the edges lie level and equally deep and the forehead stands above the chin; width 1,
    centred."""
    right, left = face[FACE_EDGES[0]], face[FACE_EDGES[1]]
    x = (left - right) / np.linalg.norm(left - right)
    down = face[CHIN] - face[FOREHEAD]
    y = down - x * (down @ x)
    y /= np.linalg.norm(y)
    rotation = np.stack([x, y, np.cross(x, y)])
    return (face - (left + right) / 2) @ rotation.T / np.linalg.norm(left - right)


def rest_face(face: np.ndarray) -> np.ndarray:
    """Mean of the frames with open eyes and closed, relaxed lips. (N, 478, 3) -> (478, 3)."""
    gap = aperture(face)
    eyes = eye_openness(face).mean(1)
    width = np.linalg.norm(face[:, 61] - face[:, 291], axis=1)
    cost = (gap - np.quantile(gap, 0.03)).clip(0) / max(gap.std(), 1e-4)
    cost += np.abs(eyes - np.quantile(eyes, 0.65)) / max(eyes.std(), 1e-4)
    cost += 0.5 * np.abs(width - np.median(width)) / max(width.std(), 1e-4)
    return face[np.argsort(cost)[: max(5, len(face) // 25)]].mean(0)


def align(tracks: list[Track], template: np.ndarray | None = None) -> tuple[list[AlignedTrack], np.ndarray]:
    """Head poses out. Without a template one is made: the symmetrical mean of all rest faces, found by iteration."""
    smooth = [savgol_filter(t.landmarks, 5, 2, axis=0) for t in tracks]
    fixed = template is not None
    reference = template if template is not None else upright(np.mean([upright(s.mean(0)) for s in smooth], 0))
    out: list[AlignedTrack] = []
    for _ in range(1 if fixed else 4):
        out = []
        for track, marks in zip(tracks, smooth, strict=True):
            fits = procrustes(marks[:, RIGID], reference[RIGID])
            face = move(marks, fits)
            for _ in range(2):  # then against this person's own shape, so that identity does not look like pose
                own = rest_face(face[track.found])
                own = move(own[None], procrustes(own[None, RIGID], reference[RIGID]))[0]
                fits = procrustes(marks[:, RIGID], own[RIGID])
                face = move(marks, fits)
            width = np.linalg.norm(own[FACE_EDGES[0]] - own[FACE_EDGES[1]])
            scale, rotation = fits[0], fits[1].transpose(0, 2, 1)  # head frame -> picture
            angles = np.degrees(
                np.stack(
                    [
                        -np.arctan2(rotation[:, 0, 2], rotation[:, 2, 2]),
                        np.arcsin(np.clip(-rotation[:, 1, 2], -1, 1)),
                        np.arctan2(rotation[:, 1, 0], rotation[:, 1, 1]),
                    ],
                    1,
                )
            )
            size = width / scale  # face width in the picture
            middle = marks[:, list(FACE_EDGES), :2].mean(1)
            place = np.column_stack([(middle - np.median(middle, 0)) / np.median(size), np.log(size / np.median(size))])
            out.append(
                AlignedTrack(
                    track,
                    (face / width).astype(np.float32),
                    (own / width).astype(np.float32),
                    angles.astype(np.float32),
                    place.astype(np.float32),
                )
            )
        if not fixed:
            mean = upright(np.mean([a.neutral for a in out], 0))
            pair = mirror_indices(mean)
            reference = upright((mean + mean[pair] * [-1, 1, 1]) / 2)
    return out, reference.astype(np.float32)


def displacements(tracks: list[AlignedTrack]) -> tuple[np.ndarray, np.ndarray]:
    """All frames minus their person's rest face, freed of what head pose feigns; and the weight of every frame.

    Face Mesh's depth is a guess, so a turned head looks like a changed one: the part of the displacement that a
    quadratic in yaw, pitch and roll explains is taken out.
    """
    moved = np.concatenate([t.face - t.neutral for t in tracks])  # (F, 478, 3)
    angles = np.concatenate([t.angles - np.median(t.angles, 0) for t in tracks]) / 10
    yaw, pitch, roll = angles.T
    design = np.stack([yaw, pitch, roll, yaw**2, pitch**2, yaw * pitch], 1)
    design = np.clip(design, -3, 3)
    centred = moved - moved.mean(0)
    gram = design.T @ design + len(design) * 0.05 * np.eye(design.shape[1])
    artefact = np.linalg.solve(gram, design.T @ centred.reshape(len(moved), -1))  # (6, 1434)
    moved = moved - (design @ artefact).reshape(moved.shape)
    weight = np.concatenate([np.full(len(t.face), 1 / np.sqrt(len(t.face))) for t in tracks])  # long clips count less
    weight *= np.concatenate([t.track.found for t in tracks]) * (np.abs(angles).max(1) < 2.0)
    return moved.astype(np.float32), weight / weight.mean()
