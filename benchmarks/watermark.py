"""What the watermark in the pictures costs, what it does to them, what it survives, how often it would be wrong.

    python -m benchmarks.watermark [quality] [attacks] [false-accepts] [--portraits FOLDER --speech FOLDER]
                                   [--clips FOLDER] [--seconds 3] [--only NAME] [--trials 2000]

Clips are the project's own output: every portrait of a folder with the next recording of another (by default the
shipped samples), rendered in memory, marked and encoded as the seal does it (H.264, CRF 18).

quality:       CPU time per frame, PSNR and SSIM of both marks together, bitrate with and without, and flicker: how much
               more the still parts of the picture change from frame to frame after encoding, in grey levels.
attacks:       what is read after each attack: ids recovered alone, and when compared with 10,000 issued ids. In the
               list, score (corrected code bits); R: only with the registry; LOST.
false-accepts: searches of pictures, and of the videos of --clips, that nobody marked, with keys that marked none.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from skimage.metrics import structural_similarity

from benchmarks.attacks import FPS, GOALS, OTHERS, SIZE, Frames, cropped, decoded, encoded, recode, resized, spliced
from benchmarks.samples import PICTURES, SAMPLES, SOUNDS, files
from safety.luma_mark import LumaMark
from safety.luma_search import Evidence
from safety.media import sample_clip
from safety.video_mark import VideoMark
from safety.watermark import rgb_to_i420

KEY, MARK_ID = b"benchmark key, not a secret one.", 0x1A2B3C4D
ISSUED = 10_000
SAMPLED = 100  # frames that the audit looks at
SPLICE = "spliced into a clip three times as long"


def portrait(seconds: float) -> Iterator[np.ndarray]:
    """The astronaut, swaying and breathing: smooth, noiseless and very compressible, as rendered video is."""
    picture = skimage.data.astronaut()[:300, 80:380]
    for i in range(round(seconds * FPS)):
        angle, scale = 2.5 * np.sin(i / 11), SIZE / 300 * (1 + 0.02 * np.sin(i / 17))
        turn = cv2.getRotationMatrix2D((150, 150), angle, scale)
        turn[:, 2] += (SIZE / 2 - 150 + 6 * np.sin(i / 23), SIZE / 2 - 150 + 3 * np.sin(i / 9))
        yield cv2.warpAffine(picture, turn, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def backdrop(seconds: float) -> Iterator[np.ndarray]:
    """A plain backdrop with a moving disc: where a mark is easiest to see and the encoder keeps least of it."""
    rng = np.random.default_rng(0)
    across = np.linspace(150, 190, SIZE, dtype=np.float32)
    plain = np.repeat(np.add.outer(across, across - 170)[..., None], 3, 2) * np.array([0.9, 0.95, 1.0], np.float32)
    noise = rng.normal(0, 1, (SIZE, SIZE, 1)).astype(np.float32)
    for i in range(round(seconds * FPS)):
        frame = np.clip(plain + noise, 0, 255).astype(np.uint8)
        centre = (int(256 + 40 * np.sin(i / 15)), int(280 + 10 * np.sin(i / 7)))
        cv2.circle(frame, centre, 130, (205, 160, 135), -1, cv2.LINE_AA)
        yield frame


def texture(seconds: float) -> Iterator[np.ndarray]:
    """Moving noise of several scales: the host that drowns a weak mark."""
    rng = np.random.default_rng(1)
    layers = [cv2.GaussianBlur(rng.normal(0, 1, (1024, 1024, 3)), (0, 0), sigma) * sigma for sigma in (1.5, 6, 24)]
    field = np.clip(128 + 22 * np.sum(layers, axis=0), 0, 255).astype(np.uint8)
    for i in range(round(seconds * FPS)):
        y, x = int(200 + 150 * np.sin(i / 40)), int(200 + 3 * i % 300)
        yield field[y : y + SIZE, x : x + SIZE]


SYNTHETIC: dict[str, Callable[[float], Iterator[np.ndarray]]] = {
    "portrait": portrait,
    "backdrop": backdrop,
    "texture": texture,
}


def clips(options: argparse.Namespace) -> Iterator[tuple[str, Frames]]:
    """The project's own output, or the videos of a folder of 512 x 512: (name, unmarked I420 frames)."""
    if options.clips is not None:
        for path in sorted(options.clips.glob("*.mp4")):
            yield path.stem, decoded(path.read_bytes())[: round(options.seconds * FPS)]
        return
    from benchmarks.clips import rendered  # the renderer; `unmarked` and the tests do without it

    portraits = files(options.portraits, PICTURES)
    for name, frames in rendered(portraits, files(options.speech, SOUNDS), options.seconds, FPS):
        yield name, [rgb_to_i420(frame) for frame in frames]


