"""Do the controls do what they are asked, and does the motion live? Measured on rendered frames, with a face tracker.

    python -m benchmarks.motion [--model FOLDER] [--steps 8] [--photos PHOTO ...] [--speech FILE] [--json OUT]

Without --model the shipped generator is measured; with it, a pipeline that vasa_core.training.motion wrote.

  gaze       degrees between the asked change of gaze and that of the irises in the frames, head held still (VASA-1:
             5.05 to 5.73)
  distance   error of the face's size in the frames, as log scale (VASA-1: 0.004 to 0.006)
  emotions   asked emotion against the one whose movement on the other portraits is most alike (confusion table)
  drift      range of the mean head angles of five minutes, degrees;  viseme_auc: benchmarks.lipsync's, per control
  diversity  mean difference of head angles between seeds, degrees;  beat: how near minima of head speed are to accents
             of the voice (1 = always), beside the same with the voice shifted by half;  seam: change of the motion at
             the borders of windows / inside them;  cpu: CPU seconds per second of speech on one thread
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from scipy.signal import argrelmin

from benchmarks.lipsync import score_lips
from vasa_core.audio import load_speech
from vasa_core.face.alignment import aperture
from vasa_core.face.detector import FaceDetector
from vasa_core.face.geometry import IRIS, LOWER_LID, UPPER_LID, procrustes
from vasa_core.face.geometry import RIGID as SKULL
from vasa_core.face.portrait import Portrait, prepare_portrait
from vasa_core.face.space import FaceSpace
from vasa_core.motion.diffusion import DiffusionMotion
from vasa_core.motion.pipeline import OVERLAP, STEPS
from vasa_core.motion.prosody import analyse
from vasa_core.photo import load_photo
from vasa_core.render.renderer import LiveRenderer
from vasa_core.training.labelling import align_phones
from vasa_core.types import MOTION_RATE, SAMPLE_RATE, Controls, Motion

SAMPLES = Path(__file__).parents[1] / "demo" / "samples"
GAZES = ((-20.0, 0.0), (-10.0, 0.0), (10.0, 0.0), (20.0, 0.0), (0.0, -8.0), (0.0, 8.0), (12.0, 6.0))
DISTANCES = (-0.3, -0.15, 0.15, 0.3)
CONTROLS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "gaze": {"gaze": (20.0, 8.0)},
    "mouth 0.6": {"mouth": 0.6},
    "mouth 1.5": {"mouth": 1.5},
    "head 2": {"head_motion": 2.0},
    "blinks 50": {"blinks": 50.0},
    **{name: {"emotion": {name: 1.0}} for name in Controls.EMOTIONS[1:]},
}
LOOKED_AT = slice(30, None, 6)  # frames that are drawn and tracked
EYEBALL_PER_IRIS = 12.0 / 11.7  # radius of the eyeball / visible diameter of the iris (Bekerman 2014; Ruefer 2005)
LEAST_OPEN = 0.15  # of an eye's width that its lids must be apart for the iris to be seen
LEAST_CORRELATION = 0.5  # of an iris with itself
STILL = np.array([168, 6, 197, 195, 8, 9, 151])  # bridge of the nose and forehead
SEEDS = 4


def tracked(
    generator: DiffusionMotion,
    space: FaceSpace,
    portrait: Portrait,
    detector: FaceDetector,
    samples: np.ndarray,
    controls: Controls,
) -> tuple[np.ndarray, np.ndarray]:
    """Some rendered frames, uint8 (n, 512, 512, 3), and their landmarks (n, 478, 3) in pixels, NaN without a face."""
    motion = generator(samples, controls)
    few = Motion(motion.pose[LOOKED_AT], motion.dynamics[LOOKED_AT])
    frames = np.array(list(LiveRenderer(portrait, space).render(few, MOTION_RATE, controls)))
    found = [detector.landmarks(frame) for frame in frames]
    return frames, np.array([f if f is not None else np.full((478, 3), np.nan) for f in found])


def gaze_of(frames: np.ndarray, landmarks: np.ndarray, ahead: np.ndarray, ahead_landmarks: np.ndarray) -> np.ndarray:
    """Turn of the eyes between two series of frames of a still head, (n, 2) yaw, pitch in degrees; NaN in blinks.

    frames, ahead: uint8 (n, 512, 512, 3), looking aside and ahead. Each iris of the first is found in the second by
    normalised correlation; the unit of length is the iris, 11.7 mm wide in all people, as the tracker sees it. The
    tracker's own iris points would not do: on eyes drawn with a known turn it reports 80 % of it, and lets the corners
    of the eyes follow a third of the way.
    """
    out = np.full((len(frames), 2, 2), np.nan)
    for row, (looking, points, plain, resting) in enumerate(
        zip(frames, landmarks, ahead, ahead_landmarks, strict=True)
    ):
        if np.isnan(points).any() or np.isnan(resting).any():
            continue
        head = np.median(points[STILL, :2] - resting[STILL, :2], 0)  # the head breathes
        for eye, side in enumerate(("left", "right")):
            if not (is_open(points, side) and is_open(resting, side)):
                continue
            centre, rim = resting[IRIS[side][0], :2], resting[IRIS[side][1:], :2]
            radius = float(np.linalg.norm(rim[0] - rim[2])) / 2
            moved, sure = registered(plain, looking, centre, radius)
            if sure > LEAST_CORRELATION:
                turn = (moved - head) / (2 * EYEBALL_PER_IRIS * radius)
                out[row, eye] = np.degrees(np.arcsin(np.clip(turn, -1, 1)))
    return np.nanmean(out, 1)


def is_open(points: np.ndarray, side: str) -> bool:
    middle = len(UPPER_LID[side]) // 2
    width = np.linalg.norm(points[UPPER_LID[side][0], :2] - points[UPPER_LID[side][-1], :2])
    gap = np.linalg.norm(points[UPPER_LID[side][middle], :2] - points[LOWER_LID[side][middle], :2])
    return bool(gap > LEAST_OPEN * width)


def registered(still: np.ndarray, moved: np.ndarray, centre: np.ndarray, radius: float) -> tuple[np.ndarray, float]:
    """Shift in pixels of the patch around `centre`, (2,), and its normalised correlation."""
    half, reach = round(0.8 * radius), round(1.6 * radius)
    x, y = np.round(centre).astype(int)
    patch = still[y - half : y + half + 1, x - half : x + half + 1]
    around = moved[y - half - reach : y + half + reach + 1, x - half - reach : x + half + reach + 1]
    score = cv2.matchTemplate(around, patch, cv2.TM_CCOEFF_NORMED)
    row, column = np.unravel_index(int(score.argmax()), score.shape)

    def finer(values: np.ndarray, at: int) -> float:
        if not 0 < at < len(values) - 1:
            return float(at)
        before, here, after = (float(v) for v in values[at - 1 : at + 2])
        return at + 0.5 * (before - after) / min(before - 2 * here + after, -1e-9)

    found = np.array([finer(score[row], int(column)), finer(score[:, column], int(row))]) - reach
    return found, float(score.max())


def expression_of(landmarks: np.ndarray) -> np.ndarray:
    """Mean face of some frames with the head's pose taken out, in face widths, flat (478 * 2,)."""
    faces = []
    for points in landmarks[~np.isnan(landmarks[:, 0, 0])]:
        scale, matrix, shift = procrustes(points[SKULL], landmarks[0][SKULL])
        faces.append(scale * points @ matrix.T + shift)
    mean = np.median(faces, 0)
    return (mean[:, :2] / np.linalg.norm(mean[454] - mean[234])).ravel()


