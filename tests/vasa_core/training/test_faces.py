"""Tracks, head frame, face space and articulation, on faces whose motion is known."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from skimage import data

from vasa_core.face.alignment import Track, align, aperture, eye_openness, mirror_indices, procrustes, upright
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import Articulation, closure, measures, smooth, to_motion_rate
from vasa_core.motion.visemes import VISEMES
from vasa_core.training.articulation import SpokenClip, fit_articulation, phonetic, spoken_clip
from vasa_core.training.face_space import fit, reconstruction_error
from vasa_core.training.tracks import load_tracks, track_clip

MOTION_PERIOD = 25.0  # frames


def made_up_track(space: FaceSpace, seed: int, count: int = 120) -> tuple[Track, np.ndarray, np.ndarray]:
    """A track of a known code (N, D) under known head angles (N, 3) in degrees (signs of Motion)."""
    rng = np.random.default_rng(seed)
    code = np.zeros((count, space.dim))
    phase = 2 * np.pi * np.arange(count) / MOTION_PERIOD
    code[:, 7:] = np.sin(phase[:, None] * rng.uniform(0.5, 2, space.dim - 7) + rng.uniform(0, 6, space.dim - 7)) * 0.7
    code += np.clip(np.sin(phase) + 0.2, 0, 1)[:, None] * space.direction("jaw_open")
    blink = np.zeros(count)
    blink[20::40] = 1
    blink = smooth(blink, 2) / smooth(blink, 2).max()
    code += blink[:, None] * (space.direction("blink_left") + space.direction("blink_right"))
    code += 0.5 * np.clip(np.sin(0.37 * phase), 0, 1)[:, None] * space.direction("brow_raise")
    code += 0.3 * np.clip(np.sin(0.61 * phase), 0, 1)[:, None] * space.direction("brow_frown")
    angles = np.stack([8 * np.sin(0.3 * phase), 4 * np.sin(0.2 * phase + 1), 3 * np.sin(0.25 * phase + 2)], 1)
    turn = Rotation.from_euler("ZXY", np.stack([angles[:, 2], angles[:, 1], -angles[:, 0]], 1), degrees=True)
    face = np.einsum("nij,nkj->nki", turn.as_matrix(), space.template + space.decode(code))
    track = Track(f"made_{seed}", (0.3 * face + 0.5).astype(np.float32), np.ones(count, bool), "train", True, 0.0)
    return track, code, angles


def test_procrustes_recovers_a_motion(space: FaceSpace) -> None:
    turn = Rotation.from_euler("xyz", [0.1, -0.3, 0.2]).as_matrix()
    moved = 2.5 * space.template @ turn.T + [1, 2, 3]
    scale, rotation, shift = procrustes(space.template[None], moved)
    assert scale[0] == pytest.approx(2.5) and np.allclose(rotation[0], turn, atol=1e-5)
    assert np.allclose(shift[0], [1, 2, 3], atol=1e-5)


def test_head_frame_and_angles_are_recovered(space: FaceSpace) -> None:
    track, _, angles = made_up_track(space, 0)
    (aligned,), _ = align([track], space.template)
    assert np.abs(aligned.angles - angles).mean() < 0.6
    for column in range(3):
        assert np.corrcoef(aligned.angles[:, column], angles[:, column])[0, 1] > 0.98
    assert np.linalg.norm(aligned.neutral[234] - aligned.neutral[454]) == pytest.approx(1, abs=1e-3)
    assert aperture(aligned.neutral[None])[0] < 0.03 and eye_openness(aligned.neutral[None]).min() > 0.2


def test_mirror_is_an_involution(space: FaceSpace) -> None:
    pair = mirror_indices(space.template)
    assert np.array_equal(pair[pair], np.arange(478)) and pair[33] == 263 and pair[61] == 291 and pair[468] == 473
    turned = space.template @ Rotation.from_euler("xyz", [0, 0.4, 0.1]).as_matrix().T
    assert np.allclose(upright(turned), upright(space.template), atol=1e-5)


def test_a_face_space_can_be_fitted(space: FaceSpace) -> None:
    aligned, template = align([made_up_track(space, s)[0] for s in range(3)])
    learned = fit(aligned, template)
    assert learned.basis.shape == (21, 478, 3) and np.isfinite(learned.basis).all()
    assert set(learned.directions) == set(space.directions)
    error, movement = reconstruction_error(learned, aligned)["lips"]
    assert error < 0.35 * movement
    shut = template + learned.decode(learned.direction("blink_left")[None])[0]
    assert np.abs((shut[[374, 386], 1] - shut[[386, 374], 1])[0]) < 1e-3


def test_a_video_is_tracked_at_25_frames_a_second(tmp_path: Path) -> None:
    path = tmp_path / "astronaut.mp4"
    face = np.ascontiguousarray(data.astronaut()[:256, 96:352])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=50)
        stream.width = stream.height = 256
        stream.pix_fmt = "yuv420p"
        for k in range(20):
            frame = av.VideoFrame.from_ndarray(np.roll(face, k, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    landmarks, found = track_clip(path)
    assert landmarks.shape == (10, 478, 3) and found.all()
    drift = (landmarks[-1, :, 0] - landmarks[0, :, 0]).mean() * 256
    assert drift == pytest.approx(18, abs=4)  # 18 frames of the video at one pixel each
    np.savez(tmp_path / "clip.npz", landmarks=landmarks, found=found, synchronous=False, offset=float("nan"))
    (tmp_path / "train").mkdir()
    (tmp_path / "clip.npz").rename(tmp_path / "train" / "clip.npz")
    (loaded,) = load_tracks(tmp_path, "train")
    assert loaded.name == "clip" and loaded.offset is None and not loaded.synchronous


def posteriors(labels: list[int], hold: int = 8) -> np.ndarray:
    return np.eye(len(VISEMES))[np.repeat(labels, hold)].astype(np.float32)


def test_offset_between_lips_and_sound_is_found(space: FaceSpace) -> None:
    rng = np.random.default_rng(0)
    p = posteriors(list(rng.choice([0, 1, 11, 12], 40)))
    lips = to_motion_rate(smooth(p[:, 11] + 0.8 * p[:, 12], 3), 160)
    shape = np.zeros((160, 478, 3))
    shape[:, 14, 1] = 0.1 * np.roll(lips, 3)  # 120 ms late
    clip = spoken_clip("made", shape, p, 0.08)
    assert clip is not None and clip.offset == pytest.approx(0.12)
    assert spoken_clip("noise", rng.normal(size=(160, 478, 3)) * 0.01, p, None) is None


def test_coarticulation_is_fitted_and_closes_lips() -> None:
    rng = np.random.default_rng(1)
    clips = []
    for k in range(3):
        p = posteriors(list(rng.choice([0, 1, 9, 11, 13], 60)))
        truth = smooth(0.1 * p[:, 11] + 0.03 * p[:, 13] + 0.02 * p[:, 9], 3)
        moves = np.zeros((240, 6))
        moves[:, 0] = to_motion_rate(truth, 240)
        moves[:, 2] = to_motion_rate(smooth(-0.05 * p[:, 9], 3), 240)
        clips.append(SpokenClip(f"made_{k}", p, moves + rng.normal(size=moves.shape) * 1e-3, 0.0))
    model = phonetic(*fit_articulation(clips, rounds=60))
    said = to_motion_rate(model.trajectories(clips[0].posteriors), 240)
    assert np.corrcoef(said[:, 0], clips[0].moves[:, 0])[0, 1] > 0.85
    assert model.targets[VISEMES.index("open"), 0] == model.targets[:, 0].max()
    assert not model.targets[0].any()
    rest = model.trajectories(posteriors([11, 11, 0, 0, 0, 0]))
    assert np.abs(rest[-8:, 0]).max() < 0.15 * rest[:, 0].max()


def test_closure_catches_the_shortest_bilabial() -> None:
    p = np.zeros((100, len(VISEMES)), np.float32)
    p[:, VISEMES.index("open")] = 1
    p[49:51] = 0
    p[49:51, 1] = 0.5
    pressed = closure(p, 50)
    assert pressed.shape == (50,) and pressed[23:27].max() > 0.95
    assert pressed[:20].max() == 0 and pressed[30:].max() == 0
    assert closure(p[:1], 1).shape == (1,)


def test_kernels_and_measures(space: FaceSpace) -> None:
    classes = len(VISEMES)
    model = Articulation(
        np.zeros((classes, 6)), np.ones((classes, 6)), np.full(classes, 0.05), np.full(classes, 0.1),
        np.zeros((6, space.dim)), np.zeros(space.dim),
    )  # fmt: skip
    kernels = model.kernels()
    assert np.allclose(kernels.sum(1), 1) and (kernels[:, 30] > kernels[:, 10]).all()  # fades slower than it grows
    assert measures(space.template[None]).shape == (1, 6) and measures(space.template[None])[0, 0] > 0
