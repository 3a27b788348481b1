"""Train the speech encoder on the speech corpus and on the lips of real clips.

    python -m vasa_core.training.encoder .cache/speech --tracks .cache/tracks --data DATA_DIR [--steps 3600]

Two targets: the viseme of every 20 ms, and what lips and jaw do in every frame of motion. The encoder's look-ahead is
drawn anew for every step (all or none), so that the same weights hear a whole file and a live microphone. A checkpoint
is kept in CORPUS/encoder; the same command goes on from it, with more --steps also further than planned. Every batch
is drawn from (seed, step, process). TensorBoard reads CORPUS/encoder/log.
"""

from __future__ import annotations

import argparse
import pickle
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import nn

from vasa_core.errors import WeightsError
from vasa_core.face.alignment import align
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import ARTICULATORS, Articulation
from vasa_core.motion.encoder import AHEAD, Heard, SpeechEncoder, config_of
from vasa_core.motion.features import SpeechFeatures
from vasa_core.motion.visemes import VISEMES
from vasa_core.training.articulation import SpokenClip, spoken_clip
from vasa_core.training.encoder_data import Batch, BatchConfig, EncoderCorpus, batches, draw
from vasa_core.training.face_space import displacements
from vasa_core.training.media import read_sound
from vasa_core.training.speech_corpus import Utterance
from vasa_core.training.tracks import load_tracks
from vasa_core.types import MOTION_RATE, SAMPLE_RATE
from vasa_core.weights import FOLDER


@dataclass(frozen=True)
class TrainingConfig:
    """One training run."""

    size: str = "shipped"
    steps: int = 3600
    batch: BatchConfig = BatchConfig()
    rate: float = 1.5e-3  # reached after `warmup` steps, held, and brought to zero in the last 40 %
    warmup: int = 150
    decay: float = 0.02
    average: float = 0.997  # of the weights (EMA)
    live: float = 0.4  # share of the steps without look-ahead in the attention
    lips: float = 0.4  # weight of the lips' error
    smoothing: float = 0.05
    seed: int = 0
    checkpoint_every: int = 100


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Of the step that comes next: up, level, and down to zero in the last 40 %."""
    down = max(1.0, 0.4 * config.steps)
    return config.rate * min(1.0, (step + 1) / config.warmup, max(0.0, (config.steps - step) / down))


def criterion(heard: Heard, batch: Batch, config: TrainingConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of the visemes and squared error of the lips (in spreads), two numbers.

    A missed closure is the worst mistake, so bilabials and labiodentals weigh more. Lips of one person count up to
    that person's gain and rest, found by ridge regression towards 1 and 0.
    """
    weight = torch.ones(len(VISEMES), device=heard.visemes.device)
    weight[[VISEMES.index("bilabial"), VISEMES.index("labiodental")]] = 1.5
    known = batch.labelled
    visemes = nn.functional.cross_entropy(
        heard.visemes[known].flatten(0, 2),
        batch.labels[known].flatten(),
        weight=weight,
        label_smoothing=config.smoothing,
    )
    wanted, said = batch.lips, heard.lips
    a, b = said - said.mean(1, keepdim=True), wanted - wanted.mean(1, keepdim=True)
    gain = ((a * b).mean(1, keepdim=True) + 0.3) / ((a * a).mean(1, keepdim=True) + 0.3)
    personal = b - gain.clamp(0.3, 3).detach() * a  # (B, T, articulators)
    error = torch.where(batch.personal[:, None, None], personal, wanted - said)
    return visemes, nn.functional.smooth_l1_loss(error, torch.zeros_like(error))


