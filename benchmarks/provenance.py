"""What the provenance stack notices, what it takes, and how often it would be wrong.

    python -m benchmarks.provenance [tamper] [times] [false-accepts] [attacks]

tamper:        random single-byte flips over a sealed MP4, by the box they hit, and what the manifest says of them.
times:         seal, sign and verify; appends, proofs and the audit of a ledger.
false-accepts: searches of unmarked clips with keys that marked none of them, and matching against issued ids.
attacks:       ids recovered after attacks beyond those of `benchmarks.watermark`, read alone and with the registry.
Without a name all of them run.
"""

from __future__ import annotations

import argparse
import io
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from benchmarks.watermark import KEY, MARK_ID, SIZE, Frames, backdrop, portrait, recode, resized, texture
from safety import Attestation, Vault, attest, audit, issue_token, seal
from safety.ledger.auditing import examine
from safety.luma_mark import LumaMark
from safety.luma_search import Evidence
from safety.manifest import ManifestSigner
from safety.video_mark import VideoMark
from safety.watermark import rgb_to_i420
from vasa_core.types import Photo, Speech

FLIPS = 2000
TRIALS = 2000
ISSUED = 10_000
LOG_ENTRIES = 2000
CLIPS: dict[str, Callable[[float], Iterator[np.ndarray]]] = {
    "portrait": portrait,
    "backdrop": backdrop,
    "texture": texture,
}


def _sealed(folder: Path, seconds: float, fps: int = 40) -> tuple[Vault, Path, float]:
    """A vault, a sealed clip of the moving portrait, and the wall time of the seal."""
    picture = skimage.data.astronaut()
    file = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    photo = Photo(picture, file, "image/jpeg")
    rng = np.random.default_rng(0)
    playback = rng.normal(0, 2000, (round(seconds * 48_000), 1)).astype(np.int16)
    speech = Speech((playback[::3, 0] / 32768).astype(np.float32), playback, playback.tobytes(), "audio/ogg")
    vault = Vault.open(folder / "vault", environment={})
    record = attest(vault, Attestation("public-domain", "Eileen Collins", "benchmark", "measuring"), photo, speech)
    started = time.perf_counter()
    out = folder / "sealed.mp4"
    seal(vault, issue_token(vault, record, photo, speech), photo, speech, portrait(seconds), out=out, fps=fps)
    return vault, out, time.perf_counter() - started


def boxes(data: bytes) -> list[tuple[str, int, int]]:
    """Top-level MP4 boxes: (type, start, end). The header of 8 bytes is a part of its own, "type header"."""
    found, start = [], 0
    while start + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        size = size or len(data) - start
        name = kind.decode("latin-1")
        found += [(f"{name} header", start, start + 8), (name, start + 8, start + size)]
        start += size
    return found


def tamper(folder: Path) -> None:
    vault, path, _ = _sealed(folder, 2.0)
    data = path.read_bytes()
    signer = ManifestSigner(vault.authority)
    original = signer.read(io.BytesIO(data), "video/mp4")
    parts = boxes(data)
    rng = np.random.default_rng(1)
    outcome: Counter[tuple[str, str]] = Counter()
    for place in rng.integers(0, len(data), FLIPS):
        changed = bytearray(data)
        changed[place] ^= int(rng.integers(1, 256))
        reading = signer.read(io.BytesIO(bytes(changed)), "video/mp4")
        box = next(name for name, start, end in parts if start <= place < end)
        said = "unnoticed" if reading == original else "noticed" if reading.state != "Trusted" else "reads otherwise"
        outcome[box, said] += 1
    print(f"{FLIPS} random single-byte changes over {len(data)} bytes")
    for box in dict.fromkeys(name for name, _, _ in parts):
        row = {said: outcome[box, said] for said in ("noticed", "unnoticed", "reads otherwise")}
        if sum(row.values()):
            print(f"  {box:14} " + "  ".join(f"{said} {count:4}" for said, count in row.items()))
    vault.close()


def times(folder: Path) -> None:
    vault, path, took = _sealed(folder, 10.0)
    print(f"seal, 10 s at 40 fps, frames given: {took:.2f} s")
    for _ in range(2):
        began, cpu = time.perf_counter(), time.process_time()
        verdict = audit(vault, path).verdict
        print(f"verify ({verdict}): {time.perf_counter() - began:.2f} s wall, {time.process_time() - cpu:.2f} s CPU")
    began = time.perf_counter()
    for index in range(LOG_ENTRIES):
        with vault.ledger.transaction() as connection:
            vault.ledger.append(connection, "benchmark", str(index), {})
    per_entry = (time.perf_counter() - began) / LOG_ENTRIES
    began = time.perf_counter()
    for position in range(0, LOG_ENTRIES, 20):
        vault.ledger.prove(position)
    proof = (time.perf_counter() - began) / len(range(0, LOG_ENTRIES, 20))
    began = time.perf_counter()
    sound = examine(vault.ledger).sound
    print(
        f"ledger of {LOG_ENTRIES + 3} entries: append {per_entry * 1e3:.1f} ms, prove {proof * 1e3:.1f} ms, "
        f"audit {time.perf_counter() - began:.2f} s ({'sound' if sound else 'NOT SOUND'})"
    )
    vault.close()


def unmarked() -> Iterator[np.ndarray]:
    """Luma of pictures that nobody marked: photographs, textures and renderings, at several sizes."""
    names = ("astronaut", "camera", "coffee", "chelsea", "rocket", "coins", "moon", "page", "text", "brick", "grass")
    for name in names:
        picture = getattr(skimage.data, name)()
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
        for height, width in ((512, 512), (360, 640)):
            yield cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    for make in CLIPS.values():
        yield rgb_to_i420(next(make(0.1)))[:SIZE]


