"""Train the detector on a built set and write its weights.

    python -m detection.training.train .cache/detection/takes [-o detection/weights/detector.safetensors] [--steps N]

Four members, each without one fold of people and sources; then fusion, calibration and thresholds on what every member
says about the people it never saw. Members are kept beside the takes when they are done, so the command can be stopped
and started again. Figures of the held-out people, beside those of the weights that are replaced, go to standard output.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from detection.crops import FOLDER
from detection.evidence import Lips
from detection.metrics import auc, brier, by_people, conformal_upper, ece, logistic, tpr_at_fpr
from detection.model import KIND, PICTURE_BRANCHES, VERSION, Member, Model, sigmoid, sync_stretches
from detection.motion import liveliness
from detection.pixels import PixelConfig
from detection.sync import agreement
from detection.training import branches
from detection.training.branches import TrainConfig
from detection.training.split import FOLDS
from detection.training.takes import FILMED, GENERATED, PARTIAL, REAL, Take, load_takes
from vasa_core.errors import WeightsError
from vasa_core.weights import read_weights, write_weights

FALSE_ALARMS = 0.01  # share of real takes that may be called generated
# Bias, and how much each branch's log-odds count. Fixed: forty people of four groups of sources are too few to learn
# how far a branch is to be trusted on people of a fifth (docs/detection.md).
FUSION = [0.0, 0.3, 1.0, 0.1, 0.1]
STRANGE = 0.002  # share of takes whose face may be called unlike anything seen
UNFILMED = 0.1  # share of real takes that may be too unlike the others to be called authentic looking
STILL = 0.01  # share of real and generated takes that may be taken for filmed photos
MISSES = 0.02  # share of this generator's takes that may be called authentic looking


UNTOLD = -99.0  # log-odds that stand for "no answer" where it is counted what is found


def train_member(takes: list[Take], fold: int, config: TrainConfig, seed: int) -> dict[str, np.ndarray]:
    """Tensors of the member that never sees `fold`."""
    seen = [t for t in takes if t.fold != fold]
    net = branches.train_pixels(seen, config, seed + fold)
    motion = branches.train_motion(seen, config, seed + fold)
    tensors = {f"pixels.{n}": p.detach().numpy() for n, p in net.state_dict().items()}
    tensors |= {f"motion.{n}": getattr(motion, n) for n in motion.__dataclass_fields__}
    skin = branches.train_skin(seen, config)
    tensors |= {f"skin.{n}": getattr(skin, n) for n in skin.__dataclass_fields__}
    tensors["listener"] = branches.train_listener(seen)
    member = Member(net, skin, motion, tensors["listener"], (), 1.0, 1.0)
    embeddings: dict[bool, list[np.ndarray]] = {False: [], True: []}
    with torch.inference_mode():
        for take in seen:
            if take.has_pixels and take.kind != "blended":
                shown = branches.as_tensor(take.crops), torch.from_numpy(take.skin.astype(np.float32))
                embeddings[take.fake].append(member.pixels(*shown)[2].numpy())
    for which, rows in enumerate(embeddings.values()):
        own = branches.gauss(np.concatenate(rows), config.shrinkage)
        tensors[f"known{which}.mean"], tensors[f"known{which}.whiten"] = own.mean, own.whiten
    return tensors


def held_out(takes: list[Take], members: list[Member]) -> list[dict[str, Any]]:
    """What the member that never saw a take's person says about it, one row per take."""
    rows = []
    for take in takes:
        member = members[take.fold]
        row: dict[str, Any] = {"take": take, "motion": float(member.motion.logits(take.motion).mean())}
        if take.has_pixels:
            crop, flat, far, off = member.look(take.crops, take.skin)
            row |= {"pixels": float((crop + flat).mean()), "crops": float(crop.mean()), "maps": float(flat.mean())}
            row["skin"] = float(member.skin.logits(take.light).mean())
            row |= {"far": float(far.mean()), "off": float(off.mean())}
        found = [
            agreement(take.clock[a:b], take.lips[a:b], take.voice, member.listener)
            for a, b in sync_stretches(Lips(take.clock, take.lips))
        ]
        heard = [a.vector() for a in found if a is not None]
        row["sync"] = np.mean(heard, axis=0) if heard else None
        rows.append(row)
    return rows