def real_lips(tracks: Path, data: Path, space: FaceSpace) -> list[tuple[np.ndarray, SpokenClip]]:
    """Sound, from where the lips begin, and lips of the synchronous clips of clips/train, offset undone."""
    aligned, _ = align([t for t in load_tracks(tracks, "train") if t.found.sum() > 20], space.template)
    ears, out = SpeechFeatures.from_pretrained(), []
    for track in aligned:
        if not track.track.synchronous:
            continue
        samples = read_sound(data / "clips" / "train" / f"{track.track.name}.mp4")
        moved, _ = displacements([track])
        clip = spoken_clip(track.track.name, moved, ears.posteriors(samples), track.track.offset)
        if clip is not None:
            first = max(0, -round(clip.offset * MOTION_RATE))
            out.append((samples[first * SAMPLE_RATE // MOTION_RATE :], clip))
    return out


def evaluate(encoder: SpeechEncoder, utterances: list[Utterance], live: bool = False) -> dict[str, float]:
    """Share of 20 ms frames named right, and AUC of the bilabial posterior against the open classes."""
    features = SpeechFeatures(encoder.eval())
    right = total = 0
    closed, opened = [], []
    for u in utterances:
        p = features.posteriors(u.samples, live)[: len(u.labels)]
        label = u.labels[: len(p)]
        right += int((p.argmax(1) == label).sum())
        total += len(p)
        lips = p[:, VISEMES.index("bilabial")]
        closed.append(lips[label == VISEMES.index("bilabial")])
        opened.append(lips[label >= VISEMES.index("open")])
    encoder.train()
    a, b = np.concatenate(closed), np.concatenate(opened)
    ranks = np.argsort(np.argsort(np.concatenate([a, b])))[: len(a)]
    auc = (ranks.sum() - len(a) * (len(a) - 1) / 2) / max(1, len(a) * len(b))
    return {"accuracy": right / max(1, total), "bilabial_auc": float(auc)}


def load_checkpoint(path: Path, size: str) -> dict[str, Any] | None:
    """What a checkpoint holds; None when there is none. Raises WeightsError when it is damaged or of another size."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        if state["size"] != size:
            raise WeightsError(f"{path} is of another size than '{size}'; move it away or choose that size.")
    except (RuntimeError, KeyError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"The checkpoint {path} is damaged ({type(error).__name__}); delete it to start again."
        ) from None
    return state


def train(corpus: EncoderCorpus, config: TrainingConfig, folder: Path) -> SpeechEncoder:
    """Train, going on from the checkpoint in `folder`; the encoder with averaged weights. Raises WeightsError."""
    accelerator = Accelerator(log_with="tensorboard", project_dir=str(folder))
    torch.manual_seed(config.seed)
    encoder = SpeechEncoder(config_of(config.size))
    encoder.lip_spread.copy_(torch.from_numpy(corpus.spread))
    optimiser = torch.optim.AdamW(encoder.parameters(), config.rate, weight_decay=config.decay, betas=(0.9, 0.98))
    path, first = folder / "last.ckpt", 0
    state = load_checkpoint(path, config.size)
    if state is not None:
        encoder.load_state_dict(state["model"])
    average = EMAModel(encoder.parameters(), decay=config.average, use_ema_warmup=True, power=0.75)
    if state is not None:
        optimiser.load_state_dict(state["optimiser"])
        average.load_state_dict(state["average"])
        first = state["step"]
    average.to(accelerator.device)
    encoder, optimiser = accelerator.prepare(encoder, optimiser)
    accelerator.init_trackers(
        "log", config={k: v for k, v in asdict(config).items() if not isinstance(v, dict)} | asdict(config.batch)
    )
    began, running = time.monotonic(), np.full(2, np.nan)
    encoder.train()
    made = batches(
        lambda step: draw(corpus, config.batch, [config.seed, step, accelerator.process_index]), first, config.steps
    )
    for step, batch in enumerate(made, first):
        batch = Batch(**{k: v.to(accelerator.device) for k, v in vars(batch).items()})
        torch.manual_seed(config.seed * 1_000_003 + step * 31 + accelerator.process_index)  # dropout
        ahead = 0 if np.random.default_rng([config.seed, step]).random() < config.live else AHEAD
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, config)
        visemes, lips = criterion(encoder(batch.mels, ahead), batch, config)
        optimiser.zero_grad()
        accelerator.backward(visemes + config.lips * lips)
        accelerator.clip_grad_norm_(encoder.parameters(), 1.0)
        optimiser.step()
        average.step(encoder.parameters())
        value = np.array([visemes.item(), lips.item()])
        running = value if np.isnan(running).any() else 0.98 * running + 0.02 * value
        done = step + 1
        if done % 20 == 0:
            accelerator.log({"visemes": running[0], "lips": running[1], "rate": learning_rate(step, config)}, step=done)
        if (done % config.checkpoint_every == 0 or done == config.steps) and accelerator.is_main_process:
            plain = accelerator.unwrap_model(encoder)
            save_checkpoint(path, plain, optimiser, average, config.size, done)
            scores = {}
            if corpus.held_out:
                average.store(plain.parameters())
                average.copy_to(plain.parameters())
                scores = evaluate(plain, corpus.held_out)
                average.restore(plain.parameters())
                accelerator.log(scores, step=done)
            figures = ", ".join(f"{k} {v:.3f}" for k, v in scores.items())
            spent = time.monotonic() - began
            print(
                f"step {done}: visemes {running[0]:.3f}, lips {running[1]:.4f}, {figures} ({spent:.0f} s)", flush=True
            )
    accelerator.end_training()
    finished = accelerator.unwrap_model(encoder)
    average.copy_to(finished.parameters())
    return finished.to("cpu").eval()


def save_checkpoint(
    path: Path, encoder: SpeechEncoder, optimiser: torch.optim.Optimizer, average: EMAModel, size: str, step: int
) -> None:
    """Whole or not at all."""
    state = {
        "model": encoder.state_dict(),
        "optimiser": optimiser.state_dict(),
        "average": average.state_dict(),
        "size": size,
        "step": step,
    }
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder written by vasa_core.training.speech_corpus")
    parser.add_argument("--tracks", type=Path, help="folder written by vasa_core.training.tracks")
    parser.add_argument("--data", type=Path, help="folder with clips/train; with --tracks, real lips are learned too")
    parser.add_argument("--steps", type=int, default=TrainingConfig.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=FOLDER / "speech_encoder")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = TrainingConfig(steps=options.steps, seed=options.seed)
    clips: list[tuple[np.ndarray, SpokenClip]] = []
    if options.tracks and options.data:
        clips = real_lips(options.tracks, options.data, FaceSpace.from_pretrained())
    print(f"{len(clips)} real clips, {sum(len(c.moves) for _, c in clips) / MOTION_RATE:.0f} s of lips", flush=True)
    corpus = EncoderCorpus.load(options.corpus, Articulation.from_pretrained(), clips, options.seed)
    spread = ", ".join(f"{name} {v:.4f}" for name, v in zip(ARTICULATORS, corpus.spread, strict=True))
    print(f"spread of the lips, face widths: {spread}", flush=True)
    folder = options.corpus / "encoder"
    folder.mkdir(parents=True, exist_ok=True)
    encoder = train(corpus, config, folder)
    encoder.half().save_pretrained(options.output)  # half precision changes no posterior by more than 0.01
    print(f"{sum(p.numel() for p in encoder.parameters()) / 1e6:.2f} M parameters in {options.output}")


if __name__ == "__main__":
    main()