def mark(frames: Frames) -> Frames:
    """Marked copies."""
    write = VideoMark(KEY).writer(MARK_ID, SIZE, SIZE)
    copies = [frame.copy() for frame in frames]
    for copy in copies:
        write(copy)
    return copies


def evidence(frames: Frames) -> Evidence:
    """Frames as the audit samples them: at most a hundred, in windows of about a second."""
    lumas = [frame[: frame.shape[0] * 2 // 3] for frame in frames[:: max(1, -(-len(frames) // SAMPLED))]]
    windows = max(1, round(len(frames) / FPS))
    return Evidence([list(part) for part in np.array_split(np.stack(lumas), windows)])


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(np.float32) - b) ** 2))))


def quality(options: argparse.Namespace) -> None:
    columns = ("ms luma", "ms chroma", "PSNR luma", "PSNR RGB", "SSIM", "kb/s plain", "kb/s marked", "flicker")
    print(f"{'':28}" + "".join(f"{name:>12}" for name in columns))
    rows = []
    for name, plain in clips(options):
        marker = VideoMark(KEY)
        times = []
        for watermark in (marker.luma, marker.chroma):
            write, copies = watermark.writer(MARK_ID, SIZE, SIZE), [frame.copy() for frame in plain]
            started = time.process_time()
            for copy in copies:
                write(copy)
            times.append(1000 * (time.process_time() - started) / len(copies))
        marked = mark(plain)
        shown = range(0, len(plain), 20)
        rgb = [[cv2.cvtColor(side[i], cv2.COLOR_YUV2RGB_I420) for side in (plain, marked)] for i in shown]
        luma = float(np.mean([psnr(plain[i][:SIZE], marked[i][:SIZE]) for i in shown]))
        colour = float(np.mean([psnr(*pair) for pair in rgb]))
        similar = float(np.mean([structural_similarity(plain[i][:SIZE], marked[i][:SIZE]) for i in shown]))
        files_ = [encoded(side, 18) for side in (plain, marked)]
        rates = [8 * len(data) / (len(plain) / FPS) / 1000 for data in files_]
        before, after = (flicker(plain, decoded(data)) for data in files_)
        rows.append([*times, luma, colour, similar, *rates, after - before])
        print(_row(name, rows[-1]), flush=True)
    print(_row("mean", list(np.mean(rows, axis=0))))


def _row(name: str, row: list[float]) -> str:
    digits = (2, 2, 1, 1, 4, 0, 0, 3)
    return f"{name[:27]:28}" + "".join(f"{value:12.{digit}f}" for value, digit in zip(row, digits, strict=True))