def nearest_emotion(moved: np.ndarray, known: dict[str, np.ndarray]) -> str:
    """The emotion whose displacement points most nearly the same way; neutral when there is next to none."""
    felt = {name: k for name, k in known.items() if name != "neutral"}
    usual = float(np.median([np.linalg.norm(k) for k in felt.values()]))
    if np.linalg.norm(moved) < 0.25 * usual:
        return "neutral"
    return max(felt, key=lambda name: float(moved @ felt[name] / np.linalg.norm(felt[name])))


def beats(motion: Motion, samples: np.ndarray) -> tuple[float, float]:
    """Mean exp(-d^2 / (2 * 3^2)), d frames from each accent of the voice to the next minimum of head speed; and with
    the voice shifted by half its length."""
    speed = np.linalg.norm(np.diff(motion.pose[:, :3], axis=0), axis=1)
    still = argrelmin(speed, order=2)[0]
    accents = np.flatnonzero(analyse(samples, len(motion)).accents)
    if not len(still) or not len(accents):
        return float("nan"), float("nan")

    def score(times: np.ndarray) -> float:
        gap = np.abs(times[:, None] - still[None]).min(1)
        return float(np.exp(-(gap**2) / 18).mean())

    shifts = [(accents + s) % len(motion) for s in range(len(motion) // 4, 3 * len(motion) // 4, 5)]
    return score(accents), float(np.mean([score(s) for s in shifts]))


def seam(generator: DiffusionMotion, samples: np.ndarray) -> float:
    """Mean change of all latents from frame to frame at the borders of windows / elsewhere.

    The speech is begun later and later, so that over all runs borders fall on every frame of it: what is said at a
    border weighs more than how the windows meet.
    """
    window = generator.pipeline.transformer.config["window"]
    hop = window - OVERLAP
    there, elsewhere = [], []
    for shift in range(0, hop, 2):
        motion = generator(samples[shift * SAMPLE_RATE // MOTION_RATE :], Controls(seed=shift))
        both = np.hstack([motion.pose, motion.dynamics])
        change = (np.abs(np.diff(both, axis=0)) / (both.std(0) + 1e-6)).mean(1)
        at = np.arange(len(change)) + 1 - window
        border = (at >= 0) & (at % hop == 0)
        there.append(change[border])
        elsewhere.append(change[~border])
    return float(np.concatenate(there).mean() / np.concatenate(elsewhere).mean())


def drift(generator: DiffusionMotion, samples: np.ndarray) -> np.ndarray:
    """Mean yaw, pitch, roll in degrees of each of five minutes, (5, 3)."""
    long = np.tile(samples, -(-300 * SAMPLE_RATE // len(samples)))[: 300 * SAMPLE_RATE]
    return np.degrees(generator(long).pose[:, :3]).reshape(5, -1, 3).mean(1)


def speaks(generator: DiffusionMotion, samples: np.ndarray, controls: Controls) -> float:
    """viseme_auc of benchmarks.lipsync under these controls."""
    motion = generator(samples, controls)
    opening = aperture(generator.space.template + generator.space.decode(motion.dynamics))
    return score_lips(opening, align_phones(samples), samples)["viseme_auc"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--photos", type=Path, nargs="+", default=sorted(SAMPLES.glob("*.jpg")))
    parser.add_argument("--speech", type=Path, default=SAMPLES / "english.m4a")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = DiffusionMotion.from_pretrained(options.model, steps=options.steps)
    space, detector = generator.space, FaceDetector()
    samples = load_speech(options.speech).samples
    report: dict[str, object] = {}

    began = time.process_time()
    motions = [generator(samples, Controls(seed=s)) for s in range(SEEDS)]
    report["cpu"] = (time.process_time() - began) / SEEDS / (len(samples) / SAMPLE_RATE)
    angles = [np.degrees(m.pose[:, :3]) for m in motions]
    pairs = [(a, b) for i, a in enumerate(angles) for b in angles[:i]]
    report["diversity"] = float(np.mean([np.abs(a - b).mean() for a, b in pairs]))
    found = np.nanmean([beats(m, samples) for m in motions], 0)
    report["beat"], report["beat_shifted"] = float(found[0]), float(found[1])
    report["seam"] = seam(generator, samples)
    means = drift(generator, samples)
    report["drift"] = float(np.ptp(means, axis=0).max())
    print("minute by minute, degrees:", means.round(1).tolist(), flush=True)
    for name, changes in CONTROLS.items():
        print(f"viseme_auc with {name}: {speaks(generator, samples, Controls(seed=1, **changes)):.3f}", flush=True)

    portraits = []
    for path in options.photos:
        photo = load_photo(path)
        portraits.append(prepare_portrait(photo, detector.choose(photo.pixels)[0], detector))

    def look(portrait: Portrait, seed: int = 1, **changes: object) -> tuple[np.ndarray, np.ndarray]:
        controls = Controls(seed=seed, **changes)  # type: ignore[arg-type]
        return tracked(generator, space, portrait, detector, samples, controls)

    plain = [look(p)[1] for p in portraits]
    still = [look(p, head_motion=0.0) for p in portraits]
    errors: list[float] = []
    for asked in GAZES:
        for portrait, ahead in zip(portraits, still, strict=True):
            change = np.nanmedian(gaze_of(*look(portrait, gaze=asked, head_motion=0.0), *ahead), 0)
            errors.append(float(np.hypot(*(change - np.array(asked)))))
            print(
                f"gaze asked {asked[0]:+.0f}, {asked[1]:+.0f}: measured {change[0]:+.1f}, {change[1]:+.1f}", flush=True
            )
    report["gaze_error"], report["gaze_seen"] = float(np.nanmean(errors)), float(np.isfinite(errors).mean())
    errors = []
    for distance in DISTANCES:
        for portrait, usual in zip(portraits, plain, strict=True):
            _, near = look(portrait, distance=distance)
            ratio = [np.linalg.norm(f[:, 454, :2] - f[:, 234, :2], axis=1) for f in (near, usual)]
            errors.append(float(abs(np.nanmedian(np.log(ratio[0] / ratio[1])) - distance)))
    report["distance_error"] = float(np.mean(errors))

    shown = {
        (name, i): expression_of(look(p, emotion={name: 1.0})[1]) - expression_of(plain[i])
        for name in Controls.EMOTIONS
        for i, p in enumerate(portraits)
    }
    right = 0
    for name in Controls.EMOTIONS:
        row = []
        for i in range(len(portraits)):
            others = {e: np.mean([shown[e, j] for j in range(len(portraits)) if j != i], 0) for e in Controls.EMOTIONS}
            best = nearest_emotion(shown[name, i], others)
            row.append(best)
            right += best == name
        print(f"emotion {name:10s} taken for {', '.join(row)}", flush=True)
    report["emotions_recognised"] = right / len(shown)
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in report.items()}))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