def false_accepts(_folder: Path) -> None:
    evidence = [Evidence([[plane]]) for plane in unmarked()]
    issued = [int(x) for x in np.random.default_rng(2).integers(1, 1 << 30, ISSUED)]
    trials, highest, pilots, accepted = 0, 0.0, 0, 0
    keys = -(-TRIALS // len(evidence))
    for index in range(keys):
        mark = LumaMark(b"unused key %021d" % index)
        for seen in evidence:
            reading, _ = mark.find(seen, issued)
            trials += 1
            highest = max(highest, reading.score)
            pilots += reading.found
            accepted += reading.found and reading.id in set(issued)
    print(
        f"{trials} unmarked trials ({len(evidence)} pictures, {keys} keys, {ISSUED} issued ids): highest score "
        f"{highest:.2f}, pilots above their threshold {pilots}, ids accepted {accepted}"
    )


def _pixels(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Frames], Frames]:
    """An attack on RGB pixels."""

    def attack(frames: Frames) -> Frames:
        rgb = (cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420) for frame in frames)
        return [rgb_to_i420(np.ascontiguousarray(change(picture))) for picture in rgb]

    return attack


def _turn(degrees: float) -> Callable[[np.ndarray], np.ndarray]:
    matrix = cv2.getRotationMatrix2D((SIZE / 2 - 0.5, SIZE / 2 - 0.5), degrees, 1.0)
    return lambda rgb: cv2.warpAffine(rgb, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)


def _jpeg(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR))


def _noise(rgb: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(int(rgb[::64, ::64].sum()))
    return np.clip(rgb + rng.normal(0, 8, rgb.shape), 0, 255).astype(np.uint8)


def _screen(frames: Frames) -> Frames:
    """Filmed from a screen: another size, another gamma, 30 of 40 frames, CRF 28."""
    gamma = np.array([255 * (level / 255) ** 0.9 for level in range(256)], np.uint8)
    shown = [frame for index, frame in enumerate(resized(frames, 640, 640)) if index % 4]
    return recode(_pixels(lambda rgb: gamma[rgb])(shown), 28)


ATTACKS: dict[str, Callable[[Frames], Frames]] = {
    "CRF 28": lambda f: recode(f, 28),
    "CRF 32": lambda f: recode(f, 32),
    "CRF 23 then 28": lambda f: recode(recode(f, 23), 28),
    "50 % size, CRF 23": lambda f: recode(resized(f, SIZE // 2, SIZE // 2), 23),
    "25 % size, CRF 23": lambda f: recode(resized(f, SIZE // 4, SIZE // 4), 23),
    "200 % size, CRF 28": lambda f: recode(resized(f, 2 * SIZE, 2 * SIZE), 28),
    "H.265 CRF 28": lambda f: recode(f, 28, "libx265"),
    "VP9 CRF 36": lambda f: recode(f, 36, "libvpx-vp9"),
    "letterbox, CRF 23": lambda f: recode(
        _pixels(lambda rgb: cv2.copyMakeBorder(rgb, 0, 0, 200, 200, cv2.BORDER_CONSTANT))(f), 23
    ),
    "turned 1 degree, CRF 23": lambda f: recode(_pixels(_turn(1.0))(f), 23),
    "brightness +30, CRF 23": lambda f: recode(_pixels(lambda rgb: cv2.convertScaleAbs(rgb, beta=30))(f), 23),
    "contrast 0.8, CRF 23": lambda f: recode(_pixels(lambda rgb: cv2.convertScaleAbs(rgb, alpha=0.8, beta=25))(f), 23),
    "noise 8, CRF 23": lambda f: recode(_pixels(_noise)(f), 23),
    "blur 1 px, CRF 23": lambda f: recode(_pixels(lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 1.0))(f), 23),
    "JPEG 60 frames": _pixels(_jpeg),
    "filmed from a screen": _screen,
}


def attacks(_folder: Path) -> None:
    issued = [int(x) for x in np.random.default_rng(3).integers(1, 1 << 30, ISSUED)] + [MARK_ID]
    mark = LumaMark(KEY)
    print(f"{'':26}" + "".join(f"{name:>22}" for name in CLIPS) + "     alone  with registry")
    delivered = {}
    for name, make in CLIPS.items():
        frames = [rgb_to_i420(frame) for frame in make(1.0)]
        put = VideoMark(KEY).writer(MARK_ID, SIZE, SIZE)
        for frame in frames:
            put(frame)
        delivered[name] = recode(frames, 18)
    for attack, apply in ATTACKS.items():
        cells, alone, helped = [], 0, 0
        for frames in delivered.values():
            copy = apply(frames)
            evidence = Evidence([[frame[: frame.shape[0] * 2 // 3] for frame in copy[::2]]])
            reading, _ = mark.find(evidence)
            known, _ = mark.find(evidence, issued)
            ok = [r.found and r.id == MARK_ID for r in (reading, known)]
            alone, helped = alone + ok[0], helped + ok[1]
            word = "ok" if ok[0] else "registry" if ok[1] else "lost"
            cells.append(f"{word} {reading.score:5.1f} ({known.errors:2})")
        print(f"{attack:26}" + "".join(f"{cell:>22}" for cell in cells) + f"       {alone}/3            {helped}/3")


PARTS: dict[str, Callable[[Path], None]] = {
    "tamper": tamper,
    "times": times,
    "false-accepts": false_accepts,
    "attacks": attacks,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    chosen = parser.parse_args().parts or list(PARTS)
    cv2.setNumThreads(1)
    for name in chosen:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; choose from {', '.join(PARTS)}")
        print(f"-- {name}")
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder))


if __name__ == "__main__":
    main()
