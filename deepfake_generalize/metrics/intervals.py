"""How far a metric might lie from what one test set says, by resampling its videos."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import TypedDict, Unpack, overload

import numpy.typing as npt

from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics.measures import (
    accuracy,
    auc,
    average_precision,
    balanced_accuracy,
    brier_score,
    eer,
    log_loss,
    per_class_accuracy,
)
from deepfake_generalize.metrics.resampling import (
    Interval,
    Resampling,
    Scored,
    resample,
    resample_function,
)
from deepfake_generalize.metrics.weighted import LIMITS, METRICS
from deepfake_generalize.validation import check_choice

_NAMED: dict[Callable[..., float], str] = {
    of: of.__name__
    for of in (accuracy, auc, average_precision, balanced_accuracy, brier_score, eer, log_loss)
}


class _How(TypedDict, total=False):
    groups: npt.ArrayLike | None
    people: npt.ArrayLike | None
    threshold: float
    level: float
    n_resamples: int
    seed: int


@overload
def bootstrap_interval(
    metric: Callable[..., float], labels: npt.ArrayLike, scores: npt.ArrayLike, **how: Unpack[_How]
) -> Interval: ...
@overload
def bootstrap_interval(
    metric: Collection[str], labels: npt.ArrayLike, scores: npt.ArrayLike, **how: Unpack[_How]
) -> dict[str, Interval]: ...
def bootstrap_interval(
    metric: Callable[..., float] | Collection[str],
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    people: npt.ArrayLike | None = None,
    threshold: float = 0.5,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Interval | dict[str, Interval]:
    """Return a metric, or several, with intervals from resampling videos, or people.

    The frames of one video are alike, so intervals over single frames are far too narrow: pass the
    videos as `groups`. Videos of one person are alike too: pass `people`.

    Args:
        metric: From (labels, scores) to a number; one that is not the library's own is called once
            a resample. Or a list of names, all measured on the same resamples: accuracy,
            accuracy_real and accuracy_fake (on the images of one class), balanced_accuracy, auc,
            average_precision, eer, tpr_at_fpr_1, tpr_at_fpr_5, brier_score, log_loss.
        labels: (N,), 1 is fake and 0 is real.
        scores: (N,), P(fake) in [0, 1].
        groups: (N,), the video of each image, as strings or numbers. None draws single images.
        people: (N,), who is seen in each image; or (N, 2), who is seen and whose face was put in,
            the empty string where nobody's was. With fewer than five people of a class videos are
            drawn, and `Interval.note` says so.
        threshold: Of the accuracies asked for by name; a score at or above it counts as fake.
        level: The share of intervals that should hold the true value, in (0, 1).
        n_resamples: How many times to resample.
        seed: Equal seeds give equal intervals.

    Returns:
        Estimate, low and high, in the metric's unit, and how many videos, people or images of the
        rarer class stand behind them; with fewer than five both ends are NaN and `note` says why.
        Of several names, a dictionary of name to that, without the metrics that do not exist. A
        resample in which the metric does not exist (it raises, or gives NaN) is made anew.

    Raises:
        InputError: Wrong labels, scores, groups, people, level or number of resamples; an unknown
            name; `threshold` with a function.
        UndefinedMetricError: The metric does not exist for the data, or not for most resamples.

    Reproduction notes:
        The paper gives no intervals. Classes keep their sizes; videos get random weights (the
        Bayesian bootstrap), and the interval is Student's with the spread of the resamples, on the
        scale of logits for metrics between 0 and 1. Formulas, sources and the coverage measured are
        in docs/explanations/intervals.md. A function that is not the library's is called on videos
        drawn with replacement.

    Examples:
        >>> labels = [1] * 12 + [0] * 12
        >>> scores = [0.9, 0.8, 0.7, 0.2, 0.9, 0.8] * 2 + [0.1, 0.2, 0.3, 0.6, 0.1, 0.2] * 2
        >>> videos = [f"{i // 2}" for i in range(24)]
        >>> found = bootstrap_interval(accuracy, labels, scores, groups=videos)
        >>> round(found.estimate, 3), found.n, found.unit, 0.5 < found.low < found.high < 1.0
        (0.833, 6, 'videos', True)
        >>> bootstrap_interval(accuracy, labels[10:14], scores[10:14]).note
        'no interval: 2 images of a class, and none is made of fewer than 5'
    """
    resampling = Resampling(level, n_resamples, seed)
    scored = Scored(labels, scores, groups, people=people)
    if not callable(metric):
        found = resample({"": {"": scored}}, _check_names(metric), resampling, threshold=threshold)
        return {
            name: found.interval(values, within=LIMITS[name])
            for (_, _, name), values in found.numbers.items()
        }
    if threshold != 0.5:
        raise InputError(
            "expected threshold with names of metrics, received it with a function.",
            hint='Pass ["accuracy"], or functools.partial(accuracy, threshold=...).',
        )
    if getattr(metric, "__name__", "") == per_class_accuracy.__name__:
        raise InputError(
            "expected a metric that returns one number, received per_class_accuracy.",
            hint='Pass ["accuracy_real", "accuracy_fake"].',
        )
    name, own_threshold = _named(metric)
    if name is None:
        found = resample_function(metric, scored, resampling)
        return found.interval(found["", ""])
    # Says why, where it does not exist.
    metric(labels, scores)
    found = resample({"": {"": scored}}, [name], resampling, threshold=own_threshold).of(name)
    return found.interval(found["", ""], within=LIMITS[name])


def _check_names(names: object) -> list[str]:
    if isinstance(names, str) or not isinstance(names, Collection):
        raise InputError(
            f"expected a function, or a list of names of metrics, received {names!r}.",
            hint=f"The names are {', '.join(METRICS)}.",
        )
    asked = {check_choice("metric", name, METRICS) for name in names}
    return [name for name in METRICS if name in asked]


def _named(metric: Callable[..., float]) -> tuple[str | None, float]:
    """Return the name and the threshold of a metric that is the library's, else None."""
    if isinstance(metric, functools.partial) and metric.func is accuracy and not metric.args:
        return "accuracy", float(metric.keywords.get("threshold", 0.5))
    return _NAMED.get(metric), 0.5
