"""Drawing whole groups with replacement, and measuring what was drawn without copying it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from deepfake_generalize.errors import InputError, UndefinedMetricError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from deepfake_generalize.types import AnyArray, DoubleArray, IntArray


def group_codes(groups: npt.ArrayLike | None, size: int) -> IntArray:
    """Return for each of `size` images the number of its group, counted from 0.

    Args:
        groups: (size,), strings or numbers; None makes each image a group of its own.
        size: How many images there are.

    Raises:
        InputError: Another length or shape, or an empty entry.
        UndefinedMetricError: Fewer than two groups: what varies between them is unknown.
    """
    if groups is None:
        codes, count = np.arange(size, dtype=np.int64), size
    else:
        # NumPy would turn a missing name in a list of strings into the string "nan".
        keys = np.asarray(groups, dtype=object if isinstance(groups, list | tuple) else None)
        if keys.shape != (size,):
            raise InputError(
                f"expected one group for each of {size} images, received shape {keys.shape}.",
                hint="Pass one name a video; join dataset, method and video to one string.",
            )
        raw, names = pd.factorize(keys)
        codes, count = np.asarray(raw, dtype=np.int64), len(names)
    if codes.min() < 0:
        raise InputError(
            f"expected a group for every image, received {int((codes < 0).sum())} without.",
            hint="Name the video of every image.",
        )
    if count < 2:
        raise UndefinedMetricError(
            "an interval is undefined for one group only.",
            hint="Pass the images of at least two videos.",
        )
    return codes


def check_resampling(level: float, n_resamples: int) -> None:
    """Raise `InputError` unless `level` is in (0, 1) and `n_resamples` is a positive integer."""
    if not 0.0 < level < 1.0:
        raise InputError(
            f"expected a level between 0 and 1, received {level!r}.", hint="0.95 is usual."
        )
    if not isinstance(n_resamples, int | np.integer) or n_resamples < 1:
        raise InputError(
            f"expected a positive number of resamples, received {n_resamples!r}.",
            hint="1000 is usual.",
        )


def resampled(
    statistic: Callable[[IntArray], float],
    n_groups: int,
    *,
    n_resamples: int,
    rng: np.random.Generator,
) -> DoubleArray:
    """Return the statistic of `n_resamples` resamples, shape (n_resamples,).

    Args:
        statistic: From how often each group was drawn, (n_groups,), to a number. It raises
            `UndefinedMetricError` where it does not exist; such a resample is drawn again.
        n_groups: How many groups there are, and how many are drawn.
        n_resamples: How many results are wanted.
        rng: The source of randomness.

    Raises:
        UndefinedMetricError: More undefined resamples than `n_resamples`.
    """
    values: list[float] = []
    undefined = 0
    while len(values) < n_resamples:
        drawn = rng.integers(n_groups, size=n_groups)
        try:
            values.append(statistic(np.bincount(drawn, minlength=n_groups)))
        except UndefinedMetricError as error:
            undefined += 1
            if undefined > n_resamples:
                raise UndefinedMetricError(
                    f"expected a metric that exists for most resamples, received {undefined} "
                    f"undefined ones and {len(values)} others. {error.message}",
                    hint="Add videos of the rarer class.",
                ) from error
    return np.asarray(values)


def resampled_ratios(
    values: AnyArray, codes: IntArray, *, n_resamples: int, rng: np.random.Generator
) -> DoubleArray:
    """Return the mean of `values` over `n_resamples` resamples of groups, shape (n_resamples,).

    Groups with the same sum and size are alike, so it is enough to draw how many of each kind
    there are: the numbers have the same distribution as if the groups were drawn one by one.

    Args:
        values: (N,), whole numbers.
        codes: (N,), the number of the group of each.
        n_resamples: How many results are wanted.
        rng: The source of randomness.
    """
    totals = np.bincount(codes, weights=values).astype(np.int64)
    sizes = np.bincount(codes)
    kinds, counts = np.unique(np.stack([totals, sizes]), axis=1, return_counts=True)
    drawn = rng.multinomial(len(sizes), counts / counts.sum(), size=n_resamples)
    return np.asarray((drawn @ kinds[0]) / (drawn @ kinds[1]), dtype=np.float64)


class GroupWeightedAuc:
    """The AUC of a resample, from how often each group was drawn: one sort for all resamples.

    Args:
        labels: (N,), 0 and 1, both present.
        scores: (N,).
        codes: (N,), the number of the group of each image.
    """

    def __init__(self, labels: IntArray, scores: DoubleArray, codes: IntArray) -> None:
        """Sort once."""
        order = np.argsort(scores, kind="stable")
        is_fake = labels[order] == 1
        self._fakes, self._reals = codes[order][is_fake], codes[order][~is_fake]
        fake_scores, real_scores = scores[order][is_fake], scores[order][~is_fake]
        self._below = np.searchsorted(real_scores, fake_scores, side="left")
        self._up_to = np.searchsorted(real_scores, fake_scores, side="right")
        self._has_ties = bool((self._below != self._up_to).any())

    def __call__(self, drawn: IntArray) -> float:
        """Return the AUC when group g counts `drawn[g]` times.

        Raises:
            UndefinedMetricError: No fake, or no real, was drawn.
        """
        fakes = drawn[self._fakes]
        reals = np.zeros(len(self._reals) + 1, dtype=np.int64)
        np.cumsum(drawn[self._reals], out=reals[1:])
        n_fakes, n_reals = int(fakes.sum()), int(reals[-1])
        if not n_fakes or not n_reals:
            raise UndefinedMetricError("AUC is undefined for one class.")
        # Whole numbers, twice the count of won pairs: no rounding before the one division.
        if self._has_ties:
            won = fakes @ (reals[self._below] + reals[self._up_to])
        else:
            won = 2 * (fakes @ reals[self._below])
        return int(won) / (2 * n_fakes * n_reals)
