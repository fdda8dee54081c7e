"""What the benchmark returns, a row or a table of several, and what is published with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import jinja2
import pandas as pd

from deepfake_generalize import metrics
from deepfake_generalize._system.streams import visible
from deepfake_generalize.data.manifests import text_column, video_keys
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import Interval, Resampling
from deepfake_generalize.metrics.ranking import ranks
from deepfake_generalize.notebooks import card
from deepfake_generalize.study.benchmarking.inputs import ORIGINAL
from deepfake_generalize.study.benchmarking.measure import Policy, breakdown, gaps
from deepfake_generalize.study.paper_tables import why_not_in, with_losses
from deepfake_generalize.study.protocol import PAPER, TABLE_SHARES
from deepfake_generalize.study.published import RANK_CAVEAT, beside_published
from deepfake_generalize.study.render import METRIC_TITLES, Ends, marked_down, render
from deepfake_generalize.study.scores import Style, file_name, unit_of, write_scores
from deepfake_generalize.validation import check_choice

Number = Literal["V", "VI", "VII"]

_METRICS = {"accuracy": "accuracy", "auc": "roc_auc"}
_SHOWN = ("accuracy", "accuracy_real", "accuracy_fake", "auc", "eer")
_ALWAYS = ("li2023generalizable", "deepfake_generalize")
_CELEB, _FORENSICS = "li2020celebdf", "roessler2019faceforensics"
_DATASETS = {
    r"(f2f|fs|nt|df|fs-i|nt-i|ff\+\+.*|faceforensics.*)": _FORENSICS,
    r"(celeb|celeb-m|celeb-?df.*|cdf.*)": _CELEB,
    r"dfdc": "dolhansky2020dfdc",
}
_NETWORKS = {
    r"meso(net|inception)": "afchar2018mesonet",
    r"xception": "chollet2017xception",
    r"efficientnet": "tan2019efficientnet",
}
_SPECIAL = ("specialized_average", "specialized_degradation", "degradation_difference")


@dataclass(frozen=True, eq=False, repr=False)
class Benchmark:
    """A detector's row of Table V (or VI, VII), with what it was made from.

    The sets are keyed by their names, the original one by "original".

    Attributes:
        detector: The detector's name.
        row: One row, in percent and not rounded: detector, original_accuracy, the unseen sets in
            the order given, average, degradation; with specialized sets also those,
            specialized_average (where there are several), specialized_degradation and
            degradation_difference.
        intervals: Column of the row to its interval in percent, resampled by people or videos;
            without those that rest on fewer than five of a class, which a note says.
        rank: By degradation among the published thirty and this detector, 1 (least) to 31; a tie
            gets the better rank. None where the unseen sets are not the paper's four, or the
            original accuracy, or the low end of its interval, is not above the paper's lowest
            (71 %) and above chance. Theirs were measured on other images.
        rank_reason: Why there is no rank, or the empty string.
        little_to_lose: Why the original accuracy is too low for a rank, or the empty string.
        rank_interval: The ranks that the interval of the degradation reaches; None without a rank.
        metrics: One row a set: set, n_frames, n_videos, n_people (NA where they are not known),
            then frame_ and video_ accuracy, accuracy_real, accuracy_fake, balanced_accuracy, auc,
            average_precision, eer, tpr_at_fpr_1, tpr_at_fpr_5 and brier_score, fractions, and
            log_loss, nats; each with _low and _high; NaN where one does not exist. Where a row is a
            video (of a detector of clips), frame_ numbers are of videos too.
        auc: Set to area under the ROC curve of its images, a fraction; None for one class.
        scores: Set to a row an image: key, label, score (P(fake)), status, reason, path.
        coverage: Set to {"ok": images with a score, "total": images}.
        policy: What counts for images without a score: exclude, as-real, as-fake or as-chance.
        leakage: What `data.audit_leakage` found between the sets and with what the detector was
            trained on; None where that was left out or nothing is known of images and videos.
        unseen: The names of the unseen sets.
        specialized: The names of the specialized sets.
        training_dataset: What the detector was trained on, where that was said.
        notes: What a reader of the numbers must know, first what makes them worthless.
        provenance: Plain JSON values: library_version, threshold, policy, images (set to
            {"fake": n, "real": n}, scored ones), source (set to "crops" or "scores"), data_sha256
            (set to the checksum of which images it holds), split_sha256 (of the `Splits` trained
            on), detector (name, sha256, training), selection (by what its weights were chosen),
            audit, resampling (level, n_resamples, seed) and versions.
    """

    detector: str
    row: pd.DataFrame
    intervals: Mapping[str, Interval]
    rank: int | None
    rank_reason: str
    little_to_lose: str
    rank_interval: tuple[int, int] | None
    metrics: pd.DataFrame
    auc: dict[str, float | None]
    scores: dict[str, pd.DataFrame]
    coverage: dict[str, dict[str, int]]
    policy: Policy
    leakage: pd.DataFrame | None
    unseen: tuple[str, ...]
    specialized: tuple[str, ...]
    training_dataset: str | None
    notes: tuple[str, ...]
    provenance: dict[str, Any]

    def frame(self, number: Number | None = None) -> pd.DataFrame:
        """Return the row as a DataFrame with the columns of one of the paper's tables.

        Args:
            number: "V", unseen sets with the rank, if there is one; "VI", the sets made by the
                method trained on; "VII", the sets with the people trained on. Without it all that
                was measured.

        Returns:
            One row, percent; none where the paper's rule keeps the detector out of VI or VII: it
            must degrade by more than 30 points, and be trained on CELEB (VI) or F2F (VII).

        Raises:
            InputError: There is no such table.
        """
        frame = with_losses(self.row, self.unseen, self._sets_of(number))
        if number in {None, "V"} and self.rank is not None:
            frame.insert(0, "rank", self.rank)
        return frame[:0] if self.why_empty(number) else frame

    def why_empty(self, number: Number | None) -> str:
        """Return why a table is empty, or the empty string where it has this detector's row."""
        own = self._sets_of(number)
        if number in {None, "V"}:
            return ""
        return why_not_in(number, self.row, own, self.training_dataset)

    def table(
        self,
        table_format: str = "markdown",
        number: Number | None = None,
        *,
        intervals: bool = False,
    ) -> str:
        """Return the row as the paper prints it: percent, two decimals, the rank first if any.

        Args:
            table_format: "markdown", "latex" (booktabs), "html", "csv" (columns named as in
                `published`) or "text".
            number: Which of the paper's tables, as in `frame`. An empty one says why it is.
            intervals: Whether numbers are followed by their intervals, "57.60 [55.10, 60.05]"; in
                a csv two more columns each, NAME_low and NAME_high.

        Raises:
            InputError: There is no such format or table.
        """
        frame = self.frame(number)
        ends = self._ends(frame) if intervals else None
        empty = self.why_empty(number)
        said = f"Rank {RANK_CAVEAT}." if "rank" in frame and table_format != "text" else ""
        empty = f"No row: {empty}." if empty else ""
        return render(frame, table_format, intervals=ends, empty=empty, caption=said)

    @property
    def ranked(self) -> str:
        """The rank in a sentence, with what it must be read with; or why there is none."""
        if self.rank is None:
            return f"no rank: {self.rank_reason}"
        return f"rank {self.rank} {RANK_CAVEAT}"

    def breakdown(
        self, by: str, metric: str = "auc", *, unit: Literal["frame", "video"] = "frame"
    ) -> pd.DataFrame:
        """Measure each group of every set by itself, the worst first: see `study.breakdown`."""
        return breakdown(self.scores, by, metric, unit=unit, **self._counting)

    def gaps(self, by: str) -> pd.DataFrame:
        """Measure how unequally groups of every set are treated: see `study.gaps`."""
        return gaps(self.scores, by, **self._counting)

    def beside(self, source: str, *, unit: Literal["frame", "video"] = "frame") -> pd.DataFrame:
        """Return the AUC, in percent, beside what others published for sets of the same names.

        Args:
            source: As in `published`: "deepfakebench", "forensics-adapter" or "sbi".
            unit: Which AUC. Rows of the other are never shown beside it.

        Returns:
            This detector's row first: detector, training_set, and a column a set.

        Raises:
            InputError: No such source, none of its numbers are of this unit, no set in common, or
                frames asked for where each score is a video's.
        """
        if unit == "frame" and any(unit_of(of) == "video" for of in self.scores.values()):
            raise InputError(
                'expected unit="video" of scores that are of videos, received "frame".',
                hint="Numbers of frames and of videos do not compare.",
            )
        mine: dict[Any, Any] = {"detector": self.detector}
        mine["training_set"] = self.training_dataset or "not said"
        auc = self.metrics.set_index("set").get(f"{unit}_auc", pd.Series(dtype=float))
        return beside_published(source, unit, mine | (100.0 * auc).to_dict())

    @property
    def _counting(self) -> dict[str, Any]:
        given = self.provenance["resampling"]
        return {"policy": self.policy, "resampling": given and Resampling(**given)}

    def save_scores(self, folder: str | Path, *, style: Style = "own") -> list[Path]:
        """Write the scores of every set as a score file: NAME.csv with NAME.json beside it.

        Args:
            folder: Made if missing. `benchmark` takes the files in place of crops.
            style: "own", or "dfwb" for Deepfake Workbench: see `study.write_scores`.

        Returns:
            The CSV files, the original set's first.

        Raises:
            InputError: The provenance holds what JSON cannot.
        """
        of_set = ("images", "source", "data_sha256")
        facts = {key: value for key, value in self.provenance.items() if key not in of_set}
        source = self.provenance["source"]
        return [
            write_scores(folder, name, frame, facts | {"source": source[name]}, style=style)
            for name, frame in self.scores.items()
        ]

    def model_card(self) -> str:
        """Return a model card for the Hugging Face Hub: metadata, use, data, metrics, leaks.

        Markdown below YAML whose `model-index` has each set's accuracy and AUC, as fractions.
        """
        made = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701
        made.filters["yaml"] = lambda value: json.dumps(visible(str(value)), ensure_ascii=False)
        made.filters["md"] = lambda value: marked_down(visible(" ".join(str(value).split())))
        rows = self.metrics.to_dict("records")
        sizes = {"n_frames": "images", "n_videos": "videos", "n_people": "people"}
        counts = self.metrics.reindex(columns=["set", *sizes]).rename(columns=sizes)
        measures = {METRIC_TITLES[name]: f"frame_{name}" for name in _SHOWN}
        percent = 100.0 * self.metrics.drop(columns=["set", *sizes], errors="ignore")
        found = pd.DataFrame(
            {"set": counts["set"], **{of: percent[c] for of, c in measures.items()}}
        )
        ends = {of: (percent[f"{c}_low"], percent[f"{c}_high"]) for of, c in measures.items()}
        leakage = self.leakage
        shared = None if leakage is None else leakage[~leakage["by_design"]]
        return made.from_string(_text("card.md")).render(
            result=self,
            sets=[{"name": row["set"], "metrics": [*_measured(row)]} for row in rows],
            data=render(counts, "markdown"),
            metrics=render(found, "markdown", intervals=ends),
            leaks=0 if shared is None else int((shared["kind"] != "unreadable").sum()),
        )

    def citations(self) -> str:
        """Return BibTeX entries: the paper, this library, and the known sets and networks used.

        A comment names each set that no entry is known for.
        """
        names = {self.training_dataset} - {None}
        for name, frame in self.scores.items():
            names |= {*text_column(frame, "dataset")} - {""} or {name} - {ORIGINAL}
        keys, unknown = dict.fromkeys(_ALWAYS), []
        for name in sorted(map(str, names)):
            known = [key for of, key in _DATASETS.items() if re.fullmatch(of, name, re.IGNORECASE)]
            keys |= dict.fromkeys(known)
            unknown += [] if known else [name]
        detector = json.dumps(self.provenance["detector"], default=str)
        keys |= {
            key: None for of, key in _NETWORKS.items() if re.search(of, detector, re.IGNORECASE)
        }
        entries = _text("references.bib").replace("VERSION", self.provenance["library_version"])
        by_key = {
            entry.split("{")[1].split(",")[0]: entry for entry in entries.strip().split("\n\n")
        }
        missing = [
            f"% No entry is known for {visible(name)}: cite it yourself." for name in unknown
        ]
        return "\n\n".join([*(by_key[key] for key in keys), *missing]) + "\n"

    def __repr__(self) -> str:
        """Show the row, the rank or why there is none, and the notes."""
        notes = [f"note: {note}" for note in self.notes]
        return "\n".join([self.table("text"), self.ranked, *notes])

    def _repr_html_(self) -> str:
        """Show in a notebook what `repr` says, with intervals."""
        title = f"Benchmark of {self.detector}"
        return card(title, [self.table("html", intervals=True)], [self.ranked, *self.notes])

    def _sets_of(self, number: Number | None) -> tuple[str, ...]:
        """Return the specialized sets of a table: the paper's by name, others in whichever."""
        if number is None:
            return self.specialized
        hint = "Leave number out for everything that was measured."
        check_choice("number", number, get_args(Number), hint=hint)
        if number == "V":
            return ()
        own = PAPER.sharing(TABLE_SHARES[number])
        others = {name for of in TABLE_SHARES.values() for name in PAPER.sharing(of)} - set(own)
        return tuple(name for name in self.specialized if name not in others)

    def _ends(self, frame: pd.DataFrame) -> Ends:
        # Intervals of specialized averages are of all specialized sets together.
        narrowed = any(name not in frame for name in self.specialized)
        return {
            name: ([interval.low] * len(frame), [interval.high] * len(frame))
            for name, interval in self.intervals.items()
            if name in frame and not (narrowed and name in _SPECIAL)
        }


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


def _measured(row: dict[Any, Any]) -> list[dict[str, Any]]:
    """Return a set's metrics as fractions, without those that do not exist."""
    found = []
    for name, title in _METRICS.items():
        value, low, high = (row.get(f"frame_{name}{end}") for end in ("", "_low", "_high"))
        if value is None or pd.isna(value):
            continue
        ends = "" if pd.isna(low) else f" (95 % interval {low:.4f} to {high:.4f})"
        found.append({"type": title, "value": round(value, 6), "name": f"{name}{ends}"})
    return found


def _text(name: str) -> str:
    return resources.files(__package__).joinpath("card", name).read_text(encoding="utf-8")
