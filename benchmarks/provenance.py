"""What the provenance stack notices, what it takes, and how often it would be wrong.

    python -m benchmarks.provenance [PART ...] [--c2pa FOLDER] [--portraits FOLDER --speech FOLDER] [...]

tamper:  random single-byte flips over a sealed MP4, by the box they hit, and what the manifest says of them.
times:   seal a clip of 10 s and verify it, ours and unmarked; sign and read files of 1 MB and 100 MB.
ledger:  appends, proofs and the audit of a log of 10,000 entries.
threads: seals from eight threads at once, each with its own consent token, and the ledger afterwards.
c2pa:    what is said of the files of C2PA's public test set, beside what their names say.

All parts of `benchmarks.watermark` (quality, attacks, false-accepts) and of `benchmarks.sound` (audibility,
sound-attacks, sound-false-accepts) can be named too. Without a name all of them run.
"""

from __future__ import annotations

import argparse
import io
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import skimage.data

from benchmarks import sound, watermark
from benchmarks.cose import padding
from benchmarks.watermark import portrait
from safety import Attestation, ConsentRecord, Vault, attest, audit, issue_token, seal
from safety.declaration import Declaration
from safety.ledger.auditing import examine
from safety.manifest import ManifestSigner
from safety.manifest_box import manifest_store
from safety.media import sniff_mime
from safety.remembered import is_as_made
from vasa_core.errors import CandorError
from vasa_core.types import Photo, Speech

FLIPS = 2000
LOG_ENTRIES = 10_000
THREADS = 8


def _inputs(seconds: float) -> tuple[Photo, Speech]:
    """The astronaut, and noise for a voice."""
    picture = skimage.data.astronaut()
    file = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    playback = np.random.default_rng(0).normal(0, 2000, (round(seconds * 48_000), 1)).astype(np.int16)
    speech = Speech((playback[::3, 0] / 32768).astype(np.float32), playback, playback.tobytes(), "audio/ogg")
    return Photo(picture, file, "image/jpeg"), speech


def _consent(vault: Vault, photo: Photo, speech: Speech) -> ConsentRecord:
    attested = Attestation("public-domain", "Eileen Collins", "benchmark", "measuring", source="NASA")
    return attest(vault, attested, photo, speech)


def _sealed(folder: Path, seconds: float, fps: int = 40) -> tuple[Vault, Path, float]:
    """A vault, a sealed clip of the moving portrait, and the wall time of the seal."""
    photo, speech = _inputs(seconds)
    vault = Vault.open(folder / "vault", environment={})
    record = _consent(vault, photo, speech)
    frames = list(portrait(seconds))
    started = time.perf_counter()
    out = folder / "sealed.mp4"
    seal(vault, issue_token(vault, record, photo, speech), photo, speech, frames, out=out, fps=fps)
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


def tamper(folder: Path, _options: argparse.Namespace) -> None:
    vault, path, _ = _sealed(folder, 2.0)
    data = path.read_bytes()
    signer = ManifestSigner(vault.authority)
    original = signer.read(io.BytesIO(data), "video/mp4")
    parts = regions(data)
    rng = np.random.default_rng(1)
    outcome: Counter[tuple[str, str]] = Counter()
    copy = folder / "changed.mp4"
    for place in rng.integers(0, len(data), FLIPS):
        changed = bytearray(data)
        changed[place] ^= int(rng.integers(1, 256))
        reading = signer.read(io.BytesIO(bytes(changed)), "video/mp4")
        box = next(name for name, start, end in parts if start <= place < end)
        said = "by C2PA" if reading.state != "Trusted" else "unnoticed" if reading == original else "reads otherwise"
        if said == "unnoticed":
            copy.write_bytes(changed)
            said = said if is_as_made(vault, copy, reading) else "by the log"
        outcome[box, said] += 1
    print(f"{FLIPS} random single-byte changes over {len(data)} bytes; noticed by whom")
    for box, size in Counter({name: sum(e - s for n, s, e in parts if n == name) for name, _, _ in parts}).items():
        row = {said: outcome[box, said] for said in ("by C2PA", "by the log", "unnoticed", "reads otherwise")}
        if sum(row.values()):
            print(f"  {box:22} {size:8} bytes  " + "  ".join(f"{said} {count:4}" for said, count in row.items()))
    vault.close()


