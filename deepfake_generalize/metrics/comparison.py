"""Whether one detector is better than another, measured on the same images."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics.measures import as_numbers, check_pair
from deepfake_generalize.metrics.resampling import Interval, Resampling, Scored, resample
from deepfake_generalize.types import DoubleArray, IntArray
from deepfake_generalize.validation import check_unit, describe


@dataclass(frozen=True)
class Comparison:
    """Detector a against detector b on the same images; differences are a minus b.

    The differences are with their paired bootstrap intervals, that of the accuracies at 0.5; `z`
    and the two-sided `p_value` are None where the test does not exist. `test` is "DeLong" for
    single images, "DeLong by video" where groups were given.
    """

    auc_a: float
    auc_b: float
    auc_difference: Interval
    accuracy_difference: Interval
    z: float | None
    p_value: float | None
    test: str = "DeLong"


def compare(
    labels: npt.ArrayLike,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Return how much detector a differs from detector b on the same images.

    Whole videos are resampled, the same for both detectors. DeLong's test takes all images as
    independent, which the frames of one video are not; with `groups` the test is its form for
    clustered data instead.

    Args:
        labels: (N,), 1 is fake and 0 is real; both must occur.
        scores_a: (N,), P(fake) in [0, 1] by detector a.
        scores_b: (N,), by detector b, for the same images in the same order.
        groups: (N,), the video of each image, as strings or numbers. None samples single images.
        level: The share of intervals that should hold the true difference, in (0, 1).
        n_resamples: How many times to resample.
        seed: Equal seeds give equal intervals.

    Returns:
        Fractions, and the test: no z where its variance does not exist (one video of a class), or
        is zero although the AUCs differ. Detectors that rank every image alike have z = 0, p = 1.

    Raises:
        InputError: Wrong labels, scores, groups, level or number of resamples.
        UndefinedMetricError: No images, or one class only.

    Reproduction notes:
        The paper compares no detectors by tests. The test is DeLong, DeLong and Clarke-Pearson
        (Biometrics 44, 1988), computed through midranks as in Sun and Xu (IEEE Signal Processing
        Letters 21, 2014), in time N log N. With groups it is Obuchowski's extension to clustered
        data (Biometrics 53, 1997), against Student's t with as many degrees of freedom as the rarer
        class has videos, less one: with few videos the normal law rejects too often.

    Examples:
        >>> labels = [1, 1, 1, 1, 0, 0, 0, 0]
        >>> a = [0.9, 0.8, 0.7, 0.4, 0.1, 0.2, 0.3, 0.6]
        >>> b = [0.6, 0.8, 0.3, 0.5, 0.4, 0.2, 0.7, 0.6]
        >>> result = compare(labels, a, b)
        >>> result.auc_a, result.auc_b, round(result.p_value, 3)
        (0.9375, 0.59375, 0.12)
    """
    resampling = Resampling(level, n_resamples, seed)
    return _paired(labels, {"a": scores_a, "b": scores_b}, groups, resampling)("a", "b")


