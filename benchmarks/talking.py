"""How naturally does a rendered face talk? Measured on decoded video with a face tracker, no latents involved.

    python -m benchmarks.talking DATA_DIR [--seeds 1] [--model FOLDER] [--sheets FOLDER] [--json OUT]

Speech that training never heard (benchmarks.lipsync) is spoken by the portraits of DATA_DIR/portraits, one after
another, rendered at 25 frames a second, encoded as H.264 (CRF 18), decoded and tracked by Face Mesh. The figures are
those of benchmarks.lipsync, of what the tracker sees: its noise is in silence, dP and jitter. Then recordings in other
languages, songs and emotions, whose phones are not known: head, eyes, silence and how wide the mouth opens.

With --sheets, every clip leaves a picture to look at: five frames of each second, and the opening of the lips over time
with the closures (red) and open vowels (green) that were heard.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from benchmarks.lipsync import held_out_files, show
from benchmarks.samples import PICTURES, files
from benchmarks.scores import CLOSED, OPEN, pool, score_head, score_lips
from vasa_core.errors import CandorError
from vasa_core.face.alignment import RIGID, aperture, procrustes
from vasa_core.face.portrait import Portrait
from vasa_core.motion.diffusion import DiffusionMotion
from vasa_core.photo import load_photo
from vasa_core.pipeline import TalkingFace
from vasa_core.training.labelling import align_phones
from vasa_core.training.media import read_sound
from vasa_core.training.phones import Phone
from vasa_core.training.tracks import track_clip
from vasa_core.types import MOTION_RATE, SAMPLE_RATE, Controls

# Recordings that no English aligner can read, each with something asked of the face.
OTHERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sadtalker_chinese_news", {}),
    ("sadtalker_fayu", {"emotion": {"happy": 0.8}}),
    ("sadtalker_deyu", {"emotion": {"angry": 0.8}}),
    ("sadtalker_japanese", {"emotion": {"sad": 0.8}}),
    ("sadtalker_eluosi", {"gaze": (15.0, 0.0)}),
    ("sadtalker_itosinger1", {"emotion": {"surprised": 0.6}}),
    ("sadtalker_chinese_poem1", {"head_motion": 1.5}),
    ("aniportrait_lyl", {"emotion": {"contempt": 0.8}}),
)
LONGEST = 14.0  # seconds of each recording


@dataclass(frozen=True)
class Take:
    """One clip to be made: samples are float32 (n,) at 16 kHz, phones empty where they are not known."""

    name: str
    samples: np.ndarray
    phones: list[Phone] = field(default_factory=list)
    controls: Controls = Controls()


def takes(data: Path, seeds: int) -> Iterator[tuple[str, Take]]:
    """What is measured, each with the group it is pooled in."""
    for path in held_out_files(data):
        samples = read_sound(path)[: int(LONGEST * SAMPLE_RATE)]
        phones = align_phones(samples)
        for seed in range(seeds):
            yield "English", Take(path.stem, samples, phones, Controls(seed=seed))
    for name, asked in OTHERS:
        samples = read_sound(next((data / "speech").glob(f"{name}.*")))[: int(LONGEST * SAMPLE_RATE)]
        yield "other languages and song", Take(name, samples, controls=Controls(seed=1, **asked))


def filmed(core: TalkingFace, portrait: Portrait, take: Take, motion: DiffusionMotion, path: Path) -> None:
    """Render a take and encode it as one would for the web."""
    made = motion(take.samples, take.controls)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=MOTION_RATE, options={"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuv420p"
        for frame in core.render(portrait, made, MOTION_RATE, take.controls):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def measured(path: Path, take: Take) -> tuple[dict[str, Any], np.ndarray]:
    """Figures of a film, and the openings (N,) they come from."""
    landmarks, found = track_clip(path)
    if found.sum() < MOTION_RATE:
        return {"face": float(found.mean()) if len(found) else 0.0}, np.zeros(0)
    opening = aperture(landmarks)
    _, turned, _ = procrustes(landmarks[:, RIGID], landmarks[0, RIGID])
    angles = Rotation.from_matrix(turned).as_euler("YXZ", degrees=True)  # (N, 3) yaw, pitch, roll
    row = score_lips(opening, take.phones, take.samples) | score_head(angles, landmarks)
    return row | {"seconds": len(opening) / MOTION_RATE, "face": float(found.mean())}, opening


def sheet(film: Path, take: Take, opening: np.ndarray, target: Path, columns: int = 15, side: int = 160) -> None:
    """Five frames of each second in rows, and below them the opening of the lips against what is heard."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with av.open(str(film)) as container:
        frames = [f.to_ndarray(format="rgb24") for i, f in enumerate(container.decode(video=0)) if i % 5 == 0]
    small = [cv2.resize(f, (side, side), interpolation=cv2.INTER_AREA) for f in frames]
    small += [np.full((side, side, 3), 255, np.uint8)] * (-len(small) % columns)
    rows = [np.hstack(small[i : i + columns]) for i in range(0, len(small), columns)]
    figure = Figure(figsize=(columns * side / 100, 2.4), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.plot((np.arange(len(opening)) + 0.5) / MOTION_RATE, opening, "k", linewidth=1)
    for name, start, end in take.phones:
        if name in OPEN | CLOSED:
            axes.axvspan(start, end, color="tab:red" if name in CLOSED else "tab:green", alpha=0.35, linewidth=0)
    loud = np.abs(take.samples[: len(take.samples) // 160 * 160].reshape(-1, 160)).max(1)  # 100 Hz
    axes.fill_between(np.arange(len(loud)) / 100, -0.02 * loud / (loud.max() + 1e-9), 0, color="tab:blue", alpha=0.5)
    axes.set(xlim=(0, len(opening) / MOTION_RATE), ylabel="opening", xlabel=f"{target.stem}, seconds")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    plot = np.asarray(canvas.buffer_rgba())[..., :3]
    plot = cv2.resize(plot, (columns * side, plot.shape[0]), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(target), cv2.cvtColor(np.vstack([*rows, plot]), cv2.COLOR_RGB2BGR))


def usable(core: TalkingFace, folder: Path) -> Iterator[tuple[str, Portrait]]:
    """The portraits that the program does not refuse."""
    for path in files(folder, PICTURES):
        try:
            yield path.stem, core.prepare(load_photo(path))
        except CandorError as error:
            print(f"{path.name} is left out: {error}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--model", type=Path, help="another motion model than the shipped one")
    parser.add_argument("--sheets", type=Path, help="folder for a contact sheet of every clip")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    core = TalkingFace.from_pretrained()
    motion = DiffusionMotion.from_pretrained(options.model)
    portraits = cycle(list(usable(core, options.data / "portraits")))
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
    groups: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        for (group, take), (who, portrait) in zip(takes(options.data, options.seeds), portraits, strict=False):
            filmed(core, portrait, take, motion, film)
            row, opening = measured(film, take)
            title = f"{take.name} by {who}, seed {take.controls.seed}"
            if options.sheets:
                sheet(film, take, opening, options.sheets / f"{title.replace(' ', '_').replace(',', '')}.png")
            show(title + ":", row)
            if "seconds" in row:
                groups.setdefault(group, []).append(row)
    pooled = {group: pool(rows) for group, rows in groups.items()}
    for group, figures in pooled.items():
        show(f"pooled, {group}:", figures)
    if options.json:
        options.json.write_text(json.dumps({"clips": groups, "pooled": pooled}, indent=1))


if __name__ == "__main__":
    main()
