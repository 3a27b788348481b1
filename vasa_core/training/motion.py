"""Train the motion transformer on the motion corpus.

    python -m vasa_core.training.motion .cache/motion [--size live] [--steps 6000] [--export FOLDER]
    accelerate launch -m vasa_core.training.motion .cache/motion --size paper ...         on several GPUs

A checkpoint is kept in CORPUS/SIZE; the same command goes on from it, with more --steps also further than planned.
Every batch is drawn from (seed, step, process). TensorBoard reads the log in CORPUS/SIZE/log. --export writes the
averaged weights as a diffusers pipeline (vasa_core.motion.pipeline).
"""

from __future__ import annotations

import argparse
import pickle
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.training_utils import EMAModel

from vasa_core.errors import WeightsError
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import measures
from vasa_core.motion.emotion import emotion_offsets
from vasa_core.motion.pipeline import TRAINING_SCHEDULE, MotionPipeline
from vasa_core.motion.transformer import (
    CLEAN,
    SIZES,
    MotionTransformer,
)
from vasa_core.training.motion_corpus import MotionTrack
from vasa_core.training.motion_windows import MotionCorpus, Spreads, TrainingConfig, Windows, batch
from vasa_core.types import POSE_DIM

MOUTH = POSE_DIM + 7  # first column of the mouth in [pose, dynamics]


class Criterion:
    """Squared error of X0, of what the lips do, and of frame-to-frame change: all have the same best prediction.

    scale: (M,) spread of every coordinate.   change: (M,) spread of its change per frame, in units of `scale`.
    """

    def __init__(self, space: FaceSpace, scale: np.ndarray, change: np.ndarray, config: TrainingConfig) -> None:
        self.config = config
        per_unit = np.vstack([np.zeros((POSE_DIM, 6)), measures(space.basis)]) * scale[:, None]  # (M, 6)
        spread = np.sqrt((per_unit**2).sum(0)) + 1e-6
        self.articulators = torch.from_numpy((per_unit / spread).astype(np.float32))
        self.per_change = torch.from_numpy((1 / change).astype(np.float32))
        # A component of the mouth counts by how far it moves the lips.
        energy = (space.basis**2).sum((1, 2)) ** 0.5 * scale[POSE_DIM:]
        weight = np.ones(len(scale))
        weight[MOUTH:] = np.clip(energy[MOUTH - POSE_DIM :] / energy[MOUTH - POSE_DIM :].mean(), 0.3, 3)
        self.weight = torch.from_numpy(weight.astype(np.float32))

    def __call__(self, predicted: torch.Tensor, windows: Windows) -> torch.Tensor:
        """A number, from predicted windows (B, W, M) and the true ones. Frames that were told do not count."""
        device, mouth, held = predicted.device, windows.mouth, windows.held
        weight = self.weight.to(device).expand(len(mouth), -1).clone()  # (B, M)
        weight[:, MOUTH:] *= mouth[:, None]
        frame = torch.arange(predicted.shape[1], device=device)
        free = (frame >= held[:, None]).float()[..., None]  # (B, W, 1)
        share = free.mean()
        error = (predicted - windows.clean) * free
        loss = (error**2 * weight[:, None]).mean()
        lips = error @ self.articulators.to(device)  # (B, W, 6)
        loss = loss + self.config.lips * (lips**2 * mouth[:, None, None]).mean()
        last = torch.zeros_like(error[:, :1])  # what comes before is known: its error is zero
        change = torch.diff(torch.cat([last, error], 1), dim=1) * self.per_change.to(device)
        joint = (frame == held[:, None]).float()[..., None] * self.config.seam  # the first free frame
        # Without anything known before it, a window may begin anywhere.
        counted = (
            free
            + joint
            - (1 + self.config.seam)
            * ((frame == 0) & (held[:, None] == 0) & ~windows.conditions.known_previous[:, None]).float()[..., None]
        )
        return (loss + self.config.speed * (change**2 * weight[:, None] * counted).mean()) / share


