"""Landmark tracks of the training clips, 25 per second, with the head pose taken apart from the face.

    python -m vasa_core.training.tracks DATA_DIR -o .cache/tracks

DATA_DIR holds clips/train, clips/dev and clips/manifest.csv. One .npz per clip is written (whole or not at all), and a
clip that is already there is skipped, so the command can be stopped and started again.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vasa_core.face.alignment import Track
from vasa_core.training.media import read_frames
from vasa_core.types import MOTION_RATE

LANDMARKS = 478
OFFSETS = "offsets.csv"  # written by vasa_core.training.offsets


def track_clip(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (N, 478, 3) at MOTION_RATE in picture heights and found (N,), by MediaPipe Face Mesh with irises."""
    from mediapipe.python.solutions.face_mesh import FaceMesh

    times, rows = [], []
    with FaceMesh(refine_landmarks=True, max_num_faces=1) as mesh:
        for time, pixels in read_frames(path):
            height, width = pixels.shape[:2]
            faces = mesh.process(pixels).multi_face_landmarks
            scale = np.array([width / height, 1.0, width / height])  # z has the scale of x
            rows.append(
                np.array([[p.x, p.y, p.z] for p in faces[0].landmark]) * scale
                if faces
                else np.full((LANDMARKS, 3), np.nan)
            )
            times.append(time)
    clock = np.array(times) - times[0]
    raw = np.array(rows)
    seen = ~np.isnan(raw[:, 0, 0])
    if seen.sum() < 2:
        return np.zeros((0, LANDMARKS, 3), np.float32), np.zeros(0, bool)
    target = np.arange(0, clock[-1] + 1e-6, 1 / MOTION_RATE)
    flat = raw[seen].reshape(seen.sum(), -1)  # (F, 478 * 3)
    right = np.clip(np.searchsorted(clock[seen], target), 1, len(flat) - 1)
    t0, t1 = clock[seen][right - 1], clock[seen][right]
    mix = np.clip((target - t0) / (t1 - t0), 0, 1)[:, None]
    smooth = flat[right - 1] * (1 - mix) + flat[right] * mix
    found = np.interp(target, clock, seen.astype(float)) > 0.5
    return smooth.reshape(-1, LANDMARKS, 3).astype(np.float32), found


def load_tracks(folder: Path, split: str, measured: bool = True) -> Iterator[Track]:
    """The cached tracks of a split, in order of name.

    measured: where vasa_core.training.offsets has been run, its offsets and its choice of clips with synchronous speech
    replace those of the manifest.
    """
    known = read_offsets(folder / OFFSETS) if measured else {}
    for path in sorted((folder / split).glob("*.npz")):
        with np.load(path) as f:
            offset = float(f["offset"])
            synchronous, seconds = known.get(
                f"{split}/{path.stem}", (bool(f["synchronous"]), None if np.isnan(offset) else offset)
            )
            yield Track(path.stem, f["landmarks"], f["found"], split, synchronous, seconds)


def read_offsets(path: Path) -> dict[str, tuple[bool, float | None]]:
    """Clip -> whether its sound is its own, and by how many seconds the lips come late; empty without the file."""
    if not path.exists():
        return {}
    with open(path, newline="") as f:
        return {
            row["file"]: (row["use"] != "motion", float(row["offset_ms"]) / 1000 if row["use"] != "motion" else None)
            for row in csv.DictReader(f)
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path(".cache/tracks"))
    options = parser.parse_args()
    with open(options.data / "clips" / "manifest.csv", newline="") as f:
        rows = sorted(csv.DictReader(f), key=lambda r: r["file"])
    for row in rows:
        target = options.output / Path(row["file"]).with_suffix(".npz")
        if target.exists():
            continue
        landmarks, found = track_clip(options.data / "clips" / row["file"])
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.stem + ".part.npz")
        offset = float(row["av_offset_ms"]) / 1000 if row["av_offset_ms"] else float("nan")
        np.savez(part, landmarks=landmarks, found=found, synchronous=row["audio"] == "speech", offset=offset)
        os.replace(part, target)
        print(f"{row['file']}: {len(found)} frames, face in {found.mean() if len(found) else 0:.0%}", flush=True)


if __name__ == "__main__":
    main()
