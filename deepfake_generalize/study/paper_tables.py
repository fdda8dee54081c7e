"""Tables IV to VII of any detectors, from their accuracies or another metric: averages, ranks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import pandas as pd

from deepfake_generalize import metrics
from deepfake_generalize.data.manifests import video_keys
from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics import degradation, degradation_difference
from deepfake_generalize.metrics.measures import ranks
from deepfake_generalize.study.facts import POOR_POINTS, ZERO_SHOT, is_poor
from deepfake_generalize.study.protocol import PAPER, TABLE_SHARES, Protocol, source_of
from deepfake_generalize.study.published import check_table
from deepfake_generalize.study.render import METRIC_TITLES
from deepfake_generalize.types import AnyArray
from deepfake_generalize.validation import check_choice, check_unit

CAPTIONS = {
    "IV": "Table IV: the detectors and their accuracy on the original test sets (%). "
    "The average is over the detectors of one architecture, those of zero-shot kinds left out.",
    "V": "Table V: accuracy on unseen sets (%), least degradation first; no rank for a detector "
    "that gets no more than 50 % at home.",
    "VI": "Table VI: the same synthesis method, other material (%).",
    "VII": "Table VII: the same people, other methods (%).",
}
_ALL_THE_SAME = 50.0
_FACTS = ["detector", "architecture", "training_dataset", "fine_tuning", "original_accuracy"]


THRESHOLD_CAPTION = (
    "What accuracy alone does not tell: a detector that still ranks fakes above reals (AUC) may "
    "call them real because its scores moved. Degradation at 0.5 is ranking lost (between the best "
    "accuracies that any threshold gives) and threshold moved (the rest). Best thresholds are "
    "known to an oracle only: for diagnosis, no result. The validation threshold has the best "
    "balanced accuracy on the source's validation split."
)
Unit = Literal["frame", "video"]
_DERIVED = frozenset({"rank", "degradation", "specialized_degradation", "degradation_difference"})


def table(
    number: str,
    rows: pd.DataFrame,
    *,
    protocol: Protocol = PAPER,
    entrants: Collection[str] | None = None,
) -> pd.DataFrame:
    """Return one of the paper's tables of your detectors, from their accuracies in percent.

    Args:
        number: "IV", detectors and their accuracy on their own test set; "V", unseen sets; "VI",
            detectors on the sets made by the method they were trained on (CELEB); or "VII", on
            those with the people they were trained on (F2F).
        rows: One row a detector. All tables need detector and original_accuracy; IV needs
            architecture, training_dataset and fine_tuning too; V the unseen sets; VI and VII
            training_dataset, the unseen sets, and CELEB-M or FS-I and NT-I, which may be NaN for
            detectors that are not in the table.
        protocol: Whose sets they are; sets that a source does not have may be NaN.
        entrants: The names of the detectors that enter VI and VII, in place of the paper's rule.

    Returns:
        The columns of `published(number)`. IV: the architectures in order of their average, the
        best first, their detectors as they came. V: the least degradation first; equal ones share
        the better rank. A detector that gets no more than 50 % at home, as calling all images the
        same does, has nothing to lose: its rank is NA, and it comes last. VI and VII: the detectors
        that degrade by more than 30 points, the largest degradation difference first; no rows where
        none does.

    Raises:
        InputError: There is no such table, a column is missing, or an accuracy is no percentage.

    Reproduction notes:
        Section IV-B. The paper writes "performance degradation over 30%"; percentage points are
        meant, as its tables show.

    Examples:
        >>> from deepfake_generalize.study import published
        >>> table("V", published("V"))[["rank", "detector", "average"]].head(2).values.tolist()
        [[1, 'ShallowNet6', 65.85], [2, 'ShallowNet2', 62.95]]
        >>> table("IV", published("IV"))["detector"].tolist()[:2]
        ['XceptionNet1', 'XceptionNet2']
    """
    check_table(number)
    if number == "IV":
        found = _columns(rows, _FACTS)
        percent = found["original_accuracy"].to_numpy(float)
        found["original_accuracy"] = check_unit("the original accuracies", percent, most=100.0)
        papers = found[~found["fine_tuning"].isin(ZERO_SHOT)]
        average = papers.groupby("architecture")["original_accuracy"].mean()
        found["average_accuracy"] = found["architecture"].map(average).round(10)
        return found.sort_values(
            "average_accuracy", ascending=False, kind="stable", ignore_index=True
        )
    if number == "V":
        return _ranked(_with_own_losses(rows, protocol), "degradation", best="low")
    asked = _asked(number, protocol)
    if not asked:
        return _ranked(_with_own_losses(rows.iloc[:0], protocol), "degradation", best="low")
    sets = (*protocol.unseen, *protocol.sharing(TABLE_SHARES[number]))
    _columns(rows, ["detector", "training_dataset", "original_accuracy", *sets])
    own = rows[rows["training_dataset"].isin(asked)].reset_index(drop=True)
    lost = _with_own_losses(own, protocol)["degradation"]
    enter = is_poor(lost) if entrants is None else own["detector"].isin(entrants)
    poor = lost[enter].sort_values(kind="stable").index
    chosen = _with_own_losses(own.loc[poor].reset_index(drop=True), protocol, number)
    return _ranked(chosen, "degradation_difference", best="high")


def _asked(number: str, protocol: Protocol) -> list[str]:
    """Return the sources that Table VI or VII is about."""
    shares = TABLE_SHARES[number]
    return [name for name, source in protocol.sources.items() if source.sharing(shares)]


def _with_own_losses(
    rows: pd.DataFrame, protocol: Protocol, number: str | None = None
) -> pd.DataFrame:
    """Return what follows from each detector's accuracies on its own source's sets."""
    shares = "nothing" if number is None else TABLE_SHARES[number]
    sets = {
        name: (source.unseen, () if number is None else source.sharing(shares))
        for name, source in protocol.sources.items()
        if number is None or source.sharing(shares)
    }
    if len(set(sets.values())) <= 1:
        return with_losses(rows, *next(iter(sets.values()), (protocol.unseen, ())))
    home = rows["source" if "source" in rows else "training_dataset"]
    parts = [
        with_losses(rows[home == name], *own).set_index(rows.index[home == name])
        for name, own in sets.items()
    ]
    joined = pd.concat([part for part in parts if len(part)] or parts).sort_index()
    first = ["detector", "original_accuracy", *protocol.unseen, "average", "degradation"]
    order = [*first, *protocol.sharing(shares), *joined.columns]
    return joined[[name for name in dict.fromkeys(order) if name in joined]]


def with_losses(
    rows: pd.DataFrame, unseen: Sequence[str], specialized: Sequence[str] = ()
) -> pd.DataFrame:
    """Return detectors' accuracies with what follows from them, in percent, the rows as they came.

    The columns are those of Table V without the rank; with specialized sets those of Tables VI and
    VII, specialized_average only where there are several.
    """
    found = _columns(rows, ["detector", "original_accuracy", *unseen, *specialized])
    original, on_unseen = found["original_accuracy"], found[list(unseen)].to_numpy()
    on_special = found[list(specialized)]
    found = found.drop(columns=list(specialized))
    lost = _lost(original, on_unseen)
    found["average"] = (original - lost).round(10)
    found["degradation"] = lost.round(10)
    if not specialized:
        return found
    found[list(specialized)] = on_special
    lost = _lost(original, on_special.to_numpy())
    if len(specialized) > 1:
        found["specialized_average"] = (original - lost).round(10)
    found["specialized_degradation"] = lost.round(10)
    difference = [
        degradation_difference(*accuracies, unit="percent")
        for accuracies in zip(original, on_unseen, on_special.to_numpy(), strict=True)
    ]
    found["degradation_difference"] = pd.Series(difference, dtype=float).round(10)
    return found


def captions(protocol: Protocol) -> dict[str, str]:
    """Return what each table of a protocol's detectors is about."""
    found = dict(CAPTIONS)
    for number in TABLE_SHARES:
        if asked := _asked(number, protocol):
            trained = f"{'- or '.join(asked)}-trained detectors"
            found[number] += f" {trained} that degrade by more than {POOR_POINTS:g} points."
    return found


