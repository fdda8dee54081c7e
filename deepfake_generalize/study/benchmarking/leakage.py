"""Whether the sets of a benchmark are independent, and what they share on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from deepfake_generalize.data.crops import read_set, split_packed
from deepfake_generalize.data.leakage import audit_leakage, warn_of_leaks
from deepfake_generalize.data.splits import Splits
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.benchmarking.inputs import ORIGINAL, ScoredSet
from deepfake_generalize.study.protocol import shared_by_benchmark
from deepfake_generalize.validation import describe

Training: TypeAlias = pd.DataFrame | Splits | str | Path
TrainedOn: TypeAlias = Training | Mapping[str, Training | None]

TRAINING = "training"

Shared: TypeAlias = Iterable[tuple[str, ...]] | Mapping[tuple[str, ...], str | Iterable[str]]
_WORDS = {"video": "videos", "identity": "people", "near_duplicate": "near-duplicates"}
_PEOPLE = ("identity", "video", "near_duplicate")


def read_training(trained_on: TrainedOn | None) -> tuple[str | None, pd.DataFrame | Splits | None]:
    """Return the name of the training data, if it was said, and the crops, if they are there."""
    name: str | None = None
    given: object = trained_on
    if isinstance(trained_on, Mapping):
        if len(trained_on) != 1:
            raise InputError(
                f"expected trained_on to name one data set, received {len(trained_on)}.",
                hint='Pass trained_on={"CELEB": crops}.',
            )
        ((name, given),) = trained_on.items()
    if given is None or isinstance(given, pd.DataFrame | Splits):
        return name, given
    if isinstance(given, str | Path):
        return name, read_set(given)
    raise InputError(
        f"expected trained_on to be crops, a folder of them or Splits, received {describe(given)}.",
        hint='Pass trained_on=crops, or trained_on={"CELEB": crops} to name the data set.',
    )


def read_shared(shared: Shared, names: Sequence[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return what every pair of sets shares by design, from groups of the sets' `names`."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for group in shared:
        if not isinstance(group, tuple) or len(group) < 2 or not {*group} <= {*names, TRAINING}:
            raise InputError(
                f"expected groups of two or more of the sets {', '.join(names)} and {TRAINING}, "
                f"received {group!r} among what is shared by design.",
                hint=f'As in shared_by_design=[("{ORIGINAL}", "FS")], on the command line '
                f"--shared-by-design {ORIGINAL},FS.",
            )
        said = shared[group] if isinstance(shared, Mapping) else None
        for pair in combinations(group, 2):
            all_of = _PEOPLE if TRAINING in pair else (*_PEOPLE, "frame")
            found[pair] = (said,) if isinstance(said, str) else tuple(said or all_of)
    return found


def audit_sets(
    scored: Sequence[ScoredSet],
    unseen: Sequence[str],
    specialized: Sequence[str],
    training: pd.DataFrame | Splits | None,
    shared: Mapping[tuple[str, str], tuple[str, ...]],
) -> pd.DataFrame | None:
    """Audit the sets and what the detector was trained on, and warn of what nobody meant.

    The original set and the training data must share nothing with any other set. Meant are: what
    unseen and specialized sets share among themselves, the people of the original set and of a set
    made by the same method (CELEB-M), the people, with other frames of their clips, of specialized
    sets and the training data, which Table VII asks about; and what is `shared`. None where no set
    tells its images or videos.
    """
    frames = {of.name: _auditable(of.frame) for of in scored}
    given = frames if training is None else {**frames, TRAINING: training}
    sets = {name: crops for name, crops in given.items() if crops is not None}
    if len(sets) < 2:
        return None
    designs = shared_by_benchmark(ORIGINAL, unseen, specialized, training=TRAINING) | {**shared}
    findings = audit_leakage(
        sets,
        near_duplicates=all(_has_images(frame) for frame in sets.values()),
        shared_by_design={pair: of for pair, of in designs.items() if set(pair) <= set(sets)},
    )
    warn_of_leaks(findings, stacklevel=5)
    return findings


def leak_notes(leakage: pd.DataFrame | None) -> list[str]:
    """Say what every pair of sets shares that it should not, and in one note what is meant."""
    if leakage is None or leakage.empty:
        return []
    shared = leakage[leakage["kind"] != "unreadable"]
    meant = shared[shared["by_design"]]
    pairs = shared[~shared["by_design"]].groupby(["set_a", "set_b", "kind"], sort=False)
    notes = [f"{a} and {b} share {len(rows)} by {kind}: a leak" for (a, b, kind), rows in pairs]
    if len(meant):
        names = dict.fromkeys(meant[["set_a", "set_b"]].to_numpy().ravel())
        kinds = meant.groupby("kind", sort=False)["what"].nunique().items()
        told = ", ".join(f"{count} {_WORDS[str(kind)]}" for kind, count in kinds)
        notes.append(f"shared by design, among {', '.join(names)}: {told}")
    return notes


def _auditable(frame: pd.DataFrame) -> pd.DataFrame | None:
    # What could not be read is told by the coverage already.
    frame = frame[frame["status"] == "ok"]
    if frame["path"].notna().all():
        return frame
    if "video" in frame and frame["video"].notna().all():
        # The audit asks for a path a row; without images only videos and people are compared.
        return frame.assign(path=frame["key"])
    return None


def _has_images(crops: pd.DataFrame | Splits) -> bool:
    if isinstance(crops, Splits):
        return all(_has_images(part) for part in (crops.train, crops.val, crops.test))
    paths = crops["path"].astype(str).unique()
    return all(Path(path).exists() or split_packed(path) is not None for path in paths)
