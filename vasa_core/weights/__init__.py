"""Shipped weights: safetensors files that name their own kind and version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from vasa_core.errors import WeightsError

FOLDER = Path(__file__).parent


def read_weights(path: Path, kind: str, version: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata of a weights file.

    Raises WeightsError when it is missing, damaged, of another kind, or of another version.
    """
    if not path.is_file():
        raise WeightsError(
            f"The weights file {path} is missing; install Candor again or train it anew (docs/motion.md)."
        )
    try:
        with safe_open(str(path), framework="numpy") as f:
            metadata = dict(f.metadata() or {})
            tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118  (safe_open is not a dict)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise WeightsError(
            f"The weights file {path} is damaged ({type(error).__name__}); install Candor again."
        ) from None
    if metadata.get("kind") != kind:
        raise WeightsError(
            f"{path} holds '{metadata.get('kind', 'unknown')}' weights, not '{kind}'; give the right file."
        )
    if metadata.get("version") != version:
        raise WeightsError(
            f"{path} is version {metadata.get('version')} of '{kind}', this program reads version {version}; "
            "install matching weights."
        )
    if not all(np.isfinite(t).all() for t in tensors.values()):
        raise WeightsError(f"The weights file {path} holds numbers that are not finite; install Candor again.")
    return tensors, metadata


def write_weights(path: Path, kind: str, version: str, tensors: dict[str, np.ndarray], **metadata: str) -> None:
    """Write a weights file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    contiguous = {name: np.ascontiguousarray(t) for name, t in tensors.items()}
    save_file(contiguous, str(part), metadata={"kind": kind, "version": version, **metadata})
    part.chmod(0o644)  # safetensors writes files that only their owner can read
    part.replace(path)
