"""The mark in the sound: what it does to a voice, what it survives, how often it would be wrong.

    python -m benchmarks.sound [audibility] [attacks] [false-accepts] [--speech FOLDER] [--keys 20] [--only NAME]

Recordings of FOLDER (by default the shipped samples) are marked and encoded as the seal does it (AAC, 128 kb/s), cut
to 3, 5 and 10 s at a random place, attacked and read, alone and with 10,000 issued ids. Audibility: signal to noise;
the noise-to-mask ratio of a simple masking model, beside that of AAC itself; PESQ (ITU-T P.862.2) if the package
`pesq` 0.0.4 is installed, which the project does not need otherwise.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from scipy.signal import fftconvolve, resample_poly

from benchmarks.samples import SAMPLES, SOUNDS, files
from safety.sound_mark import SoundEvidence, SoundMark
from vasa_core.audio import load_speech
from vasa_core.types import PLAYBACK_RATE

try:
    from pesq import pesq
except ImportError:  # measured where it is there
    pesq = None

KEY, MARK_ID = b"benchmark key, not a secret one.", 0x1A2B3C4D
LENGTHS = (3, 5, 10)  # seconds
ISSUED = 10_000
Sound = np.ndarray  # int16 (n, channels) at 48 kHz


def coded(sound: Sound, codec: str, kilobits: int) -> Sound:
    """Encoded and decoded again."""
    container = {"aac": "mp4", "libopus": "ogg", "libmp3lame": "mp3"}[codec]
    buffer = io.BytesIO()
    layout = "mono" if sound.shape[1] == 1 else "stereo"
    with av.open(buffer, "w", format=container) as out:
        options = {"b": str(1000 * kilobits)}
        stream: Any = out.add_stream(codec, rate=PLAYBACK_RATE, layout=layout, options=options)
        resampler = av.AudioResampler(
            format=stream.codec_context.format, layout=layout, rate=PLAYBACK_RATE, frame_size=stream.frame_size or 1024
        )
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound).reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = PLAYBACK_RATE
        for piece in resampler.resample(frame) + resampler.resample(None):
            piece.pts = None
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return load_speech(buffer.getvalue()).playback


def resampled(rate: int) -> Callable[[Sound], tuple[Sound, int]]:
    divisor = int(np.gcd(rate, PLAYBACK_RATE))

    def attack(sound: Sound) -> tuple[Sound, int]:
        return resample_poly(sound.astype(np.float32), rate // divisor, PLAYBACK_RATE // divisor).astype(np.int16), rate

    return attack


def noisy(decibels: float) -> Callable[[Sound], Sound]:
    """White noise so far below the voice."""

    def attack(sound: Sound) -> Sound:
        level = float(np.std(sound)) * 10 ** (-decibels / 20)
        noise = np.random.default_rng(len(sound)).normal(0, level, sound.shape)
        return np.clip(sound + noise, -32768, 32767).astype(np.int16)

    return attack


def in_a_room(sound: Sound) -> Sound:
    """0.4 s of reverberation, as from a loudspeaker across a room."""
    tail = np.random.default_rng(0).normal(0, 1, round(0.4 * PLAYBACK_RATE))
    tail *= 10 ** (-3 * np.arange(len(tail)) / len(tail))
    tail[0] = 3 * float(np.sqrt((tail**2).sum()))  # the direct sound, 10 dB above the rest
    wet = np.stack([fftconvolve(channel, tail)[: len(sound)] for channel in sound.T.astype(np.float64)], 1)
    return (wet * (0.7 * np.abs(sound).max() / np.abs(wet).max())).astype(np.int16)


def over_music(sound: Sound) -> Sound:
    """Chords 12 dB below the voice."""
    t = np.arange(len(sound)) / PLAYBACK_RATE
    roots = 220 * 2 ** (np.array([0, 5, 7, 3])[(t / 0.8).astype(int) % 4] / 12)
    phase = 2 * np.pi * np.cumsum(roots) / PLAYBACK_RATE
    music = sum(np.sin(k * phase) / k for k in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6))
    music *= np.std(sound) / np.std(music) * 10 ** (-12 / 20)
    return np.clip(sound + music[:, None], -32768, 32767).astype(np.int16)


def compressed(sound: Sound) -> Sound:
    """Loud parts pressed together, as broadcasters do: square root of the level."""
    wave = sound / 32768
    level = np.sqrt(np.maximum(fftconvolve(wave.mean(1) ** 2, np.full(2400, 1 / 2400), "same"), 1e-7))[:, None]
    return (np.clip(wave * np.sqrt(0.1 / level), -1, 1) * 32767).astype(np.int16)


def faster(sound: Sound) -> Sound:
    """Played at 25/24 of its speed, pitch and all."""
    return resample_poly(sound.astype(np.float32), 24, 25).astype(np.int16)


ATTACKS: dict[str, Callable[[Sound], Sound | tuple[Sound, int]]] = {
    "delivered (AAC 128)": lambda s: s,
    "AAC 64": lambda s: coded(s, "aac", 64),
    "AAC 32": lambda s: coded(s, "aac", 32),
    "Opus 32": lambda s: coded(s, "libopus", 32),
    "Opus 16": lambda s: coded(s, "libopus", 16),
    "MP3 96": lambda s: coded(s, "libmp3lame", 96),
    "AAC 64 then Opus 32": lambda s: coded(coded(s, "aac", 64), "libopus", 32),
    "44.1 kHz": resampled(44_100),
    "22.05 kHz": resampled(22_050),
    "16 kHz": resampled(16_000),
    "8 kHz": resampled(8_000),
    "a quarter as loud": lambda s: s // 4,
    "mono to stereo, AAC 64": lambda s: coded(np.repeat(s[:, :1], 2, axis=1), "aac", 64),
    "noise 20 dB below": noisy(20),
    "noise 10 dB below": noisy(10),
    "music 12 dB below": over_music,
    "in a room": in_a_room,
    "dynamics compressed": compressed,
    "25/24 as fast": faster,
}


def recordings(folder: Path) -> Iterator[tuple[str, Sound]]:
    for path in files(folder, SOUNDS):
        yield path.stem, load_speech(path).playback


def excerpts(sound: Sound, seconds: int, seed: int) -> Iterator[Sound]:
    """One excerpt at a random place, nothing if the recording is too short."""
    size = seconds * PLAYBACK_RATE
    if len(sound) >= size:
        start = int(np.random.default_rng(seed).integers(0, len(sound) - size + 1))
        yield sound[start : start + size]


def attacks(folder: Path, options: argparse.Namespace) -> None:
    mark = SoundMark(KEY)
    issued = [*map(int, np.random.default_rng(3).integers(1, 1 << 30, ISSUED)), MARK_ID]
    delivered = [coded(mark.write(sound, MARK_ID, PLAYBACK_RATE), "aac", 128) for _, sound in recordings(folder)]
    print(f"{'':26}" + "".join(f"{f'{seconds} s: alone':>14}{'registry':>10}{'score':>7}" for seconds in LENGTHS))
    for name, apply in ATTACKS.items():
        if options.only and name not in options.only:
            continue
        row = ""
        for seconds in LENGTHS:
            alone, helped, total, scores = 0, 0, 0, []
            for index, sound in enumerate(delivered):
                for part in excerpts(sound, seconds, index):
                    heard = apply(part)
                    evidence = SoundEvidence(*(heard if isinstance(heard, tuple) else (heard, PLAYBACK_RATE)))
                    reading, known = mark.find(evidence), mark.find(evidence, issued)
                    total += 1
                    alone += reading.found and reading.id == MARK_ID
                    helped += known.found and known.id == MARK_ID
                    scores.append(reading.score)
            median = f"{np.median(scores):.1f}" if scores else "-"
            row += f"{alone:>11}/{total:<2}{helped:>7}/{total:<2}{median:>7}"
        print(f"{name:26}{row}", flush=True)


def false_accepts(folder: Path, options: argparse.Namespace) -> None:
    """Unmarked recordings, and recordings marked with another key, whole and read with keys that marked none."""
    issued = [*map(int, np.random.default_rng(2).integers(1, 1 << 30, ISSUED))]
    known = set(issued)
    foreign = SoundMark(KEY)
    trials, marks, accepted, assisted = 0, 0, 0, 0
    scores: list[float] = []
    heard = []
    for _, sound in recordings(folder):
        heard += [SoundEvidence(sound, PLAYBACK_RATE)]
        heard += [SoundEvidence(foreign.write(sound, MARK_ID, PLAYBACK_RATE), PLAYBACK_RATE)]
    for index in range(options.keys):
        mark = SoundMark(b"unused key %021d" % index)
        for evidence in heard:
            alone, reading = mark.find(evidence), mark.find(evidence, issued)
            trials += 1
            scores.append(alone.score)
            marks += alone.found
            accepted += reading.found and reading.id in known
            assisted += reading.assisted
    print(
        f"{trials} trials without a mark ({len(heard)} sounds, {options.keys} keys, {ISSUED} issued ids): highest "
        f"score {max(scores):.2f}, marks claimed {marks}, ids accepted {accepted}, of these by matching {assisted}"
    )


def audibility(folder: Path, _options: argparse.Namespace) -> None:
    mark = SoundMark(KEY)
    print(f"{'':30}{'SNR dB':>8}{'noise to mask dB':>18}{'above mask':>12}{'PESQ':>7}{'PESQ of AAC 64':>16}{'CPU':>9}")
    rows = []
    for name, sound in recordings(folder):
        started = time.process_time()
        marked = mark.write(sound, MARK_ID, PLAYBACK_RATE)
        took = (time.process_time() - started) / (len(sound) / PLAYBACK_RATE)
        plain, changed = sound.astype(np.float64), marked.astype(np.float64)
        snr = 10 * np.log10((plain**2).sum() / max(((changed - plain) ** 2).sum(), 1e-9))
        ratio, share = noise_to_mask(_narrow(sound), _narrow(marked))
        peer = coded(sound, "aac", 64)[: len(sound)]
        rows.append([snr, ratio, 100 * share, _pesq(sound, marked), _pesq(sound, peer), 1000 * took])
        print(_row(name, rows[-1]), flush=True)
    print(_row("mean", list(np.mean(rows, axis=0))))
    quiet = mark.write(np.zeros((PLAYBACK_RATE, 1), np.int16), MARK_ID, PLAYBACK_RATE)
    print(f"silence stays silent: largest sample {np.abs(quiet).max()}")


def _row(name: str, row: list[float]) -> str:
    snr, ratio, share, own, peer, cost = row
    return f"{name[:29]:30}{snr:8.1f}{ratio:18.1f}{share:10.2f} %{own:7.2f}{peer:16.2f}{cost:6.1f} ms/s"


def _narrow(sound: Sound) -> np.ndarray:
    return resample_poly(sound.mean(1) / 32768, 1, 3).astype(np.float32)


def _pesq(reference: Sound, changed: Sound) -> float:
    """Wide-band PESQ of up to 10 s, NaN without the package. The best is 4.64."""
    if pesq is None:
        return float("nan")
    return float(pesq(16_000, _narrow(reference[:480_000]), _narrow(changed[:480_000]), "wb"))


def noise_to_mask(plain: np.ndarray, changed: np.ndarray) -> tuple[float, float]:
    """Mean ratio of the change to what the voice masks, dB, and the share of cells where it is above.

    Mono at 16 kHz. Half-Bark bands, the spreading function of Schroeder, Atal & Hall (J. Acoust. Soc. Am. 66(6),
    1979), and a mask 14 dB below the spread level, which is strict: as if the voice were a tone everywhere. Frames
    40 dB and more below the loud ones are left out.
    """
    window, hop = 512, 256

    def powers(x: np.ndarray) -> np.ndarray:
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, window), window)[::hop]
        return np.asarray(np.abs(np.fft.rfft(frames * np.hanning(window), axis=1)) ** 2)

    hertz = np.arange(window // 2 + 1) * 16_000 / window
    bark = 13 * np.arctan(0.00076 * hertz) + 3.5 * np.arctan((hertz / 7500) ** 2)
    bands = np.floor(2 * bark).astype(int)
    gather = np.eye(bands.max() + 1)[bands]  # (bins, bands)
    apart = (np.arange(bands.max() + 1)[None] - np.arange(bands.max() + 1)[:, None]) / 2 + 0.474
    spread = 10 ** ((15.81 + 7.5 * apart - 17.5 * np.sqrt(1 + apart**2)) / 10)
    voice, noise = powers(plain) @ gather, powers(changed - plain) @ gather
    level = voice.sum(1)
    loud = level > 1e-4 * np.percentile(level, 95)
    mask = voice[loud] @ spread * 10**-1.4
    ratio = noise[loud] / (mask + 1e-9)
    return float(10 * np.log10(ratio.mean())), float((ratio > 1).mean())


PARTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "audibility": audibility,
    "attacks": attacks,
    "false-accepts": false_accepts,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--speech", type=Path, default=SAMPLES, help="folder of recordings")
    parser.add_argument("--keys", type=int, default=20, help="keys tried for false accepts")
    parser.add_argument("--only", action="append", metavar="NAME", help="this attack, and others so named")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for name in options.parts or PARTS:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; choose from {', '.join(PARTS)}")
        print(f"-- {name}")
        PARTS[name](options.speech, options)


if __name__ == "__main__":
    main()
