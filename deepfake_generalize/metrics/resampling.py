"""Resampling, in one home: every interval of the library is made from what is drawn here.

Videos, or the people in them, are what is drawn: frames of one video are alike, and so are videos
of one person. `resample` weights those of several sets together, `resample_function` copies images
for a metric that knows no weights, and `Replicates.interval` makes intervals of either.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from deepfake_generalize._system.processes import processors
from deepfake_generalize.errors import UndefinedMetricError
from deepfake_generalize.metrics._checks import check_pair
from deepfake_generalize.metrics.units import (
    FEWEST,
    Scored,
    Units,
    counted,
    find_units,
    number_groups,
    numbered_together,
)
from deepfake_generalize.metrics.weighted import WeightedScores, available, is_correct
from deepfake_generalize.types import AnyArray, DoubleArray, IntArray
from deepfake_generalize.validation import check_number, check_whole

_NUMBERS_AT_ONCE = 1 << 22
"""Weights in one block of resamples: bounds the memory."""
_THREADS = 4
_NEXT_TO_A_BORDER = 1e-12
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Interval:
    """A value and the interval around it, as NaN where there is none; `note` says why.

    `n` is how many videos, people or images (`unit`) there are of the rarer class, in the smallest
    of the sets; 0 and empty where nothing was drawn. The estimate need not lie in the middle.
    """

    estimate: float
    low: float
    high: float
    n: int = 0
    unit: str = ""
    note: str = ""


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


@dataclass(frozen=True, eq=False)
class Replicates:
    """Metrics of detectors on sets, and what they would have been with other videos.

    `numbers` maps (detector, set, metric) to (ways, 1 + resamples): the metric itself first, a
    fraction, then that of every resample. `replicates[detector, set]` is about one `metric`, times
    `scale` (100 for percent).
    """

    numbers: Mapping[tuple[str, str, str], DoubleArray]
    units: Mapping[str, Units]
    resampling: Resampling
    metric: str = "accuracy"
    scale: float = 1.0

    def __getitem__(self, key: tuple[str, str]) -> DoubleArray:
        """Return (ways, 1 + resamples) of a detector on a set."""
        return np.asarray(self.scale * self.numbers[*key, self.metric])

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Whether the detector was measured on the set."""
        return (*key, self.metric) in self.numbers

    def of(self, metric: str) -> Replicates:
        """Return the same of another metric."""
        return replace(self, metric=metric)

    def degradation(self, detector: str, original: str, sets: Sequence[str]) -> DoubleArray:
        """Return (ways, 1 + resamples): the original value less the mean of those on the sets."""
        lost: DoubleArray = self[detector, original] - np.mean(
            [self[detector, name] for name in sets], axis=0
        )
        return lost

    def interval(
        self,
        values: DoubleArray,
        sets: Iterable[str] | None = None,
        *,
        within: tuple[float, float] = (-math.inf, math.inf),
    ) -> Interval:
        """Return the estimate (the first value) and its interval by the spread of the others.

        `values` are (ways, 1 + resamples), or without ways, of any arithmetic on these replicates
        of `sets` (None for all). With both ends of `within` the interval is made on the scale of
        their logits, and lies between them.

        Reproduction notes:
            The paper gives no intervals. These are Student's: on both sides the spread of the
            resamples times the quantile of t with as many degrees of freedom as the rarer class of
            the smallest set has videos, less one; and times the root of (n + 1) / (n - 1), by which
            exponential weights vary too little. With two ways the variances are added, and that by
            both together is taken off (Cameron, Gelbach and Miller, 2011).
        """
        from scipy.special import expit, logit, stdtrit

        values = np.atleast_2d(values)
        found = [self.units[name] for name in (self.units if sets is None else sets)]
        least = min(found, key=lambda units: units.n)
        estimate = float(values[0, 0])
        if least.n < FEWEST:
            few = f"{counted(least)} of a class, and none is made of fewer than {FEWEST}"
            no = f"no interval: {few}"
            return Interval(estimate, math.nan, math.nan, least.n, least.unit, no)
        notes = "; ".join(dict.fromkeys(units.note for units in found if units.note))
        low, high = within
        bounded = math.isfinite(low) and math.isfinite(high)
        if bounded:
            shares = np.clip((values - low) / (high - low), 0.0, 1.0)
            if shares[0, 0] in (0.0, 1.0):
                return Interval(estimate, estimate, estimate, least.n, least.unit, notes)
            values = logit(np.clip(shares, _NEXT_TO_A_BORDER, 1.0 - _NEXT_TO_A_BORDER))
        margin = float(stdtrit(least.n - 1, (1.0 + self.resampling.level) / 2.0))
        margin *= standard_error(values, least.n)
        if margin == 0.0:
            return Interval(estimate, estimate, estimate, least.n, least.unit, notes)
        centre = float(values[0, 0])
        ends = np.array([centre - margin, centre + margin])
        if bounded:
            ends = low + (high - low) * expit(ends)
        return Interval(estimate, float(ends[0]), float(ends[1]), least.n, least.unit, notes)