def compare_all(
    labels: npt.ArrayLike,
    scores: Mapping[str, npt.ArrayLike],
    *,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare every pair of several detectors on the same images, p-values adjusted by Holm.

    `scores` maps the name of a detector to its (N,) P(fake) in [0, 1], at least two. All else, and
    errors, are those of `compare`; intervals are of each pair by itself.

    Returns:
        One row a pair, in the order given: a, b, auc_a, auc_b, auc_difference and
        accuracy_difference (fractions) each with _low and _high, z, p_value, and p_holm, adjusted
        over all pairs that have a test. NaN where there is none.

    Examples:
        >>> labels = [1, 1, 1, 1, 0, 0, 0, 0]
        >>> good = [0.9, 0.8, 0.7, 0.4, 0.1, 0.2, 0.3, 0.6]
        >>> table = compare_all(labels, {"good": good, "flat": [0.5] * 8, "copy": good})
        >>> table[["a", "b", "auc_difference"]].values.tolist()
        [['good', 'flat', 0.4375], ['good', 'copy', 0.0], ['flat', 'copy', -0.4375]]
    """
    if not isinstance(scores, Mapping) or len(scores) < 2:
        raise InputError(
            f"expected the scores of at least two detectors by name, received {describe(scores)}"
            + (f" of {len(scores)}." if isinstance(scores, Mapping) else "."),
            hint='Pass {"mine": scores, "yours": scores}.',
        )
    paired = _paired(labels, scores, groups, Resampling(level, n_resamples, seed))
    rows = []
    for a, b in itertools.combinations(scores, 2):
        found = paired(a, b)
        row: dict[str, Any] = {"a": a, "b": b, "auc_a": found.auc_a, "auc_b": found.auc_b}
        for name in ("auc_difference", "accuracy_difference"):
            interval: Interval = getattr(found, name)
            ends = {f"{name}_low": interval.low, f"{name}_high": interval.high}
            row |= {name: interval.estimate, **ends}
        rows.append(row | {"z": found.z, "p_value": found.p_value})
    table = pd.DataFrame(rows).astype({"z": float, "p_value": float})
    tested = table["p_value"].notna()
    table.loc[tested, "p_holm"] = holm(table.loc[tested, "p_value"])
    return table.astype({"p_holm": float})


def _paired(
    labels: npt.ArrayLike,
    scores: Mapping[str, npt.ArrayLike],
    groups: npt.ArrayLike | None,
    resampling: Resampling,
) -> Callable[[str, str], Comparison]:
    """Measure all detectors once, and return what compares two of them."""
    pairs = {
        name: check_pair(labels, s, both_classes=True, metric="AUC") for name, s in scores.items()
    }
    truth = next(iter(pairs.values()))[0]
    sets = {"": {name: Scored(truth, given, groups) for name, (_, given) in pairs.items()}}
    replicates = resample(sets, ["auc", "accuracy"], resampling)
    codes = replicates.units[""].codes[0]
    placements = {name: _placements(truth, given) for name, (_, given) in pairs.items()}

    def pair(a: str, b: str) -> Comparison:
        auc = replicates.of("auc")
        z, p_value = _test(placements[a], placements[b], truth, None if groups is None else codes)
        return Comparison(
            auc_a=float(auc[a, ""][0, 0]),
            auc_b=float(auc[b, ""][0, 0]),
            auc_difference=auc.interval(auc[a, ""] - auc[b, ""]),
            accuracy_difference=replicates.interval(replicates[a, ""] - replicates[b, ""]),
            z=z,
            p_value=p_value,
            test="DeLong" if groups is None else "DeLong by video",
        )

    return pair


def holm(p_values: npt.ArrayLike) -> DoubleArray:
    """Return (N,) p-values adjusted for their number by Holm's step-down method.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979); not in the paper.
    """
    hint = "Leave out pairs for which there is no test, and say so."
    p = check_unit("p-values", as_numbers(p_values, name="p-values", hint=hint), hint=hint)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _test(
    a: tuple[DoubleArray, DoubleArray],
    b: tuple[DoubleArray, DoubleArray],
    labels: IntArray,
    codes: IntArray | None,
) -> tuple[float | None, float | None]:
    """Return the statistic of the AUC of a minus that of b and its p-value, or None twice."""
    from scipy.special import stdtr

    # Differences of half-integers are exact, so a variance that is zero comes out as zero.
    parts = [(of_a - of_b) for of_a, of_b in zip(a, b, strict=True)]
    n_fakes, n_reals = parts[0].size, parts[1].size
    difference = float(parts[0].mean()) / n_reals
    variance, fewest = 0.0, math.inf
    for part, label, others in zip(parts, (1, 0), (n_reals, n_fakes), strict=True):
        centred = part - part.mean()
        if codes is not None:
            centred = np.bincount(codes[labels == label], weights=centred)
            centred = centred[np.unique(codes[labels == label])]
        count = centred.size
        if count < 2:
            return None, None
        fewest = min(fewest, count)
        scale = (part.size * others) ** 2
        variance += float((centred**2).sum()) / scale * count / (count - 1)
    if not (parts[0].any() or parts[1].any()):
        return 0.0, 1.0
    if variance <= 0.0:
        return None, None
    z = difference / math.sqrt(variance)
    if codes is None:
        return z, math.erfc(abs(z) / math.sqrt(2.0))
    return z, float(2.0 * stdtr(fewest - 1, -abs(z)))


def _placements(labels: IntArray, scores: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Return how many reals each fake beats, and how many fakes beat each real; ties 1/2."""
    from scipy.stats import rankdata

    is_fake = labels == 1
    ranks = rankdata(scores)
    fakes = ranks[is_fake] - rankdata(scores[is_fake])
    reals = int(is_fake.sum()) - (ranks[~is_fake] - rankdata(scores[~is_fake]))
    return fakes, reals
