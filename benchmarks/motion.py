"""Do the controls do what they are asked, and does the motion live? Measured on rendered frames, with a face tracker.

    python -m benchmarks.motion [--model FOLDER] [--steps 8] [--photos PHOTO ...] [--speech FILE] [--json OUT]

Without --model the shipped generator is measured; with it, a pipeline that vasa_core.training.motion wrote.

  gaze       degrees between the asked change of gaze and that of the irises in the frames (VASA-1: 5.05 to 5.73)
  distance   error of the face's size in the frames, as log scale (VASA-1: 0.004 to 0.006)
  emotions   asked emotion against the one whose movement on the other portraits is most alike (confusion table)
  diversity  mean difference of head angles between seeds, degrees;  beat: how near minima of head speed are to accents
             of the voice (1 = always), beside the same with the voice shifted by half;  seam: change of the motion at
             the borders of windows / inside them;  cpu: CPU seconds per second of speech on one thread
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from scipy.signal import argrelmin

from vasa_core.audio import load_speech
from vasa_core.face.detector import FaceDetector
from vasa_core.face.geometry import IRIS, LOWER_LID, UPPER_LID, procrustes
from vasa_core.face.geometry import RIGID as SKULL
from vasa_core.face.portrait import Portrait, prepare_portrait
from vasa_core.face.space import FaceSpace
from vasa_core.motion.diffusion import DiffusionMotion
from vasa_core.motion.pipeline import STEPS
from vasa_core.motion.prosody import analyse
from vasa_core.photo import load_photo
from vasa_core.render.renderer import LiveRenderer
from vasa_core.types import MOTION_RATE, SAMPLE_RATE, Controls, Motion

SAMPLES = Path(__file__).parents[1] / "demo" / "samples"
GAZES = ((-20.0, 0.0), (-10.0, 0.0), (10.0, 0.0), (20.0, 0.0), (0.0, -8.0), (0.0, 8.0), (12.0, 6.0))
DISTANCES = (-0.3, -0.15, 0.15, 0.3)
LOOKED_AT = slice(30, None, 12)  # frames that are drawn and tracked
EYEBALL_PER_IRIS = 12.0 / 11.7  # radius of the eyeball / visible diameter of the iris (Bekerman 2014; Ruefer 2005)
UPPER_FACE_LIMIT = 0.4  # of the eyes' height that lids must be open for the iris to be seen


def tracked(
    generator: DiffusionMotion,
    space: FaceSpace,
    portrait: Portrait,
    detector: FaceDetector,
    samples: np.ndarray,
    controls: Controls,
) -> np.ndarray:
    """Landmarks (n, 478, 3) in pixels of some rendered frames, NaN where no face was found."""
    motion = generator(samples, controls)
    few = Motion(motion.pose[LOOKED_AT], motion.dynamics[LOOKED_AT])
    out = []
    for frame in LiveRenderer(portrait, space).render(few, MOTION_RATE, controls):
        found = detector.landmarks(frame)
        out.append(found if found is not None else np.full((478, 3), np.nan))
    return np.array(out)


def gaze_of(landmarks: np.ndarray) -> np.ndarray:
    """Direction of the irises relative to the eye corners, (n, 478, 3) -> (n, 2) yaw, pitch in degrees; NaN in blinks.

    Only changes mean something: people's eyes differ.
    """
    out = []
    for side in ("left", "right"):
        corners = landmarks[:, [UPPER_LID[side][0], UPPER_LID[side][-1]], :2]
        across = corners[:, 1] - corners[:, 0]
        span = np.linalg.norm(across, axis=1)
        across = across / span[:, None]
        down = np.stack([-across[:, 1], across[:, 0]], 1)
        rim = landmarks[:, IRIS[side][1:], :2]
        radius = EYEBALL_PER_IRIS * np.linalg.norm(rim[:, 0] - rim[:, 2], axis=1)
        offset = landmarks[:, IRIS[side][0], :2] - corners.mean(1)
        angle = np.stack([(offset * axis).sum(1) / radius for axis in (across, down)], 1)
        middle = len(UPPER_LID[side]) // 2
        height = np.linalg.norm(
            landmarks[:, UPPER_LID[side][middle], :2] - landmarks[:, LOWER_LID[side][middle], :2], axis=1
        )
        shut = height < UPPER_FACE_LIMIT * np.nanmedian(height)
        angle[shut] = np.nan
        out.append(np.degrees(np.arcsin(np.clip(angle, -1, 1))))
    return np.mean(out, 0)


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


def seam(motion: Motion, window: int) -> float:
    """Mean change of all latents from frame to frame at the borders of windows / elsewhere."""
    both = np.hstack([motion.pose, motion.dynamics])
    change = (np.abs(np.diff(both, axis=0)) / (both.std(0) + 1e-6)).mean(1)
    border = (np.arange(len(change)) + 1) % window == 0
    return float(change[border].mean() / change[~border].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--photos", type=Path, nargs="+", default=sorted(SAMPLES.glob("*.jpg")))
    parser.add_argument("--speech", type=Path, default=SAMPLES / "english.m4a")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = DiffusionMotion.from_pretrained(steps=options.steps)
    window = generator.pipeline.transformer.config["window"]
    if options.model:
        generator = DiffusionMotion.from_pretrained(options.model, steps=options.steps)
        window = generator.pipeline.transformer.config["window"]
    space, detector = generator.space, FaceDetector()
    samples = load_speech(options.speech).samples
    report: dict[str, object] = {}

    began = time.process_time()
    motions = [generator(samples, Controls(seed=s)) for s in range(4)]
    report["cpu"] = (time.process_time() - began) / 4 / (len(samples) / SAMPLE_RATE)
    angles = [np.degrees(m.pose[:, :3]) for m in motions]
    pairs = [(a, b) for i, a in enumerate(angles) for b in angles[:i]]
    report["diversity"] = float(np.mean([np.abs(a - b).mean() for a, b in pairs]))
    found = np.nanmean([beats(m, samples) for m in motions], 0)
    report["beat"], report["beat_shifted"] = float(found[0]), float(found[1])
    if window:
        report["seam"] = float(np.mean([seam(m, window) for m in motions]))

    portraits = []
    for path in options.photos:
        photo = load_photo(path)
        portraits.append(prepare_portrait(photo, detector.choose(photo.pixels)[0], detector))

    def look(portrait: Portrait, seed: int = 1, **changes: object) -> np.ndarray:
        controls = Controls(seed=seed, **changes)  # type: ignore[arg-type]
        return tracked(generator, space, portrait, detector, samples, controls)

    plain = [look(p) for p in portraits]
    errors: list[float] = []
    for asked in GAZES:
        for portrait, ahead in zip(portraits, plain, strict=True):
            change = np.nanmedian(gaze_of(look(portrait, gaze=asked)) - gaze_of(ahead), 0)
            errors.append(float(np.hypot(*(change - np.array(asked)))))
            print(
                f"gaze asked {asked[0]:+.0f}, {asked[1]:+.0f}: measured {change[0]:+.1f}, {change[1]:+.1f}", flush=True
            )
    report["gaze_error"] = float(np.mean(errors))
    errors = []
    for distance in DISTANCES:
        for portrait, usual in zip(portraits, plain, strict=True):
            near = look(portrait, distance=distance)
            ratio = [np.linalg.norm(f[:, 454, :2] - f[:, 234, :2], axis=1) for f in (near, usual)]
            errors.append(float(abs(np.nanmedian(np.log(ratio[0] / ratio[1])) - distance)))
    report["distance_error"] = float(np.mean(errors))

    shown = {
        (name, i): expression_of(look(p, seed=2, emotion={name: 1.0})) - expression_of(plain[i])
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
