"""What Finding 2 compares: sets that share something with a source, and those that do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from deepfake_generalize.metrics.resampling import Replicates
from deepfake_generalize.study.protocol import Protocol, Sharing
from deepfake_generalize.types import DoubleArray

Difference = Callable[[Replicates, str, str], DoubleArray]


def differences(protocol: Protocol) -> list[tuple[str, str, str, Difference]]:
    """Return what is compared of poor detectors: what it is about, its name, their source."""
    found: list[tuple[str, str, str, Difference]] = []
    for source, facts in protocol.sources.items():
        for shares in ("method", "people"):
            if special := facts.sharing(shares):
                what = f"mean degradation difference on {' and '.join(special)}"
                found.append((shares, what, source, _against_unseen(facts.unseen, special)))
            for own, other in _of_one_method(protocol, source, shares):
                what = f"accuracy on {own} less that on {other}"
                found.append((shares, what, source, _less(own, other)))
    own, other = "CELEB-M", "DFD"  # Made by methods of one family, which no query says.
    if own in protocol.sharing("method") and other in protocol.unseen:
        found.append(
            ("family", f"accuracy on {own} less that on {other}", "CELEB", _less(own, other))
        )
    return found


def _of_one_method(protocol: Protocol, source: str, shares: Sharing) -> list[tuple[str, str]]:
    """Return pairs of a specialized set and an unseen one of the same crops but for the people."""
    facts = protocol.sources[source]
    return [
        (own, other)
        for own in facts.sharing(shares)
        for other in facts.unseen
        if protocol.place_of(own) == protocol.place_of(other)
    ]


def classes_apart(
    protocol: Protocol,
    found: Mapping[str, Sequence[str]],
    scored: Mapping[str, Mapping[str, pd.DataFrame]],
) -> list[tuple[str, float]]:
    """Tell reals, whose clips were trained on, from fakes, of which only the people were."""
    pairs = [
        (name, own, other)
        for source in protocol.sources
        for name in found[source]
        for own, other in _of_one_method(protocol, source, "people")
    ]
    said = ", ".join(dict.fromkeys(f"{own} less {other}" for _, own, other in pairs))
    found_apart = []
    for label, whose in enumerate(("reals, of clips trained on", "fakes, of people trained on")):
        apart = [
            _share_right(scored[own][name], label) - _share_right(scored[other][name], label)
            for name, own, other in pairs
            if scored
        ]
        if apart:
            what = f"{said}, on {whose}, alone (points)"
            found_apart.append((what, float(np.mean(apart))))
    return found_apart


def _against_unseen(unseen: Sequence[str], special: Sequence[str]) -> Difference:
    """Return the degradation difference of Table VI or VII."""
    return lambda accuracies, name, source: (
        accuracies.degradation(name, source, unseen) - accuracies.degradation(name, source, special)
    )


def _less(own: str, other: str) -> Difference:
    return lambda accuracies, name, _source: accuracies[name, own] - accuracies[name, other]


def _share_right(scores: pd.DataFrame, label: int) -> float:
    """Return the accuracy in percent on the images of one class."""
    usable = scores[(scores["label"] == label) & (scores["status"] == "ok")]
    return 100.0 * float(((usable["score"] >= 0.5) == (label == 1)).mean())