def normalise(model: MotionTransformer, tracks: list[MotionTrack]) -> None:
    """Set the model's means and spreads from the tracks."""
    motion = np.concatenate([t.motion for t in tracks]).astype(np.float64)
    audio = np.concatenate([t.audio for t in tracks]).astype(np.float64)
    scale = motion.std(0) + 1e-4
    model.motion_mean.copy_(torch.from_numpy(motion.mean(0)))
    model.motion_std.copy_(torch.from_numpy(scale))
    model.audio_mean.copy_(torch.from_numpy(audio.mean(0)))
    model.audio_std.copy_(torch.from_numpy(audio.std(0) + 1e-3))


def spread_of_change(model: MotionTransformer, tracks: list[MotionTrack]) -> np.ndarray:
    """Spread of the change from frame to frame in the model's own units, (M,)."""
    change = np.concatenate([np.diff(t.motion.astype(np.float64), axis=0) for t in tracks]).std(0)
    change = change / model.motion_std.numpy()
    return np.clip(change, 0.15, None)  # else the error of slow coordinates would drown in that of their change


def begin_with(model: MotionTransformer, start: MotionTransformer) -> None:
    """Take over the parameters of `start` that fit; spreads and emotions stay the model's own.

    Audio features of another width are listened to afresh.
    """
    given = dict(start.named_parameters())
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name in given and given[name].shape == value.shape:
                value.copy_(given[name])


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Of the step that comes next: up, level, and down to zero in the last fifth."""
    down = max(1.0, config.steps / 5)
    return config.rate * min(1.0, (step + 1) / config.warmup, max(0.0, (config.steps - step) / down))


def load_checkpoint(path: Path, size: str) -> dict[str, Any] | None:
    """What a checkpoint holds; None when there is none. Raises WeightsError when it is damaged or of another size."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        if state["size"] != asdict(SIZES[size]):
            raise WeightsError(f"{path} is of another size than '{size}'; move it away or choose that size.")
    except (RuntimeError, KeyError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise WeightsError(
            f"The checkpoint {path} is damaged ({type(error).__name__}); delete it to start again."
        ) from None
    return state


def train(
    corpus: MotionCorpus,
    config: TrainingConfig,
    folder: Path,
    space: FaceSpace,
    start: MotionTransformer | None = None,
) -> MotionTransformer:
    """Train, going on from the checkpoint in `folder`, else from the weights of `start`, else from nothing.

    Returns the model with averaged weights. Raises WeightsError.
    """
    accelerator = Accelerator(log_with="tensorboard", project_dir=str(folder))
    torch.manual_seed(config.seed)
    tracks = (corpus.spoken, corpus.real)
    model = MotionTransformer.of_size(
        config.size, space.dim, corpus.spoken[0].audio.shape[1], features=corpus.features, dropout=config.dropout
    )
    normalise(model, corpus.spoken + corpus.real)
    model.emotion_offset.copy_(torch.from_numpy(emotion_offsets(space)))
    optimiser = torch.optim.AdamW(model.parameters(), config.rate, weight_decay=config.decay, betas=(0.9, 0.98))
    schedule = DDPMScheduler(**TRAINING_SCHEDULE)
    alphas = schedule.alphas_cumprod
    path, first = folder / "last.ckpt", 0
    state = load_checkpoint(path, config.size)
    if state is None and start is not None:
        if any(start.config[name] != value for name, value in asdict(SIZES[config.size]).items()):
            raise WeightsError(f"The model to start from is of another size than '{config.size}'.")
        begin_with(model, start)
    if state is not None:
        model.load_state_dict(state["model"])  # with the spreads it has been trained with
    average = EMAModel(model.parameters(), decay=config.average, use_ema_warmup=True, power=0.75)
    if state is not None:
        optimiser.load_state_dict(state["optimiser"])
        average.load_state_dict(state["average"])
        first = state["step"]
    average.to(accelerator.device)
    spreads = Spreads.of(model)
    criterion = Criterion(space, model.motion_std.numpy(), spread_of_change(model, corpus.spoken), config)
    model, optimiser = accelerator.prepare(model, optimiser)
    accelerator.init_trackers("log", config=asdict(config))
    began, running = time.monotonic(), float("nan")
    model.train()

    def loss_of(drawn: Windows, seed: int) -> torch.Tensor:
        """Error of the model on windows made noisy at random."""
        drawn = drawn.to(accelerator.device)
        generator = torch.Generator().manual_seed(seed)
        timestep = torch.randint(0, schedule.config["num_train_timesteps"], (len(drawn.clean),), generator=generator)
        noise = torch.randn(drawn.clean.shape, generator=generator).to(accelerator.device)
        alpha = alphas[timestep].sqrt().to(accelerator.device)[:, None, None]
        told = torch.arange(noise.shape[1], device=noise.device) < drawn.held[:, None]  # (B, W)
        noisy = alpha * drawn.clean + (1 - alpha**2).sqrt() * noise
        sample = torch.where(told[..., None], drawn.clean + config.previous_noise * noise, noisy)
        levels = torch.where(told, CLEAN, timestep.to(accelerator.device)[:, None].float())
        return criterion(model(sample, levels, drawn.conditions), drawn)

    for step in range(first, config.steps):
        drawn = batch(tracks, spreads, config, [config.seed, step, accelerator.process_index])
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, config)
        loss = loss_of(drawn, config.seed * 1_000_003 + step * 31 + accelerator.process_index)
        optimiser.zero_grad()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.step(model.parameters())
        value = float(loss.detach())
        running = value if np.isnan(running) else 0.98 * running + 0.02 * value
        done = step + 1
        if done % 20 == 0:
            accelerator.log({"loss": running, "rate": learning_rate(step, config)}, step=done)
        if (done % config.checkpoint_every == 0 or done == config.steps) and accelerator.is_main_process:
            plain = accelerator.unwrap_model(model)
            state = {
                "model": plain.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average.state_dict(),
                "size": asdict(SIZES[config.size]),
                "step": done,
            }
            part = path.with_suffix(".part")
            torch.save(state, part)
            part.replace(path)
            unseen = float("nan")
            if corpus.held_out:
                plain.eval()
                with torch.inference_mode():
                    unseen = float(loss_of(batch((corpus.held_out, []), spreads, config, [config.seed]), config.seed))
                plain.train()
                accelerator.log({"held_out": unseen}, step=done)
            spent = time.monotonic() - began
            print(f"step {done}: loss {running:.4f}, held out {unseen:.4f} ({spent:.0f} s)", flush=True)
    accelerator.end_training()
    finished = accelerator.unwrap_model(model)
    average.copy_to(finished.parameters())
    return finished.to("cpu").eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder written by vasa_core.training.motion_corpus")
    parser.add_argument("--size", choices=sorted(SIZES), default=TrainingConfig.size)
    parser.add_argument("--steps", type=int, default=TrainingConfig.steps)
    parser.add_argument("--batch", type=int, default=TrainingConfig.batch)
    parser.add_argument("--rate", type=float, default=TrainingConfig.rate, help="learning rate at its highest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start", type=Path, help="pipeline to start from when there is no checkpoint")
    parser.add_argument("--export", type=Path, help="folder to write the pipeline with the averaged weights to")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = TrainingConfig(
        size=options.size, steps=options.steps, batch=options.batch, rate=options.rate, seed=options.seed
    )
    folder = options.corpus / options.size
    folder.mkdir(parents=True, exist_ok=True)
    start = MotionPipeline.from_pretrained(str(options.start)).transformer if options.start else None
    model = train(MotionCorpus.load(options.corpus), config, folder, FaceSpace.from_pretrained(), start)
    if options.export:
        # Half precision changes no latent by more than a tracker sees.
        MotionPipeline.of(model.half()).save_pretrained(options.export)
        for path in options.export.rglob("*.safetensors"):
            path.chmod(0o644)  # safetensors writes files that only their owner can read
        print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters in {options.export}")


if __name__ == "__main__":
    main()
