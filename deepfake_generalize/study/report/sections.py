"""The report: one self-contained page that tells what a study found, and what it was made of."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping
from pathlib import Path

import cv2
import jinja2
import pandas as pd

from deepfake_generalize.data.synthetic import BUILT_IN_EFFECTS
from deepfake_generalize.metrics import Interval
from deepfake_generalize.study.experiment import StudyConfig, read_log, when_and_where
from deepfake_generalize.study.facts import NULL_SET, ORIGINAL, architecture_facts, in_table_order
from deepfake_generalize.study.paper_tables import THRESHOLD_CAPTION, captions, why_empty
from deepfake_generalize.study.protocol import shared_table
from deepfake_generalize.study.render import TITLES, in_words
from deepfake_generalize.study.report.curves import Curves
from deepfake_generalize.study.report.doubts import doubts, sets_key
from deepfake_generalize.study.report.intervals import interval_of
from deepfake_generalize.study.report.results import RunResults
from deepfake_generalize.study.report.what_helps import HELPS_CAPTION, helping_kinds

SYNTHETIC = (
    "Synthetic data: these faces are drawn, not filmed. They show how the study works and are no "
    "evidence about real deepfakes."
)
SHOWN_OF_A_HASH = 12
"""Hexadecimal digits of a hash that a reader is shown."""
BETWEEN = (
    "Degradation over several trainings on the same data: their mean, the standard deviation "
    "between them, the standard error over test videos, what people who are in several add to it, "
    "and the 95 % interval over all."
)


def report_page(
    results: RunResults,
    pictures: Mapping[str, Path],
    drawn: Mapping[str, Curves],
) -> str:
    """Return the report of a finished study as HTML.

    `pictures` are figures' names to files, `drawn` detectors to what their panels draw.
    """
    audit = results.data["audit"]
    return (
        environment()
        .get_template("report.html")
        .render(
            results=results,
            config=results.config,
            protocol=results.protocol,
            pictures=pictures,
            curves=drawn,
            helps_caption=HELPS_CAPTION,
            helping_kinds=helping_kinds(results.what_helps) if len(results.what_helps) else "",
            synthetic=SYNTHETIC,
            built_in=BUILT_IN_EFFECTS if results.synthetic else (),
            sets=sets_key(results),
            doubts=doubts(results),
            table_v=_trained_on(results, results.with_intervals("V")),
            overview=overview(results),
            captions=captions(results.protocol),
            threshold_caption=THRESHOLD_CAPTION,
            why_empty=why_empty,
            between=BETWEEN if len(results.trainings) > 1 else "",
            null_set=_null_set(results),
            without_neurons=without_neurons(results.config),
            audit=audit,
            leaks=pd.DataFrame(audit["first_leaks"]),
            leaking=shared_table(audit.get("leaking", [])),
            shared=shared_table(audit.get("shared", [])),
            seeds=seeds_of(results.config),
            shown_of_a_hash=SHOWN_OF_A_HASH,
            when_and_where=when_and_where(read_log(results.folder)),
        )
    )


def overview(results: RunResults) -> pd.DataFrame:
    """Return accuracy, AUC and the two parts of what was lost, side by side, as Table V sorts."""
    five = results.with_intervals("V").set_index("detector")
    ranked = results.with_intervals("V", "auc").set_index("detector")
    ranked = ranked.filter(regex="^(original_auc|average|degradation)").rename(
        columns=lambda name: name.replace("average", "average_auc").replace(
            "degradation", "auc_lost"
        )
    )
    parts = results.thresholds.groupby("detector")[["ranking_lost", "threshold_moved"]].mean()
    lost = five.filter(regex="^(original_accuracy|average|degradation)")
    return _trained_on(results, lost.join([ranked, parts.round(10)]).reset_index())


def _trained_on(results: RunResults, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that says of every detector what it was trained on."""
    known = results.table("IV").set_index("detector")["training_dataset"]
    told = table.copy()
    told.insert([*table].index("detector") + 1, known.name, table["detector"].map(known))
    return told


def curves_svg(of: Curves) -> str:
    """Return the panels of a detector as a file of their own."""
    sheet = '{% from "panels.html" import sheet %}{{ sheet(of) }}'
    return environment().from_string(sheet).render(of=of)


@functools.cache
def environment() -> jinja2.Environment:
    """Return where the page's templates are, which escape all that is put into them."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("deepfake_generalize.study.report", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["titles"] = TITLES
    made.filters |= {
        "in_words": in_words,
        "data_uri": _data_uri,
    }
    return made


def without_neurons(config: StudyConfig) -> list[str]:
    """Name the networks that were run and have no hidden neurons to compare."""
    networks = map(architecture_facts, in_table_order(config.architectures))
    return [network.title for network in networks if not network.has_hidden_neurons]


def seeds_of(config: StudyConfig) -> str:
    """Write the seed of a study, and those of its trainings where they are others."""
    own = ", ".join(map(str, config.training_seeds))
    return f"{config.seed}, of the trainings {own}" if own else str(config.seed)


def _data_uri(file: Path) -> str:
    """Return a picture as text for a page; photographs as JPEG, which is a tenth of their PNG."""
    if file.suffix == ".svg":
        kind, content = "svg+xml", file.read_bytes()
    else:
        quality = [cv2.IMWRITE_JPEG_QUALITY, 88]
        kind, content = "jpeg", cv2.imencode(".jpg", cv2.imread(str(file)), quality)[1].tobytes()
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _null_set(results: RunResults) -> Interval | None:
    """Return the original detectors' accuracy where the fakes are no fakes, in percent."""
    if NULL_SET not in results.scored or not results.trained:
        return None
    names = [family.detector(ORIGINAL) for family in results.trained]
    return interval_of(results.trainings, {(name, NULL_SET): 1 / len(names) for name in names})
