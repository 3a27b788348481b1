"""Do the lips say what is heard? Measured on decoded landmarks, before any rendering.

    python -m benchmarks.lipsync DATA_DIR [--tracks .cache/tracks] [--seed 0] [--json OUT]

Speech that training never heard (vasa_core.training.speech_corpus.HELD_OUT and clips/dev) drives an average face.
Phones come from PocketSphinx, so the lip figures need English. With --tracks the lips are also compared with those of
the real dev talkers.

  viseme_auc   chance that the lips are further apart in an open vowel than in a closure of /m b p/
  closure      share of /m b p/ whose lips come closer than 15 % of the clip's 95th percentile (seal: 10 %)
  lag_ms       shift of the sound against the lips that maximises viseme_auc (positive: lips late)
  silence      movement of the lips in silence / in speech
  settle_ms    time from the end of the last word until the lips stay within 10 % of their 95th percentile
  ap95         95th percentile of inner-lip opening / face height;  dP, std: head angles in degrees;  blinks a minute;
  jitter       share of the head angles' power above 6 Hz;  cpu: CPU seconds per second of speech
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from vasa_core.face.alignment import align, aperture, eye_openness
from vasa_core.motion.diffusion import DiffusionMotion
from vasa_core.motion.generator import SpeechMotion
from vasa_core.motion.prosody import analyse
from vasa_core.training.labelling import align_phones
from vasa_core.training.media import read_sound
from vasa_core.training.phones import Phone
from vasa_core.training.speech_corpus import ENGLISH_FILES, HELD_OUT
from vasa_core.training.tracks import load_tracks
from vasa_core.types import MOTION_RATE, SAMPLE_RATE, Controls, Motion

OPEN = {"AA", "AE", "AO", "AY", "AW", "AH", "EH", "EY"}
CLOSED = {"M", "B", "P"}


def viseme_openings(opening: np.ndarray, phones: list[Phone], lag: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Mean opening of each open vowel and least opening of each closure; lag in seconds moves the phones."""
    clock = (np.arange(len(opening)) + 0.5) / MOTION_RATE
    vowels, closures = [], []
    for name, start, end in phones:
        start, end = start + lag, end + lag
        if start <= 0 or end >= clock[-1]:
            continue
        if name in CLOSED and (near := (clock >= start - 0.02) & (clock <= end + 0.02)).any():
            closures.append(opening[near].min())
        if name in OPEN and end - start >= 0.06 and (near := (clock >= start) & (clock <= end)).any():
            vowels.append(opening[near].mean())
    return np.array(vowels), np.array(closures)


def auc(vowels: np.ndarray, closures: np.ndarray) -> float:
    if len(vowels) < 4 or len(closures) < 2:
        return float("nan")
    return float((vowels[:, None] > closures).mean() + 0.5 * (vowels[:, None] == closures).mean())


def score_lips(opening: np.ndarray, phones: list[Phone], samples: np.ndarray) -> dict[str, float]:
    """The figures of the lips, from openings (N,) at MOTION_RATE."""
    vowels, closures = viseme_openings(opening, phones)
    wide = float(np.percentile(opening, 95))
    grid = np.arange(-8, 9) * 0.04
    curve = np.array([auc(*viseme_openings(opening, phones, g)) for g in grid])
    out = {"viseme_auc": auc(vowels, closures), "ap95": wide, "pairs": len(vowels) * len(closures)}
    if not np.isnan(curve).all():
        out["lag_ms"] = 1000 * float(grid[int(np.nanargmax(curve))])
    if len(closures):
        out["closure"] = float((closures < 0.15 * wide).mean())
        out["seal"] = float((closures < 0.10 * wide).mean())
    speaking = analyse(samples, len(opening)).activity > 0.02
    quiet, speed = ~(speaking[1:] | speaking[:-1]), np.abs(np.diff(opening))
    if quiet.sum() >= 10 and (~quiet).sum() >= 10:
        out["silence"] = float(speed[quiet].mean() / speed[~quiet].mean())
    last = int(np.flatnonzero(speaking)[-1]) if speaking.any() else 0
    moving = np.flatnonzero(opening[last:] > 0.1 * wide)
    if len(opening) - last > 12:
        out["settle_ms"] = 1000 * float(moving[-1] + 1 if len(moving) else 0) / MOTION_RATE
    return out


