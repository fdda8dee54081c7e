"""What `benchmark` asks of its arguments, and what it says where they are others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from deepfake_generalize import metrics
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import Scorer
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from deepfake_generalize.study.benchmarking.inputs import Evidence, ScoredSet

ORIGINAL = "original"

_RESERVED = frozenset(
    {
        ORIGINAL,
        "original_accuracy",
        "detector",
        "rank",
        "average",
        "degradation",
        "specialized_average",
        "specialized_degradation",
        "degradation_difference",
    }
)
_UPSIDE_DOWN = 0.4


def check_sets(unseen: Mapping[str, Evidence], specialized: Mapping[str, Evidence]) -> None:
    """Raise `InputError` unless both map names to sets, there are some, and no name clashes."""
    _check_mapping("unseen", unseen)
    _check_mapping("specialized", specialized)
    _check_names(unseen, specialized)


def check_detector(detector: object) -> None:
    """Raise `InputError` unless this is a detector or the name of one."""
    if not isinstance(detector, str | Scorer):
        raise InputError(
            "expected a detector with the members name and scores(images), or the name of one, "
            f"received {describe(detector)}.",
            hint="Wrap a function with models.as_detector, a Keras model with models.Detector.",
        )


def _check_mapping(argument: str, sets: object) -> None:
    """Raise `InputError` unless `sets` maps names to sets."""
    if not isinstance(sets, Mapping):
        raise InputError(
            f"expected {argument} to be a mapping of names to sets, received {describe(sets)}.",
            hint=f'Pass {argument}={{"NAME": crops}}.',
        )


def _check_names(unseen: Mapping[str, Evidence], specialized: Mapping[str, Evidence]) -> None:
    """Raise `InputError` where sets are missing or their names clash."""
    if not unseen:
        raise InputError(
            "expected at least one unseen set, received none.",
            hint='Pass unseen={"DFD": crops}: degradation compares the original set with others.',
        )
    for name in (*unseen, *specialized):
        if not name or name in _RESERVED:
            raise InputError(
                f"a set cannot be called {name!r}: the table needs this name for itself.",
                hint="Give the set another name.",
            )
    both = sorted(set(unseen) & set(specialized))
    if both:
        raise InputError(
            f"the set {both[0]} is given as unseen and as specialized.",
            hint="Give every set a name of its own.",
        )


def check_direction(original: ScoredSet) -> None:
    """Refuse scores made elsewhere that call the fakes real on the detector's own set."""
    if original.told or original.usable["label"].nunique() < 2:
        return
    usable = original.usable
    found = metrics.auc(usable["label"], usable["score"])
    if found < _UPSIDE_DOWN:
        raise InputError(
            "expected scores that are P(fake), received ones that put reals above fakes on the "
            f"original set (AUC {found:.3f}).",
            hint='If they are P(real), pass polarity="real-high"; if they are P(fake) and this is '
            'the truth, pass polarity="fake-high".',
        )