def standard_error(values: DoubleArray, n: int) -> float:
    """Return the spread of (ways, 1 + resamples) of `n` units, itself first: of both ways added."""
    variances = values[:, 1:].var(axis=1)
    both = variances[0] if len(variances) < 3 else variances[0] + variances[1] - variances[2]
    return math.sqrt(max(both, *variances[:2]) * (n + 1) / (n - 1))


def resample(
    scored: Mapping[str, Mapping[str, Scored]],
    metrics: Sequence[str],
    resampling: Resampling,
    *,
    threshold: float = 0.5,
    scale: float = 1.0,
) -> Replicates:
    """Weight the videos of all sets at random, again and again, and measure each time.

    `scored` is set to detector to scores, `metrics` are names among `METRICS`. A video that stands
    in several sets, as the originals of FS, NT and DF do, has one weight in all, and the same for
    all detectors. The weight depends on the video's name, the number of the resample and the seed
    alone: the same scores have the same interval whatever is measured beside them.

    Reproduction notes:
        The Bayesian bootstrap (Rubin, 1981): weights are exponential, so that no set is left
        without reals or fakes, which keep their shares. Detectors are not resampled.
    """
    checked = {
        (detector, name): (of, *check_pair(of.labels, of.scores, metric="an interval"))
        for name, detectors in scored.items()
        for detector, of in detectors.items()
    }
    places = {name: str(number) for number, name in enumerate(scored)} if len(scored) > 1 else {}
    units = {key: find_units(of, places.get(key[1], "")) for key, (of, *_) in checked.items()}
    ways = max(len(found.names) for found in units.values())
    values: dict[tuple[str, str, str], list[DoubleArray]] = {}
    for way in range(ways):
        drawn_so = {key: found for key, found in units.items() if way < len(found.names)}
        names, codes = numbered_together(
            [(found.names[way], found.codes[way]) for found in drawn_so.values()]
        )
        ready = {}
        for key, own in zip(drawn_so, codes, strict=True):
            of, labels, scores = checked[key]
            right = is_correct(labels, scores, threshold=threshold, tie=of.tie)
            weighted = WeightedScores(labels, scores, right, own, len(names))
            ready[key] = weighted, available(labels, metrics)
        drawn = _draw(ready, _hashes(names, resampling.seed), resampling.n_resamples)
        for key, rows in drawn.items():
            for metric, row in zip(ready[key][1], rows, strict=True):
                values.setdefault((*key, metric), []).append(row)
    return Replicates(
        # What is drawn in one way is drawn so in all.
        {key: np.stack([*rows, *rows[:1] * (ways - len(rows))]) for key, rows in values.items()},
        {name: units[next(iter(detectors)), name] for name, detectors in scored.items()},
        resampling,
        scale=scale,
    )