def score_head(motion: Motion, face: np.ndarray) -> dict[str, float]:
    """The figures of head and lids."""
    angles = np.degrees(motion.pose[:, :3].astype(float))
    power = np.abs(np.fft.rfft(angles - angles.mean(0), axis=0)) ** 2
    high = np.fft.rfftfreq(len(angles), 1 / MOTION_RATE) > 6
    eyes = eye_openness(face).mean(1)
    shut = eyes < 0.6 * np.median(eyes)
    return {
        "dP": float(np.abs(np.diff(angles, axis=0)).mean()),
        "yaw": float(angles[:, 0].std()),
        "pitch": float(angles[:, 1].std()),
        "roll": float(angles[:, 2].std()),
        "blinks": float((shut[1:] & ~shut[:-1]).sum() / len(shut) * 60 * MOTION_RATE),
        "jitter": float((power[high].sum(0) / power.sum(0).clip(1e-9)).mean()),
    }


def pool(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means over clips, weighted by seconds; lip figures by their number of pairs."""
    out = {"seconds": sum(r["seconds"] for r in rows)}
    for key in sorted({k for r in rows for k in r} - {"seconds", "pairs", "file"}):
        lips = key in ("viseme_auc", "closure", "seal", "lag_ms")
        pairs = [(r[key], r["pairs"] if lips else r["seconds"]) for r in rows if key in r and not np.isnan(r[key])]
        total = sum(w for _, w in pairs)
        if total:
            out[key] = sum(v * w for v, w in pairs) / total
    return out


def held_out_files(data: Path) -> list[Path]:
    """English speech that training never heard."""
    files = sorted((data / "speech").glob("*")) + sorted((data / "clips" / "dev").glob("*"))
    return [
        f for f in files if (f.parent.name == "dev" and f.name.startswith(ENGLISH_FILES)) or f.name.startswith(HELD_OUT)
    ]


def against_talkers(model: SpeechMotion | DiffusionMotion, data: Path, tracks: Path) -> None:
    """Correlation of the lips' opening with real dev talkers at the best shift within 480 ms, beside two baselines."""
    aligned, _ = align([t for t in load_tracks(tracks, "dev") if t.synchronous], model.space.template)
    rows = []
    for track in aligned:
        samples = read_sound(data / "clips" / "dev" / f"{track.track.name}.mp4")
        motion = model(samples)
        lips = aperture(model.space.template + model.space.decode(motion.dynamics))
        real = aperture(track.face)
        count = min(len(lips), len(real))
        loud = analyse(samples, count).energy
        rows.append(
            [best_correlation(real[:count], x) for x in (lips[:count], loud, np.roll(lips[:count], count // 2))]
        )
        print(f"  {track.track.name}: lips {rows[-1][0]:.2f}, loudness {rows[-1][1]:.2f}, shuffled {rows[-1][2]:.2f}")
    print("  mean: lips {:.2f}, loudness {:.2f}, shuffled {:.2f}".format(*np.mean(rows, 0)))


def best_correlation(real: np.ndarray, made: np.ndarray, reach: int = 12) -> float:
    values = []
    for shift in range(-reach, reach + 1):
        a = real[max(0, shift) : len(real) + min(0, shift)]
        b = made[max(0, -shift) : len(made) - max(0, shift)]
        values.append(np.corrcoef(a, b)[0, 1] if a.std() > 0 and b.std() > 0 else 0.0)
    return float(max(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--tracks", type=Path)
    parser.add_argument("--weights", type=Path, help="folder with other weights than the shipped ones")
    parser.add_argument("--model", type=Path, help="a diffusion pipeline instead of the shipped generator")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model: SpeechMotion | DiffusionMotion = SpeechMotion.from_pretrained(options.weights)
    if options.model:
        model = DiffusionMotion.from_pretrained(options.model, options.weights)
    rows: list[dict] = []
    for path in held_out_files(options.data):
        samples = read_sound(path)
        began = time.process_time()
        motion = model(samples, Controls(seed=options.seed))
        spent = time.process_time() - began
        face = model.space.template + model.space.decode(motion.dynamics)
        seconds = len(samples) / SAMPLE_RATE
        row = {"file": path.name, "seconds": seconds, "cpu": spent / seconds}
        row |= score_lips(aperture(face), align_phones(samples), samples) | score_head(motion, face)
        rows.append(row)
        print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}), flush=True)
    pooled = pool(rows)
    print(json.dumps({"pooled": {k: round(v, 4) for k, v in pooled.items()}}))
    if options.tracks:
        print("opening of the lips against real talkers of clips/dev (correlation):")
        against_talkers(model, options.data, options.tracks)
    if options.json:
        options.json.write_text(json.dumps({"clips": rows, "pooled": pooled}, indent=1))


if __name__ == "__main__":
    main()
