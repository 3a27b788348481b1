"""Do the lips say what is heard? Measured on decoded landmarks, before any rendering.

    python -m benchmarks.lipsync DATA_DIR [--tracks .cache/tracks] [--model FOLDER] [--json OUT]     a motion model
    python -m benchmarks.lipsync DATA_DIR [--tracks .cache/tracks] --encoders visemes speech          the hearing alone
    python -m benchmarks.lipsync DATA_DIR --live                    the motion model as a live stream

Speech that training never heard (vasa_core.training.speech_corpus.HELD_OUT and clips/dev) drives an average face.
Phones come from PocketSphinx, so these figures need English. With --encoders the lips come straight from what each
encoder hears, in one run, so that encoders can be compared; without, a motion model moves them.

  accuracy, bilabial_auc   of the visemes of every 20 ms against the (automatic, imperfect) labels; encoders only
  viseme_auc   chance that the lips are further apart in an open vowel than in a closure of /m b p/
  closure      share of /m b p/ whose lips come closer than 15 % of the clip's 95th percentile (seal: 10 %)
  lag_ms       shift of the sound against the lips that maximises viseme_auc (positive: lips late)
  silence      movement of the lips in silence / in speech
  settle_ms    time from the end of the last word until the lips stay within 10 % of their 95th percentile
  ap95         95th percentile of inner-lip opening / face height;  dP, std: head angles in degrees;  blinks a minute;
  jitter       share of the head angles' power above 6 Hz;  cpu: CPU seconds per second of speech

Then the same lips: under music (5 dB below the speech, alone before and after it), in other languages and sung
(synthesised in voices that training did not use, so that the phones are exact), in real recordings of other languages
and songs, and, with --tracks, beside the real talkers of clips/dev: correlation of the opening, and lip-vertex error in
% of the face's width, also at each talker's own gain.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.lips import EncoderLips, Source, against_talkers, encoder_sources
from benchmarks.scores import pool, score_head, score_lips
from benchmarks.voices import foreign, real_voices, sung, under_music
from vasa_core.face.alignment import aperture
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import Articulation
from vasa_core.motion.diffusion import DiffusionMotion
from vasa_core.motion.features import load_encoder
from vasa_core.motion.visemes import VISEMES
from vasa_core.training.labelling import align_phones
from vasa_core.training.media import read_sound
from vasa_core.training.phones import Phone, viseme_labels
from vasa_core.training.speech_corpus import ENGLISH_FILES, HELD_OUT
from vasa_core.types import SAMPLE_RATE, Controls, Motion
from vasa_core.weights import FOLDER

LIVE_PIECE = SAMPLE_RATE // 50

Clip = tuple[str, np.ndarray, list[Phone]]
Mover = Callable[[np.ndarray, Controls], Motion]


def held_out_files(data: Path) -> list[Path]:
    """English speech that training never heard."""
    files = sorted((data / "speech").glob("*")) + sorted((data / "clips" / "dev").glob("*"))
    return [
        f for f in files if (f.parent.name == "dev" and f.name.startswith(ENGLISH_FILES)) or f.name.startswith(HELD_OUT)
    ]


def viseme_scores(posteriors: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Share of 20 ms named as labelled, and AUC of the bilabial posterior against the open classes."""
    count = min(len(posteriors), len(labels))
    p, label = posteriors[:count], labels[:count]
    closed = p[label == VISEMES.index("bilabial"), VISEMES.index("bilabial")]
    opened = p[label >= VISEMES.index("open"), VISEMES.index("bilabial")]
    auc = float((closed[:, None] > opened).mean()) if len(closed) and len(opened) else float("nan")
    return {"accuracy": float((p.argmax(1) == label).mean()), "bilabial_auc": auc}


def encoder_row(lips: EncoderLips, samples: np.ndarray, phones: list[Phone]) -> dict[str, Any]:
    """Figures of one clip for one encoder."""
    began = time.process_time()
    heard = lips.features(samples)
    spent = time.process_time() - began
    labels = viseme_labels(phones, len(samples) / SAMPLE_RATE, ipa=False)
    opening = aperture(lips.space.template + lips(samples))
    row = score_lips(opening, phones, samples) | viseme_scores(lips.posteriors(heard), labels)
    return row | {"seconds": len(samples) / SAMPLE_RATE, "cpu": spent / len(samples) * SAMPLE_RATE}


