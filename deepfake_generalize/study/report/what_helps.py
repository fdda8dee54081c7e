"""What helps against degradation: each kind of detector less the original of its own family."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from deepfake_generalize.metrics.resampling import Replicates
from deepfake_generalize.study.experiment import DetectorFamily
from deepfake_generalize.study.facts import ORIGINAL, ZERO_SHOT, short_name
from deepfake_generalize.study.report.seeds import over_trainings
from deepfake_generalize.types import DoubleArray

HELPS_CAPTION = (
    "What helps: accuracy of each kind of detector less that of the original of the same network "
    "and source, in points, mean over the families (networks and sources) that have it; last its "
    "degradation less the original's, where less is better. Intervals are 95 %, paired by video, "
    "over trainings too where there are several, and each by itself: one that leaves out zero is a "
    "difference. Transfer and merge were shown images of the few-shot sets; the other kinds saw "
    "the source alone. A smaller degradation is worth nothing where accuracy at home is lost."
)
_HOME, _AVERAGE, _LOST = "home_gained", "average_gained", "degradation"


def what_helps(families: Sequence[DetectorFamily], trainings: Sequence[Replicates]) -> pd.DataFrame:
    """Compare every kind of detector with the originals: a row a kind, a column a set.

    `families` are of the first training, `trainings` the accuracies in percent of each, under the
    first one's names. Columns are as of `with_intervals`; a set that no family with the kind has
    is NaN.
    """
    rows = []
    for kind in dict.fromkeys(k for family in families for k in family.kinds if k != ORIGINAL):
        having = [family for family in families if kind in family.kinds]
        row: dict[str, object] = {"fine_tuning": short_name(kind), "families": len(having)}
        unseen = dict.fromkeys(name for family in having for name in family.unseen)
        for name in (_HOME, *unseen, _AVERAGE, _LOST):
            own = [each for each in having if name not in unseen or name in each.unseen]
            number = partial(_gained, own, kind, name)
            sets = dict.fromkeys(key for family in own for key in _sets(family, name))
            found = over_trainings(trainings, [number(one) for one in trainings], sets)
            row |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
        rows.append(row)
    return pd.DataFrame(rows)


def helping_kinds(found: pd.DataFrame) -> str:
    """Say plainly which kinds that see the source alone help on unseen sets, of `what_helps`."""
    asked = found[found["fine_tuning"].isin(ZERO_SHOT)]
    better = asked[asked["average_gained_low"] > 0]
    if asked.empty:
        return ""
    if better.empty:
        return (
            f"None of what sees the source alone ({', '.join(asked['fine_tuning'])}) is shown to "
            "raise the accuracy on unseen sets: no interval of the average lies above zero."
        )
    said = [
        f"{kind} by {gain:.2f} points"
        for kind, gain in better[["fine_tuning", "average_gained"]].to_numpy()
    ]
    what = "Of what sees the source alone, these raise the accuracy on unseen sets"
    return f"{what}: {', '.join(said)}."


def _gained(
    families: Sequence[DetectorFamily], kind: str, what: str, accuracies: Replicates
) -> DoubleArray:
    """Return a kind's mean number less the originals', in every resample."""

    def number(family: DetectorFamily, kind: str) -> DoubleArray:
        name = family.detector(kind)
        if what == _LOST:
            return accuracies.degradation(name, family.source, family.unseen)
        return np.asarray(np.mean([accuracies[name, key] for key in _sets(family, what)], axis=0))

    gains = [number(family, kind) - number(family, ORIGINAL) for family in families]
    return np.asarray(np.mean(gains, axis=0))


def _sets(family: DetectorFamily, what: str) -> tuple[str, ...]:
    """Return the sets that a number is of."""
    several = {_HOME: (family.source,), _AVERAGE: family.unseen, _LOST: family.analysed}
    return several.get(what, (what,))
