"""Figures of the detector.

    python -m benchmarks.detection held-out TAKES        people, sources and voices the answering member never saw
    python -m benchmarks.detection probes TAKES          what shortcuts know: container, silence, background, size
    python -m benchmarks.detection adversarial TAKES     pixels changed on purpose, before and after CRF 23
    python -m benchmarks.detection files DATA            held-out people as files: verdicts, marks, other generators
    python -m benchmarks.detection robustness DATA [--people N]
    python -m benchmarks.detection speed DATA

TAKES is a folder made by `python -m detection.training.build`, DATA a folder with clips/ and foreign_fakes/. Intervals
are 95 %, by drawing people, not takes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.suspects import CONDITIONS, Suspects, write
from demo.samples import FOLDER as SAMPLES
from demo.samples import REAL as REAL_SAMPLE
from detection import Detector, Progress, Report
from detection.metrics import auc, brier, by_people, ece, tpr_at_fpr
from detection.model import Model, sigmoid
from detection.motion import liveliness
from detection.pixels import as_tensor
from detection.training.degrade import Settings, transcode
from detection.training.probes import probes
from detection.training.takes import FILMED, GENERATED, PARTIAL, PSEUDO, REAL, Take, load_takes
from detection.training.train import UNTOLD, answered, cross_fused, held_out

LENGTHS = (10, 60, 240)  # seconds


def heldout(folder: Path) -> None:
    """Ranking, operating point and calibration on people nobody saw."""
    takes, rows, scores = _scored(folder)
    kinds = np.array([t.kind for t in takes])
    people = np.array([t.person for t in takes])
    fake = np.array([t.fake for t in takes])
    seen = np.isfinite(scores)
    own = seen & np.isin(kinds, (REAL, *GENERATED))
    print(f"{len(np.unique(people[own]))} people, {sum(own & ~fake)} real and {sum(own & fake)} generated takes")
    told, filmed = answered(rows), ~(np.array([r.get("off", np.nan) for r in rows]) > 1)
    said = np.where(told, scores, UNTOLD)  # without an answer nothing is found
    for name, measure, x in (("AUC", auc, scores[own]), ("TPR at FPR 1 %", tpr_at_fpr, said[own])):
        low, high = by_people(measure, x, fake[own], people[own])
        print(f"{name:24} {measure(x, fake[own]):.3f}   [{low:.3f}, {high:.3f}]")
    p = sigmoid(scores[own])
    for name, figure in (("ECE", ece), ("Brier", brier)):
        low, high = by_people(figure, p, fake[own], people[own])
        print(f"{name:24} {figure(p, fake[own]):.3f}   [{low:.3f}, {high:.3f}]")
    model = Model.from_pretrained()
    for label, chosen in (("real", own & ~fake), ("generated", own & fake)):
        called = scores[chosen]
        clean = (called <= model.authentic) & filmed[chosen]
        shares = [(told[chosen] & x).mean() for x in (called >= model.generated, clean)]
        strange = (~told[chosen]).mean()
        print(
            f"{label:10} called generated {shares[0]:.1%}, authentic looking {shares[1]:.1%}, "
            f"unlike anything seen {strange:.1%}, rest between"
        )
    print("\nby kind, against all real takes")
    for kind in (*GENERATED, *PARTIAL, *PSEUDO[:1]):
        chosen = seen & np.isin(kinds, (REAL, kind))
        if (kinds[chosen] == kind).any():
            count = int((kinds[chosen] == kind).sum())
            print(f"{kind:10} n {count:3}   AUC {auc(scores[chosen], fake[chosen]):.3f}")
    print("\nby look")
    looks = np.array([t.facts.get("look", "none") for t in takes])
    for look in np.unique(looks[own]):
        chosen = own & (looks == look)
        called = [(said[chosen & (fake == kind)] >= model.generated).mean() for kind in (False, True)]
        print(
            f"{look:10} n {int(chosen.sum()):3}   AUC {auc(scores[chosen], fake[chosen]):.3f}   "
            f"called generated: real {called[0]:.1%}, generated {called[1]:.1%}"
        )
    print("\nby source group, which the answering member never saw")
    folds = np.array([t.fold for t in takes])
    for fold in np.unique(folds):
        chosen = own & (folds == fold)
        names = ", ".join(sorted({t.source.split("/")[-1] for t, c in zip(takes, chosen, strict=True) if c}))
        alarms = (said[chosen & ~fake] >= model.generated).mean()
        print(f"{names:50} AUC {auc(scores[chosen], fake[chosen]):.3f}   real called generated {alarms:.1%}")
    print("\nbranches alone")
    for name in ("pixels", "skin", "motion"):
        column = np.array([r.get(name, np.nan) for r in rows])
        print(f"{name:10} AUC {auc(column[own], fake[own]):.3f}")
    heard = own & np.array([r["sync"] is not None for r in rows])
    if len(np.unique(fake[heard])) == 2:
        column = np.array([model.sync_logit(r["sync"]) if r["sync"] is not None else np.nan for r in rows])
        print(f"{'sync':10} AUC {auc(column[heard], fake[heard]):.3f} (n {int(heard.sum())})")
    photos = [float(np.median(liveliness(t.motion))) < model.still for t in load_takes(folder) if t.kind == FILMED]
    if photos:
        print(f"\nfilmed photos told from faces that move: {sum(photos)} of {len(photos)}")
    print("\nmean probability of the four cells")
    marked = np.array([bool(t.facts.get("marked")) for t in takes])
    for label, cell in (("real", ~fake), ("generated", fake)):
        a, b = (sigmoid(scores[own & cell & (marked == m)]).mean() for m in (True, False))
        print(f"{label:10} marked {a:.3f}   unmarked {b:.3f}   (different takes)")


def print_probes(folder: Path) -> None:
    """Shortcuts on the same split."""
    for name, (value, low, high) in probes(load_takes(folder)).items():
        print(f"{name:20} AUC {value:.3f}   [{low:.3f}, {high:.3f}]")


def adversarial(folder: Path) -> None:
    """Projected gradient descent (Madry et al., ICLR 2018) on the crops, against the pixel branch that will judge."""
    takes = [t for t in load_takes(folder) if t.kind in GENERATED][::4]
    model = Model.from_pretrained()
    print(f"{len(takes)} generated takes; mean log-odds of the pixel branch (higher: generated)")
    for eps in (0, 1, 2, 4):
        before, after = [], []
        for take in takes:
            member = model.members[take.fold]
            crops = attacked(member.pixels, take, eps)
            before.append(_pixel_logit(member.pixels, crops, take))
            settings = Settings(128, 25, "h264", 23, "veryfast", 50)
            coded, _ = transcode(list(crops), 25, settings)
            after.append(_pixel_logit(member.pixels, np.stack(coded), take))
        print(f"eps {eps}   as they are {np.mean(before):+.2f}   after CRF 23 {np.mean(after):+.2f}")


def attacked(net: torch.nn.Module, take: Take, eps: int, steps: int = 5) -> np.ndarray:
    """Crops of a take's first window, uint8 (F, S, S, 3), changed by at most `eps` grey levels to look real."""
    clean = as_tensor(take.crops[0])
    skin = torch.from_numpy(take.skin[:1].astype(np.float32))
    changed = clean.clone()
    for _ in range(steps if eps else 0):
        changed.requires_grad_(True)
        crop, flat, _ = net(changed[None], skin)
        (gradient,) = torch.autograd.grad((crop + flat).sum(), changed)
        with torch.no_grad():
            changed = changed - gradient.sign() * max(1.0, eps / 2)
            changed = torch.maximum(torch.minimum(changed, clean + eps), clean - eps).clamp(0, 255)
    return np.moveaxis(changed.detach().round().numpy().astype(np.uint8), 1, -1)


