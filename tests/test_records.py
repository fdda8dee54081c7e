"""Records that functions hand out: nothing can alter them by mistake."""

import dataclasses

import pytest

from deepfake_generalize import causal, metrics
from deepfake_generalize.data.leakage import Selection
from deepfake_generalize.data.splits import Splits
from deepfake_generalize.metrics.resampling import Resampling, Scored, Units
from deepfake_generalize.study.facts import Sizes

HANDED_OUT = [
    metrics.Comparison,
    metrics.Interval,
    Scored,
    Units,
    Resampling,
    Selection,
    Splits,
    Sizes,
    causal.NeuronEffects,
    causal.Overlap,
    causal.TopStability,
]


@pytest.mark.parametrize("record", HANDED_OUT, ids=lambda record: record.__name__)
def test_a_record_cannot_be_altered(record: type) -> None:
    made = object.__new__(record)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(record)[0].name, 0)