def regions(data: bytes) -> list[tuple[str, int, int]]:
    """`boxes`, with the manifest's divided into manifest store, the padding in its signature, and what follows it."""
    store = manifest_store(data)
    first = data.index(store)
    length = struct.unpack_from(">I", store)[0]  # of the JUMBF superbox; what is behind it would be more padding
    inner, place = [], 0
    for start, end in [*padding(store), (length, len(store))]:
        inner.append(("uuid: manifest", first + place, first + start))
        inner.append(("uuid: padding" if start < length else "uuid: behind it", first + start, first + end))
        place = end
    found = []
    for name, start, end in boxes(data):
        if start <= first < end:
            found += [("uuid: its head", start, first), *inner]
        else:
            found.append((name, start, end))
    return found


def times(folder: Path, _options: argparse.Namespace) -> None:
    vault, path, took = _sealed(folder, 10.0)
    print(f"seal, 10 s at 40 fps, frames given: {took:.2f} s wall")
    plain = folder / "plain.mp4"
    plain.write_bytes(watermark.encoded((watermark.rgb_to_i420(frame) for frame in portrait(10.0)), 18))
    for name, file in (("ours", path), ("ours again", path), ("unmarked", plain)):
        began, cpu = time.perf_counter(), time.process_time()
        verdict = audit(vault, file).verdict
        print(
            f"verify, 10 s, {name} ({verdict}): {time.perf_counter() - began:.2f} s wall, "
            f"{time.process_time() - cpu:.2f} s CPU"
        )
    photo, speech = _inputs(1.0)
    signer = ManifestSigner(vault.authority)
    declaration = Declaration("0" * 8, "r" * 32, "0" * 64, "0" * 64, "0" * 64, "public-domain", 0, "0" * 64)
    for megabytes in (1, 100):
        data = _movie(megabytes)
        for _ in range(2):  # the second is printed
            steps = [time.process_time()]
            signed = signer.sign(data, "t", photo, speech, declaration)
            steps.append(time.process_time())
            state = signer.read(io.BytesIO(signed), "video/mp4").state
            steps.append(time.process_time())
        sign, read = np.diff(steps)
        print(f"manifest on {len(data) / 1e6:.1f} MB: sign {sign * 1e3:.0f} ms CPU, read {read * 1e3:.0f} ms ({state})")
    vault.close()


def _movie(megabytes: float) -> bytes:
    """An MP4 of that size: ten frames of noise, over and over."""
    rng = np.random.default_rng(0)
    with av.open(
        io.BytesIO(watermark.encoded(rng.integers(16, 235, (10, 768, 512), dtype=np.uint8), 18)), "r"
    ) as source:
        packets = [packet for packet in source.demux(video=0) if packet.size]
        step = packets[1].duration or 1
        buffer, count = io.BytesIO(), 0
        container: Any
        with av.open(buffer, "w", format="mp4") as container:
            stream: Any = container.add_stream_from_template(source.streams.video[0])
            payloads = [(bytes(packet), packet.is_keyframe) for packet in packets]
            while buffer.tell() < megabytes * 1e6:
                for data, key in payloads:
                    packet = av.Packet(data)
                    packet.stream, packet.is_keyframe = stream, key
                    packet.pts = packet.dts = count * step
                    packet.time_base = Fraction(source.streams.video[0].time_base or Fraction(1, 12_800))
                    container.mux(packet)
                    count += 1
    return buffer.getvalue()