def _pixel_logit(net: Any, crops: np.ndarray, take: Take) -> float:
    with torch.inference_mode():
        crop, flat, _ = net(as_tensor(crops)[None], torch.from_numpy(take.skin[:1].astype(np.float32)))
    return float(crop + flat)


def files(data: Path) -> None:
    """Verdicts on whole files: held-out people as they are, this generator's output of them, other generators."""
    detector = Detector.from_pretrained()
    print("real clips of held-out people, as they are")
    for path in sorted((data / "clips" / "dev").glob("*.mp4")):
        _print_report(detector.examine(path))
    print("\nother generators, as they are")
    for path in sorted((data / "foreign_fakes").glob("*.mp4")):
        _print_report(detector.examine(path))
    print("\nthe sample clips (manifest and mark are never looked at); real.mp4 is a filmed photograph")
    for path in [*sorted(p for p in SAMPLES.glob("*.mp4") if p != REAL_SAMPLE), REAL_SAMPLE]:
        _print_report(detector.examine(path))
    print("\nthis generator's output of portraits: photos, paintings, drawings")
    with tempfile.TemporaryDirectory() as folder:
        for suspect in Suspects(data).portraits():
            _print_report(detector.examine(write(suspect, Path(folder) / f"{suspect.name}.mp4")))
    print("\nheld-out people, CRF 23, with and without the mark: real, then this generator's output of them")
    shifts = []
    with tempfile.TemporaryDirectory() as folder:
        for suspect in Suspects(data).all():
            probability = []
            for marked in (False, True):
                path = write(suspect, Path(folder) / f"{suspect.name}.mp4", marked=marked)
                report = detector.examine(path)
                probability.append(report.probability)
                if not marked:
                    _print_report(report)
            if probability[0] is not None and probability[1] is not None:
                shifts.append(abs(probability[0] - probability[1]))
    print(f"shift by the mark: mean {np.mean(shifts):.3f}, largest {np.max(shifts):.3f} (n {len(shifts)})")


