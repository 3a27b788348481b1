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
from dataclasses import asdict, dataclass
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
    BLINKS_UNIT,
    CLEAN,
    CONDITIONS,
    DISTANCE_UNIT,
    GAZE_UNIT,
    SIZES,
    Conditions,
    MotionTransformer,
)
from vasa_core.training.motion_corpus import MotionTrack, load_motion
from vasa_core.training.visemes import CorpusMissing
from vasa_core.types import POSE_DIM

MOUTH = POSE_DIM + 7  # first column of the mouth in [pose, dynamics]


@dataclass(frozen=True)
class TrainingConfig:
    """One training run."""

    size: str = "live"
    steps: int = 6000
    batch: int = 32  # windows per process
    rate: float = 1e-3  # reached after `warmup` steps, held, and brought to zero in the last fifth
    warmup: int = 200
    decay: float = 0.01
    dropout: float = 0.0  # the corpus is larger than what a small model can learn by heart
    average: float = 0.998  # of the weights (EMA)
    drop: float = 0.1  # probability that a condition is unknown (VASA-1)
    drop_end: float = 0.3  # the same of the end of the sound: what a listener has not heard yet
    drop_previous: float = 0.5  # the same of the previous window
    real_share: float = 0.12  # of the windows come from video
    real_lips: float = 0.1  # weight of tracked lips: they are blurred and personal
    lips: float = 1.0  # weight of the articulators' error
    speed: float = 0.3  # weight of the error of frame-to-frame change, also across the seam
    seam: float = 4.0  # how much more the change counts where new frames join known ones
    share_held: float = 0.5  # of the windows begin with frames that are known already, at most half of them
    previous_noise: float = 0.03  # standard deviations by which known motion is off, as generated motion will be
    seed: int = 0
    checkpoint_every: int = 250


@dataclass(frozen=True)
class MotionCorpus:
    """Tracks in memory; `held_out` are spoken tracks that no step sees."""

    spoken: list[MotionTrack]
    real: list[MotionTrack]
    held_out: list[MotionTrack]
    features: str

    @classmethod
    def load(cls, folder: Path, held_out: int = 24) -> MotionCorpus:
        """Raises CorpusMissing when there is nothing to train on or the parts were heard by different encoders."""
        spoken: list[MotionTrack] = []
        real: list[MotionTrack] = []
        names: set[str] = set()
        for path in sorted(p for p in folder.glob("*.npz") if ".part" not in p.name):
            tracks, name = load_motion(path)
            names.add(name)
            (real if path.name == "real.npz" else spoken).extend(tracks)
        if not spoken or len(names) != 1:
            raise CorpusMissing(
                f"{folder} holds {'no motion' if not spoken else 'features of different encoders'}; "
                f"run: python -m vasa_core.training.motion_corpus (see docs/motion.md)"
            )
        held_out = min(held_out, len(spoken) // 8)
        return cls(spoken[held_out:], real, spoken[:held_out], names.pop())


@dataclass(frozen=True)
class Windows:
    """What one step learns from: B windows.

    clean: (B, W, M) normalised motion.   conditions: what is told of them.   mouth: (B,) weight of the lips.
    held: int (B,), frames at the start of each window that are told as well.
    """

    clean: torch.Tensor
    conditions: Conditions
    mouth: torch.Tensor
    held: torch.Tensor

    def to(self, device: torch.device) -> Windows:
        conditions = Conditions(**{k: v.to(device) for k, v in self.conditions.tensors().items()})
        return Windows(self.clean.to(device), conditions, self.mouth.to(device), self.held.to(device))


@dataclass(frozen=True)
class Spreads:
    """The means, spreads and sizes of a model, on the CPU, where batches are made."""

    motion_mean: torch.Tensor
    motion_std: torch.Tensor
    audio_mean: torch.Tensor
    audio_std: torch.Tensor
    window: int
    previous: int

    @classmethod
    def of(cls, model: MotionTransformer) -> Spreads:
        names = ("motion_mean", "motion_std", "audio_mean", "audio_std")
        tensors = {name: getattr(model, name).detach().cpu().clone() for name in names}
        return cls(**tensors, window=model.config["window"], previous=model.config["previous"])


def batch(
    tracks: tuple[list[MotionTrack], list[MotionTrack]], model: Spreads, config: TrainingConfig, key: list[int]
) -> Windows:
    """The windows of one step.

    tracks: spoken and real ones.   key: seeds the draw.
    """
    rng = np.random.default_rng(key)
    window, before = model.window, model.previous
    held: dict[str, list[np.ndarray]] = {name: [] for name in ("motion", "heard", "known", "mouth", *CONDITIONS[1:])}
    for _ in range(config.batch):
        spoken, real = tracks
        pool = real if real and rng.random() < config.real_share else spoken
        track = pool[rng.integers(len(pool))]
        length = window + before
        start = int(rng.integers(0, max(1, len(track.motion) - length + 1)))
        rows = np.clip(np.arange(start, start + length), 0, len(track.motion) - 1)  # a short track holds its last frame
        held["motion"].append(track.motion[rows])
        held["heard"].append(track.audio[rows])
        told = {
            "gaze": np.asarray(track.gaze) / GAZE_UNIT,
            "distance": np.array([track.distance]) / DISTANCE_UNIT,
            "emotion": np.asarray(track.emotion),
            "blinks": np.array([track.blinks]) / BLINKS_UNIT,
        }
        known = np.tile(rng.random(len(CONDITIONS)) >= config.drop, (window, 1))
        for index, name in enumerate(CONDITIONS):
            if name == "audio":
                known[:, index] &= bool(track.heard)
                if rng.random() < config.drop_end:  # sound may end before the window does, or not be heard yet
                    known[rng.integers(window) :, index] = False
            else:
                known[:, index] &= bool(np.isfinite(told[name]).all())
                held[name].append(np.tile(np.nan_to_num(told[name]), (window, 1)))
        held["known"].append(known)
        held["mouth"].append(np.array(config.real_lips if track.real else 1.0))
    motion = (torch.from_numpy(np.stack(held["motion"])).float() - model.motion_mean) / model.motion_std
    audio = (torch.from_numpy(np.stack(held["heard"])).float() - model.audio_mean) / model.audio_std
    noise = torch.from_numpy(rng.normal(0, config.previous_noise, (config.batch, before, motion.shape[2]))).float()
    conditions = Conditions(
        audio=audio[:, before:],
        previous_motion=motion[:, :before] + noise,
        previous_audio=audio[:, :before],
        known=torch.from_numpy(np.stack(held["known"])),
        known_previous=torch.from_numpy(rng.random(config.batch) >= config.drop_previous),
        **{name: torch.from_numpy(np.stack(held[name])).float() for name in CONDITIONS[1:]},
    )
    told = np.where(rng.random(config.batch) < config.share_held, rng.integers(1, window // 2 + 1, config.batch), 0)
    return Windows(
        motion[:, before:], conditions, torch.from_numpy(np.stack(held["mouth"])).float(), torch.from_numpy(told)
    )


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
