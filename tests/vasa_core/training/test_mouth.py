"""Learning the tone of mouths, on mouths whose tone is known."""

import av
import numpy as np
import pytest
import torch

from vasa_core.render.interior import FEATURES, Interior, InteriorConfig
from vasa_core.training.mouth import (
    HEIGHT,
    WIDTH,
    ClipsMissing,
    TrainingConfig,
    between_lips,
    cut_clip,
    read_mouths,
    save,
    train,
)

TINY = InteriorConfig(hidden=16, style=2, rows=6, columns=9)


def lips(opening: float) -> np.ndarray:
    """Features (FEATURES,) of a mouth that is `opening` mouth widths open."""
    x = np.linspace(-0.5, 0.5, 11)
    bow = 0.25 - x**2
    upper, lower = np.column_stack([x, -0.2 * opening * bow]), np.column_stack([x, 4 * opening * bow])[1:-1]
    return np.concatenate([upper.ravel(), lower.ravel(), [0, opening]]).astype(np.float32)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Two people whose mouths grow redder and darker the wider they open."""
    folder = tmp_path_factory.mktemp("mouths")
    rng = np.random.default_rng(0)
    for name in "ab":
        openings = rng.uniform(0.05, 0.35, 40)
        tone = np.stack([200 - 300 * openings, 160 - 400 * openings, 160 - 400 * openings], 1)  # (40, 3)
        patches = np.broadcast_to(tone[:, None, None], (40, HEIGHT, WIDTH, 3)).clip(0, 255).astype(np.uint8)
        np.savez(folder / f"{name}.npz", patches=patches, features=[lips(o) for o in openings], ivory=np.full(3, 200.0))
    return folder


def test_between_lips_is_the_opening():
    assert between_lips(lips(0.3)).sum() > 2 * between_lips(lips(0.12)).sum() > 0
    assert between_lips(lips(0.3))[0].max() == 0


def test_tone_is_learned_and_ships_as_trained(cache, tmp_path):
    mouths = read_mouths(cache, TINY)
    assert mouths.colour.shape == (80, 3, 6, 9) and mouths.features.shape == (80, FEATURES)
    net = train(mouths, TrainingConfig(steps=400, batch=16, rate=1e-2), TINY)
    save(net, tmp_path / "mouth.safetensors")
    shipped = Interior.from_pretrained(tmp_path / "mouth.safetensors")
    for opening in (0.12, 0.3):
        told = lips(opening)
        expected = np.array([200 - 300 * opening, 160 - 400 * opening, 160 - 400 * opening]) / 200
        assert shipped(told)[3, 4] == pytest.approx(expected, abs=0.08)
        with torch.inference_mode():
            drawn = net(torch.tensor(told)[None], torch.tensor([0]), torch.zeros(1, 1), torch.zeros(1, FEATURES))
        assert shipped(told).transpose(2, 0, 1) == pytest.approx(drawn[0].numpy(), abs=5e-3)  # half precision


def test_an_interrupted_run_ends_like_a_whole_one(cache, tmp_path):
    mouths = read_mouths(cache, TINY)
    whole = train(mouths, TrainingConfig(steps=12, batch=8, checkpoint_every=6), TINY, tmp_path / "whole.ckpt")
    torch.save(dict(torch.load(tmp_path / "whole.ckpt", weights_only=True)), tmp_path / "kept.ckpt")
    (tmp_path / "whole.ckpt").unlink()
    state = {}

    class Stop(Exception):
        pass

    def stop_half_way(*_, **__):
        state["calls"] = state.get("calls", 0) + 1
        if state["calls"] == 1:
            raise Stop

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr("builtins.print", stop_half_way)  # printed right after the first checkpoint
        train(mouths, TrainingConfig(steps=12, batch=8, checkpoint_every=6), TINY, tmp_path / "cut.ckpt")
    resumed = train(mouths, TrainingConfig(steps=12, batch=8, checkpoint_every=6), TINY, tmp_path / "cut.ckpt")
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_no_mouths_is_named(tmp_path):
    with pytest.raises(ClipsMissing, match="holds no mouths"):
        read_mouths(tmp_path, TINY)


def test_mouths_are_cut_from_a_clip(astronaut, space, tmp_path):
    path = tmp_path / "clip.mp4"
    crop = np.ascontiguousarray(astronaut.pixels[0:256, 96:352])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 256
        stream.pix_fmt = "yuv420p"
        for _ in range(14):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(crop, format="rgb24")))
        container.mux(stream.encode())
    cut = cut_clip(path, space, limit=5)
    assert cut["patches"].shape == (5, HEIGHT, WIDTH, 3) and cut["ivory"].min() > 120
    mask = between_lips(cut["features"][0])
    teeth, around = cut["patches"][0][mask > 0.9].mean(), cut["patches"][0][mask < 0.1].mean()
    assert mask.sum() > 20 and teeth > around - 40  # a smile: teeth between the lips
