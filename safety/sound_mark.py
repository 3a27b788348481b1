"""Keyed, inaudible mark in the sound: the picture's 30-bit id once more, in the loudness of small cells of speech.

The spectrum from 250 to 6,000 Hz is cut into cells of 125 Hz and 40 ms. A keyed pattern of 50 x 46 cells, two seconds
long and repeated, says which cells are made a little louder and which a little softer than their neighbours: a
log-spectral cousin of the patchwork method (Bender, Gruhl, Morimoto, Lu, IBM Systems Journal 35(3-4), 1996). Cells
that already lean the wanted way are left alone, as in improved spread spectrum (Malvar & Florencio, IEEE Trans. Signal
Processing 51(4), 2003). A part of the cells is a pilot with fixed signs, by which the detector finds where in the
pattern a cut-out begins; the others carry the 63 bits of a BCH word. Only magnitudes count, no phases: encoders,
resampling, loudness and channels leave them alone. Changes are factors, so silence stays silent, and they lie where
the voice itself masks them.

Frames are 32 ms long and 10 ms apart at any rate, so that their bins are 31.25 Hz wide at 16 and at 48 kHz alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from scipy.fft import irfft, irfft2, rfft, rfft2
from scipy.ndimage import uniform_filter, uniform_filter1d
from scipy.signal import resample_poly

from safety import bch

ALGORITHM = "org.candor.log-spectral.1"
RATE = 16_000  # Hz at which the detector listens
WINDOW, HOP = 512, 160  # samples at RATE
LOWEST, BIN_STEP, BANDS = 8, 4, 46  # bins of 31.25 Hz: 250 Hz; 125 Hz; up to 6,000 Hz
EDGES = LOWEST + BIN_STEP * np.arange(BANDS)
TOP = LOWEST + BIN_STEP * BANDS
SLOT = 4  # frames per cell
SLOTS = 50  # cells in time before the pattern repeats: two seconds
PERIOD = SLOT * SLOTS  # frames
PER_BIT = 26  # cells per code bit and repetition; the rest of the 2,300 is the pilot
AROUND = (5 * SLOT, 5)  # frames and bands of the neighbourhood a cell is compared with
CHUNK = 1024  # frames worked on at once
SPAN, STRIDE = 5, 2  # repetitions that are also looked at alone, for a few seconds of ours in a longer sound


@dataclass(frozen=True)
class SoundMarkConfig:
    """Strength and thresholds.

    least, most:  by how many decibels a cell is changed that does not yet lean `wanted` decibels the wanted way.
    masked:       amplitude of the change, as a share of what the voice around the cell masks; it ends below `most`.
    gate, ramp:   decibels below the loud parts of a recording: cells of frames under `gate` are left alone, `ramp`
                  decibels above it they are marked in full.
    threshold:    standard deviations of pilot and code word together above which a mark speaks for itself. The code
                  word is the best of 2^30, which chance alone brings to about 7.
    chance:       with which an unmarked sound may fit one of the issued ids, however many they are.
    """

    least: float = 0.5
    most: float = 4.0
    wanted: float = 2.0
    masked: float = 0.8
    rounds: int = 2
    gate: float = -45.0
    ramp: float = 10.0
    threshold: float = 9.0
    pilot: float = 3.0
    chance: float = 1e-7


@dataclass(frozen=True)
class SoundReading:
    """found: a mark is there and its id was read.  score: standard deviations of pilot and code word together.

    errors: code bits that had to be corrected.  assisted: the id was matched against issued ones.
    """

    found: bool
    id: int
    score: float
    errors: int = 0
    assisted: bool = False


NOTHING = SoundReading(False, 0, 0.0)


class SoundEvidence:
    """What of a sound does not depend on a key: how every cell differs from its neighbours.

    samples: int16 or float (n,) or (n, channels) at `rate` Hz.
    """

    def __init__(self, samples: np.ndarray, rate: int) -> None:
        mono = (samples[:, None] if samples.ndim == 1 else samples).astype(np.float32).mean(1)
        divisor = int(np.gcd(RATE, rate))
        if rate != RATE and len(mono):
            mono = resample_poly(mono, RATE // divisor, rate // divisor).astype(np.float32)
        power = _band_power(mono, 1) if mono.any() else np.zeros((0, BANDS), np.float32)
        self._cells = _lean(_decibels(power), flatten=True) * _trust(power)

    @cached_property
    def folded(self) -> list[np.ndarray]:
        """Sums over repetitions of the pattern, (PERIOD, BANDS) each: of everything, then of ten seconds at a time."""
        if not self._cells.any():
            return []
        repeats = -(-len(self._cells) // PERIOD)
        padded = np.zeros((repeats * PERIOD, BANDS), np.float32)
        padded[: len(self._cells)] = self._cells
        parts = padded.reshape(repeats, PERIOD, BANDS)
        spans = [slice(start, start + SPAN) for start in range(0, repeats - SPAN + STRIDE, STRIDE)]
        return [parts[span].sum(0) for span in (slice(None), *(spans if repeats > SPAN else ()))]


class SoundMark:
    """The mark of one secret key (32 bytes). Immutable: any number of threads may use one."""

    def __init__(self, key: bytes, config: SoundMarkConfig = SoundMarkConfig()) -> None:
        self.config = config
        cells = SLOTS * BANDS
        self._signs = np.where(_keyed_words(key, b"sign", cells) & 1, 1.0, -1.0).astype(np.float32)
        order = np.argsort(_keyed_words(key, b"order", cells), kind="stable")
        self._bit_of = np.full(cells, -1)  # code bit carried by each cell, -1 for the pilot
        self._bit_of[order[: bch.LENGTH * PER_BIT]] = np.arange(bch.LENGTH * PER_BIT) % bch.LENGTH
        self._pilot_cells = cells - bch.LENGTH * PER_BIT
        pilot = np.zeros((PERIOD, BANDS), np.float32)  # one point in the middle of each cell
        pilot[SLOT // 2 :: SLOT] = np.where(self._bit_of < 0, self._signs, 0).reshape(SLOTS, BANDS)
        self._spectrum = np.conj(rfft2(pilot))

    def write(self, playback: np.ndarray, mark_id: int, rate: int) -> np.ndarray:
        """A marked copy of int16 (n, channels) at `rate` Hz, a multiple of 16,000. All channels change alike.

        Raises ValueError when the id has more than 30 bits or the rate is no such multiple.
        """
        factor, rest = divmod(rate, RATE)
        if rest or not factor:
            raise ValueError(f"{rate} Hz is not a multiple of {RATE}")
        if not len(playback):
            return playback.copy()
        gains = self._gains(_band_power(playback.astype(np.float32).mean(1), factor), mark_id)
        channels = [_apply(channel.astype(np.float32), gains, factor) for channel in playback.T]
        return np.clip(np.rint(np.stack(channels, 1)), -32768, 32767).astype(np.int16)

    def read(self, samples: np.ndarray, rate: int) -> SoundReading:
        """Detect in int16 or float (n,) or (n, channels)."""
        return self.find(SoundEvidence(samples, rate))

    def find(self, evidence: SoundEvidence, issued: Sequence[int] = ()) -> SoundReading:
        """The best reading over all offsets, of the whole and of ten seconds at a time.

        issued: ids that may be there; with them a mark is found that is too faint to speak for itself.
        """
        best = NOTHING
        words = 2.0 * bch.encode_many(np.asarray(issued)) - 1.0 if len(issued) else None
        for folded in evidence.folded:
            for pilot, soft in self._candidates(folded):
                reading = self._decode(pilot, soft)
                if words is not None and (not reading.found or reading.id not in issued):
                    reading = self._match(pilot, soft, issued, words) or reading
                if (reading.found, reading.score) > (best.found, best.score):
                    best = reading
            if best.found:
                break
        return best

    def _gains(self, power: np.ndarray, mark_id: int) -> np.ndarray:
        """Factors for every frame and band, float32 (frames, BANDS)."""
        config = self.config
        slots = -(-len(power) // SLOT)
        signs = np.resize(self._pattern(mark_id), (slots, BANDS))
        frame_slot = np.arange(len(power)) // SLOT
        middle = np.minimum(np.arange(slots) * SLOT + SLOT // 2, len(power) - 1)
        level, change = _decibels(power), np.zeros(power.shape, np.float32)
        active = _activity(power, config)[:, None]
        most = np.clip(_inaudible(power, config.masked)[middle], config.least, config.most)
        amount = np.zeros((slots, BANDS), np.float32)
        for turn in range(config.rounds):  # neighbours change too, so what is missing is looked at again
            missing = config.wanted - _lean(level + change)[middle] * signs
            amount = np.clip(missing if turn == 0 else amount + missing / 2, config.least, most)
            change = uniform_filter1d((amount * signs)[frame_slot] * active, 3, axis=0, mode="nearest")
        return np.power(10.0, change / 20).astype(np.float32)

    def _candidates(self, folded: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
        """Pilot and soft code bits at the likeliest offsets, in standard deviations of a single cell."""
        surface = irfft2(rfft2(folded) * self._spectrum, s=folded.shape)  # offsets in time and in frequency
        noise = float(surface[:, 1:].std()) / np.sqrt(self._pilot_cells) + 1e-9  # no mark is shifted in frequency
        column = surface[:, 0] / noise
        for _ in range(3):
            offset = int(column.argmax())
            if column[offset] < self.config.pilot * np.sqrt(self._pilot_cells):
                return
            cells = np.roll(folded, -offset, 0)[SLOT // 2 :: SLOT].ravel() * self._signs / noise
            data = self._bit_of >= 0
            yield float(column[offset]), np.bincount(self._bit_of[data], cells[data], bch.LENGTH)
            column[np.arange(offset - SLOT, offset + SLOT + 1) % PERIOD] = -np.inf

    def _decode(self, pilot: float, soft: np.ndarray) -> SoundReading:
        mark_id, errors = bch.decode(soft)
        score = self._score(pilot, soft, 2.0 * bch.encode(mark_id) - 1.0)
        return SoundReading(score >= self.config.threshold, mark_id, score, errors)

    def _match(self, pilot: float, soft: np.ndarray, issued: Sequence[int], words: np.ndarray) -> SoundReading | None:
        fit = words @ soft / np.sqrt(bch.LENGTH * PER_BIT)  # standard normal for a wrong id
        best = int(fit.argmax())
        if fit[best] < NormalDist().inv_cdf(1 - self.config.chance / len(issued)):
            return None
        errors = int(((soft > 0) != (words[best] > 0)).sum())
        return SoundReading(True, int(issued[best]), self._score(pilot, soft, words[best]), errors, assisted=True)

    def _score(self, pilot: float, soft: np.ndarray, word: np.ndarray) -> float:
        return float((pilot + word @ soft) / np.sqrt(SLOTS * BANDS))

    def _pattern(self, mark_id: int) -> np.ndarray:
        """float32 (SLOTS, BANDS) of -1 and 1. Raises ValueError."""
        code = np.append(2.0 * bch.encode(mark_id) - 1.0, 1.0).astype(np.float32)
        return (self._signs * code[self._bit_of]).reshape(SLOTS, BANDS)  # -1 picks the last: the pilot is +1


def _keyed_words(key: bytes, label: bytes, count: int) -> np.ndarray:
    """uint64 (count,) from SHA-256 in counter mode: the same on every machine and every version of NumPy."""
    prefix = key + b"|sound-mark/1|" + label
    digests = [hashlib.sha256(prefix + i.to_bytes(4, "big")).digest() for i in range(count // 4 + 1)]
    return np.frombuffer(b"".join(digests), ">u8")[:count].astype(np.uint64)


def _frames(channel: np.ndarray, factor: int) -> Iterator[tuple[int, np.ndarray]]:
    """(index of the first, windowed frames (k, WINDOW * factor)), the first frame centred on the first sample."""
    window, hop = WINDOW * factor, HOP * factor
    padded = np.pad(channel, (window // 2, window // 2 + hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    for start in range(0, len(frames), CHUNK):
        yield start, frames[start : start + CHUNK] * _window(factor)


def _window(factor: int) -> np.ndarray:
    """Root of a Hann window, used before and after: together they add up evenly."""
    size = WINDOW * factor
    return np.sin(np.pi * (np.arange(size) + 0.5) / size).astype(np.float32)


def _band_power(mono: np.ndarray, factor: int) -> np.ndarray:
    """Power of every frame and band, float32 (frames, BANDS)."""
    spectra = (np.abs(rfft(frames, axis=1)[:, :TOP]) ** 2 for _, frames in _frames(mono, factor))
    return np.concatenate([np.add.reduceat(power, EDGES, axis=1) for power in spectra]).astype(np.float32)


def _decibels(power: np.ndarray) -> np.ndarray:
    """Levels, with a floor 70 dB below the loud cells: what an encoder leaves there says nothing."""
    floor = 1e-7 * float(np.percentile(power, 95)) if power.size else 0.0
    return (10 * np.log10(power + floor + 1e-20)).astype(np.float32)


def _activity(power: np.ndarray, config: SoundMarkConfig) -> np.ndarray:
    """Per frame from 0 in pauses to 1 in speech, float32 (frames,)."""
    level = 10 * np.log10(power.sum(1) + 1e-20)
    loud = float(np.percentile(level, 95)) if len(level) else 0.0
    return np.clip((level - loud - config.gate) / config.ramp, 0, 1).astype(np.float32)


def _trust(power: np.ndarray) -> np.ndarray:
    """Per cell from 0 to 1, float32 (frames, BANDS): 0 in pauses, and where a band shows no more than its noise.

    The noise of a band is what it holds in its quietest twentieth; 6 dB above it a cell counts in full.
    """
    if not len(power):
        return power
    level = uniform_filter1d(_decibels(power), SLOT, axis=0, mode="nearest")
    above = level - np.percentile(level, 5, axis=0).astype(np.float32)
    return np.clip(above / 6, 0, 1) * _activity(power, SoundMarkConfig())[:, None]


def _inaudible(power: np.ndarray, share: float) -> np.ndarray:
    """By how many decibels a cell may change until the change reaches `share` of the masked amplitude.

    What a band masks is the power that all bands spread to it (Schroeder, Atal & Hall, J. Acoust. Soc. Am. 66(6),
    1979), less 14 dB: what a tone leaves hidden, the strictest case. float32 (frames, BANDS).
    """
    hertz = 31.25 * (EDGES + BIN_STEP / 2)
    bark = 13 * np.arctan(0.00076 * hertz) + 3.5 * np.arctan((hertz / 7500) ** 2)
    apart = bark[None] - bark[:, None] + 0.474  # (masking band, masked band)
    spread = 10 ** ((15.81 + 7.5 * apart - 17.5 * np.sqrt(1 + apart**2)) / 10)
    # A running sum leaves less than nothing where digital silence follows speech.
    smooth = np.maximum(uniform_filter1d(power, SLOT, axis=0, mode="nearest"), 0)
    mask = smooth @ spread.astype(np.float32) * np.float32(10**-1.4)
    change: np.ndarray = 20 * np.log10(1 + share * np.sqrt(mask / (smooth + 1e-12)))
    return change


def _lean(level: np.ndarray, flatten: bool = False) -> np.ndarray:
    """How far each cell (mean of SLOT frames) stands above its neighbours in time and in frequency.

    flatten: in units of the usual deviation around it, limited to one, so that no syllable outvotes the others.
    """
    if not len(level):
        return level
    cells = uniform_filter1d(level, SLOT, axis=0, mode="nearest")
    cells = cells - uniform_filter1d(cells, AROUND[0], axis=0, mode="nearest")
    cells -= uniform_filter1d(cells, AROUND[1], axis=1, mode="nearest")
    if not flatten:
        return cells
    variance = uniform_filter(cells * cells, (2 * AROUND[0], AROUND[1]), mode="nearest")
    return np.clip(cells / (np.sqrt(np.maximum(variance, 0)) + 1.0), -1, 1)


def _apply(channel: np.ndarray, gains: np.ndarray, factor: int) -> np.ndarray:
    """Overlap-add of the frames with their bands scaled, float32 (n,)."""
    window, hop = WINDOW * factor, HOP * factor
    shape = _window(factor)
    out = np.zeros(len(channel) + 2 * window + hop, np.float32)
    weight = np.zeros_like(out)
    for start, frames in _frames(channel, factor):
        spectrum = rfft(frames, axis=1)
        spectrum[:, LOWEST:TOP] *= np.repeat(gains[start : start + len(frames)], BIN_STEP, axis=1)
        back = irfft(spectrum, window, axis=1) * shape
        for index, frame in enumerate(back):
            place = (start + index) * hop
            out[place : place + window] += frame
            weight[place : place + window] += shape * shape
    inside = slice(window // 2, window // 2 + len(channel))
    return out[inside] / np.maximum(weight[inside], 1e-6)


__all__ = ["ALGORITHM", "NOTHING", "SoundEvidence", "SoundMark", "SoundMarkConfig", "SoundReading"]