def calibrate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Branch calibrations from held-out rows of real and wholly generated takes, and the fusion."""
    shown = [r for r in rows if r["take"].kind in ("real", *GENERATED)]
    y = np.array([r["take"].fake for r in shown])
    weight = _balanced(shown)
    branch = {}
    for name in PICTURE_BRANCHES:
        x = np.array([[r[name]] for r in shown])
        bias, slope = logistic(x, y, weight, ridge=0.1)
        branch[name] = (max(float(slope), 1e-3), float(bias))
    heard = [r for r in shown if r["sync"] is not None]
    sync = logistic(np.array([r["sync"] for r in heard]), np.array([r["take"].fake for r in heard]), _balanced(heard))
    branch["sync"] = (1.0, 0.0)
    return {
        "branch": branch,
        "sync": sync.tolist(),
        "fusion": {
            "silent": FUSION[:4],
            "full": FUSION,
        },
    }


def fused(row: dict[str, Any], facts: dict[str, Any]) -> float:
    """Fused log-odds of a row."""
    model = Model(
        members=(),
        fusion={k: np.array(v) for k, v in facts["fusion"].items()},
        branch=facts["branch"],
        sync=np.array(facts["sync"]),
        generated=0,
        authentic=0,
        still=0,
        version="",
        figures={},
    )
    return float(model.fuse(row["pixels"], row["skin"], row["motion"], row["sync"]))


def cross_fused(rows: list[dict[str, Any]]) -> np.ndarray:
    """Fused log-odds of every row, by a fusion fitted on the other folds' rows."""
    out = np.full(len(rows), np.nan)
    folds = np.array([r["take"].fold for r in rows])
    for fold in np.unique(folds):
        facts = calibrate([r for r, f in zip(rows, folds, strict=True) if f != fold])
        for k in np.flatnonzero(folds == fold):
            if "pixels" in rows[k]:
                out[k] = fused(rows[k], facts)
    return out


def answered(rows: list[dict[str, Any]], reach: float = 1.0) -> np.ndarray:
    """bool (N,): rows whose faces are not stranger than `reach` of the members' own limit."""
    return ~(np.array([r.get("far", np.nan) for r in rows]) > reach)


def figures(rows: list[dict[str, Any]], scores: np.ndarray, told: np.ndarray) -> dict[str, Any]:
    """Everything the report and the table say about held-out people. told: rows that get an answer; the others count as
    not found where it is asked what is found."""
    take = [r["take"] for r in rows]
    own = np.array([t.kind == "real" or t.kind in GENERATED for t in take]) & np.isfinite(scores)
    fake = np.array([t.fake for t in take])[own]
    people = np.array([t.person for t in take])[own]
    s = scores[own]
    values: dict[str, Any] = {
        "people": len(np.unique(people)),
        "real": int((~fake).sum()),
        "generated": int(fake.sum()),
    }
    said = np.where(told[own], s, UNTOLD)
    for name, measure, x in (("auc", auc, s), ("tpr_at_fpr_1", tpr_at_fpr, said)):
        values[name] = [round(measure(x, fake), 4), *(round(v, 4) for v in by_people(measure, x, fake, people))]
    values["ece"] = round(ece(sigmoid(s), fake), 4)
    values["brier"] = round(brier(sigmoid(s), fake), 4)
    for name in ("pixels", "crops", "maps", "skin", "motion"):
        column = np.array([r.get(name, np.nan) for r in rows])[own]
        values[f"auc_{name}"] = round(auc(column, fake), 4)
    for kind in (*GENERATED, *PARTIAL, "blended"):
        chosen = np.array([t.kind in ("real", kind) for t in take]) & np.isfinite(scores)
        labels = np.array([t.fake for t in take])[chosen]
        if labels.any():
            values[f"auc_{kind}"] = round(auc(scores[chosen], labels), 4)
    for fold in range(FOLDS):
        inside = np.array([t.fold == fold for t in take])[own]
        if len(np.unique(fake[inside])) == 2:
            values[f"auc_fold{fold}"] = round(auc(s[inside], fake[inside]), 4)
    return values


def _balanced(rows: list[dict[str, Any]]) -> np.ndarray:
    """Weights that make both classes count alike, and people within them."""
    fake = np.array([r["take"].fake for r in rows])
    people = np.array([r["take"].person for r in rows])
    weight = np.zeros(len(rows))
    for label in (False, True):
        names, counts = np.unique(people[fake == label], return_counts=True)
        share = dict(zip(names, 1 / counts, strict=True))
        weight[fake == label] = [share[p] for p in people[fake == label]]
        weight[fake == label] *= len(rows) / 2 / max(weight[fake == label].sum(), 1e-9)
    return weight


def thresholds(rows: list[dict[str, Any]], scores: np.ndarray) -> tuple[float, float]:
    """Fused log-odds (generated, authentic): from the first on a face is called generated, up to the second authentic
    looking. Split conformal on held-out people; what lies between is "cannot tell"."""
    kinds = np.array([r["take"].kind for r in rows])
    real = scores[(kinds == "real") & np.isfinite(scores)]
    own = scores[np.isin(kinds, GENERATED) & np.isfinite(scores)]
    above = conformal_upper(real, FALSE_ALARMS)
    if not np.isfinite(above):
        above = float(real.max() + 1.0)
    below = -conformal_upper(-own, MISSES)
    if below > above:  # the classes are apart: the gap between them belongs to neither
        above, below = below, above
        above = max(above - 0.25 * (above - below), below)
    return above, min(below, above)


