"""What is published with a detector: a model card of its results, and what they are based on."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import jinja2
import pandas as pd

from deepfake_generalize._system.streams import visible
from deepfake_generalize.data.manifests import text_column
from deepfake_generalize.study.benchmarking.inputs import ORIGINAL
from deepfake_generalize.study.tables import METRIC_TITLES, marked_down, render

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


def write_card(result: Any) -> str:
    """Return the card of a `Benchmark`."""
    made = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701
    made.filters["yaml"] = lambda value: json.dumps(visible(str(value)), ensure_ascii=False)
    made.filters["md"] = lambda value: marked_down(visible(" ".join(str(value).split())))
    rows = result.metrics.to_dict("records")
    sizes = {"n_frames": "images", "n_videos": "videos", "n_people": "people"}
    counts = result.metrics.reindex(columns=["set", *sizes]).rename(columns=sizes)
    measures = {METRIC_TITLES[name]: f"frame_{name}" for name in _SHOWN}
    percent = 100.0 * result.metrics.drop(columns=["set", *sizes], errors="ignore")
    found = pd.DataFrame({"set": counts["set"], **{of: percent[c] for of, c in measures.items()}})
    ends = {of: (percent[f"{c}_low"], percent[f"{c}_high"]) for of, c in measures.items()}
    leakage = result.leakage
    shared = None if leakage is None else leakage[~leakage["by_design"]]
    return made.from_string(_text("card.md")).render(
        result=result,
        sets=[{"name": row["set"], "metrics": [*_measured(row)]} for row in rows],
        data=render(counts, "markdown"),
        metrics=render(found, "markdown", intervals=ends),
        leaks=0 if shared is None else int((shared["kind"] != "unreadable").sum()),
    )


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


def cite(result: Any) -> str:
    """Return the BibTeX entries of a `Benchmark`."""
    names = {result.training_dataset} - {None}
    for name, frame in result.scores.items():
        names |= {*text_column(frame, "dataset")} - {""} or {name} - {ORIGINAL}
    keys, unknown = dict.fromkeys(_ALWAYS), []
    for name in sorted(map(str, names)):
        known = [key for of, key in _DATASETS.items() if re.fullmatch(of, name, re.IGNORECASE)]
        keys |= dict.fromkeys(known)
        unknown += [] if known else [name]
    detector = json.dumps(result.provenance["detector"], default=str)
    keys |= {key: None for of, key in _NETWORKS.items() if re.search(of, detector, re.IGNORECASE)}
    entries = _text("references.bib").replace("VERSION", result.provenance["library_version"])
    by_key = {entry.split("{")[1].split(",")[0]: entry for entry in entries.strip().split("\n\n")}
    missing = [f"% No entry is known for {visible(name)}: cite it yourself." for name in unknown]
    return "\n\n".join([*(by_key[key] for key in keys), *missing]) + "\n"


def _text(name: str) -> str:
    return resources.files(__package__).joinpath("card", name).read_text(encoding="utf-8")
