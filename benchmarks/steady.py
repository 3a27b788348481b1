"""Whether a face stays the same person for a minute, and whether what should stand still does.

    python -m benchmarks.steady [--photo FILE] [--speech FILE] [--seconds 62]

Texture drift: the motion of the first second is put again at second 60 of the same clip, after everything between has
been drawn, so both seconds ask for the same pose and expression and nothing has to be aligned. SSIM of the skin that
expressions hardly move, as drawn and after the encoder that ships, without and with the watermark.
In free motion: frames of second 60 against frames of the first seconds in the nearest expression: SSIM of the skin that
expressions hardly move (forehead, nose, cheek bones), after alignment by the skull's landmarks and again after the
pictures themselves were registered (affine, ECC: Evangelidis and Psarakis, IEEE TPAMI 30(10), 2008), since landmarks
jitter by more than skin's texture forgives; beside it the same for pairs within the first seconds, which is what the
measure gives without any drift; the same with the later frame drawn in the earlier one's pose, which leaves only the
expression; and one frame drawn again after all others. Rest shape: how far the median position of the skull's and of
all points lies apart between the first and the last ten seconds, in per cent of the face's width.
Flicker: mean absolute difference of neighbouring frames where the picture shows background far from the person, as
drawn and after the encoder that ships, without and with the watermark, beside a still picture encoded likewise; of all
pairs of frames, and of those between key frames.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterable
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.pipeline import SAMPLES, of_length
from benchmarks.render import ssim_map
from safety.encode import EncodeConfig, encode
from safety.video_mark import VideoMark
from safety.watermark import FrameWriter
from vasa_core.audio import load_speech
from vasa_core.face.detector import FaceDetector
from vasa_core.face.geometry import RIGID
from vasa_core.face.portrait import MARGIN
from vasa_core.photo import load_photo
from vasa_core.pipeline import TalkingFace
from vasa_core.render.renderer import LiveRenderer
from vasa_core.render.warp import Warp
from vasa_core.types import FRAME_SIZE, MOTION_RATE, Controls, Motion

STILL_SKIN = np.array(
    [103, 67, 109, 10, 338, 297, 332, 333, 8, 347, 330, 280, 4, 50, 101, 118, 104]
)  # a closed contour
APART = 24  # pixels between the person and what counts as background


def skull_fit(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2, 3) similarity that lays the skull's landmarks of one frame (478, 3) over another's."""
    matrix, _ = cv2.estimateAffinePartial2D(source[RIGID, :2], target[RIGID, :2], method=cv2.LMEDS)
    return np.asarray(matrix, np.float64)


def alike(detector: FaceDetector, before: np.ndarray, after: np.ndarray, unposed: np.ndarray) -> list[float]:
    """SSIM of still skin of two frames: aligned by landmarks, by registration, and of `before` with `unposed` as it is.

    NaN where a face is not found or the registration fails.
    """
    found = [detector.landmarks(frame) for frame in (before, after)]
    if found[0] is None or found[1] is None:
        return [np.nan] * 3
    mask = np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)
    cv2.fillPoly(mask, [np.round(found[0][STILL_SKIN, :2]).astype(np.int32)], 1)
    grey = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (before, after, unposed)]
    matrix = cv2.invertAffineTransform(skull_fit(found[1], found[0]))  # from `before` to `after`
    flags, size = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, (FRAME_SIZE, FRAME_SIZE)
    figures = [ssim_map(grey[0], cv2.warpAffine(grey[1], matrix, size, flags=flags))[mask > 0].mean()]
    try:
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
        around = cv2.dilate(mask, np.ones((9, 9), np.uint8))
        start = matrix.astype(np.float32)
        _, found_matrix = cv2.findTransformECC(grey[0], grey[1], start, cv2.MOTION_AFFINE, criteria, around, 5)
        figures.append(ssim_map(grey[0], cv2.warpAffine(grey[1], found_matrix, size, flags=flags))[mask > 0].mean())
    except cv2.error:  # it did not converge
        figures.append(np.nan)
    return [*figures, ssim_map(grey[0], grey[2])[mask > 0].mean()]


def through_encoder(frames: Iterable[np.ndarray], marked: bool, wanted: set[int] | None = None) -> list[np.ndarray]:
    """Luma uint8 (H, W) of frames as people get them, at 25 a second; those whose index is `wanted`, None means all."""
    mark = VideoMark(b"steady" * 6)

    def writer(height: int, width: int) -> FrameWriter:
        return mark.writer(1, height, width) if marked else lambda i420: None

    video = encode(frames, np.zeros((0, 1), np.int16), MOTION_RATE, writer)
    with av.open(io.BytesIO(video.mp4), "r") as made:
        decoded = enumerate(made.decode(video=0))
        return [f.to_ndarray(format="gray") for i, f in decoded if wanted is None or i in wanted]


def flicker(frames: Iterable[np.ndarray], still: np.ndarray, marked: bool) -> tuple[float, float]:
    """Mean absolute difference of neighbouring frames inside `still`, bool (H, W), after encoding, in luma steps.

    Of all pairs, and of all but the one in 50 at which the encoder starts anew with a key frame.
    """
    luma = [x[still].astype(np.float64) for x in through_encoder(frames, marked)]
    steps = np.array([np.abs(a - b).mean() for a, b in zip(luma[1:], luma[:-1], strict=True)])
    period = round(MOTION_RATE * EncodeConfig().keyframe_seconds)
    between = (np.arange(len(steps)) + 1) % period > 0
    return float(steps.mean()), float(steps[between].mean())


