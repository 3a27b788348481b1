"""Voices that are harder than clean English: under music, in other languages, sung."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.lips import Source, score_exact
from benchmarks.scores import pool, viseme_figures
from vasa_core.face.alignment import aperture
from vasa_core.face.space import FaceSpace
from vasa_core.motion.prosody import analyse
from vasa_core.training.augment import along, music, tempo_path
from vasa_core.training.media import read_sound
from vasa_core.training.phones import Phone, viseme_labels
from vasa_core.training.speech_corpus import ENGLISH_FILES, HELD_OUT
from vasa_core.training.synthesis import Espeak
from vasa_core.training.texts import SENTENCES
from vasa_core.types import MOTION_RATE, SAMPLE_RATE

BEFORE, AFTER = 2.0, 3.0  # seconds of music alone
MUSIC_DB = -5.0  # of the music against the speech
VARIANTS = ("+m6", "+m8", "+linda", "+steph", "+travis", "+belinda")  # none is in speech_corpus.ESPEAK_VARIANTS
SINGING = ("imagine", "itosinger1")  # parts of the names of recorded songs
Rows = dict[str, dict[str, float]]


def opening_of(source: Source, space: FaceSpace, samples: np.ndarray) -> np.ndarray:
    return aperture(space.template + source(samples))


def under_music(sources: dict[str, Source], space: FaceSpace, clips: list[tuple[str, np.ndarray, list[Phone]]]) -> Rows:
    """Held-out English under music that goes on before and after it.

    silence: movement of the lips in music alone / in speech.   settle_ms: from the end of the voice until the lips rest
    for a second;   settled: share of the clips in which that takes 300 ms at most.
    """
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in sources}
    for index, (_, samples, phones) in enumerate(clips):
        rng = np.random.default_rng([77, index])
        lead = int(BEFORE * SAMPLE_RATE)
        sound = np.pad(samples, (lead, int(AFTER * SAMPLE_RATE)))
        loud = float(np.sqrt((samples**2).mean()))
        mixed = sound + music(rng, len(sound) / SAMPLE_RATE + 1)[: len(sound)] * loud * 10 ** (MUSIC_DB / 20)
        mixed = (mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32)
        moved = [(name, start + BEFORE, end + BEFORE) for name, start, end in phones]
        for name, source in sources.items():
            opening = opening_of(source, space, mixed)
            row = viseme_figures(opening, moved)
            last = int(np.ceil(max(end for _, _, end in moved) * MOTION_RATE))
            voiced = np.flatnonzero(analyse(samples, int(len(samples) / SAMPLE_RATE * MOTION_RATE)).activity > 0.5)
            last = max(last, int(BEFORE * MOTION_RATE) + int(voiced[-1]) + 1)  # the aligner may miss the last word
            begun = int(min(start for _, start, _ in moved) * MOTION_RATE)
            speed = np.abs(np.diff(opening))
            alone = np.concatenate([speed[: begun - 3], speed[last + 8 :]])
            row["silence"] = float(alone.mean() / speed[begun:last].mean())
            row["settle_ms"] = settle(opening, last)
            row["settled"] = float(row["settle_ms"] <= 300)
            rows[name].append(row | {"seconds": len(samples) / SAMPLE_RATE})
    return {name: pool(r) for name, r in rows.items()}


def settle(opening: np.ndarray, last: int) -> float:
    """Time in ms from the frame `last` until the opening falls under 10 % of its 95th percentile for a second."""
    wide = 0.1 * float(np.percentile(opening, 95))
    for start in range(last, len(opening)):
        if (opening[start : start + MOTION_RATE] < wide).all():
            return 1000 * (start - last) / MOTION_RATE
    return 1000 * (len(opening) - last) / MOTION_RATE


@lru_cache(maxsize=1)
def synthetic() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Two utterances in each language, in voices that training did not use: sound and visemes at 50 Hz."""
    rng, espeak = np.random.default_rng(2026), Espeak()
    out = []
    for language in sorted(SENTENCES):
        for _ in range(2):
            voice = language + str(rng.choice(VARIANTS))
            text = " ".join(str(s) for s in rng.choice(SENTENCES[language], 2, replace=False))
            samples, phones = espeak.say(text, voice, 150, int(rng.integers(25, 75)), 60)
            phones = [p for p in phones if not p[0].startswith("(")]
            labels = viseme_labels(phones, len(samples) / SAMPLE_RATE, ipa=True)
            count = min(len(labels), len(samples) // 320)
            if count > 100:
                rest = np.zeros(SAMPLE_RATE, np.float32)  # a second of silence after the last word
                padded = np.concatenate([samples[: count * 320], rest])
                out.append((padded, np.concatenate([labels[:count], np.zeros(50, np.uint8)])))
    return tuple(out)


def foreign(sources: dict[str, Source], space: FaceSpace) -> Rows:
    """Lips against exact phones in every language of the corpus."""
    return {
        name: pool(
            [
                score_exact(opening_of(source, space, samples), labels, samples)
                | {"seconds": len(samples) / SAMPLE_RATE}
                for samples, labels in synthetic()
            ]
        )
        for name, source in sources.items()
    }


def sung(sources: dict[str, Source], space: FaceSpace) -> Rows:
    """The same utterances along melodies: held and gliding vowels, vibrato, with music under them."""
    songs = []
    for index, (samples, labels) in enumerate(synthetic()):
        rng = np.random.default_rng([78, index])
        path = tempo_path(rng, len(labels), int(1.2 * len(labels)), sung=1.0)
        path -= path[0]  # from the beginning
        at = np.clip(((path[1:] + path[:-1]) / 2).astype(int), 0, None)
        voice = along(samples, path)
        band = music(rng, len(voice) / SAMPLE_RATE + 1)[: len(voice)]
        mixed = voice + band * float(voice.std()) * 10 ** (-10 / 20)
        notes = np.where(at < len(labels), labels[np.minimum(at, len(labels) - 1)], 0).astype(np.uint8)
        songs.append(((mixed / max(1.0, float(np.abs(mixed).max()))).astype(np.float32), notes))
    out: Rows = {}
    for name, source in sources.items():
        rows = []
        for samples, labels in songs:
            row = score_exact(opening_of(source, space, samples), labels, samples)
            row = {k: v for k, v in row.items() if k not in ("silence", "settle_ms")}  # the band plays on
            rows.append(row | {"seconds": len(samples) / SAMPLE_RATE})
        out[name] = pool(rows)
    return out


def recordings(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Real speech in other languages than English, and songs."""
    for path in sorted((data / "speech").glob("*.ogg")):
        if not path.name.startswith((*ENGLISH_FILES, *HELD_OUT)):
            yield path.stem, read_sound(path)


def real_voices(sources: dict[str, Source], space: FaceSpace, data: Path) -> Rows:
    """Real recordings without phones: does the opening follow the voice, and does it rest when that is silent?

    loudness_r: correlation of opening and loudness (real talkers: about 0.5).   silence: movement of the lips in
    silence / in speech, of those recordings that have any.
    """
    rows: dict[str, list[dict[str, float]]] = {}
    for file, samples in recordings(data):
        for name, source in sources.items():
            opening = opening_of(source, space, samples)
            tone = analyse(samples, len(opening))
            kind = "songs" if any(s in file for s in SINGING) else "speech"
            row = {"loudness_r": float(np.corrcoef(opening, tone.energy)[0, 1])}
            row["ap95"] = float(np.percentile(opening, 95))
            row["seconds"] = len(samples) / SAMPLE_RATE
            quiet = tone.activity < 0.02
            still = quiet[1:] & quiet[:-1]
            speed = np.abs(np.diff(opening))
            if still.sum() >= 10:
                row["silence"] = float(speed[still].mean() / speed[~still].mean())
            rows.setdefault(f"{name}, {kind}", []).append(row)
    return {name: pool(r) for name, r in rows.items()}
