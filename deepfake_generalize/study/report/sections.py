"""The report: one self-contained page that tells what a study found, and what it was made of."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import numpy as np

from deepfake_generalize.data.splits import SUBSETS
from deepfake_generalize.metrics import Interval
from deepfake_generalize.study.experiment import (
    DetectorFamily,
    StudyConfig,
    read_log,
    when_and_where,
)
from deepfake_generalize.study.protocol import (
    NULL_SET,
    ORIGINAL,
    architecture_facts,
    in_table_order,
    shared_table,
)
from deepfake_generalize.study.report.results import RunResults
from deepfake_generalize.study.report.seeds import over_trainings
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

_SELECTION = (
    "Originals: the epoch with the best accuracy on the source's validation split. Fine-tuned: the "
    "epoch with the best accuracy on the validation part of the few-shot mix. Test sets never."
)
BETWEEN = (
    "Degradation over several trainings on the same data: their mean, the standard deviation "
    "between them, the standard error over test videos, what people who are in several add to it, "
    "and the 95 % interval over all."
)
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


def report_page(results: RunResults, pictures: Mapping[str, Path]) -> str:
    """Return the report of a finished study as HTML; `pictures` are figures' names to files."""
    audit = results.data["audit"]
    return (
        environment()
        .get_template("report.html")
        .render(
            results=results,
            pictures=pictures,
            synthetic=SYNTHETIC,
            captions=captions(results.protocol),
            threshold_caption=THRESHOLD_CAPTION,
            why_empty=why_empty,
            figures_2=_captioned(results.drawn),
            figures_5=_captioned(results.explained),
            between=BETWEEN if len(results.trainings) > 1 else "",
            null_set=_null_set(results),
            not_compared=not_compared(results.config),
            audit=audit,
            shared=shared_table(audit.get("shared", [])),
            images=_images(results),
            when_and_where=_when_and_where(results),
            provenance=_provenance(results),
        )
    )


def _captioned(figures: Mapping[str, Sequence[DetectorFamily]]) -> dict[str, str]:
    """Return what each figure is about: a network, and a source where there is one for each."""
    return {
        name: own[0].title + (f" of {own[0].source}" if name.endswith(f"_{own[0].source}") else "")
        for name, own in figures.items()
    }


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


def counts(images: Mapping[str, int]) -> str:
    """Write how many images the parts of a set have, in the order of their use."""
    return ", ".join(f"{part} {images[part]:,}" for part in SUBSETS if images[part])


def _data_uri(file: Path) -> str:
    return f"data:{_TYPES[file.suffix]};base64,{base64.b64encode(file.read_bytes()).decode()}"


def _null_set(results: RunResults) -> Interval | None:
    """Return the original detectors' accuracy where the fakes are no fakes, in percent."""
    if NULL_SET not in results.scored or not results.trained:
        return None
    names = [
        name
        for name, family, kind in results.detectors
        if kind == ORIGINAL and family.reference is None
    ]
    each = [np.mean([one[name, NULL_SET] for name in names], axis=0) for one in results.trainings]
    return over_trainings(results.trainings, each, [NULL_SET], within=(0.0, 100.0))


def _images(results: RunResults) -> dict[str, str]:
    splits = results.data["splits"]
    rows = {
        name: "; ".join(
            (
                counts(splits[name]["images"]),
                *((splits[name]["official"],) if "official" in splits[name] else ()),
                f"splits {splits[name]['sha256'][:SHOWN_OF_A_HASH]}",
            )
        )
        for name in results.data["sets"]
    }
    rows["all"] = f"splits {results.splits_sha256[:SHOWN_OF_A_HASH]}, as the tables' files say"
    return rows


def _provenance(results: RunResults) -> dict[str, object]:
    config = results.config
    training = [record["training"] for record in results.of("detector")]
    units = results.accuracies.units
    versions = {f"{name} {version}" for of in training for name, version in of["versions"].items()}
    return {
        "Data": "synthetic, drawn by data.synthetic"
        if results.synthetic
        else ", ".join(config.places),
        "Seed": seeds_of(config),
        "Selection rule": _SELECTION,
        "Detectors": f"{len(training)} trained in this run folder"
        + "".join(f"; {name}, finished" for name in config.detectors),
        "Controls of Finding 4": f"Untrained: {config.analysis.controls} a family; new heads: as "
        f"many a detector; on shuffled labels: {config.analysis.shuffled_controls} a family, "
        f"trained for {config.analysis.shuffled_epochs or 'all'} epochs",
        "Intervals": f"95 %, {config.analysis.resamples:,} resamples; drawn, of the rarer class: "
        + ", ".join(f"{name} {of.n} {of.unit}" for name, of in sorted(units.items())),
        "Versions": ", ".join(sorted(versions)),
        "Configuration hash": config.sha256,
    }


def _when_and_where(results: RunResults) -> dict[str, str]:
    """Return the one part of the page in which two runs of a study differ."""
    threads = results.config.threads
    said = f"{threads} for each family of detectors, which has a process of its own"
    return {
        **when_and_where(read_log(results.folder)),
        "Threads": "all that the machine has" if threads is None else said,
    }
