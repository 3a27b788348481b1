"""Photo and speech to a sealed MP4: where the time goes.

    python -m benchmarks.pipeline [--fps 40] [--seconds 10] [--photo FILE] [--speech FILE]
    python -m benchmarks.pipeline --minutes 5 [--fps 40]

Prints wall time per stage, frames per second of wall time, CPU seconds and peak memory. The whole path runs: consent,
motion, rendering, marking, encoding, signing, self-check. Keys and ledger are thrown away afterwards. With `--minutes`
one video of that length is made and the peak of memory within each minute of video is printed (of less than four
minutes: within each quarter).
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from safety import Attestation, Vault, attest, issue_token, seal
from vasa_core.audio import load_speech
from vasa_core.photo import load_photo
from vasa_core.pipeline import TalkingFace, frame_count
from vasa_core.types import PLAYBACK_RATE, SAMPLE_RATE, Controls, Photo, Speech

SAMPLES = Path(__file__).parent.parent / "demo" / "samples"


def of_length(speech: Speech, seconds: float) -> Speech:
    """The clip repeated and cut to a length."""

    def fit(x: np.ndarray, rate: int) -> np.ndarray:
        count = round(seconds * rate)
        return np.concatenate([x] * (-(-count // len(x))))[:count]

    return replace(speech, samples=fit(speech.samples, SAMPLE_RATE), playback=fit(speech.playback, PLAYBACK_RATE))


def peak_since_last() -> float:
    """GiB, the most resident memory since the last call (Linux 4.0 and later), elsewhere since the program began."""
    status, peak = Path("/proc/self/status"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    try:
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        peak = int(line.split()[1]) / 2**20
        Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back to what is resident now: proc(5)
    except (OSError, ValueError):
        pass
    return peak


def watched(frames: Iterable[np.ndarray], fps: int, every: int) -> Iterator[np.ndarray]:
    """The frames, unchanged; says after each `every` of them how much memory was in use at most."""
    for index, frame in enumerate(frames, 1):
        yield frame
        if index % every == 0:
            print(f"frames to second {index / fps:4.0f}, encoded        {peak_since_last():5.2f} GiB", flush=True)


def memory(core: TalkingFace, photo: Photo, speech: Speech, fps: int) -> None:
    """Print the peak of memory by stage and by minute of video, of one video from photo to sealed file."""
    peak_since_last()
    with tempfile.TemporaryDirectory() as folder:
        vault = Vault.open(Path(folder) / "home")
        made = Attestation("public-domain", "Sample portrait", "Benchmark", "Measuring", source="shipped sample")
        token = issue_token(vault, attest(vault, made, photo, speech), photo, speech)
        portrait = core.prepare(photo)
        print(f"portrait                               {peak_since_last():5.2f} GiB")
        motion = core.animate(speech)
        print(f"motion of {motion.seconds:5.0f} s                      {peak_since_last():5.2f} GiB", flush=True)
        total = frame_count(motion, fps)
        frames = watched(core.render(portrait, motion, fps), fps, min(60 * fps, max(total // 4, 1)))
        sealed = seal(vault, token, photo, speech, frames, out=Path(folder) / "long.mp4", fps=fps, total=total)
        print(f"the rest, signature, self-check        {peak_since_last():5.2f} GiB")
        size = (Path(folder) / "long.mp4").stat().st_size
        print(f"{sealed.frames} frames, {size / 1e6:.1f} MB, manifest {sealed.manifest_state}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fps", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--photo", type=Path, default=SAMPLES / "grace_hopper.jpg")
    parser.add_argument("--speech", type=Path, default=SAMPLES / "english.m4a")
    parser.add_argument("--runs", type=int, default=3, help="the fastest run is printed: others share the machine")
    parser.add_argument("--minutes", type=float, help="only: peak memory of one video of this length, by minute")
    arguments = parser.parse_args()

    core = TalkingFace.from_pretrained()
    started = time.perf_counter()
    core.load()
    photo = load_photo(arguments.photo)
    if arguments.minutes is not None:
        memory(core, photo, of_length(load_speech(arguments.speech), 60 * arguments.minutes), arguments.fps)
        return
    speech = of_length(load_speech(arguments.speech), arguments.seconds)
    portrait = core.prepare(photo)
    next(core.render(portrait, core.animate(of_length(speech, 1.0)), arguments.fps))
    print(f"cold start: models, first portrait, first frame   {time.perf_counter() - started:6.2f} s")

    with tempfile.TemporaryDirectory() as folder:
        vault = Vault.open(Path(folder) / "home")
        made = Attestation("public-domain", "Sample portrait", "Benchmark", "Measuring", source="shipped sample")
        record = attest(vault, made, photo, speech)
        best: dict[str, float] = {}
        for run in range(arguments.runs):
            token = issue_token(vault, record, photo, speech)
            times, clock, cpu = {}, time.perf_counter(), time.process_time()
            for stage in ("prepare", "animate", "render to sealed file"):
                before = time.perf_counter()
                if stage == "prepare":
                    portrait = core.prepare(photo)
                elif stage == "animate":
                    motion = core.animate(speech, Controls(seed=run))
                else:
                    sealed = seal(
                        vault,
                        token,
                        photo,
                        speech,
                        core.render(portrait, motion, arguments.fps),
                        out=Path(folder) / f"{run}.mp4",
                        fps=arguments.fps,
                        total=frame_count(motion, arguments.fps),
                    )
                times[stage] = time.perf_counter() - before
            times |= {f"  of which {name}": value for name, value in sealed.timings.items()}
            times["whole path, wall"] = time.perf_counter() - clock
            times["whole path, CPU"] = time.process_time() - cpu
            if not best or times["whole path, wall"] < best["whole path, wall"]:
                best = times
            size = (Path(folder) / f"{run}.mp4").stat().st_size
    for name, value in best.items():
        print(f"{name:<50}{value:6.2f} s")
    frames, wall = sealed.frames, best["whole path, wall"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{frames} frames at {arguments.fps} fps, {size / 1e6:.2f} MB, manifest {sealed.manifest_state}")
    print(f"{frames / wall:.1f} frames per second of wall time, {sealed.seconds / wall:.2f} x real time")
    print(f"{best['whole path, CPU'] / frames * 1000:.1f} CPU-ms per frame, peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