def model_row(model: Mover, space: FaceSpace, samples: np.ndarray, phones: list[Phone], seed: int) -> dict[str, Any]:
    """Figures of one clip for a motion model."""
    began = time.process_time()
    motion = model(samples, Controls(seed=seed))
    spent = time.process_time() - began
    face = space.template + space.decode(motion.dynamics)
    row = score_lips(aperture(face), phones, samples) | score_head(np.degrees(motion.pose[:, :3].astype(float)), face)
    return row | {"seconds": len(samples) / SAMPLE_RATE, "cpu": spent / len(samples) * SAMPLE_RATE}


@dataclass(frozen=True)
class Live:
    """A motion model that hears the sound in pieces of 20 ms; English alone is measured so."""

    model: DiffusionMotion

    def __call__(self, samples: np.ndarray, controls: Controls) -> Motion:
        stream = self.model.stream(controls)
        pieces = [stream.push(samples[k : k + LIVE_PIECE]) for k in range(0, len(samples), LIVE_PIECE)]
        pieces.append(stream.finish())
        return Motion(np.concatenate([m.pose for m in pieces]), np.concatenate([m.dynamics for m in pieces]))


def show(title: str, figures: dict[str, Any]) -> None:
    """One line of rounded numbers."""
    print(title, json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--tracks", type=Path)
    parser.add_argument("--weights", type=Path, help="folder with other weights than the shipped ones")
    parser.add_argument("--model", type=Path, help="another motion model than the shipped one")
    parser.add_argument("--encoders", nargs="*", help="compare encoders by name instead of running a motion model")
    parser.add_argument("--live", action="store_true", help="run the motion model as a live stream")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = FaceSpace.from_pretrained(options.weights and options.weights / "face_space.safetensors")
    clips: list[Clip] = []
    for path in held_out_files(options.data):
        samples = read_sound(path)
        clips.append((path.name, samples, align_phones(samples)))
    out: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    if options.encoders:
        articulation = Articulation.from_pretrained()
        ears = encoder_sources(space, articulation, [load_encoder(n, options.weights) for n in options.encoders])
        for name, lips in ears.items():
            rows = [encoder_row(lips, samples, phones) for _, samples, phones in clips]
            out[f"English: {name}"] = pool(rows)
            show(f"English, {name}:", out[f"English: {name}"])
        sources.update(ears)
    else:
        whole = DiffusionMotion.from_pretrained(options.model or FOLDER / "motion_live", options.weights)
        model: Mover = Live(whole) if options.live else whole
        rows = []
        for name, samples, phones in clips:
            rows.append({"file": name} | model_row(model, space, samples, phones, options.seed))
            show("", rows[-1])
        out |= {"clips": rows, "pooled": pool(rows)}
        show("pooled:", out["pooled"])
        sources["lips"] = lambda samples: space.decode(model(samples, Controls(seed=options.seed)).dynamics)
    sections = (
        {}
        if options.live
        else {
            "under music": under_music(sources, space, clips),
            "other languages": foreign(sources, space),
            "sung": sung(sources, space),
            "real recordings": real_voices(sources, space, options.data),
        }
    )
    for title, section in sections.items():
        for name, figures in section.items():
            show(f"{title}, {name}:", figures)
    out |= sections
    if options.tracks:
        talkers = against_talkers(sources, space, options.data, options.tracks)
        print("beside the real talkers of clips/dev, means over clips:")
        for name, row in talkers.items():
            means = {key: float(np.mean(list(values.values()))) for key, values in row.items() if key != "offset_ms"}
            show(f"  {name}:", means)
        first = next(iter(talkers.values()))
        for name in first["r"]:
            curves = ", ".join(f"{source} {row['r'][name]:.2f}" for source, row in talkers.items() if source != "still")
            print(f"  {name}: offset {first['offset_ms'][name]} ms; {curves}")
        out["talkers"] = talkers
    if options.json:
        options.json.write_text(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
