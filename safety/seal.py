"""The only exit: frames become a marked, signed, checked video file, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safety.vault import Vault
from vasa_core.types import Photo, Speech


@dataclass(frozen=True)
class SealedVideo:
    path: Path
    watermark_id: str
    manifest_label: str
    manifest_state: str
    record_id: str
    log_index: int
    frames: int
    fps: int
    width: int
    height: int
    seconds: float
    timings: dict[str, float]


def seal(
    vault: Vault,
    token: str | None,
    photo: Photo,
    speech: Speech,
    frames: Iterable[np.ndarray],
    *,
    out: str | Path,
    fps: int,
    seed: int | None = None,
    title: str = "Talking portrait",
    total: int | None = None,
    progress: Callable[[str, float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SealedVideo:
    raise NotImplementedError
