"""The paper's printed tables and what others published, as data to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics import degradation
from deepfake_generalize.metrics.ranking import ranks
from deepfake_generalize.study.protocol import UNSEEN_SETS
from deepfake_generalize.validation import check_choice

# Finer than any difference between two test sets, coarser than the noise of adding floats.
_DECIMALS_COMPARED = 6

RANK_CAVEAT = "among the published thirty, which were measured on other images, 2,000 a set"

_FILES = {
    "IV": "table_iv_detectors.csv",
    "V": "table_v_unseen.csv",
    "VI": "table_vi_same_method.csv",
    "VII": "table_vii_same_identity.csv",
}
REFERENCES = {
    "deepfakebench": "README of github.com/SCLBD/DeepfakeBench",
    "forensics-adapter": "README of github.com/OUC-VAS/ForensicsAdapter",
    "sbi": "README of github.com/mapooon/SelfBlendedImages",
}
_ALIASES = {"cdfv1": "celebdfv1", "cdfv2": "celebdfv2", "dfdcpreview": "dfdcp"}


def check_table(number: object) -> str:
    """Return the number of one of the paper's tables, or raise `InputError`."""
    hint = "These are the paper's tables of numbers."
    return check_choice("the table", number, _FILES, hint=hint)


def published(table: str) -> pd.DataFrame:
    """Return one of the paper's tables as printed, or AUCs that others published; in percent.

    Args:
        table: "IV" (the thirty detectors and their original accuracy), "V" (unseen sets), "VI"
            (the set made by the method trained on) or "VII" (the sets with the people trained on);
            or "deepfakebench", "forensics-adapter" or "sbi", the projects whose README printed it.

    Returns:
        One row a detector, in the printed order. IV: detector, architecture, training_dataset,
        fine_tuning (none, transfer, merge), original_accuracy, average_accuracy (of the
        architecture's six). V: rank, detector, original_accuracy, FS, NT, DF, DFD, average,
        degradation. VI adds CELEB-M, specialized_degradation, degradation_difference; VII adds
        FS-I, NT-I, specialized_average and the same two. Of the others one row a detector and
        set: detector, training_set, unit ("frame" or "video": the same detector differs by 7 to 9
        points between them), set, auc and source.

    Raises:
        InputError: There is no such table.

    Reproduction notes:
        "How Generalizable are Deepfake Detectors? An Empirical Study", Tables IV to VII. The
        numbers are the authors'; none is computed here. Those of others were measured on crops
        and frames of their own choice: a few points apart say nothing.

    Examples:
        >>> published("V")[["rank", "detector", "degradation"]].head(2)
           rank     detector  degradation
        0     1  ShallowNet6         5.15
        1     2  ShallowNet2         8.20
    """
    check_choice("the table", table, (*_FILES, *REFERENCES))
    name = _FILES.get(table, "reference_auc.csv")
    file = resources.files("deepfake_generalize.study") / "printed" / name
    with file.open(encoding="utf-8") as stream:
        # "none" is a kind of fine-tuning here, not a gap.
        found = pd.read_csv(stream, keep_default_na=False)
    if table in _FILES:
        return found
    own = found[found.pop("source") == table].reset_index(drop=True)
    return own.assign(source=REFERENCES[table])


def beside_published(source: str, unit: str, mine: Mapping[str, float]) -> pd.DataFrame:
    """Return AUCs in percent, a row a detector and training set and a column a set.

    `mine` is the column detector, training_set and the AUC of each set. Only sets of both are
    compared, a set being known by its usual names; rows of another unit are left out.
    """
    check_choice("source", source, REFERENCES)
    table = published(source)
    check_choice("unit", unit, table["unit"].unique(), hint=f"{source} printed no other.")
    names = {_plain(name): name for name in mine}
    theirs = table[table["unit"] == unit].assign(set=table["set"].map(_plain).map(names))
    if theirs["set"].isna().all():
        raise InputError(
            f"expected a set that {source} has AUCs for, received {', '.join([*mine][2:])}.",
            hint=f"Call it as they do: {', '.join(table['set'].unique())}.",
        )
    index = ["detector", "training_set"]
    known = theirs.dropna(subset="set")
    wide = known.pivot_table("auc", index, "set", sort=False).reset_index()
    both = pd.concat([pd.DataFrame([mine]), wide], ignore_index=True)
    return both[[name for name in mine if name in wide]]


def _plain(name: str) -> str:
    letters = "".join(filter(str.isalnum, name.lower()))
    return _ALIASES.get(letters, letters)


def published_degradations() -> list[float]:
    """Return the degradations of the published thirty in percentage points, recomputed.

    From the printed accuracies, which are exact; the printed degradations are rounded.
    """
    table = published("V")
    accuracies = table[list(UNSEEN_SETS)].to_numpy()
    return [
        round(degradation(*row, unit="percent"), _DECIMALS_COMPARED)
        for row in zip(table["original_accuracy"], accuracies, strict=True)
    ]


def little_to_lose(original: float, *, low: float | None, chance: float) -> str:
    """Return why a detector has too little to lose for a rank by degradation, or the empty string.

    Its accuracy on the original test set, or the low end of its interval, must be above that of
    the paper's lowest detector, and above what calling all images the same gets. In percent.
    """
    floor = max(float(published("V")["original_accuracy"].min()), chance)
    if (original if low is None else low) > floor:
        return ""
    whole = "" if low is None else f" (from {low:.2f} by its interval)"
    return (
        f"an original accuracy of {original:.2f} %{whole} is not clearly above {floor:.2f} %, the "
        "lowest of the published thirty or chance: there is little to lose"
    )


def rank_among_published(
    original: float, unseen: Mapping[str, float], *, little: str = ""
) -> tuple[int | None, str]:
    """Return the rank by degradation that accuracies, in percent, have in Table V, or None and why.

    A tie gets the better rank. `little` is what `little_to_lose` says: then there is no rank.
    """
    if set(unseen) != set(UNSEEN_SETS):
        return None, (
            "ranks do not compare: the published thirty were measured on "
            f"{', '.join(UNSEEN_SETS)}, this detector on {', '.join(unseen)}"
        )
    if little:
        return None, little
    lost = degradation(original, list(unseen.values()), unit="percent")
    return int(ranks([lost, *published_degradations()], decimals=_DECIMALS_COMPARED)[0]), ""
