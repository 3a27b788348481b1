"""`python -m demo.samples`: synthesise the voices and make the prepared clips, through the real consent and seal.

Needs flite and espeak-ng (Debian packages of these names) for the voices. The clips are signed by an authority that
lives for this one run; its public certificate is kept beside them, its private key is destroyed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import wave
from functools import partial
from pathlib import Path

import av
import numpy as np
from PIL import Image

from demo import samples
from demo.samples import FOLDER, Sample
from demo.samples.character import draw
from vasa_core.audio import load_speech
from vasa_core.errors import CandorError
from vasa_core.types import PLAYBACK_RATE

VOICE_RATE, VOICE_BITS = 48_000, 64_000  # Hz and bits per second of the stored recordings
POSTER = 320  # pixels
WORDS_PER_MINUTE = "150"
TUNE = (40, 60, 75, 60, 50, 70, 85, 75, 60, 70, 50, 40)  # espeak-ng pitches, 0..99


def synthesise(sample: Sample) -> None:
    """Speak the recipe's text into the sample's AAC file."""
    program, _, voice = sample.recipe.voice.partition(":")
    with tempfile.TemporaryDirectory() as scratch:
        spoken = Path(scratch) / "voice.wav"
        if program == "chant":
            chant(sample.recipe.text, voice, spoken)
            return _encode(spoken, sample.speech)
        if program == "flite":
            command = ["flite", "-voice", voice, "-t", sample.recipe.text, "-o", str(spoken)]
        else:
            command = ["espeak-ng", "-v", voice, "-s", WORDS_PER_MINUTE, "-w", str(spoken), sample.recipe.text]
        subprocess.run(command, check=True)
        _encode(spoken, sample.speech)


def chant(text: str, voice: str, out: Path) -> None:
    """Every word on a note of a slow tune. espeak-ng's pitch control shifts the note; its rate stretches the word."""
    parts = []
    for number, word in enumerate(text.split()):
        note = out.with_name(f"{number}.wav")
        pitch = str(TUNE[number % len(TUNE)])
        command = ["espeak-ng", "-v", voice, "-s", "80", "-p", pitch, "-w", str(note), "-z", f"{word}..."]
        subprocess.run(command, check=True)
        parts.append(load_speech(note))
    sound = np.concatenate([part.playback[:, :1] for part in parts])
    with wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(PLAYBACK_RATE)
        file.writeframes(sound.tobytes())


def _encode(wave_file: Path, target: Path) -> None:
    with av.open(str(wave_file)) as source, av.open(str(target), "w", options={"movflags": "faststart"}) as sink:
        track = sink.add_stream("aac", rate=VOICE_RATE, layout="mono")
        track.bit_rate = VOICE_BITS
        resampler = av.AudioResampler("fltp", "mono", VOICE_RATE)
        for frame in [*source.decode(audio=0), None]:
            for part in resampler.resample(frame):
                sink.mux(track.encode(part))
        sink.mux(track.encode(None))


def make_clips(chosen: list[Sample]) -> None:
    """Make and seal every clip under one authority that is gone afterwards."""
    from demo.studio import Studio
    from safety.consent import Attestation
    from vasa_core.types import Controls

    with tempfile.TemporaryDirectory(prefix="candor-samples-") as home:
        studio = Studio(Path(home) / "vault")
        for sample in chosen:
            recipe = sample.recipe
            attestation = Attestation(**recipe.attestation, expires_days=3650)
            made = studio.create(
                sample.photo,
                sample.speech,
                partial(studio.consent, attestation),
                sample.clip,
                controls=Controls(**recipe.controls),
                fps=recipe.fps,
                names=(sample.photo.name, sample.speech.name),
            )
            sample.facts.write_text(json.dumps(made.report() | {"out": sample.clip.name}, indent=1) + "\n", "utf-8")
            _poster(sample)
            print(f"{sample.clip.name}: {made.sealed.seconds:.1f} s, {sample.clip.stat().st_size // 1024} KiB")
        (FOLDER / "anchor.pem").write_text(studio.vault.authority.anchor_pem, "utf-8")
        studio.vault.close()


def _poster(sample: Sample) -> None:
    """A small still from the middle of the clip."""
    with av.open(str(sample.clip)) as source:
        pictures = list(source.decode(video=0))
    pictures[len(pictures) // 2].to_image().resize((POSTER, POSTER)).save(sample.poster, quality=85)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo.samples", description=__doc__)
    parser.add_argument("--voices", action="store_true", help="only synthesise the voices")
    parser.add_argument("--clips", action="store_true", help="only make the clips")
    args = parser.parse_args()
    chosen = samples.recipes()
    try:
        picture = FOLDER / "rosalind.jpg"
        if not picture.exists():
            Image.fromarray(draw()).save(picture, quality=92)
        if not args.clips:
            for sample in chosen:
                synthesise(sample)
        if not args.voices:
            make_clips(chosen)  # all of them: they share one authority
    except FileNotFoundError as error:
        print(f"{error.filename} is missing. Install it with: apt-get install flite espeak-ng", file=sys.stderr)
        return 2
    except CandorError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