def why_empty(number: str, protocol: Protocol = PAPER) -> str:
    """Return what an empty Table VI or VII says: that no detector qualifies, and by what rule.

    Examples:
        >>> why_empty("VI")
        'No detector trained on CELEB degrades by more than 30 points.'
    """
    asked = _asked(number, protocol)
    if not asked:
        shares = TABLE_SHARES[number]
        return f"Left out: the protocol has no set that shares the {shares} with a source."
    trained = f"No detector trained on {' or '.join(asked)}"
    return f"{trained} degrades by more than {POOR_POINTS:g} points."


def why_not_in(
    number: str, row: pd.DataFrame, sets: Sequence[str], training_dataset: str | None
) -> str:
    """Return why a detector has no row in Table VI or VII, or the empty string where it has one.

    `sets` are the specialized sets of this table that it was measured on.
    """
    source = source_of(number)
    detector, lost = row["detector"].item(), float(row["degradation"].item())
    if not sets:
        return (
            f"{detector} was measured on no specialized set of Table {number} "
            f"({', '.join(PAPER.sharing(TABLE_SHARES[number]))})"
        )
    if training_dataset in set(PAPER.sources) - {source}:
        return (
            f"Table {number} is about detectors trained on {source}, {detector} was trained on "
            f"{training_dataset}"
        )
    if not is_poor(lost):
        return (
            f"no detector degrades by more than {POOR_POINTS:g} points: {detector} degrades by "
            f"{lost:.2f}"
        )
    return ""