def _draw(
    ready: Mapping[tuple[str, str], tuple[WeightedScores, list[str]]],
    hashes: AnyArray,
    n_resamples: int,
) -> dict[tuple[str, str], DoubleArray]:
    """Return (metrics, 1 + resamples) of every detector and set, a block of resamples at a time."""
    rows = max(1, min(n_resamples, _NUMBERS_AT_ONCE // len(hashes)))
    once = np.ones((len(hashes), 1))
    # Before threads begin: what is made once a set is made here.
    itself = {key: of.measure(once, names) for key, (of, names) in ready.items()}
    exact = {
        key: np.array([[of.itself(name)] for name in names]) for key, (of, names) in ready.items()
    }

    def block(start: int) -> list[DoubleArray]:
        weights = exponential_weights(hashes, start, min(rows, n_resamples - start))
        return [of.measure(weights, names) for of, names in ready.values()]

    with ThreadPoolExecutor(min(_THREADS, processors())) as pool:
        blocks = list(pool.map(block, range(0, n_resamples, rows)))
    # Where scores lie too close to be told apart in resamples, these are moved by what that costs.
    return {
        key: np.concatenate(
            [exact[key], *(of[number] + (exact[key] - itself[key]) for of in blocks)], axis=1
        )
        for number, key in enumerate(ready)
    }


def exponential_weights(hashes: AnyArray, start: int, count: int) -> DoubleArray:
    """Return (units, count) exponential weights of mean 1, of the resamples from `start` on."""
    steps = np.arange(start + 1, start + count + 1, dtype=np.uint64) * _GOLDEN
    weights = np.empty((len(hashes), count))
    # So many at once that they stay in the processor's cache.
    at_once = max(1, (1 << 15) // count)
    for begin in range(0, len(hashes), at_once):
        bits = hashes[begin : begin + at_once, np.newaxis] + steps
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            bits ^= bits >> np.uint64(shift)
            bits *= np.uint64(factor)
        bits ^= bits >> np.uint64(31)
        uniform = ((bits >> np.uint64(11)) + np.uint64(1)) * 2.0**-53
        weights[begin : begin + at_once] = -np.log(uniform)
    return weights


def _hashes(names: Sequence[str], seed: int) -> AnyArray:
    digests = (
        hashlib.blake2b(f"{seed}/{name}".encode(errors="surrogatepass"), digest_size=8).digest()
        for name in names
    )
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def resample_function(
    metric: Callable[[AnyArray, AnyArray], float], scored: Scored, resampling: Resampling
) -> Replicates:
    """Call a metric that knows no weights on copies of the images, a resample at a time."""
    labels, scores = check_pair(scored.labels, scored.scores, metric="an interval")
    units = find_units(scored)
    name = getattr(metric, "__name__", "the metric")
    itself = float(metric(labels, scores))
    if math.isnan(itself):
        raise UndefinedMetricError(f"{name} is undefined for these images: it gave NaN.")
    raised: list[Exception] = []

    def measure(times: IntArray) -> float:
        # It gave a number for all the images, so what it raises is about those that were drawn.
        try:
            return float(metric(np.repeat(labels, times), np.repeat(scores, times)))
        except MemoryError:
            raise
        except Exception as error:
            # Anyone's function, anyone's exceptions.
            raised[:] = [error]
            return math.nan

    rows = [
        [itself, *_existing(measure, codes, _strata(codes, labels), resampling, raised)]
        for codes in units.codes
    ]
    values = {("", "", "metric"): np.array(rows)}
    return Replicates(values, {"": units}, resampling, metric="metric")


def _existing(
    measure: Callable[[IntArray], float],
    codes: IntArray,
    strata: Sequence[IntArray],
    resampling: Resampling,
    raised: Sequence[Exception],
) -> list[float]:
    """Return what a metric is in as many resamples as are wanted, those without it drawn anew."""
    rng = np.random.default_rng(resampling.seed)
    found: list[float] = []
    undefined = 0
    while len(found) < resampling.n_resamples:
        drawn = np.concatenate([rng.choice(stratum, len(stratum)) for stratum in strata])
        value = measure(np.bincount(drawn, minlength=int(codes.max()) + 1)[codes])
        if not math.isnan(value):
            found.append(value)
            continue
        undefined += 1
        if undefined > resampling.n_resamples:
            why = f" The metric raised {type(raised[0]).__name__}: {raised[0]}" if raised else ""
            raise UndefinedMetricError(
                f"expected a metric that exists for most resamples, received {undefined} "
                f"undefined ones and {len(found)} others.{why}",
                hint="Add videos of the rarer class.",
            ) from (raised[0] if raised else None)
    return found


def resample_means(
    values: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]], resampling: Resampling
) -> Replicates:
    """Return the mean of numbers by name, each from (values, the video of each), as `resample`."""
    numbered = {
        name: number_groups(groups, len(np.asarray(of))) for name, (of, groups) in values.items()
    }
    units = {
        name: Units((names,), codes[np.newaxis], len(names), "videos")
        for name, (codes, names) in numbered.items()
    }
    found = {}
    for name, (codes, videos) in numbered.items():
        hashes = _hashes([f"video {video}" for video in videos], resampling.seed)
        weights = exponential_weights(hashes, 0, resampling.n_resamples)
        weights = np.hstack([np.ones((len(hashes), 1)), weights])
        total = np.bincount(codes, weights=np.asarray(values[name][0], np.float64))
        found["", name, "mean"] = ((total @ weights) / (np.bincount(codes) @ weights))[np.newaxis]
    return Replicates(found, units, resampling, metric="mean")


def _strata(codes: IntArray, labels: IntArray) -> list[IntArray]:
    """Return the units that hold reals alone, fakes alone and both, as far as there are any."""
    sizes = [np.bincount(codes[labels == label], minlength=codes.max() + 1) for label in (0, 1)]
    kinds = (sizes[0] > 0) + 2 * (sizes[1] > 0)
    return [np.flatnonzero(kinds == kind) for kind in np.unique(kinds)]


def resample_counts(groups: npt.ArrayLike | None, size: int, resampling: Resampling) -> DoubleArray:
    """Return how often each image is sampled in every resample of groups, (size, n_resamples)."""
    given = np.arange(size) if groups is None else groups
    codes, names = number_groups(given, size, in_order=True)
    if len(names) < 2:
        raise UndefinedMetricError(
            "resampling is undefined for one group only.",
            hint="Pass the images of at least two videos.",
        )
    rng = np.random.default_rng(resampling.seed)
    shares = np.full(len(names), 1 / len(names))
    counts = rng.multinomial(len(names), shares, resampling.n_resamples)
    return np.asarray(counts.T[codes], dtype=np.float64)
