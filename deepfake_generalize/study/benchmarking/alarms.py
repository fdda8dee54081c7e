"""What makes numbers worthless and is told before all else: labels turned round, one class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from deepfake_generalize.study.benchmarking.inputs import ORIGINAL, Outcomes, ScoredSet

_TURNED_ROUND = 0.1
"""Below this AUC labels or scores are likely to be the wrong way round."""


def alarms(
    sets: Sequence[ScoredSet], measured: pd.DataFrame, pictures: Outcomes | None
) -> Iterator[str]:
    """Yield what to look into before any number is read; `measured` is `Benchmark.metrics`."""
    found = {row["set"]: row for row in measured.to_dict("records")}
    for scored in sets:
        name, counts = scored.name, scored.class_counts
        auc, high = found[name]["frame_auc"], found[name]["frame_auc_high"]
        if pd.isna(auc):
            n, only = len(scored.usable), "fake" if counts["fake"] else "real"
            yield f"{name}: AUC is undefined for one class: all {n} labels are {only}."
        elif auc < _TURNED_ROUND:
            yield (
                f"{name}: AUC {auc:.3f}: nearly every real scores above nearly every fake. Are the "
                "labels swapped (1 is fake), or are the scores P(real)?"
            )
        elif name == ORIGINAL and (auc if pd.isna(high) else high) < 0.5:
            yield f"{name}: AUC {auc:.3f}: the detector is worse than chance on its own set."
    if pictures is not None:
        yield from _under_both_labels(sets, pictures)


def _under_both_labels(sets: Sequence[ScoredSet], pictures: Outcomes) -> Iterator[str]:
    known: dict[str, tuple[int, str]] = {}
    twice: dict[str, str] = {}
    for scored in sets:
        rows = scored.usable.dropna(subset=["path"])
        for path, label in zip(rows["path"].astype(str), rows["label"], strict=True):
            # The path of scores may be a video's, and is all that is known of them.
            *_, picture = pictures.get((path,), (path,))
            before, where = known.setdefault(picture, (label, f"{scored.name}, {path}"))
            if before != label:
                words = (where, f"{scored.name}, {path}")
                twice.setdefault(picture, " and as fake in ".join(words[:: 1 if label else -1]))
    if twice:
        yield (
            f"{len(twice)} pictures stand under both labels, the first as real in "
            f"{next(iter(twice.values()))}: are the labels of a set swapped?"
        )