def _lost(original: pd.Series[float], accuracies: AnyArray) -> pd.Series[float]:
    """Return the degradation of each row, in points and not rounded."""
    rows = zip(original, accuracies, strict=True)
    return pd.Series([degradation(*row, unit="percent") for row in rows], dtype=float)


def _ranked(found: pd.DataFrame, column: str, *, best: Literal["low", "high"]) -> pd.DataFrame:
    has = found["original_accuracy"] > _ALL_THE_SAME
    places = pd.Series(ranks(found.loc[has, column].to_numpy(), best=best), found.index[has], int)
    found.insert(0, "rank", places if has.all() else places.astype("Int64").reindex(found.index))
    return found.sort_values("rank", kind="stable", ignore_index=True)


def _columns(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        raise InputError(
            f"expected one row a detector with the columns {', '.join(columns)}; "
            f"{', '.join(missing)} not found.",
            hint="Accuracies are in percent, one column a set.",
        )
    return rows[list(columns)].reset_index(drop=True).copy()


def measure(frame: pd.DataFrame, metric: str, unit: Unit) -> float:
    """Return a metric in percent of a table of scores, over its frames or its videos' means.

    Rows without a score are left out. Raises `InputError` where there is no such metric or unit,
    or where videos are not named.
    """
    check_choice("metric", metric, METRIC_TITLES)
    check_choice("unit", unit, ("frame", "video"))
    scored = frame[frame["status"] == "ok"]
    if unit == "video":
        videos = video_keys(scored)
        if videos is None:
            raise InputError(
                "expected every score to name its video, some do not.",
                hint='Leave unit out, or pass unit="frame".',
            )
        scored = metrics.to_videos(scored.assign(dataset="", method="", video=videos))
    pair = scored["label"], scored["score"]
    if metric.startswith("accuracy_"):
        found = metrics.per_class_accuracy(*pair).get(
            metric.removeprefix("accuracy_"), float("nan")
        )
    else:
        found = getattr(metrics, metric)(*pair)
    return round(100.0 * found, 10)


def table_in(
    number: str,
    rows: pd.DataFrame,
    metric: str,
    unit: Unit,
    entrants: Collection[str] | None,
    protocol: Protocol,
) -> pd.DataFrame:
    """Return one of the paper's tables with a metric in place of the accuracy, and named by it.

    `rows`, `entrants` and `protocol` are as in `table`, what is called accuracy there being the
    metric. Of the EER, which grows as a detector gets worse, the degradation is by how much it
    grew.
    """
    grows = metric == "eer"
    turned = _turned(rows) if grows else rows
    found = table(number, turned, entrants=entrants, protocol=protocol)
    named = metric if unit == "frame" else f"video_{metric}"
    titles = {f"{what}_accuracy": f"{what}_{named}" for what in ("original", "average")}
    return (_turned(found) if grows else found).rename(columns=titles)


def _turned(frame: pd.DataFrame) -> pd.DataFrame:
    turned = frame.copy()
    for name in set(frame.select_dtypes("float")) - _DERIVED:
        turned[name] = (100.0 - frame[name]).round(10)
    return turned
