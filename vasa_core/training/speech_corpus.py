"""Build the speech corpus: sound with the viseme of every 20 ms.

    python -m vasa_core.training.speech_corpus [--data DATA_DIR] [-o .cache/speech] [--utterances 2400] [--seed 0]

Synthesised: flite's four English voices and espeak-ng in 21 languages and many voices, with exact phone times. Real
             (only with
--data): English speech of DATA_DIR/speech and DATA_DIR/clips/train, labelled by forced alignment with PocketSphinx; the
files of HELD_OUT are left for measuring. Shards of SHARD utterances are written whole or not at all and skipped when
there.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vasa_core.errors import CandorError
from vasa_core.training.labelling import align_phones
from vasa_core.training.media import read_sound
from vasa_core.training.phones import viseme_labels
from vasa_core.training.synthesis import FLITE_VOICES, Espeak, flite
from vasa_core.training.texts import GLUE, SENTENCES
from vasa_core.types import SAMPLE_RATE

SHARD = 200  # utterances per file
ESPEAK_VARIANTS = (
    "",
    "+m1",
    "+m2",
    "+m3",
    "+m4",
    "+m5",
    "+m7",
    "+f1",
    "+f2",
    "+f3",
    "+f4",
    "+f5",
    "+croak",
    "+whisper",
)
ENGLISH = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp")

# English recordings of DATA_DIR/speech, and those of them that training never hears.
ENGLISH_FILES: tuple[str, ...] = (
    "eamm_",
    "sadtalker_rd_",
    "joyvasa_joyvasa_002",
    "joyvasa_joyvasa_003",
    "joyvasa_joyvasa_005",
)
ENGLISH_FILES += ("joyvasa_joyvasa_006", "anitalker_english", "anitalker_monalisa", "anitalker_speech4")
ENGLISH_FILES += (
    "anitalker_statue",
    "video-retalking_",
    "ditto-",
    "lipnet_",
    "audio-visual",
    "dfrf_cnn2",
    "edtalk_pose",
)
ENGLISH_FILES += ("sadtalker_wda", "fsgan_conan", "imtalker_")
HELD_OUT: tuple[str, ...] = (
    "anitalker_english_female",
    "anitalker_statue",
    "ditto-talkinghead_audio",
    "eamm_sample1",
    "joyvasa_joyvasa_003",
)
HELD_OUT += ("sadtalker_rd_radio36_000",)


class CorpusMissing(CandorError):
    """The training corpus has not been built."""

    code = "corpus_missing"


@dataclass(frozen=True)
class Utterance:
    """Sound, float32 (n,) at 16 kHz, and labels, uint8 (ceil(n / 320),)."""

    samples: np.ndarray
    labels: np.ndarray


def english_words() -> list[str]:
    """Words of the CMU dictionary in PocketSphinx' wheel; the glue words alone when that is not installed."""
    try:
        import pocketsphinx
    except ImportError:
        return list(GLUE)
    with open(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")) as f:
        words = (line.split(" ", 1)[0] for line in f)
        return [w for w in words if w.isalpha() and 2 < len(w) < 12]


def _english_text(rng: np.random.Generator, dictionary: list[str]) -> str:
    words = [
        str(rng.choice(GLUE) if rng.random() < 0.55 else rng.choice(dictionary)) for _ in range(rng.integers(5, 17))
    ]
    if len(words) > 8 and rng.random() < 0.5:
        words[len(words) // 2] += ","
    return " ".join(words)


def _foreign_text(rng: np.random.Generator, language: str) -> str:
    sentences = SENTENCES[language]
    if language in ("cmn", "ja") or rng.random() < 0.3:
        return str(rng.choice(sentences))
    words = [w for s in sentences for w in s.split()]
    return " ".join(rng.choice(words, rng.integers(6, 14)))


def synthesise(rng: np.random.Generator, dictionary: list[str], espeak: Espeak) -> Utterance | None:
    """One utterance in a random voice, tempo and pitch; None when a voice said nothing."""
    tempo = float(np.exp(rng.normal(0, 0.18)))
    if rng.random() < 0.08:
        tempo *= 1.8  # drawn out, towards singing
    if rng.random() < 0.5:
        f0 = float(rng.uniform(80, 260)) if rng.random() < 0.6 else None
        samples, phones = flite(_english_text(rng, dictionary), str(rng.choice(FLITE_VOICES)), 1.05 * tempo, f0)
        ipa = False
    else:
        if rng.random() < 0.4:
            voice, text = str(rng.choice(ENGLISH)), _english_text(rng, dictionary)
        else:
            voice = str(rng.choice(sorted(SENTENCES)))
            text = _foreign_text(rng, voice)
        voice += str(rng.choice(ESPEAK_VARIANTS))
        samples, phones = espeak.say(
            text, voice, int(150 / tempo), int(rng.integers(10, 95)), int(rng.integers(20, 90))
        )
        phones = [p for p in phones if not p[0].startswith("(")]  # marks of a change of language
        ipa = True
    if len(samples) < SAMPLE_RATE:
        return None
    return _labelled(samples, viseme_labels(phones, len(samples) / SAMPLE_RATE, ipa))


def _labelled(samples: np.ndarray, labels: np.ndarray) -> Utterance:
    """Cut to whole 20 ms frames."""
    count = min(len(labels), len(samples) // 320)
    return Utterance(samples[: count * 320].astype(np.float32), labels[:count])


def real_speech(data: Path, held_out: bool = False) -> Iterator[tuple[str, Utterance]]:
    """English recordings under `data` with aligned labels: those to train on, or the held-out ones and clips/dev."""
    files = sorted((data / "speech").glob("*.ogg"))
    files += sorted((data / "clips" / ("dev" if held_out else "train")).glob("*.mp4"))
    for path in files:
        is_dev = path.parent.name == "dev"
        english = path.name.startswith(ENGLISH_FILES)
        if not english or (not is_dev and path.name.startswith(HELD_OUT) != held_out):
            continue
        samples = read_sound(path)
        phones = align_phones(samples) if len(samples) > SAMPLE_RATE else []
        if phones:
            yield path.stem, _labelled(samples, viseme_labels(phones, len(samples) / SAMPLE_RATE, ipa=False))


def save_shard(path: Path, utterances: Iterable[Utterance]) -> int:
    """Write utterances as one .npz, whole or not at all; how many seconds it holds."""
    items = list(utterances)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.stem + ".part.npz")
    samples = np.concatenate([u.samples for u in items])
    np.savez(
        part,
        samples=(np.clip(samples, -1, 1) * 32767).astype(np.int16),
        labels=np.concatenate([u.labels for u in items]),
        frames=np.array([len(u.labels) for u in items]),
    )
    os.replace(part, path)
    return len(samples) // SAMPLE_RATE


def load_shard(path: Path) -> list[Utterance]:
    with np.load(path) as f:
        ends = np.cumsum(f["frames"])
        samples, labels = f["samples"].astype(np.float32) / 32768, f["labels"]
    return [
        Utterance(samples[(end - n) * 320 : end * 320], labels[end - n : end])
        for end, n in zip(ends, np.diff(ends, prepend=0), strict=True)
    ]


def build(output: Path, count: int, seed: int, report: Callable[[str], None] = print) -> None:
    """Write the synthesised shards that are not there yet. Raises ToolMissing."""
    dictionary, espeak = english_words(), Espeak()
    for shard in range(-(-count // SHARD)):
        path = output / f"synthetic_{shard:03d}.npz"
        if path.exists():
            continue
        rng = np.random.default_rng([seed, shard])
        made: list[Utterance] = []
        while len(made) < min(SHARD, count - shard * SHARD):
            utterance = synthesise(rng, dictionary, espeak)
            if utterance is not None:
                made.append(utterance)
        report(f"{path.name}: {save_shard(path, made)} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, help="folder with speech/ and clips/train; without it, synthesised speech only"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path(".cache/speech"))
    parser.add_argument("--utterances", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.data:
        for held_out in (False, True):
            path = options.output / ("real_held_out.npz" if held_out else "real_train.npz")
            if not path.exists():
                print(
                    f"{path.name}: {save_shard(path, (u for _, u in real_speech(options.data, held_out)))} s",
                    flush=True,
                )
    build(options.output, options.utterances, options.seed, lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
