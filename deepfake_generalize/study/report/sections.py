"""The report: one self-contained page that tells what a study found, and what it was made of."""

from __future__ import annotations

import base64
import functools
import math
from collections.abc import Mapping
from pathlib import Path

import cv2
import jinja2
import pandas as pd

from deepfake_generalize.data.synthetic import BUILT_IN_EFFECTS
from deepfake_generalize.metrics import Interval
from deepfake_generalize.study.experiment import StudyConfig, read_log, when_and_where
from deepfake_generalize.study.protocol import (
    NULL_SET,
    ORIGINAL,
    architecture_facts,
    in_table_order,
    shared_table,
)
from deepfake_generalize.study.report.curves import Curves, curves
from deepfake_generalize.study.report.doubts import doubts, sets_key
from deepfake_generalize.study.report.intervals import interval_of
from deepfake_generalize.study.report.results import RunResults, usable_pair
from deepfake_generalize.study.tables import (
    THRESHOLD_CAPTION,
    TITLES,
    captions,
    in_words,
    two_decimals,
    why_empty,
)

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
    further: Mapping[str, pd.DataFrame],
) -> str:
    """Return the report of a finished study as HTML.

    Args:
        results: The study's.
        pictures: Figures' names to files.
        drawn: Detector to what its panels draw.
        further: Captions to tables that other parts of a study have left to be shown.
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
            further=further,
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
            not_compared=not_compared(results.config),
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


def draw_curves(results: RunResults) -> dict[str, Curves]:
    """Return what is drawn of each detector, in the order of Table IV."""
    found = {}
    for name, family, _ in results.detectors:
        pairs = {
            key: usable_pair(results.scored[key][name])
            for key in family.protocol.test_sets(family.source)[:-1]
            if key in results.scored
        }
        known = results.validation.get(name)
        validation = None if known is None else usable_pair(known)
        found[name] = curves(family, name, pairs, validation, results.thresholds)
    return found


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
        "with_interval": with_interval,
        "data_uri": _data_uri,
    }
    return made


def with_interval(value: Interval) -> str:
    """Write a number and its interval.

    Examples:
        >>> from deepfake_generalize.metrics import Interval
        >>> with_interval(Interval(12.345, 10.0, 14.0))
        '12.35 [10.00, 14.00]'
        >>> with_interval(Interval(3.0, math.nan, math.nan))
        '3'
        >>> with_interval(Interval(0.0001, math.nan, math.nan))
        'below 0.01'
    """
    if math.isnan(value.low):
        if float(value.estimate).is_integer():
            return f"{value.estimate:.0f}"
        return "below 0.01" if 0 < value.estimate < 0.005 else two_decimals(value.estimate)
    low, high = two_decimals(value.low), two_decimals(value.high)
    return f"{two_decimals(value.estimate)} [{low}, {high}]"


def not_compared(config: StudyConfig) -> str:
    """Say which of the networks that were run have no neurons to compare, if any."""
    networks = map(architecture_facts, in_table_order(config.architectures))
    left_out = [network.title for network in networks if not network.has_hidden_neurons]
    if not left_out:
        return ""
    return (
        f"{' and '.join(left_out)} {'has' if len(left_out) == 1 else 'have'} a single dense layer "
        "of one neuron, which leaves nothing to compare; the paper leaves such networks out for "
        "the same reason."
    )


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
