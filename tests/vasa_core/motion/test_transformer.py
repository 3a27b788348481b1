"""The motion transformer and its sampler at debug size: shapes, conditions, schedulers, seams, files."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from vasa_core.motion.pipeline import MotionPipeline, flow_timestep
from vasa_core.motion.transformer import (
    CONDITIONS,
    EMOTION_DIM,
    SIZES,
    Conditions,
    MotionTransformer,
    cosine_schedule,
)
from vasa_core.types import POSE_DIM

D, F = 5, 7
M = POSE_DIM + D


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def fresh(size: str = "debug", seed: int = 0) -> MotionTransformer:
    torch.manual_seed(seed)
    return MotionTransformer.of_size(size, dynamics_dim=D, audio_dim=F).eval()


def conditions(batch: int, known: bool = True, seed: int = 0) -> Conditions:
    size, g = SIZES["debug"], torch.Generator().manual_seed(seed)

    def made(frames: int, width: int) -> torch.Tensor:
        return torch.randn(batch, frames, width, generator=g)

    return Conditions(
        audio=made(size.window, F),
        gaze=made(size.window, 2),
        distance=made(size.window, 1),
        emotion=made(size.window, EMOTION_DIM),
        blinks=made(size.window, 1),
        previous_motion=made(size.previous, M),
        previous_audio=made(size.previous, F),
        known=torch.full((batch, size.window, len(CONDITIONS)), known),
        known_previous=torch.full((batch,), known),
    )


def sound(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, F)).astype(np.float32)


def noise(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_paper_size_is_the_published_one() -> None:
    size = SIZES["paper"]
    assert (size.layers, size.width, size.heads) == (8, 512, 8)
    model = fresh("paper")
    told = conditions(1)
    sample = torch.randn(1, SIZES["debug"].window, M, generator=noise())
    grown = {"previous_motion": torch.zeros(1, size.previous, M), "previous_audio": torch.zeros(1, size.previous, F)}
    told = Conditions(**(told.tensors() | grown))
    loss = (model(sample, torch.tensor([300.0]), told) - sample).square().mean()
    loss.backward()  # a step of its training is possible
    assert all(
        p.grad is not None and torch.isfinite(p.grad).all()
        for n, p in model.named_parameters()
        if "absent" not in n and "no_prev" not in n
    )
    with pytest.raises(ValueError, match="no size 'huge'"):
        MotionTransformer.of_size("huge", D, F)


def test_output_is_a_window_and_conditions_matter_only_when_known() -> None:
    model, window = fresh(), SIZES["debug"].window
    sample, time = torch.randn(3, window, M, generator=noise()), torch.tensor([10.0, 500.0, 990.0])
    with torch.inference_mode():
        told, other = model(sample, time, conditions(3)), model(sample, time, conditions(3, seed=5))
        blind, again = (model(sample, time, conditions(3, known=False, seed=s)) for s in (0, 5))
    assert told.shape == (3, window, M)
    assert (told - other).abs().max() > 1e-3
    assert torch.equal(blind, again)


@pytest.mark.parametrize("name", CONDITIONS)
def test_each_condition_can_be_left_out_alone(name: str) -> None:
    model, c = fresh(), conditions(1)
    sample, time = torch.randn(1, SIZES["debug"].window, M, generator=noise()), torch.tensor([700.0])
    with torch.inference_mode():
        assert not torch.equal(model(sample, time, c), model(sample, time, c.without(name)))
    assert c.known.all()  # the original is as it was


def test_a_clean_window_passes_through() -> None:
    alpha, sigma = cosine_schedule(torch.tensor([0, 999]), 1000)
    assert alpha[0] > 0.99 and sigma[1] > 0.99
    assert torch.allclose(alpha**2 + sigma**2, torch.ones(2))
    sample = torch.randn(1, SIZES["debug"].window, M, generator=noise())
    with torch.inference_mode():
        clean = fresh()(sample, torch.tensor([0.0]), conditions(1))
    assert (clean - sample).abs().mean() < 0.05


def test_weights_survive_saving(tmp_path: Path) -> None:
    pipeline = MotionPipeline.of(fresh())
    pipeline.transformer.motion_std.fill_(2.0)
    pipeline.save_pretrained(tmp_path)
    loaded = MotionPipeline.from_pretrained(tmp_path)
    assert isinstance(loaded.scheduler, DPMSolverMultistepScheduler)
    assert dict(loaded.transformer.config)["features"] == "visemes"
    first, second = (p(sound(30), generator=noise()) for p in (pipeline, loaded))
    assert np.array_equal(first.pose, second.pose) and np.array_equal(first.dynamics, second.dynamics)


@pytest.mark.parametrize("count", [1, 19, 20, 21, 65])
def test_any_length(count: int) -> None:
    made = MotionPipeline.of(fresh())(sound(count), gaze=np.zeros(2), generator=noise())
    assert made.pose.shape == (count, POSE_DIM) and made.dynamics.shape == (count, D)
    assert np.isfinite(made.pose).all() and np.isfinite(made.dynamics).all()


def test_seeds_and_beginnings() -> None:
    pipeline, audio = MotionPipeline.of(fresh()), sound(60)
    first, same, other = (pipeline(audio, generator=noise(s)) for s in (1, 1, 2))
    assert np.array_equal(first.pose, same.pose)
    assert np.abs(first.pose - other.pose).mean() > 0.01
    shorter = pipeline(audio[:40], generator=noise(1))
    assert np.allclose(shorter.pose, first.pose[:40], atol=1e-5)


@pytest.mark.parametrize(
    "scheduler", [DDIMScheduler, UniPCMultistepScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler]
)
def test_stock_schedulers_reach_the_same_motion(scheduler: type) -> None:
    """All solve the same equation from the same noise: with many steps they agree."""
    pipeline, audio = MotionPipeline.of(fresh()), sound(20)
    reference = pipeline(audio, generator=noise(), num_inference_steps=60)
    flow = scheduler is FlowMatchEulerDiscreteScheduler
    pipeline.scheduler = scheduler() if flow else scheduler.from_config(pipeline.scheduler.config)
    made = pipeline(audio, generator=noise(), num_inference_steps=60)
    assert np.corrcoef(made.dynamics.ravel(), reference.dynamics.ravel())[0, 1] > 0.9


def test_a_scheduler_that_predicts_noise_is_refused() -> None:
    pipeline = MotionPipeline.of(fresh())
    pipeline.scheduler = DDIMScheduler()
    with pytest.raises(ValueError, match="from_config"):
        pipeline(sound(20))


def test_flow_and_cosine_levels_agree() -> None:
    for s in (0.05, 0.5, 0.95):
        alpha, sigma = cosine_schedule(torch.tensor([flow_timestep(s, 1000)]), 1000)
        assert float(sigma / alpha) == pytest.approx(s / (1 - s), rel=0.02)


def test_guidance_pushes_away_from_the_unconditional() -> None:
    pipeline, audio = MotionPipeline.of(fresh()), sound(20)
    none, some, more = (
        pipeline(audio, guidance={"audio": g}, generator=noise(), num_inference_steps=2).dynamics
        for g in (0.0, 1.0, 2.0)
    )
    assert 0 < np.abs(some - none).mean() < np.abs(more - none).mean()


def test_controls_per_frame_and_distance() -> None:
    pipeline, audio = MotionPipeline.of(fresh()), sound(20)
    steady = pipeline(audio, gaze=np.zeros((20, 2)), distance=np.zeros(20), generator=noise())
    late = np.zeros((20, 2))
    late[12:] = 15
    turned = pipeline(audio, gaze=late, distance=np.zeros(20), generator=noise())
    assert not np.allclose(steady.dynamics, turned.dynamics)
    assert not np.allclose(pipeline(audio, distance=np.array(0.3), generator=noise()).pose, steady.pose)


def test_going_on_from_motion_that_was() -> None:
    pipeline, audio, before = MotionPipeline.of(fresh()), sound(20), SIZES["debug"].previous
    past = (np.ones((before, M), np.float32), sound(before, seed=3))
    assert not np.allclose(
        pipeline(audio, generator=noise()).pose, pipeline(audio, previous=past, generator=noise()).pose
    )


def test_the_asked_distance_is_added_exactly() -> None:
    pipeline, audio = MotionPipeline.of(fresh()), sound(20)
    with torch.no_grad():  # a model that does not hear the distance still keeps it
        pipeline.transformer.condition_in["distance"].weight.zero_()
    far, near = (pipeline(audio, distance=np.array(d), generator=noise()).pose for d in (-0.2, 0.3))
    assert near[:, 5] - far[:, 5] == pytest.approx(np.full(20, 0.5), abs=1e-4)


def test_threads_share_a_pipeline() -> None:
    pipeline, audio, results = MotionPipeline.of(fresh()), sound(45), {}
    threads = [
        threading.Thread(target=lambda k=k: results.update({k: pipeline(audio, generator=noise(k % 2)).pose}))
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        assert np.allclose(results[k], pipeline(audio, generator=noise(k % 2)).pose, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio": sound(20)[:, :3]}, "audio has shape"),
        ({"audio": sound(20)[:0]}, "no sound"),
        ({"gaze": np.zeros(3)}, "gaze has shape"),
        ({"blinks": np.zeros(7)}, "blinks has shape"),
        ({"guidance": {"smell": 1.0}}, "no condition is named smell"),
        ({"previous": (np.zeros((4, 2)), sound(4))}, "previous motion has shape"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MotionPipeline.of(fresh())(**({"audio": sound(20)} | changes))
