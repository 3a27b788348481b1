"""Fit coarticulation and behaviour on the real clips whose sound and picture belong together.

    python -m vasa_core.training.articulation .cache/tracks DATA_DIR [-o vasa_core/weights/motion.safetensors]

Every clip's audio-video offset (manifest, then measured again with the viseme network) is undone first. Each person
has a gain and a rest of their own per articulator, so that the shared targets describe speech and not people.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from vasa_core.face.alignment import AlignedTrack, align
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import ARTICULATORS, REACH, Articulation, measures, smooth, to_motion_rate
from vasa_core.motion.generator import load_viseme_net
from vasa_core.motion.visemes import VISEME_RATE, VISEMES, VisemeNet, log_mel, normalise_loudness
from vasa_core.training.behaviour import fit_behaviour
from vasa_core.training.face_space import displacements
from vasa_core.training.media import read_sound
from vasa_core.training.performance import Behaviour
from vasa_core.training.tracks import load_tracks
from vasa_core.types import MOTION_RATE
from vasa_core.weights import FOLDER, write_weights

APERTURE_95 = 0.128  # face widths: the 95th percentile of the inner lips' opening that shipped motion should have
PRIOR_WEIGHT = 0.02
# Where phonetics expects opening, jaw, width, forward (in standard deviations of speech): minutes of video alone
# mislead.
_PRIOR = {
    "bilabial": (-0.3, 0.2, 0.0, 0.2),
    "labiodental": (0.2, 0.2, 0.0, 0.1),
    "dental": (0.9, 0.7, 0.0, 0.0),
    "alveolar": (0.8, 0.6, 0.1, 0.0),
    "sibilant": (0.6, 0.2, 0.3, 0.0),
    "postalveolar": (0.7, 0.3, -1.0, 0.9),
    "back": (1.0, 0.9, 0.0, 0.0),
    "rhotic": (0.7, 0.6, -0.8, 0.5),
    "tight_round": (0.5, 0.7, -1.8, 1.3),
    "round": (1.2, 1.2, -1.4, 0.9),
    "open": (2.6, 2.4, 0.0, -0.3),
    "mid": (2.0, 1.7, 0.4, -0.3),
    "spread": (1.1, 0.7, 0.8, -0.3),
}
_OPEN = [VISEMES.index(v) for v in ("round", "open", "mid", "spread")]


@dataclass(frozen=True)
class SpokenClip:
    """A synchronous clip: posteriors (2 N, classes) at VISEME_RATE and articulators (N, 6) at MOTION_RATE, offset
    undone."""

    name: str
    posteriors: np.ndarray
    moves: np.ndarray
    offset: float


@torch.inference_mode()
def posteriors_of(net: VisemeNet, samples: np.ndarray) -> np.ndarray:
    return net(log_mel(torch.from_numpy(normalise_loudness(samples))[None]))[0].softmax(-1).numpy()


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-9 and b.std() > 1e-9 else 0.0


def openness(posteriors: np.ndarray) -> np.ndarray:
    """A rough expectation of how open the mouth is, (T,): enough to find the offset between sound and picture."""
    weight = np.full(len(VISEMES), 0.3)
    weight[0] = weight[1] = 0.0
    weight[_OPEN] = (0.6, 1.0, 0.8, 0.55)
    return smooth(posteriors @ weight, 3)


def spoken_clip(name: str, shape: np.ndarray, posteriors: np.ndarray, hint: float | None) -> SpokenClip | None:
    """Undo the offset between lips and sound; None when nothing tells it (no clear peak of the correlation)."""
    moves = measures(shape)
    count = min(len(moves), len(posteriors) // 2)
    expected = to_motion_rate(openness(posteriors), count)
    best, at = 0.0, None
    guess = 0 if hint is None else round(hint * MOTION_RATE)
    reach = 2 if hint is not None else 8
    for shift in range(guess - reach, guess + reach + 1):
        lips = moves[max(0, shift) : count + min(0, shift), 0]
        sound = expected[max(0, -shift) : count - max(0, shift)]
        r = correlation(lips, sound)
        if r > best:
            best, at = r, shift
    if at is None or best < (0.1 if hint is not None else 0.4):
        return None
    lips = moves[max(0, at) : count + min(0, at)]
    first = max(0, -at)
    return SpokenClip(name, posteriors[2 * first : 2 * (first + len(lips))], lips, at / MOTION_RATE)


def fit_articulation(clips: list[SpokenClip], rounds: int = 400, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Targets and dominance (classes, 6), onset and release (classes,) that explain the clips best."""
    torch.manual_seed(seed)
    classes, parts = len(VISEMES), len(ARTICULATORS)
    scale = torch.tensor(np.median([c.moves.std(0) for c in clips], axis=0), dtype=torch.float32)
    targets = torch.zeros(classes, parts, requires_grad=True)
    dominance = torch.zeros(classes, parts, requires_grad=True)
    onset = torch.full((classes,), float(np.log(0.05)), requires_grad=True)
    release = torch.full((classes,), float(np.log(0.06)), requires_grad=True)
    optimiser = torch.optim.Adam([targets, dominance, onset, release], 0.05)
    lag = torch.arange(-REACH, REACH + 1) / VISEME_RATE
    present = [torch.from_numpy(c.posteriors.T.copy())[None] for c in clips]  # (1, classes, T)
    observed = [torch.from_numpy(c.moves.astype(np.float32)) / scale for c in clips]
    prior = torch.zeros(classes, parts)
    for name, row in _PRIOR.items():
        prior[VISEMES.index(name), : len(row)] = torch.tensor(row)
    with torch.no_grad():
        targets += prior
    free = torch.ones(classes, 1)
    free[0] = 0  # rest stays at zero
    for _ in range(rounds):
        pace = torch.where(lag[None] < 0, onset.exp()[:, None], release.exp()[:, None]).clamp(0.02, 0.2)
        kernel = torch.exp(-lag.abs()[None] / pace)
        kernel = (kernel / kernel.sum(1, keepdim=True)).flip(1)[:, None]  # conv1d correlates
        strength = dominance.exp()
        loss = targets.new_zeros(())
        for p, seen in zip(present, observed, strict=True):
            spread = torch.nn.functional.conv1d(p, kernel, padding=REACH, groups=classes)[0].T  # (T, classes)
            moves = (spread @ (strength * targets * free)) / (spread @ strength + 1e-6)
            moves = moves.reshape(-1, 2, parts).mean(1)
            n = min(len(moves), len(seen))
            moves, seen = moves[:n], seen[:n]
            # This person's gain and rest, by ridge regression towards 1 and 0.
            centre_m, centre_s = moves.mean(0), seen.mean(0)
            a, b = moves - centre_m, seen - centre_s
            gain = ((a * b).mean(0) + 0.3) / ((a * a).mean(0) + 0.3)
            gain = gain.clamp(0.3, 3).detach()
            error = b - gain * a
            loss = loss + (error**2).mean(1).clamp(max=9).sum() / np.sqrt(n)
        loss = loss / sum(np.sqrt(len(s)) for s in observed)
        fitted = loss.item()
        loss = loss + PRIOR_WEIGHT * ((targets - prior) ** 2).sum(1).mean() + 0.02 * (dominance**2).mean()
        loss = loss + 0.02 * ((onset - np.log(0.05)) ** 2 + (release - np.log(0.06)) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        print(f"articulation: residual variance {fitted:.3f} of 1")
        return tuple(
            v.numpy()
            for v in (
                targets * free * scale,
                dominance.exp(),
                onset.exp().clamp(0.02, 0.2),
                release.exp().clamp(0.02, 0.2),
            )
        )


def shapes(space: FaceSpace, code: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Likeliest facial code per unit of each articulator, (6, D), and the seal, (D,) (see Articulation)."""
    mouth = slice(7, space.dim)
    covariance = np.cov(code[:, mouth].T, aweights=weight)
    per_unit = measures(space.basis)[mouth].T  # (6, M)

    def likeliest(rows: np.ndarray) -> np.ndarray:
        gain = covariance @ rows.T
        return (gain @ np.linalg.inv(rows @ gain + 1e-9 * np.eye(len(rows)))).T  # (K, M)

    full = np.zeros((len(ARTICULATORS), space.dim), np.float32)
    full[:, mouth] = likeliest(per_unit)
    seal = np.zeros(space.dim, np.float32)
    kept = [i for i, name in enumerate(ARTICULATORS) if name != "upper"]
    seal[mouth] = -likeliest(per_unit[kept])[0]
    return full, seal


def phonetic(targets: np.ndarray, dominance: np.ndarray, onset: np.ndarray, release: np.ndarray) -> Articulation:
    """What phonetics knows and a few minutes of blurred video do not: closures are complete, silence is at rest.

    The shapes are filled in by the caller.
    """
    targets, dominance, onset, release = targets.copy(), dominance.copy(), onset.copy(), release.copy()
    opening = ARTICULATORS.index("opening")
    bilabial, labiodental = VISEMES.index("bilabial"), VISEMES.index("labiodental")
    targets[bilabial, opening] = min(targets[bilabial, opening], 0.0)
    targets[labiodental, opening] = np.clip(targets[labiodental, opening], 0.004, 0.02)
    dominance[[bilabial, labiodental], opening] = np.maximum(
        dominance[[bilabial, labiodental], opening], 1.5 * np.median(dominance[:, opening])
    )
    targets[0] = 0.0
    dominance[0] = np.maximum(dominance[0], 2 * np.median(dominance, 0))
    release[:] = np.minimum(release, 0.07)  # lips settle within 300 ms
    return Articulation(targets, dominance, onset, release, np.zeros((6, 0), np.float32), np.zeros(0, np.float32))


def load_clips(aligned: list[AlignedTrack], data: Path, net: VisemeNet) -> list[SpokenClip]:
    """The synchronous clips of aligned tracks with their posteriors."""
    out = []
    for track in aligned:
        if not track.track.synchronous:
            continue
        samples = read_sound(data / "clips" / track.track.split / f"{track.track.name}.mp4")
        clip = spoken_clip(
            track.track.name, track.face - track.neutral, posteriors_of(net, samples), track.track.offset
        )
        if clip is None:
            print(f"{track.track.name}: no clear offset, left out")
        else:
            out.append(clip)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracks", type=Path, help="folder written by vasa_core.training.tracks")
    parser.add_argument("data", type=Path, help="folder with clips/train")
    parser.add_argument("--visemes", type=Path, default=FOLDER / "visemes.safetensors")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER / "motion.safetensors")
    options = parser.parse_args()
    torch.set_num_threads(1)
    space, net = FaceSpace.from_pretrained(), load_viseme_net(options.visemes)
    aligned, _ = align([t for t in load_tracks(options.tracks, "train") if t.found.sum() > 20], space.template)
    clips = load_clips(aligned, options.data, net)
    print(f"{len(clips)} clips, {sum(len(c.moves) for c in clips) / MOTION_RATE:.0f} s; offsets in ms:")
    print("  " + ", ".join(f"{c.name} {1000 * c.offset:.0f}" for c in clips))
    model = phonetic(*fit_articulation(clips))
    said = np.concatenate(
        [to_motion_rate(model.trajectories(c.posteriors), len(c.posteriors) // 2)[:, 0] for c in clips]
    )
    stretch = APERTURE_95 / float(np.quantile(said, 0.95))
    print(f"opening: 95th percentile {np.quantile(said, 0.95):.3f} face widths, scaled by {stretch:.2f}")
    moved, weight = displacements(aligned)
    shape, seal = shapes(space, space.encode(moved), weight)
    behaviour = fit_behaviour(aligned, options.data)
    tensors = {
        "targets": model.targets * stretch,
        "dominance": model.dominance,
        "onset": model.onset,
        "release": model.release,
        "shapes": shape,
        "seal": seal,
    }
    tensors = {name: t.astype(np.float32) for name, t in tensors.items()}
    tensors |= {f"behaviour.{f.name}": np.array([getattr(behaviour, f.name)], np.float32) for f in fields(Behaviour)}
    write_weights(options.output, "motion", "1", tensors)
    for name, row in zip(VISEMES, tensors["targets"], strict=True):
        print(f"  {name:12s} " + " ".join(f"{a} {v:+.3f}" for a, v in zip(ARTICULATORS, row, strict=True)))


if __name__ == "__main__":
    main()