def robustness(data: Path, people: int) -> None:
    """Real and generated takes of held-out people after what platforms and people do to video."""
    detector = Detector.from_pretrained()
    suspects = Suspects(data, people).all()
    print(f"{'condition':28} {'AUC':>6} {'real -> gen/auth/none':>24} {'fake -> gen/auth/none':>24}")
    with tempfile.TemporaryDirectory() as folder:
        for name, change in CONDITIONS.items():
            scores: list[float] = []
            labels: list[bool] = []
            counts = {False: [0, 0, 0], True: [0, 0, 0]}
            for suspect in suspects:
                report = detector.examine(write(change(suspect), Path(folder) / "suspect.mp4"))
                place = {"generated": 0, "authentic_looking": 1}.get(report.verdict, 2)
                counts[suspect.fake][place] += 1
                if report.probability is not None:
                    scores.append(report.probability)
                    labels.append(suspect.fake)
            value = auc(np.array(scores), np.array(labels)) if scores else float("nan")
            cells = ["/".join(map(str, counts[label])) for label in (False, True)]
            print(f"{name:28} {value:6.3f} {cells[0]:>24} {cells[1]:>24}", flush=True)


def speed(data: Path) -> None:
    """Time and memory at 1280 x 720, 25 frames a second: a first file with the loading of all models, then more."""
    with tempfile.TemporaryDirectory() as folder:
        # Another process makes the files, so that the memory is the detector's own.
        maker = multiprocessing.get_context("spawn").Process(target=_timed_files, args=(data, Path(folder)))
        maker.start()
        maker.join()
        detector = Detector.from_pretrained()
        for seconds in (LENGTHS[0], *LENGTHS):
            cpu, wall = time.process_time(), time.perf_counter()
            heard: list[float] = []

            def tell(_: Progress, heard: list[float] = heard) -> None:
                heard.append(time.perf_counter())

            report = detector.examine(Path(folder) / f"{seconds}.mp4", tell)
            first = heard[0] - wall
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(
                f"{seconds:4} s video: {wall:6.1f} s wall, {cpu:6.1f} CPU s ({seconds / cpu:.1f} x real time a core, "
                f"{2 * seconds / cpu:.1f} x on two), first answer after {first:.1f} s, "
                f"read {report.read['seconds']:.0f} s, peak {memory:.2f} GiB",
                flush=True,
            )


def _timed_files(data: Path, folder: Path) -> None:
    suspect = max(Suspects(data, 3).all(), key=lambda s: s.face)
    for seconds in LENGTHS:
        write(suspect, folder / f"{seconds}.mp4", canvas=(1280, 720), seconds=seconds)


def _scored(folder: Path) -> tuple[list[Take], list[dict[str, Any]], np.ndarray]:
    """Takes, what the members that never saw them say, and fused log-odds by a fusion of the other folds."""
    takes = [t for t in load_takes(folder) if t.kind != FILMED]
    rows = held_out(takes, list(Model.from_pretrained().members))
    return takes, rows, cross_fused(rows)


def _print_report(report: Report) -> None:
    number = "" if report.probability is None else f"{report.probability:.3f}"
    print(f"  {report.file:46} {report.verdict:18} {number:6} {' '.join(r.code for r in report.reasons)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("held-out", "probes", "adversarial", "files", "robustness", "speed"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=8, help="held-out people in the robustness table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    tables: dict[str, Callable[[Path], None]] = {
        "held-out": heldout,
        "probes": print_probes,
        "adversarial": adversarial,
        "files": files,
        "robustness": lambda folder: robustness(folder, options.people),
        "speed": speed,
    }
    tables[options.what](options.folder)


if __name__ == "__main__":
    main()
