"""Several detectors on the same sets: one ranked table, and paired tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import pandas as pd

from deepfake_generalize import metrics
from deepfake_generalize.data.manifests import video_keys
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import Resampling
from deepfake_generalize.metrics.measures import ranks
from deepfake_generalize.notebooks import card
from deepfake_generalize.study.benchmarking.result import Benchmark
from deepfake_generalize.study.scores import file_name
from deepfake_generalize.study.tables import render


@dataclass(frozen=True, eq=False, repr=False)
class Benchmarks:
    """Several detectors on the same sets: `results` by detector, in the order given.

    `resampling` is how the intervals of `comparisons` are made.
    """

    results: Mapping[str, Benchmark]
    resampling: Resampling

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a detector, the least degradation first, in percent and not rounded.

        The columns are `Benchmark.row`'s with three more. `rank` is by degradation among these
        detectors, NA for those that have little to lose, which come last; `average_auc` is the mean
        AUC over the unseen sets, and `auc_rank` the rank by it; NA where a set has one class.
        """
        results = self.results.values()
        found = pd.concat([result.row for result in results], ignore_index=True)
        aucs = [of.metrics.set_index("set")["frame_auc"][[*of.unseen]] for of in results]
        found["average_auc"] = [100.0 * auc.mean(skipna=False) for auc in aucs]
        lossy = [not result.little_to_lose for result in results]
        found.insert(0, "rank", _places(found.loc[lossy, "degradation"], "low"))
        found["auc_rank"] = _places(found["average_auc"].dropna(), "high")
        return found.sort_values(["rank", "auc_rank"], kind="stable", ignore_index=True)

    @property
    def comparisons(self) -> pd.DataFrame:
        """Every pair of detectors on every set: `metrics.compare_all`'s columns after `set`.

        Images that all detectors scored are compared, resampled by video where videos are known.
        A set on which nothing can be tested (one class, one video) is left out and in `notes`.
        """
        return self._compared[0]

    @cached_property
    def _compared(self) -> tuple[pd.DataFrame, list[str]]:
        found, untested = [pd.DataFrame()], []
        sets = next(iter(self.results.values())).scores
        for name in sets if len(self.results) > 1 else ():
            try:
                rows = {who: of.scores[name] for who, of in self.results.items()}
                pairs = compare_scores(rows, self.resampling)
            except (UndefinedMetricError, InputError) as error:
                untested.append(f"{name}: detectors are not compared: {error.message}")
            else:
                pairs.insert(0, "set", name)
                found.append(pairs)
        return pd.concat(found, ignore_index=True), untested

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know: the detectors' notes, and the sets without a comparison."""
        own = [f"{name}: {note}" for name, of in self.results.items() for note in of.notes]
        unranked = [
            f"{name}: no rank: {of.little_to_lose}"
            for name, of in self.results.items()
            if of.little_to_lose
        ]
        return (*unranked, *own, *self._compared[1])

    def table(self, table_format: str = "markdown") -> str:
        """Return `frame` as `Benchmark.table` writes it, "-" where there is no rank."""
        whole = self.frame.copy()
        for name in ("rank", "auc_rank"):
            whole[name] = ["-" if pd.isna(place) else place for place in whole[name]]
        said = "Ranks are among these detectors, by degradation and by the average AUC."
        return render(whole, table_format, caption="" if table_format == "text" else said)

    def save_scores(self, folder: str | Path) -> list[Path]:
        """Write the score files of each detector into a folder of its own, named after it."""
        return [
            path
            for name, result in self.results.items()
            for path in result.save_scores(Path(folder) / file_name(name))
        ]

    def __repr__(self) -> str:
        """Show the table and the notes."""
        return "\n".join([self.table("text"), *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        return card(f"Benchmark of {len(self.results)} detectors", [self.table("html")], self.notes)


def compare_scores(scores: Mapping[str, pd.DataFrame], resampling: Resampling) -> pd.DataFrame:
    """Compare every pair of detectors on the images that all of them scored."""
    usable = [rows.query("status == 'ok'").set_index(["key", "label"]) for rows in scores.values()]
    if not all(rows.index.is_unique for rows in usable):
        raise InputError("a key comes twice", hint="Give every image a key of its own.")
    shared = pd.concat([rows["score"] for rows in usable], axis=1, join="inner")
    if shared.empty:
        raise InputError(
            f"expected images that {', '.join(scores)} all scored, none has the same key and label "
            "in all of them.",
            hint="Pass the scores of one set, with the same keys.",
        )
    images = usable[0].loc[shared.index].reset_index()
    pairs = metrics.compare_all(
        images["label"],
        dict(zip(scores, shared.to_numpy().T, strict=True)),
        groups=video_keys(images),
        level=resampling.level,
        n_resamples=resampling.n_resamples,
        seed=resampling.seed,
    )
    pairs.attrs["images"] = len(images)
    return pairs


def _places(values: pd.Series[float], best: Literal["low", "high"]) -> pd.Series[int]:
    return pd.Series(ranks(values, best=best), values.index, dtype="Int64")