def flicker(source: Frames, shown: Frames) -> float:
    """Mean change of luma from one frame to the next where the source stands still, in grey levels."""
    changes = []
    for index in range(1, min(len(source), len(shown))):
        still = cv2.absdiff(source[index][:SIZE], source[index - 1][:SIZE]) == 0
        still = cv2.erode(still.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        if still.mean() > 0.02:
            changes.append(float(cv2.absdiff(shown[index][:SIZE], shown[index - 1][:SIZE])[still].mean()))
    return float(np.mean(changes)) if changes else 0.0


def attacks(options: argparse.Namespace) -> None:
    issued = [*map(int, np.random.default_rng(3).integers(1, 1 << 30, ISSUED)), MARK_ID]
    luma = LumaMark(KEY)
    names, delivered, strangers = [], [], []
    for name, plain in clips(options):
        names.append(name)
        delivered.append(encoded(mark(plain), 18))
        if not options.only or SPLICE in options.only:
            strangers.append(encoded(plain, 18))
    print(f"{len(names)} clips: {', '.join(names)}")
    for attack, apply in {**GOALS, **OTHERS, SPLICE: None}.items():
        if options.only and attack not in options.only:
            continue
        cells, alone, helped, errors, scores = [], 0, 0, [], []
        for index, data in enumerate(delivered):
            frames = decoded(data)
            copy = apply(frames) if apply else spliced(frames, decoded(strangers[index - 1]))
            seen = evidence(copy)
            reading, _ = luma.find(seen)
            ok = reading.found and reading.id == MARK_ID
            known = reading if ok else luma.find(seen, issued)[0]
            matched = known.found and known.id == MARK_ID
            alone, helped = alone + ok, helped + matched
            scores.append(known.score)
            errors.append(known.errors)
            cells.append(f"{'' if ok else 'R ' if matched else 'LOST '}{known.score:.1f} ({known.errors})")
        total = len(delivered)
        middle = f"median score {np.median(scores):5.1f}, errors {np.mean(errors):4.1f}"
        print(
            f"{attack:40} {alone:3}/{total} alone {helped:3}/{total} with registry  {middle} | {', '.join(cells)}",
            flush=True,
        )


def unmarked() -> Iterator[np.ndarray]:
    """Luma of pictures that nobody marked: photographs, textures and renderings, at two sizes."""
    names = ("astronaut", "camera", "coffee", "chelsea", "rocket", "coins", "moon", "page", "text", "brick", "grass")
    for name in names:
        picture = getattr(skimage.data, name)()
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
        for height, width in ((512, 512), (360, 640)):
            yield cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    for make in SYNTHETIC.values():
        yield rgb_to_i420(next(make(0.1)))[:SIZE]


def false_accepts(options: argparse.Namespace) -> None:
    seen = [Evidence([[plane]]) for plane in unmarked()]
    pictures = len(seen)
    for path in sorted(options.clips.rglob("*.mp4"))[:: options.every] if options.clips is not None else ():
        sample = sample_clip(path, SAMPLED)
        height = sample.frames[0].shape[0] * 2 // 3
        seen.append(Evidence([[sample.frames[index][:height] for index in group] for group in sample.windows()]))
    issued = [*map(int, np.random.default_rng(2).integers(1, 1 << 30, ISSUED))]
    known = set(issued)
    trials, highest, pilots, accepted = 0, 0.0, 0, 0
    keys = range(options.first_key, options.first_key + -(-options.trials // len(seen)))
    for index in keys:
        luma = LumaMark(b"unused key %021d" % index)
        for clip in seen:
            reading, _ = luma.find(clip, issued)
            trials += 1
            highest = max(highest, reading.score)
            pilots += reading.found
            accepted += reading.found and reading.id in known
    print(
        f"{trials} unmarked trials ({pictures} pictures, {len(seen) - pictures} clips, {len(keys)} keys, "
        f"{ISSUED} issued ids): highest score {highest:.2f}, "
        f"pilots above their threshold {pilots}, ids accepted {accepted}"
    )


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "quality": quality,
    "attacks": attacks,
    "false-accepts": false_accepts,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--portraits", type=Path, default=SAMPLES, help="folder of pictures")
    parser.add_argument("--speech", type=Path, default=SAMPLES, help="folder of recordings")
    parser.add_argument("--clips", type=Path, help="folder of unmarked videos of 512 x 512, in place of rendered ones")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", action="append", metavar="NAME", help="this attack, and others so named")
    parser.add_argument("--trials", type=int, default=2000, help="for false-accepts")
    parser.add_argument("--every", type=int, default=1, help="for false-accepts: only each so manieth video of --clips")
    parser.add_argument("--first-key", type=int, default=0, help="for false-accepts in several runs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    arguments(parser)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for name in options.parts or PARTS:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; choose from {', '.join(PARTS)}")
        print(f"-- {name}", flush=True)
        PARTS[name](options)


__all__ = ["cropped", "recode", "resized"]

if __name__ == "__main__":
    main()