def ledger(folder: Path, options: argparse.Namespace) -> None:
    vault = Vault.open(folder / "vault", environment={})
    began, cpu = time.perf_counter(), time.process_time()
    for index in range(options.entries):
        with vault.ledger.transaction() as connection:
            vault.ledger.append(connection, "benchmark", str(index), {})
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{options.entries} appends: {1e3 * wall / options.entries:.1f} ms wall, {1e3 * cpu / options.entries:.1f} CPU"
    )
    places = range(0, options.entries, max(1, options.entries // 100))
    began = time.process_time()
    for position in places:
        vault.ledger.prove(position)
    print(f"inclusion proof, made and checked: {1e3 * (time.process_time() - began) / len(places):.1f} ms CPU")
    began = time.process_time()
    sound_log = examine(vault.ledger).sound
    print(f"audit of all: {time.process_time() - began:.2f} s CPU ({'sound' if sound_log else 'NOT SOUND'})")
    vault.close()


def threads(folder: Path, options: argparse.Namespace) -> None:
    """Clips of 256 x 256 pixels, six frames each: little to render, everything else as always."""
    photo, speech = _inputs(1.0)
    frames = [np.ascontiguousarray(cv2.resize(frame, (256, 256))) for frame in portrait(0.15)]
    with Vault.open(folder / "vault", environment={}) as vault:
        record = _consent(vault, photo, speech)

        def one(index: int) -> str:
            try:
                token = issue_token(vault, record, photo, speech)
                out = folder / f"{index}.mp4"
                video = seal(vault, token, photo, speech, frames, out=out, fps=40)
                out.unlink()
                return video.manifest_state
            except CandorError as error:
                return f"{type(error).__name__}: {error}"

        began = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            outcome = Counter(pool.map(one, range(options.seals)))
        took = time.perf_counter() - began
        healthy = examine(vault.ledger).sound
        left = [path.name for path in folder.iterdir() if path.name != "vault"]
    said = ", ".join(f"{count} {state}" for state, count in outcome.items())
    print(f"{options.seals} seals on {THREADS} threads in {took:.0f} s: {said}; files left behind: {len(left)}")
    print(f"ledger afterwards: {'sound' if healthy else 'NOT SOUND'}")


def c2pa(folder: Path, options: argparse.Namespace) -> None:
    """Names of the public test set: A has none, C and CA are whole, E-* and XCA are broken in the way they say."""
    if options.c2pa is None:
        print("no folder given (--c2pa)")
        return
    with Vault.open(folder / "vault", environment={}) as vault:
        signer = ManifestSigner(vault.authority)
        for path in sorted(options.c2pa.iterdir()):
            mime = sniff_mime(path)
            if mime is None:
                continue
            with path.open("rb") as file:
                reading = signer.read(file, mime)
            codes = ", ".join(code for code in reading.failures if code != "signingCredential.untrusted")
            print(f"{path.name:28} {reading.state:8} {codes}")


def _without_folder(part: Callable[[argparse.Namespace], None]) -> Callable[[Path, argparse.Namespace], None]:
    return lambda _folder, options: part(options)


PARTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "tamper": tamper,
    "times": times,
    "ledger": ledger,
    "threads": threads,
    "c2pa": c2pa,
    **{name: _without_folder(part) for name, part in watermark.PARTS.items()},
    "audibility": lambda _folder, options: sound.audibility(options.speech, options),
    "sound-attacks": lambda _folder, options: sound.attacks(options.speech, options),
    "sound-false-accepts": lambda _folder, options: sound.false_accepts(options.speech, options),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--c2pa", type=Path, help="folder of C2PA's public test files")
    parser.add_argument("--entries", type=int, default=LOG_ENTRIES, help="for ledger")
    parser.add_argument("--seals", type=int, default=200 * THREADS, help="for threads")
    parser.add_argument("--keys", type=int, default=20, help="for sound-false-accepts")
    watermark.arguments(parser)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for name in options.parts or PARTS:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; choose from {', '.join(PARTS)}")
        print(f"-- {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder), options)


if __name__ == "__main__":
    main()
