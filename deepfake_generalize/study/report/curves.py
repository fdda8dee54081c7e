"""What the panels of a detector draw: ROC curves, histograms of scores, reliability, losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepfake_generalize.metrics import choose_threshold
from deepfake_generalize.study.report.results import RunResults, usable_pair
from deepfake_generalize.types import AnyArray, DoubleArray

_BARS, _BINS = 20, 10
_MOST_POINTS = 120
"""Of a curve: more are not seen at the size of a panel."""


@dataclass(frozen=True)
class Curves:
    """What is drawn of a detector.

    Attributes:
        name: The detector.
        source: Its own test set.
        roc: Set to (false positive rate, true positive rate) of each point; its own first.
        bars: Set to the percentage of reals and of fakes in each twentieth of the scores.
        reliability: "its own" and "unseen" to (mean score, share of fakes, images) of each tenth
            of the scores that there are images in.
        threshold: The validation split's; None where it has none.
        losses: Unseen set to accuracy at home, ranking lost, threshold moved and accuracy, percent.
    """

    name: str
    source: str
    roc: dict[str, DoubleArray]
    bars: dict[str, DoubleArray]
    reliability: dict[str, list[tuple[float, float, int]]]
    threshold: float | None
    losses: dict[str, tuple[float, float, float, float]]


def draw_curves(results: RunResults) -> dict[str, Curves]:
    """Return what is drawn of each detector, in the order of Table IV."""
    parts = results.thresholds.set_index(["detector", "set"])
    lost = parts[["accuracy", "degradation", "ranking_lost", "threshold_moved"]]
    known_losses = dict(zip(lost.index, lost.to_numpy(float).tolist(), strict=True))
    found = {}
    for name, family, _ in results.detectors:
        sets = (family.source, *family.unseen, *family.protocol.sources[family.source].specialized)
        pairs = {
            key: usable_pair(results.scored[key][name]) for key in sets if key in results.scored
        }
        groups = {"its own": [pairs[family.source]], "unseen": [pairs[k] for k in family.unseen]}
        known = results.validation.get(name)
        found[name] = Curves(
            name,
            family.source,
            {key: roc_points(*pair) for key, pair in pairs.items()},
            {key: score_bars(*pair) for key, pair in pairs.items()},
            {
                key: reliability(*map(np.concatenate, zip(*group, strict=True)))
                for key, group in groups.items()
            },
            None if known is None else choose_threshold(*usable_pair(known)),
            {
                key: (at + all_lost, ranking, moved, at)
                for key in family.unseen
                for at, all_lost, ranking, moved in [known_losses[name, key]]
            },
        )
    return found


def roc_points(labels: AnyArray, scores: AnyArray) -> DoubleArray:
    """Return (n, 2) false and true positive rates, from (0, 0) to (1, 1), corners alone."""
    order = np.argsort(-scores, kind="stable")
    hits, ranked = labels[order] == 1, scores[order]
    last = np.r_[np.flatnonzero(np.diff(ranked)), len(ranked) - 1]
    rates = [np.cumsum(of)[last] / of.sum() for of in (~hits, hits)]
    points = np.vstack([(0.0, 0.0), np.column_stack(rates)])
    turns = np.any(np.diff(points, 2, axis=0) != 0, axis=1)
    points = points[np.r_[True, turns, True]]
    kept = np.linspace(0, len(points) - 1, min(len(points), _MOST_POINTS)).round().astype(int)
    return np.asarray(points[kept])


def score_bars(labels: AnyArray, scores: AnyArray) -> DoubleArray:
    """Return (2, 20): what percentage of reals, and of fakes, has scores in each twentieth."""
    found = [np.histogram(scores[labels == label], _BARS, (0.0, 1.0))[0] for label in (0, 1)]
    return np.array([100.0 * counts / counts.sum() for counts in found])


def reliability(labels: AnyArray, scores: AnyArray) -> list[tuple[float, float, int]]:
    """Return mean score, share of fakes and number of images of each tenth that has some."""
    bins = np.searchsorted(np.linspace(0, 1, _BINS + 1)[1:-1], scores)
    return [
        (float(scores[own].mean()), float(labels[own].mean()), int(own.sum()))
        for own in (bins == number for number in range(_BINS))
        if own.any()
    ]
