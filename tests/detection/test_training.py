"""The training set: both classes through the same hands, no shortcut, nobody on two sides."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from detection.metrics import auc, brier, by_people, conformal_upper, ece, logistic, tpr_at_fpr
from detection.training.degrade import CODECS, Settings, degrade, draw, transcode
from detection.training.looks import Look, draw_look
from detection.training.probes import LIMIT, probes
from detection.training.pseudo import filmed
from detection.training.split import FOLDS, clips, person_of
from detection.training.takes import FILMED, Take, load_takes
from tests.detection.conftest import sway


def take(name: str, fake: bool, person: str, fold: int, rng: np.random.Generator, leak: float = 0.0) -> Take:
    """A take with drawn facts. leak: how much more bits the generated ones take."""
    settings = draw(rng, 150)
    density = np.exp(rng.normal(-3, 0.5) + leak * fake)
    facts = {
        **settings.to_dict(),
        "container": [256, 256, 25, 2.0, density * 1000, density, 1.0],
        "face_px": settings.face * 0.8,
        "lead": rng.normal(),
    }
    empty = np.zeros((1, 0), np.float32)
    return Take(
        name, "self" if fake else "real", person, "source", fold, fold, *[empty] * 4,
        np.zeros(0), np.zeros(0), np.zeros((0, 14)), rng.normal(size=28).astype(np.float32), facts,
    )  # fmt: skip


def takes(leak: float) -> list[Take]:
    rng = np.random.default_rng(5)
    out = []
    for i in range(1200):
        fold = i % FOLDS if i % 2 else (i // 2) % FOLDS
        out.append(take(f"{i}", i % 2 == 0, f"p{i % 40}", fold, rng, leak))
    return out


def test_probes_are_at_chance_when_settings_are_drawn_alike_and_find_a_planted_leak() -> None:
    fair, leaky = probes(takes(0.0)), probes(takes(1.5))
    for name, (value, *_) in fair.items():
        assert value <= LIMIT, name
    assert leaky["container"][0] > 0.7
    assert leaky["leading silence"][0] <= LIMIT


@pytest.mark.skipif(not list(Path(".cache/detection/takes").rglob("*.npz")), reason="no training set was built here")
def test_the_built_set_has_no_shortcut_and_nobody_on_two_sides() -> None:
    built = load_takes(Path(".cache/detection/takes"))
    fold_of: dict[str, set[int]] = {}
    for item in built:
        fold_of.setdefault(item.person, set()).add(item.fold)
    assert all(len(folds) == 1 for folds in fold_of.values())
    for name, (value, low, _) in probes(built).items():
        assert value <= LIMIT or low <= 0.5, f"{name}: {value:.3f}"
    real, fake = ([t.facts["marked"] for t in built if t.has_pixels and t.fake is f] for f in (False, True))
    assert abs(np.mean(real) - np.mean(fake)) < 0.15


@pytest.mark.parametrize("codec", list(CODECS))
def test_every_codec_gives_the_frames_back(codec: str, astronaut: np.ndarray) -> None:
    frames = [sway(astronaut, i, 128) for i in range(8)]
    settings = Settings(80, 25, codec, 28, "veryfast", 12)
    decoded, size = transcode(frames, 25, settings)
    assert len(decoded) == 8 and decoded[0].shape == (128, 128, 3) and size > 300
    assert np.abs(decoded[4].astype(int) - frames[4]).mean() < 12


def test_degrading_is_seeded_and_treats_sources_of_any_size_alike(astronaut: np.ndarray) -> None:
    frames = [sway(astronaut, i, 300) for i in range(12)]
    large = [np.kron(f, np.ones((2, 2, 1), np.uint8)) for f in frames]
    settings = draw(np.random.default_rng(4), 150, marked=True)
    times = np.arange(12) / 25
    a, rate, _ = degrade(frames, times, (150, 150, 150), settings)
    again, _, _ = degrade(frames, times, (150, 150, 150), settings)
    b, _, _ = degrade(large, times, (300, 300, 300), settings)
    assert a[0].shape == b[0].shape and a[0].shape[0] % 16 == 0 and rate > 0
    assert all(np.array_equal(x, y) for x, y in zip(a, again, strict=True))
    assert np.abs(a[3].astype(int) - b[3]).mean() < 6


@pytest.mark.parametrize("kind", ["film", "smooth", "drawn"])
def test_looks_change_the_picture_and_only_grain_is_new_in_every_frame(kind: str, astronaut: np.ndarray) -> None:
    look = Look(kind, 0.5, sepia=0.5, grain=10, coarse=1.0)
    first, second = (look.on(astronaut, 150, np.random.default_rng(seed)) for seed in (0, 1))
    assert first.shape == astronaut.shape and first.dtype == np.uint8
    assert np.abs(first.astype(int) - astronaut).mean() > 2
    assert (np.abs(first.astype(int) - second).mean() > 4) == (kind == "film")
    fine = [
        cv2.Laplacian(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), cv2.CV_32F)[120:180, 100:160] for f in (astronaut, first)
    ]
    if kind == "smooth":
        assert np.abs(fine[1]).mean() < 0.8 * np.abs(fine[0]).mean()


def test_looks_are_drawn_by_the_seed_and_left_out_about_half_the_time() -> None:
    drawn = [draw_look(np.random.default_rng(seed)).kind for seed in range(400)]
    assert drawn == [draw_look(np.random.default_rng(seed)).kind for seed in range(400)]
    assert 0.45 < drawn.count("none") / 400 < 0.65 and {"film", "smooth", "drawn"} < set(drawn)


def test_a_filmed_photo_moves_and_is_neither_real_nor_generated(astronaut: np.ndarray) -> None:
    frames = filmed(astronaut, 12, 150.0, np.random.default_rng(2))
    assert len(frames) == 12 and frames[0].shape == astronaut.shape
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 3
    one = take("a.0.filmed0", False, "p", 1, np.random.default_rng(0))
    one.kind = FILMED
    assert not one.fake and one.has_pixels


def test_people_and_sources_are_disjoint(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    rows = ["file,split,seconds,fps,size,face_px,audio,repository,licence,sync_r,av_offset_ms"]
    for index in range(12):
        name, source = (
            f"lipnet_{index}" if index % 2 else f"liveportrait_{index}",
            ("rizkiarm/LipNet", "KwaiVGI/LivePortrait"),
        )
        (folder / "train").mkdir(parents=True, exist_ok=True)
        (folder / "train" / f"{name}.mp4").touch()
        rows.append(f"train/{name}.mp4,train,3.0,25,256,130,speech,{source},x,,")
    (folder / "manifest.csv").write_text("\n".join(rows))
    found = clips(tmp_path)
    assert {c.fold for c in found if c.source == "grid"}.isdisjoint({c.fold for c in found if c.source != "grid"})
    assert {c.person_fold for c in found} == set(range(FOLDS))
    assert person_of("lipnet_pwij3p") == person_of("lipnet_id2_vcd_swwp2s") != person_of("lipnet_x")


def test_takes_survive_the_disk(tmp_path: Path) -> None:
    one = take("a.0.self0", True, "p", 1, np.random.default_rng(0))
    one.save(tmp_path)
    (back,) = load_takes(tmp_path)
    assert back.name == one.name and back.fake and back.facts["codec"] == one.facts["codec"]
    assert np.array_equal(back.background, one.background)


def test_figures_on_scores_whose_answer_is_known() -> None:
    fake = np.array([False] * 100 + [True] * 100)
    apart = np.concatenate([np.linspace(0, 1, 100), np.linspace(2, 3, 100)])
    assert auc(apart, fake) == 1 and tpr_at_fpr(apart, fake) == 1
    assert auc(np.zeros(200), fake) == 0.5
    assert np.isnan(auc(apart[:100], fake[:100]))
    rng = np.random.default_rng(0)
    p = rng.uniform(size=4000)
    truth = rng.uniform(size=4000) < p
    assert ece(p, truth) < 0.04 and brier(p, truth) == pytest.approx(1 / 6, abs=0.02)
    assert ece(np.full(100, 0.9), np.zeros(100)) == pytest.approx(0.9)
    low, high = by_people(auc, apart + rng.normal(0, 1, 200), fake, np.arange(200) % 20)
    assert 0.8 < low < high <= 1


def test_logistic_regression_finds_the_direction() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    y = x @ [2.0, -1.0, 0.0] + rng.normal(0, 0.3, 500) > 0.5
    beta = logistic(x, y, ridge=0.1)
    assert beta[1] > 1 and beta[2] < -0.5 and abs(beta[3]) < 0.5 and beta[0] < 0


def test_conformal_thresholds_keep_their_promise() -> None:
    rng = np.random.default_rng(0)
    share = np.mean([rng.normal() > conformal_upper(rng.normal(size=150), 0.05) for _ in range(3000)])
    assert share <= 0.06
    assert conformal_upper(rng.normal(size=50), 0.01) == float("inf")
