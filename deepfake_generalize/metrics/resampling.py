"""Resampling, in one home: every interval of the library is made from what is sampled here.

`resample` and `resample_means` draw the groups (videos) of one test set with replacement;
`resample_counts` says how often each image is sampled; `resample_jointly` weights the videos of
several sets together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from deepfake_generalize._system.machine import processors
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.types import AnyArray, DoubleArray, IntArray
from deepfake_generalize.validation import check_number, check_whole, refuse_masked

_ELEMENTS_AT_ONCE = 1 << 20
"""Numbers in one block of resamples: bounds the memory, and keeps what is read often in cache."""
_THREADS = 4


@dataclass(frozen=True)
class Interval:
    """A value and the interval around it.

    Attributes:
        estimate: The metric on the data themselves.
        low: The lower end.
        high: The upper end. The estimate need not lie in the middle, and of a biased metric not
            even within.
    """

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Resampling:
    """How data are resampled: the three numbers that every function with intervals takes.

    Attributes:
        level: The share of intervals that should hold the true value, in (0, 1).
        n_resamples: How many times to resample.
        seed: Equal seeds give equal intervals; 0 or above.

    Raises:
        InputError: One of them is out of range.

    Examples:
        >>> Resampling(n_resamples=200)
        Resampling(level=0.95, n_resamples=200, seed=0)
    """

    level: float = 0.95
    n_resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Check them, in one place for all."""
        check_number("level", self.level, above=0, below=1, hint="0.95 is usual.")
        check_whole("n_resamples", self.n_resamples, least=1, hint="1000 is usual.")
        object.__setattr__(self, "seed", check_whole("seed", self.seed, least=0))

    def interval(self, estimate: float, values: DoubleArray) -> Interval:
        """Return the central share `level` of the resampled values, around the estimate."""
        low, high = np.quantile(values, [(1.0 - self.level) / 2.0, (1.0 + self.level) / 2.0])
        return Interval(float(estimate), float(low), float(high))


def group_codes(groups: npt.ArrayLike | None, size: int, *, in_order: bool = False) -> IntArray:
    """Return for each of `size` images the number of its group, counted from 0.

    `groups` is (size,), strings or numbers; None makes each image a group of its own. `in_order`
    numbers the groups by their sorted names, not as they first occur. Fewer than two groups raise
    `UndefinedMetricError`: what varies between them is unknown.
    """
    if groups is None:
        codes, count = np.arange(size, dtype=np.int64), size
    else:
        refuse_masked("groups", groups, hint="Name the video of every image.")
        # NumPy would turn a missing name in a list of strings into the string "nan".
        keys = np.asarray(groups, dtype=object if isinstance(groups, list | tuple) else None)
        if keys.shape != (size,):
            raise InputError(
                f"expected one group for each of {size} images, received shape {keys.shape}.",
                hint="Pass one name a video; join dataset, method and video to one string.",
            )
        raw, names = pd.factorize(keys, sort=in_order)
        codes, count = np.asarray(raw, dtype=np.int64), len(names)
    if codes.size and codes.min() < 0:
        raise InputError(
            f"expected a group for every image, received {int((codes < 0).sum())} without.",
            hint="Name the video of every image, or leave these images out.",
        )
    if count < 2:
        raise UndefinedMetricError(
            "resampling is undefined for one group only.",
            hint="Pass the images of at least two videos.",
        )
    return codes


