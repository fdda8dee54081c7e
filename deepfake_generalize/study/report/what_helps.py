"""What helps against degradation: each kind of detector less the original of its own family."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from deepfake_generalize.metrics.resampling import Replicates
from deepfake_generalize.study.experiment import DetectorFamily
from deepfake_generalize.study.protocol import ORIGINAL, short_name
from deepfake_generalize.study.report.seeds import over_trainings
from deepfake_generalize.types import DoubleArray

HELPS_CAPTION = (
    "What helps: accuracy of each kind of detector less that of the original of the same network "
    "and source, in points, mean over the networks and sources that have it; last its degradation "
    "less the original's. Intervals are 95 %, paired by video, over trainings too where there are "
    "several, and each by itself. Transfer and merge were shown images of the few-shot sets; the "
    "other kinds saw the source alone. A smaller degradation is worth nothing where the accuracy "
    "on the original test set is lost."
)
_HOME, _AVERAGE, _LOST = "original test set", "average of unseen sets", "degradation"


def what_helps(families: Sequence[DetectorFamily], trainings: Sequence[Replicates]) -> pd.DataFrame:
    """Compare every kind of detector with the originals: a row for each kind and set.

    `families` are of the first training, `trainings` the accuracies in percent of each, under the
    first one's names. `told` is "better" or "worse" where the interval leaves out zero.
    """
    rows = []
    for kind in dict.fromkeys(k for family in families for k in family.kinds if k != ORIGINAL):
        having = [family for family in families if kind in family.kinds]
        unseen = dict.fromkeys(name for family in having for name in family.unseen)
        for name in (_HOME, *unseen, _AVERAGE, _LOST):
            own = [each for each in having if name not in unseen or name in each.unseen]
            number = partial(_gained, own, kind, name)
            sets = dict.fromkeys(key for family in own for key in _sets(family, name))
            found = over_trainings(trainings, [number(one) for one in trainings], sets)
            ends = (found.low, found.high) if name != _LOST else (-found.high, -found.low)
            told = "better" if ends[0] > 0 else "worse" if ends[1] < 0 else ""
            numbers = (len(own), found.estimate, found.low, found.high)
            rows.append((short_name(kind), name, *numbers, told))
    columns = ["fine_tuning", "set", "families", "difference", "lowest", "highest", "told"]
    return pd.DataFrame(rows, columns=columns)


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
