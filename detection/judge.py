"""From what the branches say to a verdict: quality gates, one face at a time, then the file.

It rather abstains than accuses: a face that cannot be judged well gets a reason instead of a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from detection.crops import CROP
from detection.evidence import HOP, LEAST, LEAST_PICTURES, Window
from detection.faces import Trace
from detection.model import PICTURE_BRANCHES, Model, Scores, sigmoid
from detection.report import Branch, FaceReport, Reason, Report, Segment, Shot, WindowResult

LEAST_WIDTH = 56.0  # pixels of face width in the file
LEAST_DETAIL = -2.35  # median of the skin's `detail` channel; below, nothing fine is left to judge
MOST_TURNED = 50.0  # degrees, yaw or pitch
LEAST_RATE = 9.0  # pictures a second
SAME_FACE = 0.82  # correlation of the flat skins of two sightings that makes them one face
SHOTS = 3  # pictures in the report
LEAST_RUN = 3  # windows in a row that make a segment
UNSURE = 0.62  # a branch leans when its probability is above this or below one minus it


@dataclass(frozen=True)
class Sighting:
    """One trace, reduced to what the verdict and the report need.

    look: float32 (32, 32), mean flat skin at zero mean and unit spread, to tell whether two sightings are one face.
    crops: (time, crop) of the windows' middles.  skin: float16 (5, MAP, MAP) of every window.
    """

    start: float
    end: float
    pictures: int
    width: float
    turned: float
    detail: float
    look: np.ndarray
    windows: tuple[tuple[float, float], ...]
    crops: tuple[tuple[float, np.ndarray], ...]
    skin: tuple[np.ndarray, ...]
    scores: Scores | None

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @classmethod
    def of(cls, trace: Trace, windows: list[Window], scores: Scores | None, length: float) -> Sighting:
        mean = np.mean([f[::3, ::3] for f in trace.flat[:: max(1, len(trace.flat) // 20)]], axis=0)
        inside = mean > 0
        spread = float(mean[inside].std()) or 1.0
        look = np.where(inside, (mean - mean[inside].mean()) / spread, 0).astype(np.float32)
        turned = np.abs(np.array(trace.angles)[:, :2]).max(1)
        detail = [float(np.median(w.skin[0][w.skin[0] != 0])) for w in windows]
        shown = []
        for window in windows:
            middle = len(window.crop_indices) // 2
            shown.append((trace.crop_times[window.crop_indices[middle]], window.crops[middle]))
        return cls(
            start=trace.times[0],
            end=trace.times[-1],
            pictures=len(trace.times),
            width=float(np.median(trace.width)),
            turned=float(np.median(turned)),
            detail=float(np.median(detail)) if detail else 0.0,
            look=look,
            windows=tuple((w.start, w.end) for w in windows),
            crops=tuple(shown),
            skin=tuple(w.skin for w in windows),
            scores=scores,
        )


def gates(sightings: list[Sighting], model: Model) -> list[Reason]:
    """Why a face cannot be judged; empty when it can."""
    best = max(sightings, key=lambda s: s.seconds)
    width = float(np.median([s.width for s in sightings]))
    turned = float(np.median([s.turned for s in sightings]))
    rate = best.pictures / max(best.seconds, 1e-3)
    out = []
    if width < LEAST_WIDTH:
        out.append(Reason("too_small", {"width": width, "least": LEAST_WIDTH}))
    if turned > MOST_TURNED:
        out.append(Reason("turned", {"degrees": turned, "most": MOST_TURNED}))
    if best.seconds < LEAST or best.pictures < 3:
        out.append(Reason("too_short", {"seconds": best.seconds, "least": LEAST}))
    elif rate < LEAST_RATE or best.pictures < LEAST_PICTURES:
        out.append(Reason("few_pictures", {"rate": rate, "least": LEAST_RATE}))
    scored = [s for s in sightings if s.scores is not None]
    if not out and not scored:
        out.append(Reason("too_short", {"seconds": best.seconds, "least": LEAST}))
    if scored and float(np.median([s.detail for s in scored])) < LEAST_DETAIL:
        out.append(Reason("blurred"))
    if scored and float(np.median(_all(scored, "lively"))) < model.still:
        out.append(Reason("still"))
    if scored and not out and float(np.mean(_all(scored, "strange"))) > 1:
        out.append(Reason("strange"))
    return out


def _all(sightings: list[Sighting], name: str) -> np.ndarray:
    """A figure of `Scores` in all windows of these sightings, (N,)."""
    return np.concatenate([getattr(s.scores, name) for s in sightings if s.scores is not None])


def group(sightings: list[Sighting]) -> list[list[Sighting]]:
    """Sightings of one face together, in order of appearance: by likeness, never two at the same time."""
    faces: list[list[Sighting]] = []
    for sighting in sorted(sightings, key=lambda s: s.start):
        best, likeness = None, SAME_FACE
        for face in faces:
            if any(s.start < sighting.end and sighting.start < s.end for s in face):
                continue
            value = max(float((s.look * sighting.look).sum() / max((s.look != 0).sum(), 1)) for s in face)
            joined = 0.0 <= sighting.start - face[-1].end < 0.1  # one piece of the file ended and the next began
            if value >= likeness or (joined and value >= 0.6):
                best, likeness = face, value
        if best is None:
            faces.append([sighting])
        else:
            best.append(sighting)
    return faces


def judge(
    sightings: list[Sighting],
    model: Model,
    notes: list[Reason],
    read: dict[str, Any],
    facts: dict[str, Any],
    has_sound: bool,
) -> Report:
    """The report on a file whose faces were followed."""
    if not sightings:
        reasons = (Reason("no_face"), *notes)
        return Report("", "no_face", "cannot_tell", None, None, None, reasons, read=read, facts=facts)
    faces = [_face(number, face, model, has_sound) for number, face in enumerate(group(sightings), 1)]
    faces.sort(key=lambda f: (f.status != "scored", -f.seconds))
    faces = faces[:12]
    scored = [f for f in faces if f.status == "scored"]
    if not scored:
        reasons = (*faces[0].reasons, *notes)
        return Report("", "cannot_tell", "cannot_tell", None, None, None, reasons, tuple(faces), read=read, facts=facts)
    worst = max(scored, key=lambda f: f.probability or 0.0)
    segments = tuple(s for f in scored for s in _segments(f, model))
    verdict, why = worst.verdict, list(worst.reasons)
    if verdict == "authentic_looking" and segments:
        verdict = "cannot_tell"
        why.append(Reason("disagree", {"start": segments[0].start, "end": segments[0].end}))
    if len(faces) > len(scored):
        notes = [*notes, Reason("other_faces", {"count": len(faces) - len(scored)})]
    return Report(
        "",
        "scored",
        verdict,
        worst.probability,
        worst.low,
        worst.high,
        (*why, *notes),
        tuple(faces),
        segments,
        read,
        facts,
    )


def _face(number: int, sightings: list[Sighting], model: Model, has_sound: bool) -> FaceReport:
    spans = tuple((s.start, s.end) for s in sightings)
    width = float(np.median([s.width for s in sightings]))
    reasons = gates(sightings, model)
    scored = [s for s in sightings if s.scores is not None]
    strange = float(np.mean(_all(scored, "strange"))) if scored else None
    if reasons:
        return FaceReport(
            number, spans, width, "cannot_tell", "cannot_tell", None, None, None, tuple(reasons), (), (), strange
        )
    all_scores = [s.scores for s in scored if s.scores is not None]
    said = np.stack([_all(scored, name) for name in PICTURE_BRANCHES])  # (3, N)
    spread = _all(scored, "spread")  # (N, 3)
    means = said.mean(1)
    vectors = [s.sync for s in all_scores if s.sync is not None]
    vector = np.mean(vectors, axis=0) if vectors else None
    logit = float(model.fuse(means[0], means[1], means[2], vector))
    each = model.fuse(said[0], said[1], said[2], None)
    local = np.abs(spread) @ model.gains(False)
    # How far the mean may be off: disagreement of the members, and of the windows.
    error = float(np.hypot(local.mean(), each.std() / np.sqrt(len(each))))
    times = [w for s in scored for w in s.windows]
    windows = tuple(
        WindowResult(a, b, float(sigmoid(x)), float(sigmoid(x - e)), float(sigmoid(x + e)))
        for (a, b), x, e in zip(times, each, local, strict=True)
    )
    verdict = (
        "generated" if logit >= model.generated else "authentic_looking" if logit <= model.authentic else "cannot_tell"
    )
    notes = [Reason("between")] if verdict == "cannot_tell" else []
    if verdict == "authentic_looking" and float(np.mean(_all(scored, "unfilmed"))) > 1:
        verdict, notes = "cannot_tell", [Reason("unlike_filmed")]
    return FaceReport(
        number=number,
        spans=spans,
        width=width,
        status="scored",
        verdict=verdict,
        probability=float(sigmoid(logit)),
        low=float(sigmoid(logit - error)),
        high=float(sigmoid(logit + error)),
        reasons=tuple(notes),
        branches=_branches(model, means, vector, all_scores, has_sound),
        windows=windows,
        strange=strange,
        shots=_shots(model, scored, each),
    )


def _branches(
    model: Model, means: np.ndarray, vector: np.ndarray | None, scores: list[Scores], has_sound: bool
) -> tuple[Branch, ...]:
    out = []
    for name, value in zip(PICTURE_BRANCHES, means, strict=True):
        p = float(sigmoid(model.branch_logit(name, float(value))))
        leaning = "generated" if p > UNSURE else "authentic" if p < 1 - UNSURE else "unsure"
        out.append(Branch(name, p, Reason(f"{name}_{leaning}")))
    if vector is None:
        out.append(Branch("sync", None, Reason("no_speech" if has_sound else "no_voice")))
    else:
        found = [a for s in scores for *_, a in s.agreements]
        low, high = model.figures.get("sync_real", (0.0, 1.0))
        values = {
            "correlation": float(np.mean([a.correlation for a in found])),
            "offset": float(np.median([a.offset for a in found])) * 1000,
            "low": low,
            "high": high,
        }
        out.append(Branch("sync", float(sigmoid(model.sync_logit(vector))), Reason("sync", values)))
    return tuple(out)


def _segments(face: FaceReport, model: Model) -> list[Segment]:
    """Runs of windows beyond the threshold; a hop may lie between two, where one piece of the video ends."""
    limit = float(sigmoid(model.generated))
    out: list[Segment] = []
    run: list[WindowResult] = []
    for window in [*face.windows, None]:
        if window is not None and window.probability >= limit and (not run or window.start <= run[-1].end + HOP):
            run.append(window)
            continue
        if len(run) >= min(LEAST_RUN, len(face.windows)):
            mean = float(np.mean([w.probability for w in run]))
            out.append(Segment(run[0].start, run[-1].end, face.number, mean))
        run = [window] if window is not None and window.probability >= limit else []
    return out


def _shots(model: Model, scored: list[Sighting], each: np.ndarray) -> tuple[Shot, ...]:
    """The windows that speak most for "generated", one picture each, with the map of where the evidence lies."""
    crops, skin = [c for s in scored for c in s.crops], [maps for s in scored for maps in s.skin]
    order = np.argsort(-each)
    chosen: list[int] = []
    for index in order:  # not three pictures of the same second
        if all(abs(crops[index][0] - crops[k][0]) >= 1.5 for k in chosen) or len(order) <= SHOTS:
            chosen.append(int(index))
        if len(chosen) == SHOTS:
            break
    shown = torch.from_numpy(np.stack([skin[k] for k in chosen]).astype(np.float32))
    heat = np.mean([m.pixels.activation(shown) for m in model.members], axis=0)
    return tuple(
        Shot(crops[k][0], float(sigmoid(each[k])), crops[k][1], heat[i].astype(np.float32))
        for i, k in enumerate(chosen)
    )


__all__ = ["CROP", "Sighting", "gates", "group", "judge"]
