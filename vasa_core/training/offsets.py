"""How far sound and picture of every clip are apart, and which clips teach motion alone.

    python -m vasa_core.training.offsets .cache/tracks DATA_DIR

Prints a table and writes TRACKS/offsets.csv, which `vasa_core.training.tracks.load_tracks` heeds from then on. The
offset is the shift at which the opening of the tracked lips correlates best with how open the heard visemes are, a
large shift counting a little less; positive: the lips come late. A clip whose best correlation is low teaches motion
alone, and so does one whose best shift hardly beats shifts far away, unless the manifest's own estimate agrees with it.
"""

from __future__ import annotations

import argparse
import csv
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch

from vasa_core.face.alignment import Track, align
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import measures, to_motion_rate
from vasa_core.motion.features import SpeechFeatures
from vasa_core.training.articulation import correlation, openness
from vasa_core.training.face_space import displacements
from vasa_core.training.media import read_sound
from vasa_core.training.tracks import OFFSETS, load_tracks
from vasa_core.types import MOTION_RATE

REACH = 12  # frames, 480 ms
LEAST, CLEAR = 0.30, 0.08  # correlation at the best shift, and by how much it beats those that are FAR from it
FAR = 4  # frames
DOUBT = 0.01  # per frame of shift: short clips correlate with themselves a phrase later
AGREES = 60.0  # ms between the manifest's estimate and this one


@dataclass(frozen=True)
class Offset:
    """What was measured of one clip. offset_ms: lips late by so much; NaN where nothing tells it."""

    file: str
    seconds: float
    face: float  # share of the frames in which a face was found
    sound: str  # "speech", "not synchronous" or "none", as the manifest says
    said_ms: float  # what the manifest says
    offset_ms: float
    r: float  # correlation of opening and expectation at that shift
    margin: float  # its lead over shifts that are far away
    use: str  # "lips and motion" or "motion"


def measure_offset(opening: np.ndarray, expected: np.ndarray) -> tuple[float, float, float]:
    """Shift in frames (to a fraction) at which the opening (N,) follows the expectation (M,) best; r there; margin."""
    shifts = list(range(-REACH, REACH + 1))
    count = min(len(opening), len(expected))
    curve = np.array(
        [correlation(opening[max(0, s) : count + min(0, s)], expected[max(0, -s) : count - max(0, s)]) for s in shifts]
    )
    curve -= DOUBT * np.abs(np.arange(-REACH, REACH + 1))
    top = int(curve.argmax())
    margin = float(curve[top] - curve[np.abs(np.arange(len(curve)) - top) > FAR].max())
    fraction = 0.0
    if 0 < top < len(curve) - 1:  # the top of a parabola through three points
        a, b, c = curve[top - 1 : top + 2]
        fraction = 0.5 * (a - c) / min(a - 2 * b + c, -1e-9)
    return float(shifts[top] + np.clip(fraction, -0.5, 0.5)), float(curve[top]) + DOUBT * abs(shifts[top]), margin


def measure_clip(track: Track, sound: str, samples: np.ndarray, space: FaceSpace, ears: SpeechFeatures) -> Offset:
    """One clip's row."""
    nan = float("nan")
    said = nan if track.offset is None else 1000 * track.offset
    shift = r = margin = nan
    if len(samples) and track.found.sum() > 20:
        moved, _ = displacements(align([track], space.template)[0])
        posteriors = ears.posteriors(samples)
        shift, r, margin = measure_offset(
            measures(moved)[:, 0], to_motion_rate(openness(posteriors), len(posteriors) // 2)
        )
    certain = margin >= CLEAR or abs(1000 * shift / MOTION_RATE - said) <= AGREES
    inside = abs(shift) < REACH - 0.5  # at the end of the range there is no peak
    heard = sound == "speech" and r >= LEAST and certain and inside
    return Offset(
        f"{track.split}/{track.name}",
        len(track.found) / MOTION_RATE,
        float(track.found.mean()) if len(track.found) else 0.0,
        sound,
        said,
        1000 * shift / MOTION_RATE if heard else nan,
        r,
        margin,
        "lips and motion" if heard else "motion",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracks", type=Path)
    parser.add_argument("data", type=Path, help="folder with clips/ and clips/manifest.csv")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with open(options.data / "clips" / "manifest.csv", newline="") as f:
        kinds = {Path(row["file"]).with_suffix("").as_posix(): row["audio"] for row in csv.DictReader(f)}
    space, ears = FaceSpace.from_pretrained(), SpeechFeatures.from_pretrained()
    rows = []
    for split in ("train", "dev"):
        for track in load_tracks(options.tracks, split, measured=False):
            samples = read_sound(options.data / "clips" / split / f"{track.name}.mp4")
            rows.append(measure_clip(track, kinds[f"{split}/{track.name}"], samples, space, ears))
            row = rows[-1]
            print(
                f"{row.file:48s} {row.seconds:5.1f} s  face {row.face:4.0%}  {row.sound:15s}  said {row.said_ms:5.0f}  "
                f"measured {row.offset_ms:5.0f} ms  r {row.r:.2f}  margin {row.margin:.2f}  {row.use}",
                flush=True,
            )
    path = options.tracks / OFFSETS
    part = path.with_suffix(".part")
    with open(part, "w", newline="") as f:
        writer = csv.DictWriter(f, [field.name for field in fields(Offset)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    os.replace(part, path)
    used = [row for row in rows if row.use != "motion"]
    print(f"{len(used)} of {len(rows)} clips teach lips: {sum(r.seconds for r in used) / 60:.1f} minutes; {path}")


if __name__ == "__main__":
    main()