def resample(
    statistic: Callable[[IntArray], DoubleArray],
    codes: IntArray,
    resampling: Resampling,
    *,
    threads: bool,
) -> DoubleArray:
    """Return the statistic of every resample, shape (numbers, n_resamples).

    Resamples are made in blocks, each with a random stream of its own, so the result depends on
    the seed and the sizes alone and not on how many threads work on them. A resample in which one
    of the numbers does not exist is made anew.

    Args:
        statistic: From (resamples, groups), how often each group was sampled, to (numbers,
            resamples); NaN where one does not exist.
        codes: (N,), the number of the group of each image.
        resampling: How many, and the seed.
        threads: Whether blocks may be worked on side by side: not where a user's function is
            called.
    """
    n_groups = int(codes.max()) + 1
    rows = min(resampling.n_resamples, max(1, _ELEMENTS_AT_ONCE // max(codes.size, n_groups)))
    starts = range(0, resampling.n_resamples, rows)
    sizes = [min(rows, resampling.n_resamples - start) for start in starts]
    seeds = np.random.SeedSequence(resampling.seed).spawn(len(sizes))
    work = partial(_block, statistic, n_groups, resampling.n_resamples)
    if threads and len(sizes) > 1:
        with ThreadPoolExecutor(min(_THREADS, processors())) as pool:
            blocks = list(pool.map(work, sizes, seeds))
    else:
        blocks = [work(size, seed) for size, seed in zip(sizes, seeds, strict=True)]
    return np.concatenate(blocks, axis=1)


def _block(
    statistic: Callable[[IntArray], DoubleArray],
    n_groups: int,
    patience: int,
    size: int,
    seed: np.random.SeedSequence,
) -> DoubleArray:
    rng = np.random.default_rng(seed)
    values = statistic(_sample_groups(rng, size, n_groups))
    undefined = 0
    while (missing := np.flatnonzero(np.isnan(values).any(axis=0))).size:
        undefined += missing.size
        if undefined > patience:
            raise UndefinedMetricError(
                f"expected a metric that exists for most resamples, received {undefined} "
                f"undefined ones and {size - missing.size} others.",
                hint="Add videos of the rarer class.",
            )
        values[:, missing] = statistic(_sample_groups(rng, missing.size, n_groups))
    return values


def _sample_groups(rng: np.random.Generator, rows: int, n_groups: int) -> IntArray:
    """Return how often each group was sampled, (rows, n_groups), n_groups times a row."""
    sampled = rng.integers(n_groups, size=(rows, n_groups))
    sampled += np.arange(rows)[:, np.newaxis] * n_groups
    counts = np.bincount(sampled.ravel(), minlength=rows * n_groups)
    return counts.reshape(rows, n_groups)


def resample_means(
    values: AnyArray, codes: IntArray, resampling: Resampling, *, weights: AnyArray | None = None
) -> DoubleArray:
    """Return the mean of `values` in every resample of groups, shape (n_resamples,).

    Groups with the same sum and size are alike, so it is enough to draw how many of each kind
    there are: the numbers have the same distribution as if the groups were sampled one by one.

    `values` (N,) are multiples of one half. `weights` (N,), 0 and 1, say what counts at all; a
    resample in which nothing counts is made anew.
    """
    counts = np.ones(codes.size) if weights is None else np.asarray(weights, np.float64)
    totals = np.bincount(codes, weights=values * counts)
    sizes = np.bincount(codes, weights=counts)
    kinds, often = np.unique(np.stack([totals, sizes]), axis=1, return_counts=True)
    rng = np.random.default_rng(resampling.seed)
    found: list[DoubleArray] = []
    wanted, undefined = resampling.n_resamples, 0
    while wanted:
        rows = min(wanted, max(1, _ELEMENTS_AT_ONCE // often.size))
        sampled = rng.multinomial(codes.max() + 1, often / often.sum(), size=rows)
        numbers = sampled @ kinds[1]
        undefined += int((numbers == 0).sum())
        if undefined > resampling.n_resamples:
            raise UndefinedMetricError(
                f"expected a mean that exists for most resamples, {undefined} had nothing in them.",
                hint="Add videos of the rarer class.",
            )
        kept = numbers > 0
        found.append(np.asarray((sampled @ kinds[0])[kept] / numbers[kept], dtype=np.float64))
        wanted -= int(kept.sum())
    return np.concatenate(found)


def resample_counts(codes: IntArray, resampling: Resampling) -> DoubleArray:
    """Return how often each image is sampled in every resample of groups, (N, n_resamples)."""
    n_groups = int(codes.max()) + 1
    rng = np.random.default_rng(resampling.seed)
    counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), resampling.n_resamples)
    return np.asarray(counts.T[codes], dtype=np.float64)


@dataclass(frozen=True)
class Accuracies:
    """Accuracies in percent of detectors on sets, and how they vary with the videos of the sets.

    Attributes:
        values: (detector, set) to (1 + resamples,): the accuracy itself, then in every resample.
    """

    values: Mapping[tuple[str, str], DoubleArray]

    def __getitem__(self, key: tuple[str, str]) -> DoubleArray:
        """Return (1 + resamples,), the accuracy of a detector on a set first."""
        return self.values[key]

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Whether the detector was measured on the set."""
        return key in self.values

    def degradation(self, detector: str, original: str, sets: tuple[str, ...]) -> DoubleArray:
        """Return (1 + resamples,), the original accuracy less the mean of those on the sets."""
        lost: DoubleArray = self[detector, original] - np.mean(
            [self[detector, name] for name in sets], axis=0
        )
        return lost


def percentile_interval(values: DoubleArray) -> Interval:
    """Return the estimate (the first value) and the 95 % interval of the others."""
    return Resampling().interval(values[0], values[1:])


def resample_jointly(
    scored: Mapping[str, Mapping[str, pd.DataFrame]], *, n_resamples: int, seed: int
) -> Accuracies:
    """Resample the videos of all sets, the same ones for all detectors.

    Args:
        scored: Set to detector to a table with label, score (P(fake)), status and video. The
            detectors of a set have the same rows in the same order.
        n_resamples: How often.
        seed: Of the weights.

    Returns:
        The accuracies at a threshold of 0.5, rows without a score left out.

    Reproduction notes:
        The paper gives no intervals. This is the Bayesian bootstrap (Rubin, "The Bayesian
        Bootstrap", 1981): each video gets an exponential weight, reals and fakes of a set keep
        their shares. Videos, not frames, are weighted: frames of one video are alike; and a video
        that stands in several sets, as the originals of FS, NT and DF do, has one weight in all.
        `resample` samples whole videos instead, set by set. Here one sample would have to serve
        every set, and could leave one of them without reals or fakes; a weight is never zero.
        Detectors are not resampled: the intervals say how the numbers would vary with other videos
        for these very detectors, not with other trainings.
    """
    names = {}
    for name, tables in scored.items():
        first = next(iter(tables.values()))
        names[name] = first["label"].astype(str) + "\t" + first["video"].astype(str)
    videos = {name: number for number, name in enumerate(sorted(set().union(*names.values())))}
    weights = np.ones((1 + n_resamples, len(videos)))
    weights[1:] = np.random.default_rng(seed).exponential(size=(n_resamples, len(videos)))
    values = {
        (detector, name): _accuracies(table, np.asarray(names[name].map(videos), np.int64), weights)
        for name, tables in scored.items()
        for detector, table in tables.items()
    }
    return Accuracies(values)


def _accuracies(table: pd.DataFrame, videos: IntArray, weights: DoubleArray) -> DoubleArray:
    """Return the accuracy in percent under each row of weights, class by class."""
    usable = (table["status"] == "ok").to_numpy()
    labels = table["label"].to_numpy()
    right = ((table["score"] >= 0.5).to_numpy() == (labels == 1)) & usable
    total = np.zeros(len(weights))
    for label in (0, 1):
        own = usable & (labels == label)
        if own.any():
            counts = np.bincount(videos, weights=own, minlength=weights.shape[1])
            hits = np.bincount(videos, weights=own & right, minlength=weights.shape[1])
            total += own.sum() * (weights @ hits) / (weights @ counts)
    accuracies: DoubleArray = 100.0 * total / usable.sum()
    return accuracies
