"""What could be wrong with a study's numbers: what its sets are, and what to doubt about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from deepfake_generalize.data import Splits
from deepfake_generalize.data.manifests import text_column, video_keys
from deepfake_generalize.data.splits import SUBSETS
from deepfake_generalize.study.experiment import SPLITS
from deepfake_generalize.study.facts import NULL_SET
from deepfake_generalize.study.protocol import Protocol
from deepfake_generalize.study.report.intervals import interval_of

if TYPE_CHECKING:
    from deepfake_generalize.study.report.results import RunResults

_RELIABLE = 20
"""Units of a class below which intervals are too narrow: docs/explanations/intervals.md."""
_TURNED_ROUND = 10.0
"""Below this AUC, in percent, labels or scores are likely to be the wrong way round."""


def sets_key(results: RunResults) -> pd.DataFrame:
    """Return a row a set: what made it, what it is for, and how much there is of it.

    Videos and people are those of the test part, NA where they are not named.
    """
    rows = []
    for name in results.data["sets"]:
        splits = Splits.load(results.folder / SPLITS / f"{name}.csv")
        parts = {part: getattr(splits, part) for part in SUBSETS}
        everything, test = pd.concat(parts.values()), parts["test"]
        fakes = everything[everything["label"] == 1]
        videos = video_keys(test)
        found = {} if videos is None else videos.groupby(test["label"]).nunique().to_dict()
        who = {
            name for role in ("target", "source") for name in text_column(test, f"{role}_identity")
        }
        rows.append(
            {
                "set": name,
                "role": _role(results.protocol, name),
                "dataset": _named(everything, "dataset"),
                "method": _named(fakes, "method"),
                **{part: len(own) for part, own in parts.items()},
                "real_videos": found.get(0, pd.NA),
                "fake_videos": found.get(1, pd.NA),
                "people": len(who - {""}) or pd.NA,
                "dropped": len(splits.dropped),
            }
        )
    return pd.DataFrame(rows)


def doubts(results: RunResults) -> dict[str, Any]:
    """Return what to doubt, by what is wrong; the page has the words for each.

    few: (units of the rarer class, what they are) to the sets whose intervals are too narrow, or
    that have none, for having so few. turned_round: (detector, its source, set, AUC in percent).
    missing: sets of the protocol that were not measured. unscored: (set, images without a score,
    all). left_out: (what, why) of analyses.
    """
    scores = [each.of("auc") for each in results.trainings]
    units = scores[0].units.items()
    auc = [
        (name, family.source, key, interval_of(scores, {(name, key): 1.0}))
        for name, family, _ in results.detectors
        for key in results.scored
        if (name, key) in scores[0] and key != NULL_SET
    ]
    counted = {
        key: max((int((of["status"] != "ok").sum()), len(of)) for of in tables.values())
        for key, tables in results.scored.items()
    }
    few: dict[tuple[int, str], list[str]] = {}
    for name, of in units:
        if of.n < _RELIABLE:
            few.setdefault((of.n, of.unit), []).append(name)
    return {
        "few": few,
        "turned_round": [
            (name, source, key, found.estimate)
            for name, source, key, found in auc
            if found.estimate < _TURNED_ROUND or (key == source and found.high < 50.0)
        ],
        "missing": [name for name in results.protocol.names if name not in results.scored],
        "unscored": [(key, *of) for key, of in counted.items() if of[0]],
        "left_out": [*results.left_out.items()],
    }


def _role(protocol: Protocol, name: str) -> str:
    found = ["trained on"] if name in protocol.sources else []
    for source, facts in protocol.sources.items():
        shares = facts.specialized.get(name, "")
        found += {"": [], "nothing": ["a further test"]}.get(shares, [f"same {shares} as {source}"])
    if name in protocol.unseen:
        found.append("unseen")
    if name in protocol.few_shot:
        found.append("a few images of it in fine-tuning")
    return "; ".join(found) or "control: its fakes are reals"


def _named(rows: pd.DataFrame, column: str) -> str:
    return ", ".join(sorted({*text_column(rows, column)} - {""})) or "not said"
