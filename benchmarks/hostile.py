"""Files that attack whoever verifies them, and marks copied onto other pictures.

    python -m benchmarks.hostile [mutations] [sizes] [pictures PICTURE_OR_VIDEO...]

mutations: 1,000 damaged MP4s (bytes, lengths, cut ends, shuffled boxes), read; every tenth is audited whole.
sizes:     `audit` of a 10 s clip, of the same stripped, and of 100 MB.
pictures:  agreement of copies with the picture their mark was made for, and with all the other pictures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data

from benchmarks.provenance import _sealed, boxes
from benchmarks.watermark import KEY, recode
from safety.audit import _open, audit
from safety.badge import badge
from safety.errors import UnreadableVideo
from safety.luma_mark import LumaMark
from safety.picture_print import OTHER, SAME, PicturePrint, PicturePrinter, agreement
from safety.watermark import rgb_to_i420

MUTATIONS = 1000
SIZE, CLIP_FRAMES, CLIP_FPS = 512, 50, 25
Frames = list[np.ndarray]


def mutations(data: bytes, seed: int = 0) -> Iterator[bytes]:
    """Damaged copies of an MP4, without end: single and many bytes, box lengths, cuts, repeats, boxes out of order."""
    rng = np.random.default_rng(seed)
    parts = [(start, end) for name, start, end in boxes(data) if not name.endswith("header")]
    while True:
        mutated = bytearray(data)
        kind = rng.integers(7)
        place = int(rng.integers(len(data)))
        if kind == 0:
            mutated[place] ^= int(rng.integers(1, 256))
        elif kind == 1:
            for spot in rng.integers(0, len(data), int(rng.integers(2, 200))):
                mutated[spot] = int(rng.integers(256))
        elif kind == 2:  # the head: where every length and table is
            for spot in rng.integers(0, min(len(data), 40_000), int(rng.integers(1, 40))):
                mutated[spot] = int(rng.integers(256))
        elif kind == 3:
            del mutated[place:]
        elif kind == 4:
            start = parts[int(rng.integers(len(parts)))][0] - 8
            mutated[start : start + 4] = rng.bytes(4) if rng.random() < 0.5 else rng.choice(EDGES).tobytes()
        elif kind == 5:
            stop = min(len(data), place + int(rng.integers(1, 5000)))
            mutated[place:place] = data[place:stop]
        else:
            order = rng.permutation(len(parts))
            mutated = bytearray(b"".join(data[parts[i][0] - 8 : parts[i][1]] for i in order))
        yield bytes(mutated)


EDGES = np.array([0, 1, 7, 8, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000], ">u4")  # box lengths that tempt a parser


def fuzz(folder: Path) -> None:
    vault, path, _ = _sealed(folder, 1.0)
    data, target = path.read_bytes(), folder / "mutated.mp4"
    outcome: Counter[str] = Counter()
    slowest = whole = 0.0
    for number, mutated in zip(range(MUTATIONS), mutations(data), strict=False):
        target.write_bytes(mutated)
        began = time.process_time()
        try:
            if number % 10:
                outcome[f"read, manifest {_open(vault, target)[0].state}"] += 1
                slowest = max(slowest, time.process_time() - began)
            else:
                outcome[f"audited: {audit(vault, target).verdict}"] += 1
                whole = max(whole, time.process_time() - began)
        except UnreadableVideo:
            outcome["refused with a named error"] += 1
    print(f"{MUTATIONS} mutations, {len(data)} bytes: CPU of the slowest reading {slowest:.2f} s, audit {whole:.2f} s")
    for name, count in sorted(outcome.items()):
        print(f"  {count:5}  {name}")
    vault.close()


def sizes(folder: Path) -> None:
    vault, path, _ = _sealed(folder, 10.0)
    data = path.read_bytes()
    filler = (100 << 20) - len(data)
    large = folder / "large.mp4"
    large.write_bytes(data + filler.to_bytes(4, "big") + b"mdat" + bytes(filler - 8))
    start, end = next((start - 8, end) for name, start, end in boxes(data) if name == "uuid")
    stripped = folder / "stripped.mp4"  # the box's place is kept, so that offsets still fit
    stripped.write_bytes(data[: start + 4] + b"free" + data[start + 8 : end] + data[end:])
    for name, file in (("10 s, sealed", path), ("10 s, manifest removed", stripped), ("100 MB, altered", large)):
        audit(vault, file)
        began, cpu = time.perf_counter(), time.process_time()
        verdict = audit(vault, file).verdict
        print(f"{name:24} {time.perf_counter() - began:.2f} s wall, {time.process_time() - cpu:.2f} s CPU  ({verdict})")
    vault.close()


def _bgr(i420: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)


def _changed(change: Callable[[np.ndarray], np.ndarray], crf: int = 23) -> Callable[[Frames], Frames]:
    def attack(frames: Frames) -> Frames:
        return list(recode([cv2.cvtColor(change(_bgr(frame)), cv2.COLOR_BGR2YUV_I420) for frame in frames], crf))

    return attack


TURN = cv2.getRotationMatrix2D((SIZE / 2 - 0.5, SIZE / 2 - 0.5), 1, 1)
ATTACKS: dict[str, Callable[[Frames], Frames]] = {
    "delivered": lambda frames: frames,
    "CRF 28": lambda frames: list(recode(frames, 28)),
    "CRF 32": lambda frames: list(recode(frames, 32)),
    "crop to 80 %, CRF 23": _changed(lambda p: p[52:460, 52:460]),
    "mirrored, CRF 23": _changed(lambda p: cv2.flip(p, 1)),
    "50 % size, CRF 23": _changed(lambda p: cv2.resize(p, (256, 256), interpolation=cv2.INTER_AREA)),
    "half the frames, CRF 23": lambda frames: list(recode(frames[::2], 23)),
    "letterbox, CRF 23": _changed(lambda p: cv2.copyMakeBorder(p, 0, 0, 199, 199, cv2.BORDER_CONSTANT)),
    "turned 1 degree, CRF 23": _changed(lambda p: cv2.warpAffine(p, TURN, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)),
    "brighter, less contrast": _changed(lambda p: cv2.convertScaleAbs(p, alpha=0.8, beta=30)),
}


def _frames(path: Path) -> Frames:
    """A video's first frames, or a picture that sways and breathes: uint8 (512, 512, 3) RGB."""
    if path.suffix.lower() in (".mp4", ".mov", ".mkv", ".webm"):
        found = []
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                found.append(_square(frame.to_ndarray(format="rgb24")))
                if len(found) == CLIP_FRAMES:
                    break
        return found
    picture = cv2.imread(str(path))
    if picture is None:
        raise SystemExit(f"{path} is no picture.")
    return _swaying(_square(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)))