def drift(renderer: LiveRenderer, motion: Motion, detector: FaceDetector) -> None:
    """Print how like the first second is to the same second asked for again at the end of the clip."""
    again = len(motion) - 2 * MOTION_RATE
    pose, dynamics = motion.pose.copy(), motion.dynamics.copy()
    for track in (pose, dynamics):
        track[again : again + MOTION_RATE] = track[:MOTION_RATE]
    twice = Motion(pose, dynamics)
    pairs = [(i, again + i) for i in range(2, MOTION_RATE - 2, 4)]
    wanted = {i for pair in pairs for i in pair}
    drawn = {i: x for i, x in enumerate(renderer.render(twice, MOTION_RATE)) if i in wanted}
    grey = {i: cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for i, x in drawn.items()}
    masks = {}
    for before, _ in pairs:
        found = detector.landmarks(drawn[before])
        mask = np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)
        if found is not None:
            cv2.fillPoly(mask, [np.round(found[STILL_SKIN, :2]).astype(np.int32)], 1)
        masks[before] = mask > 0
    print(f"texture drift, {len(pairs)} pairs in equal pose, seconds 0 and {again / MOTION_RATE:.0f}: SSIM of skin")
    for name, marked in (("as drawn", None), ("encoded", False), ("marked and encoded", True)):
        if marked is not None:
            kept = through_encoder(renderer.render(twice, MOTION_RATE), marked, wanted)
            grey = dict(zip(sorted(wanted), kept, strict=True))
        figures = [ssim_map(grey[a], grey[b])[masks[a]].mean() for a, b in pairs if masks[a].any()]
        print(f"  {name:<25}{np.mean(figures):.4f}, least {np.min(figures):.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", type=Path, default=SAMPLES / "grace_hopper.jpg")
    parser.add_argument("--speech", type=Path, default=SAMPLES / "english.m4a")
    parser.add_argument("--seconds", type=float, default=62.0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    core = TalkingFace.from_pretrained()
    portrait = core.prepare(load_photo(options.photo))
    motion = core.animate(of_length(load_speech(options.speech), options.seconds))
    renderer, warp = LiveRenderer(portrait, core._face_space()), Warp()

    def draw(index: int) -> np.ndarray:
        return renderer.draw(motion.pose[index], motion.dynamics[index], Controls(), warp)

    drift(renderer, motion, core.detector)
    late = np.arange(len(motion) - 2 * MOTION_RATE, len(motion) - MOTION_RATE, 3)
    early = np.arange(4 * MOTION_RATE)
    state = np.hstack([10 * motion.pose, motion.dynamics])  # a tenth of a radian counts like one unit of the code
    first = draw(0)
    rows, control = [], []
    for index in late:
        twin = int(early[np.argmin(np.linalg.norm(state[early] - state[index], axis=1))])
        turned = np.linalg.norm(motion.pose[index] - motion.pose[twin])
        turns = np.linalg.norm(motion.pose[early] - motion.pose[twin], axis=1)
        other = int(early[np.argmin(np.abs(turns - turned) + (early == twin))])
        unposed = renderer.draw(motion.pose[twin], motion.dynamics[index], Controls(), warp)
        rows.append(alike(core.detector, draw(twin), draw(int(index)), unposed))
        control.append(alike(core.detector, draw(twin), draw(other), draw(other)))
    means, least = np.nanmean(rows, axis=0), np.nanmin(rows, axis=0)
    within = np.nanmean(control, axis=0)
    print(f"free motion, second {late[0] / MOTION_RATE:.0f} against the first 4 s, {len(rows)} pairs: SSIM of skin")
    for k, name in enumerate(("aligned by landmarks", "aligned by registration", "in the same pose")):
        beside = f"   pairs within the first 4 s {within[k]:.3f}" if k < 2 else ""
        print(f"  {name:<25}{means[k]:.3f}, least {least[k]:.3f}{beside}")
    print(f"  the first frame drawn again differs by {np.abs(draw(0).astype(int) - first).max()}")
    span = 10 * MOTION_RATE
    rest = [np.median(core._face_space().decode(m), axis=0) for m in (motion.dynamics[:span], motion.dynamics[-span:])]
    apart = 100 * np.linalg.norm(rest[0] - rest[1], axis=1)  # face widths
    print(f"rest shape: skull {apart[RIGID].mean():.2f} % of the face's width apart, all points {apart.mean():.2f} %")
    person = portrait.person[MARGIN:-MARGIN, MARGIN:-MARGIN, 3] > 5
    still = cv2.dilate(person.astype(np.uint8), np.ones((2 * APART + 1,) * 2)) == 0
    frames = [draw(i) for i in range(min(4 * MOTION_RATE, len(motion)))]
    raw = np.mean([np.abs(a[still].astype(int) - b[still]).mean() for a, b in zip(frames[1:], frames, strict=False)])
    print(f"flicker of {still.mean():.0%} of the frame, luma steps: as drawn {raw:.4f}")
    for name, marked in (("encoded", False), ("marked and encoded", True)):
        ours, frozen = flicker(frames, still, marked), flicker([frames[0]] * len(frames), still, marked)
        print(
            f"  {name:<25}{ours[0]:.4f}, between key frames {ours[1]:.4f};"
            f" a still, alike {frozen[0]:.4f}, {frozen[1]:.4f}"
        )


if __name__ == "__main__":
    main()
