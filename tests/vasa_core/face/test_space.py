"""The face space: its maps, its named directions, its weights file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from vasa_core.errors import WeightsError
from vasa_core.face.space import KIND, LID_PAIRS_LEFT, LID_PAIRS_RIGHT, FaceSpace
from vasa_core.weights import FOLDER, read_weights, write_weights


def test_encode_undoes_decode(space: FaceSpace) -> None:
    code = np.random.default_rng(0).normal(size=(6, space.dim)).astype(np.float32)
    code[:, :4] *= 0.3
    moved = space.decode(code)
    assert moved.shape == (6, 478, 3) and moved.dtype == np.float32
    assert np.abs(space.encode(moved) - code).max() < 1e-3


def test_zero_is_the_rest_face(space: FaceSpace) -> None:
    assert not space.decode(np.zeros((2, space.dim))).any()
    assert space.decode(np.zeros((0, space.dim))).shape == (0, 478, 3)


@pytest.mark.parametrize(("side", "pairs"), [("left", LID_PAIRS_LEFT), ("right", LID_PAIRS_RIGHT)])
def test_a_full_blink_shuts_one_eye(space: FaceSpace, side: str, pairs: tuple[tuple[int, int], ...]) -> None:
    face = space.template + space.decode(space.direction(f"blink_{side}")[None])[0]
    upper, lower = np.array(pairs).T
    other_upper, other_lower = np.array(LID_PAIRS_RIGHT if side == "left" else LID_PAIRS_LEFT).T
    open_before = (space.template[lower] - space.template[upper])[:, 1].mean()
    assert np.abs((face[lower] - face[upper])[:, 1]).max() < 0.02 * open_before
    assert (face[other_lower] - face[other_upper])[:, 1].mean() == pytest.approx(open_before, rel=0.02)


def test_a_personal_space_shuts_narrow_eyes_exactly(space: FaceSpace) -> None:
    narrow = space.template.copy()
    upper, lower = np.array(LID_PAIRS_LEFT).T
    narrow[upper, 1] += 0.4 * (narrow[lower, 1] - narrow[upper, 1])
    own = space.personal(narrow)
    face = narrow + own.decode(own.direction("blink_left")[None])[0]
    assert np.abs((face[lower] - face[upper])[:, 1]).max() < 1e-5
    assert own.dim == space.dim and not np.shares_memory(own.basis, space.basis)


@pytest.mark.parametrize(("name", "axis"), [("gaze_yaw", 0), ("gaze_pitch", 1)])
def test_gaze_moves_the_irises_to_the_right_and_down(space: FaceSpace, name: str, axis: int) -> None:
    moved = space.decode(10 * space.direction(name)[None])[0]
    irises = moved[468:478]
    iris = np.linalg.norm(space.template[469] - space.template[471])
    expected = 12.0 / 11.7 * iris * np.radians(10)  # an eyeball of 12 mm turned by 10 degrees
    assert np.allclose(irises[:, axis], expected, rtol=0.05)
    assert np.abs(irises[:, 1 - axis]).max() < 1e-6
    assert np.abs(moved[152]).max() < 1e-6  # the chin stays


def test_mouth_directions_do_what_they_say(space: FaceSpace) -> None:
    def change(name: str) -> np.ndarray:
        return space.decode(space.direction(name)[None])[0]

    assert (change("jaw_open")[14] - change("jaw_open")[13])[1] > 0.08 and change("jaw_open")[152, 1] > 0.02
    assert (change("lip_close")[14] - change("lip_close")[13])[1] < -0.05
    assert (change("lip_round")[291] - change("lip_round")[61])[0] < -0.03
    assert (change("lip_spread")[291] - change("lip_spread")[61])[0] > 0.03
    assert change("smile")[[61, 291], 1].max() < -0.01
    assert change("brow_raise")[[105, 334], 1].max() < -0.005


def test_directions_are_left_right_symmetrical_and_fade_out(space: FaceSpace) -> None:
    smile = space.decode(space.direction("smile")[None])[0]
    assert smile[61] == pytest.approx(smile[291] * [-1, 1, 1], abs=0.02)
    jaw = space.decode(space.direction("jaw_open")[None])[0]
    assert np.abs(jaw[[10, 151, 9, 33, 263]]).max() < 0.01  # forehead and eye corners stay


def test_wrong_shapes_and_names_are_refused(space: FaceSpace) -> None:
    with pytest.raises(ValueError, match="shape"):
        space.decode(np.zeros((3, space.dim + 1)))
    with pytest.raises(ValueError, match="shape"):
        space.encode(np.zeros((3, 468, 3)))
    with pytest.raises(ValueError, match="no direction 'wink'"):
        space.direction("wink")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="missing"):
        FaceSpace.from_pretrained(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("keep", [0, 5, 100, 5000])
def test_a_truncated_file_is_named(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "face_space.safetensors"
    path.write_bytes((FOLDER / "face_space.safetensors").read_bytes()[:keep])
    with pytest.raises(WeightsError, match="damaged"):
        FaceSpace.from_pretrained(path)


def test_another_version_kind_or_size_is_named(tmp_path: Path) -> None:
    path = tmp_path / "face_space.safetensors"
    tensors = load_file(FOLDER / "face_space.safetensors")
    _, metadata = read_weights(FOLDER / "face_space.safetensors", KIND, "1")
    write_weights(path, KIND, "99", tensors, names=metadata["names"])
    with pytest.raises(WeightsError, match="version 99"):
        FaceSpace.from_pretrained(path)
    write_weights(path, "visemes", "1", tensors)
    with pytest.raises(WeightsError, match="'visemes' weights"):
        FaceSpace.from_pretrained(path)
    write_weights(path, KIND, "1", {**tensors, "basis": tensors["basis"][:, :468]}, names=metadata["names"])
    with pytest.raises(WeightsError, match="wrong size"):
        FaceSpace.from_pretrained(path)
    write_weights(path, KIND, "1", {"template": tensors["template"]}, names=metadata["names"])
    with pytest.raises(WeightsError, match="lacks"):
        FaceSpace.from_pretrained(path)
    write_weights(path, KIND, "1", {**tensors, "basis": tensors["basis"] * np.nan}, names=metadata["names"])
    with pytest.raises(WeightsError, match="not finite"):
        FaceSpace.from_pretrained(path)