def _square(picture: np.ndarray) -> np.ndarray:
    side = min(picture.shape[:2])
    left = (picture.shape[1] - side) // 2
    return cv2.resize(picture[:side, left : left + side], (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def _swaying(picture: np.ndarray) -> Frames:
    turns = [cv2.getRotationMatrix2D((256, 256), 3 * np.sin(i / 9), 1 + 0.03 * np.sin(i / 13)) for i in range(26)]
    return [cv2.warpAffine(picture, turn, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT) for turn in turns]


def pictures(paths: list[Path]) -> None:
    clips = {path.stem: _frames(path) for path in paths}
    clips |= {name: _swaying(_square(getattr(skimage.data, name)())) for name in ("astronaut", "cat", "coffee")}
    mark, sign = LumaMark(KEY), badge(SIZE, SIZE)
    prints: dict[str, PicturePrint] = {}
    marked: dict[str, Frames] = {}
    for number, (name, frames) in enumerate(clips.items(), 1):
        write, printer, done = mark.writer(number, SIZE, SIZE), PicturePrinter(SIZE, SIZE, CLIP_FPS), []
        for frame in frames:
            i420 = rgb_to_i420(frame)
            sign.draw(i420)
            write(i420)
            printer.look(i420)
            done.append(i420)
        prints[name], marked[name] = PicturePrint.from_bytes(printer.result()), list(recode(done, 18))
    others: list[float] = []
    print(f"{len(clips)} clips; agreement with the picture the mark was made for (copies whose mark was read)")
    for attack, change in ATTACKS.items():
        same = []
        for name, delivered in marked.items():
            copy = change(delivered)[::4]
            reading = mark.read(copy)
            if not reading.found:
                continue
            lumas = [frame[: frame.shape[0] * 2 // 3] for frame in copy]
            found = {other: agreement(kept, lumas, reading) for other, kept in prints.items()}
            same.append(found.pop(name) or 0.0)
            others += [fit for fit in found.values() if fit is not None]
        called = sum(fit < OTHER for fit in same)
        figures = f"least {min(same):.2f}, median {np.median(same):.2f}; {called} misjudged"
        print(f"  {attack:26} {len(same):3} copies: {figures}")
    far = np.array(others)
    print(f"other pictures under it: {len(far)} pairs, most {far.max():.2f}, 99 % below {np.quantile(far, 0.99):.2f}")
    called, taken = (far < OTHER).mean(), (far >= SAME).sum()
    print(f"  called another picture (below {OTHER}): {called:.2%}; taken for the same (from {SAME}): {taken}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("mutations", "sizes", "pictures"))
    parser.add_argument("files", nargs="*", type=Path, help="pictures and videos, for `pictures`")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, work in (("mutations", fuzz), ("sizes", sizes)):
            if given.what in (None, what):
                (folder / what).mkdir()
                work(folder / what)
    if given.what in (None, "pictures"):
        pictures(given.files)


if __name__ == "__main__":
    main()