def fit(takes: list[Take], work: Path, config: TrainConfig, seed: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All members, fusion and thresholds: tensors and facts of the weights file."""
    photos = [t for t in takes if t.kind == FILMED]
    takes = [t for t in takes if t.kind != FILMED]
    everything: dict[str, np.ndarray] = {}
    parts = []
    made_of = (VERSION, config, seed, [(t.name, t.windows) for t in takes])
    stamp = hashlib.sha256(repr(made_of).encode()).hexdigest()[:12]
    for fold in range(FOLDS):
        kept = work / f"member{fold}-{stamp}.npz"
        if kept.exists():
            with np.load(kept) as file:
                tensors = dict(file)
        else:
            print(f"member {fold}: {sum(t.fold != fold for t in takes)} takes", flush=True)
            tensors = train_member(takes, fold, config, seed)
            part = kept.with_suffix(".part.npz")
            np.savez(part, **tensors)  # type: ignore[arg-type]
            part.replace(kept)
        parts.append(tensors)
    members = [_assembled(t) for t in parts]
    rows = held_out(takes, members)
    far = np.array([r.get("far", np.nan) for r in rows])
    kinds = np.array([r["take"].kind for r in rows])
    reach = float(np.nanquantile(far[np.isin(kinds, ("real", *GENERATED, *PARTIAL))], 1 - STRANGE))
    off = np.array([r.get("off", np.nan) for r in rows])
    near = float(np.nanquantile(off[kinds == REAL], 1 - UNFILMED))
    for k, tensors in enumerate(parts):
        tensors["reach"] = np.array([reach, near], np.float32)
        everything |= {f"{k}.{n}": _small(v) for n, v in tensors.items()}
    facts = calibrate(rows)
    scores = cross_fused(rows)
    told = answered(rows, reach)
    filmed = ~(off > near)
    generated, authentic = thresholds([r for r, t in zip(rows, told, strict=True) if t], scores[told])
    values = figures(rows, scores, told)
    own = np.isin(kinds, GENERATED) & np.isfinite(scores)
    real = (kinds == "real") & np.isfinite(scores)
    values |= {
        "real_called_generated": round(float(((scores >= generated) & told)[real].mean()), 4),
        "real_called_authentic": round(float(((scores <= authentic) & told & filmed)[real].mean()), 4),
        "generated_called_generated": round(float(((scores >= generated) & told)[own].mean()), 4),
        "generated_called_authentic": round(float(((scores <= authentic) & told & filmed)[own].mean()), 4),
        "real_unanswered_as_strange": round(float((~told)[real].mean()), 4),
        "generated_unanswered_as_strange": round(float((~told)[own].mean()), 4),
    }
    heard = [float(r["sync"][0]) for r in rows if r["sync"] is not None and r["take"].kind == "real"]
    values["sync_real"] = [round(float(np.quantile(heard, q)), 2) for q in (0.05, 0.95)] if heard else [0.0, 1.0]
    moving = [float(np.median(liveliness(t.motion))) for t in takes if t.kind in (REAL, *GENERATED)]
    still = float(np.quantile(moving, STILL))
    seen = [float(np.median(liveliness(t.motion))) < still for t in photos]
    values |= {"filmed_photos": len(photos), "filmed_photos_found": round(float(np.mean(seen)), 4) if seen else 0.0}
    facts |= {
        "members": FOLDS,
        "pixels": PixelConfig().to_dict(),
        "generated": generated,
        "authentic": authentic,
        "still": still,
        "version": stamp,
        "figures": values,
    }
    return everything, facts


def _assembled(tensors: dict[str, np.ndarray]) -> Member:
    """A member whose distances are not yet measured against limits."""
    from detection.model import _member

    own = {f"0.{n}": v for n, v in tensors.items()} | {"0.reach": np.ones(2, np.float32)}
    return _member(own, "0.", {"pixels": PixelConfig().to_dict()})


def _small(value: np.ndarray) -> np.ndarray:
    return value.astype(np.float32) if value.dtype == np.float64 else value


def compare(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Old and new figures side by side."""
    lines = [f"{'figure':28} {'before':>22} {'now':>22}"]
    for name, value in after.items():
        old = before.get(name, "")
        lines.append(f"{name:28} {_plain(old):>22} {_plain(value):>22}")
    return "\n".join(lines)


def _plain(value: object) -> str:
    return " ".join(f"{v:g}" for v in value) if isinstance(value, list) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("takes", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=FOLDER / "detector.safetensors")
    parser.add_argument("--steps", type=int, default=TrainConfig.steps)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    takes = load_takes(options.takes)
    tensors, facts = fit(takes, options.takes.parent, TrainConfig(steps=options.steps), options.seed)
    before: dict[str, Any] = {}
    with contextlib.suppress(WeightsError, KeyError, json.JSONDecodeError):
        before = json.loads(read_weights(options.output, KIND, VERSION)[1]["facts"])["figures"]
    write_weights(options.output, KIND, VERSION, tensors, facts=json.dumps(facts))
    print(compare(before, facts["figures"]))
    print(f"generated from {facts['generated']:.2f}, authentic looking up to {facts['authentic']:.2f} (log-odds)")
    print(f"fusion {facts['fusion']}")


if __name__ == "__main__":
    main()
