"""Figures of a detector: ranking, operating points, calibration, and their uncertainty by resampling people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def auc(scores: np.ndarray, fake: np.ndarray) -> float:
    """Probability that a fake scores above a real one (ties count half); NaN without one of the classes."""
    positive, negative = scores[fake], scores[~fake]
    if not len(positive) or not len(negative):
        return float("nan")
    order = np.sort(negative)
    below = np.searchsorted(order, positive, "left") + np.searchsorted(order, positive, "right")
    return float(below.mean() / (2 * len(negative)))


def tpr_at_fpr(scores: np.ndarray, fake: np.ndarray, rate: float = 0.01) -> float:
    """Share of fakes above the threshold that `rate` of the real ones exceed."""
    positive, negative = scores[fake], np.sort(scores[~fake])
    if not len(positive) or not len(negative):
        return float("nan")
    allowed = int(np.floor(rate * len(negative)))
    return float((positive > negative[len(negative) - 1 - allowed]).mean())


def ece(probability: np.ndarray, fake: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over equally filled bins (Nixon et al., 2019)."""
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return float(sum(len(p) * abs(probability[p].mean() - fake[p].mean()) for p in parts if len(p)) / len(order))


def brier(probability: np.ndarray, fake: np.ndarray) -> float:
    return float(((probability - fake) ** 2).mean())


def by_people(
    measure: Callable[[np.ndarray, np.ndarray], float],
    scores: np.ndarray,
    fake: np.ndarray,
    people: np.ndarray,
    draws: int = 400,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of a measure, by drawing people with replacement."""
    rng = np.random.default_rng(seed)
    names = np.unique(people)
    rows = {name: np.flatnonzero(people == name) for name in names}
    values = []
    for _ in range(draws):
        chosen = np.concatenate([rows[name] for name in rng.choice(names, len(names))])
        value = measure(scores[chosen], fake[chosen])
        if np.isfinite(value):
            values.append(value)
    return (float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))) if values else (float("nan"),) * 2


def logistic(x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None, ridge: float = 1.0) -> np.ndarray:
    """Bias and weights (1 + F,) of L2-regularised logistic regression by Newton's method. x: (N, F), y: bool (N,)."""
    design = np.column_stack([np.ones(len(x)), x])
    weight = np.ones(len(x)) if weight is None else weight
    beta = np.zeros(design.shape[1])
    penalty = np.eye(len(beta)) * ridge
    penalty[0, 0] = 1e-6
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (weight * (p - y)) + penalty @ beta
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        beta -= step
        if np.abs(step).max() < 1e-8:
            break
    return beta


def conformal_upper(scores: np.ndarray, rate: float) -> float:
    """Threshold that a new score of the same kind exceeds with probability at most `rate` (split conformal; Vovk et
    al., 2005): the ceil((n + 1)(1 - rate))-th smallest; infinite when there are too few scores for that."""
    rank = int(np.ceil((len(scores) + 1) * (1 - rate)))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else float("inf")
