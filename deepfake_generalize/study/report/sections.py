"""What the report of a study says, section by section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from deepfake_generalize.data.splits import SUBSETS
from deepfake_generalize.study.experiment import (
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
from deepfake_generalize.study.report import html
from deepfake_generalize.study.report.resampling import interval
from deepfake_generalize.study.tables import CAPTIONS, EMPTY, SHOWN_OF_A_HASH, SYNTHETIC

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from deepfake_generalize.study.experiment import StudyConfig
    from deepfake_generalize.study.report.results import RunResults

_QUESTION = (
    "Do these deepfake detectors work on fakes they have never seen, and if not, why not? "
    "The study of the paper “How Generalizable are Deepfake Detectors?”, run on {data}."
)
_SELECTION = (
    "Originals: the epoch with the best accuracy on the source's validation split. Fine-tuned: the "
    "epoch with the best accuracy on the validation part of the few-shot mix. Test sets never."
)
_FIGURE_2 = (
    "Figure 2, {name}: Grad-CAM for “fake” on fakes of the unseen sets. Bright regions speak for "
    "the verdict. Each map is stretched to its own largest value."
)
_LIMITS = " Lowest and highest are the ends of the degradation's 95 % interval."
_FIGURE_3 = (
    "Figure 3: how alike the heat maps of three congenetic detectors (an original one and the two "
    "that were fine-tuned from it) are on the same fake. Mean SSIM of the three pairs, coloured "
    "maps without the photograph: below .7 dissimilar, .9 and above alike. Where two or more of "
    "the maps are empty there is nothing to compare: those fakes are counted apart."
)
_FIGURE_5 = (
    "Figure 5, {name}: how many neurons are among the top contributors on exactly one to five "
    "datasets. The marks show what chance alone would give."
)

_SHARED = (
    "What sets share on purpose: how many persons, videos of them, and pairs of videos that look "
    "alike under different names."
)
_NOTHING_SHARED = "Nothing."
WHEN_AND_WHERE = "when-and-where"
"""What the page calls the one part of it in which two runs of a study differ."""


def report_page(results: RunResults, pictures: Mapping[str, Path]) -> str:
    """Return the report as HTML.

    Args:
        results: Of a finished study.
        pictures: Figure's name to its file.
    """
    material = "drawn, synthetic faces" if results.synthetic else "real videos"
    sections = [
        ("Findings", html.finding_cards(results.findings)),
        ("Generalizability", _generalizability(results)),
        ("Unwanted properties", _unwanted(results)),
        ("Heat maps", _heat_maps(results.config, pictures)),
        ("Neurons", _neurons(results.config, pictures)),
        ("How the data were kept apart", _audit(results)),
        ("Provenance", _provenance(results)),
    ]
    return html.page(
        "How generalizable are these detectors?",
        _QUESTION.format(data=material),
        mark=SYNTHETIC if results.synthetic else "",
        sections=sections,
    )


def _generalizability(results: RunResults) -> str:
    return (
        html.paragraph(
            "Accuracy at a threshold of 0.5 on balanced test sets: 50 % is what guessing gives. "
            "Degradation is the original accuracy less the mean over the unseen sets FS, NT, DF "
            "and DFD. FS and NT are seen in small part by the fine-tuned detectors."
        )
        + html.screen_note("Click a column's heading to sort a table.")
        + html.sortable_table(results.table_v_with_intervals, CAPTIONS["table_v"] + _LIMITS)
        + html.sortable_table(results.table_iv, CAPTIONS["table_iv"])
    )


def _unwanted(results: RunResults) -> str:
    text = (
        "As in the paper, only detectors that degrade by more than 30 points enter. A positive "
        "degradation difference says that the specialized sets are easier than the other unseen "
        "ones."
    )
    null = ""
    if NULL_SET in results.scored:
        null = html.paragraph(
            "Control: on the null set, whose “fakes” were not changed at all, the original "
            f"detectors score {_null(results)}. Anything but 50 % there would mean that something "
            "other than the manipulation gives fakes away."
        )
    return (
        html.paragraph(text)
        + html.sortable_table(results.table_vi, CAPTIONS["table_vi"], empty=EMPTY["table_vi"])
        + html.sortable_table(results.table_vii, CAPTIONS["table_vii"], empty=EMPTY["table_vii"])
        + null
    )


def _null(results: RunResults) -> str:
    names = [name for name, _, kind in results.detectors if kind == ORIGINAL]
    mean = np.mean([results.accuracies[name, NULL_SET] for name in names], axis=0)
    return f"{html.with_interval(interval(mean))} % on average"


def _heat_maps(config: StudyConfig, pictures: Mapping[str, Path]) -> str:
    shown = [html.figure(pictures["figure_3"], _FIGURE_3, "Stacked bars of similarity")]
    for name in in_table_order(config.architectures):
        if f"figure_2_{name}" in pictures:
            title = architecture_facts(name).title
            caption = _FIGURE_2.format(name=title)
            file = pictures[f"figure_2_{name}"]
            shown.append(html.figure(file, caption, f"Faces and heat maps of {title}"))
    return "".join(shown)


def _neurons(config: StudyConfig, pictures: Mapping[str, Path]) -> str:
    networks = {name: architecture_facts(name) for name in in_table_order(config.architectures)}
    shown = [
        html.figure(
            pictures[f"figure_5_{name}"],
            _FIGURE_5.format(name=network.title),
            f"Bars of shared neurons of {network.title}",
        )
        for name, network in networks.items()
        if f"figure_5_{name}" in pictures
    ]
    left_out = [network.title for network in networks.values() if not network.has_hidden_neurons]
    if not left_out:
        return "".join(shown)
    have = "has" if len(left_out) == 1 else "have"
    note = html.paragraph(
        f"{' and '.join(left_out)} {have} a single dense layer of one neuron, which leaves nothing "
        "to compare; the paper leaves such networks out for the same reason."
    )
    return note + "".join(shown)


def _audit(results: RunResults) -> str:
    record = results.data
    audit = record["audit"]
    shared = shared_table(audit.get("shared", []))
    untold = f"{audit['by_design']} things, which this older run does not tell apart."
    if audit["leaks"]:
        first = audit["first_leaks"][0]
        text = (
            f"The audit found {audit['leaks']} things shared by sets that should share nothing, "
            f"such as {first['kind']} {first['what']} between {first['set_a']} and "
            f"{first['set_b']}. Read every number with that in mind."
        )
    else:
        text = (
            "No video, no person and no near-duplicate picture is shared by sets that should be "
            "independent."
        )
    rows = {
        name: f"{_counts(record['splits'][name]['images'])}; "
        f"splits {record['splits'][name]['sha256'][:SHOWN_OF_A_HASH]}"
        for name in record["sets"]
    }
    rows["all"] = f"splits {results.splits_sha256[:SHOWN_OF_A_HASH]}, as the tables' files say"
    return (
        html.paragraph(text)
        + html.sortable_table(
            shared, _SHARED, empty=_NOTHING_SHARED if "shared" in audit else untold
        )
        + html.paragraph("Images in each set, and the hash that its splits are known by:")
        + html.facts(rows)
    )


def _counts(images: Mapping[str, int]) -> str:
    return ", ".join(f"{part} {images[part]:,}" for part in SUBSETS if images[part])


def _provenance(results: RunResults) -> str:
    config = results.config
    training: list[dict[str, Any]] = [record["training"] for record in results.of("detector")]
    versions = {
        f"{name} {version}" for each in training for name, version in each["versions"].items()
    }
    facts = {
        "Data": "synthetic, drawn by data.synthetic" if results.synthetic else "videos",
        "Seed": config.seed,
        "Selection rule": _SELECTION,
        "Detectors": f"{len(training)} trained in this run folder",
        "Intervals": f"95 %, {config.analysis.resamples:,} resamples of the test videos",
        "Versions": ", ".join(sorted(versions)),
        "Configuration hash": config.sha256,
    }
    return (
        html.facts(_when_and_where(results), name=WHEN_AND_WHERE)
        + html.facts(facts)
        + html.folded("The whole configuration", config.to_toml())
    )


def _when_and_where(results: RunResults) -> dict[str, str]:
    threads = results.config.threads
    return {
        **when_and_where(read_log(results.folder)),
        "Threads": "all that the machine has"
        if threads is None
        else f"{threads} for each family of detectors, which has a process of its own",
    }
