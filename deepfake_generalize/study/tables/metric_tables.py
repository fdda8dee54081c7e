"""The paper's tables in other metrics than accuracy, over frames or videos."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import pandas as pd

from deepfake_generalize import metrics
from deepfake_generalize.data.manifests import video_keys
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.protocol import Protocol
from deepfake_generalize.study.tables.paper_tables import table
from deepfake_generalize.study.tables.render import METRIC_TITLES
from deepfake_generalize.validation import check_choice

Unit = Literal["frame", "video"]
_DERIVED = frozenset({"rank", "degradation", "specialized_degradation", "degradation_difference"})


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
