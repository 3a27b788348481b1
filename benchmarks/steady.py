"""Whether a face stays the same person for a minute, and whether what should stand still does.

    python -m benchmarks.steady [--photo FILE] [--speech FILE] [--seconds 62]

Identity: frames of second 60 against frames of the first seconds in the nearest expression, after a rigid (similarity)
alignment of the skull's landmarks: SSIM of the skin that expressions hardly move (forehead, nose, cheek bones), and how
far the skull's landmarks lie apart, in per cent of the face's width.
Flicker: mean absolute difference of neighbouring frames where the picture shows background far from the person, after
the encoder that ships, beside a still picture encoded likewise.
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
from safety.encode import EncodeConfig
from vasa_core.audio import load_speech
from vasa_core.face.geometry import RIGID
from vasa_core.face.portrait import MARGIN
from vasa_core.photo import load_photo
from vasa_core.pipeline import TalkingFace
from vasa_core.render.renderer import LiveRenderer
from vasa_core.render.warp import Warp
from vasa_core.types import FRAME_SIZE, MOTION_RATE, Controls

STILL_SKIN = np.array(
    [103, 67, 109, 10, 338, 297, 332, 333, 8, 347, 330, 280, 4, 50, 101, 118, 104]
)  # a closed contour
APART = 24  # pixels between the person and what counts as background


def skull_fit(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2, 3) similarity that lays the skull's landmarks of one frame (478, 3) over another's."""
    matrix, _ = cv2.estimateAffinePartial2D(source[RIGID, :2], target[RIGID, :2], method=cv2.LMEDS)
    return np.asarray(matrix, np.float64)


def flicker(frames: Iterable[np.ndarray], still: np.ndarray) -> float:
    """Mean absolute difference of neighbouring frames inside `still`, bool (H, W), after encoding; luma steps."""
    config, file = EncodeConfig(), io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(config.crf), "preset": config.preset})
        stream.width = stream.height = FRAME_SIZE
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        luma = [f.to_ndarray(format="gray")[still].astype(np.float64) for f in container.decode(video=0)]
    return float(np.mean([np.abs(a - b).mean() for a, b in zip(luma[1:], luma[:-1], strict=True)]))


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

    late = np.arange(len(motion) - 2 * MOTION_RATE, len(motion) - MOTION_RATE, 3)
    early = np.arange(4 * MOTION_RATE)
    state = np.hstack([10 * motion.pose, motion.dynamics])  # a tenth of a radian counts like one unit of the code
    similarity, apart = [], []
    for index in late:
        twin = early[np.argmin(np.linalg.norm(state[early] - state[index], axis=1))]
        frames = [draw(int(twin)), draw(int(index))]
        found = [core.detector.landmarks(frame) for frame in frames]
        if found[0] is None or found[1] is None:
            continue
        matrix = skull_fit(found[1], found[0])
        moved = cv2.warpAffine(frames[1], matrix, (FRAME_SIZE, FRAME_SIZE), flags=cv2.INTER_CUBIC)
        mask = np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)
        cv2.fillPoly(mask, [np.round(found[0][STILL_SKIN, :2]).astype(np.int32)], 1)
        grey = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (frames[0], moved)]
        similarity.append(ssim_map(*grey)[mask > 0].mean())
        back = found[1][RIGID, :2] @ matrix[:, :2].T + matrix[:, 2]
        apart.append(np.linalg.norm(back - found[0][RIGID, :2], axis=1).mean() / portrait.face_width)
    print(f"identity, second {late[0] / MOTION_RATE:.0f} against the first 4 s, {len(similarity)} pairs of frames")
    print(f"  static skin  SSIM {np.mean(similarity):.3f}, least {np.min(similarity):.3f}")
    print(f"  skull        {100 * np.mean(apart):.2f} % of the face's width apart")
    person = portrait.person[MARGIN:-MARGIN, MARGIN:-MARGIN, 3] > 5
    still = cv2.dilate(person.astype(np.uint8), np.ones((2 * APART + 1,) * 2)) == 0
    count = min(4 * MOTION_RATE, len(motion))
    ours, frozen = flicker((draw(i) for i in range(count)), still), flicker((draw(0) for _ in range(count)), still)
    print(f"flicker of {still.mean():.0%} of the frame: {ours:.4f} luma steps; of a still, encoded alike {frozen:.4f}")


if __name__ == "__main__":
    main()
