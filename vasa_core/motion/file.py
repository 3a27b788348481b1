"""Motion saved to a file and read back: safetensors that hold nothing but movement."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from vasa_core.errors import UnreadableMotion
from vasa_core.face.space import FaceSpace
from vasa_core.types import MAX_FPS, POSE_DIM, Motion

KIND, VERSION = "candor motion", "1"
LONGEST_SECONDS = 300.0
MAX_BYTES = 32 << 20  # five minutes at MAX_FPS are far smaller


def save_motion(motion: Motion, path: Path | str, space: FaceSpace) -> None:
    """Write a motion, whole or not at all. The names of the face space's coordinates go with it."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    metadata = {"kind": KIND, "version": VERSION, "rate": repr(float(motion.rate)), "names": ",".join(space.names)}
    tensors = {name: np.ascontiguousarray(getattr(motion, name), np.float32) for name in ("pose", "dynamics")}
    try:
        save_file(tensors, str(part), metadata=metadata)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load_motion(path: Path | str, space: FaceSpace) -> Motion:
    """Read a motion back. Raises UnreadableMotion when it is missing, damaged, too long, or of another face space."""
    path = Path(path)
    if not path.is_file():
        raise UnreadableMotion(f"There is no motion file '{path.name}'. Check its path.")
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableMotion(f"'{path.name}' is larger than {MAX_BYTES >> 20} MB and cannot be a motion file.")
    try:
        with safe_open(str(path), framework="numpy") as f:
            metadata = dict(f.metadata() or {})
            pose, dynamics = f.get_tensor("pose"), f.get_tensor("dynamics")
        rate = float(metadata.get("rate", "nan"))
    except (SafetensorError, OSError, ValueError, TypeError):
        raise UnreadableMotion(
            f"'{path.name}' is not a motion file, or it is damaged. Save the motion again."
        ) from None
    if metadata.get("kind") != KIND or metadata.get("version") != VERSION:
        raise UnreadableMotion(f"'{path.name}' is not a motion file of version {VERSION}. Save the motion again.")
    if metadata.get("names") != ",".join(space.names):
        raise UnreadableMotion(f"'{path.name}' was made for another face space. Make the motion again.")
    fits = pose.ndim == dynamics.ndim == 2 and pose.shape[1] == POSE_DIM and dynamics.shape[1] == space.dim
    if not fits or not 0 < len(pose) == len(dynamics) or not 1 <= rate <= MAX_FPS:
        raise UnreadableMotion(f"'{path.name}' holds tensors of the wrong size. Save the motion again.")
    if not (np.isfinite(pose).all() and np.isfinite(dynamics).all()):
        raise UnreadableMotion(f"'{path.name}' holds numbers that are not finite. Save the motion again.")
    if len(pose) > LONGEST_SECONDS * rate:
        raise UnreadableMotion(f"'{path.name}' lasts more than {LONGEST_SECONDS / 60:.0f} minutes. Cut it.")
    return Motion(pose.astype(np.float32), dynamics.astype(np.float32), rate)
