"""The sets of a study, drawn, given or cut from videos, as files of splits in the run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from deepfake_generalize import data
from deepfake_generalize.data import Splits
from deepfake_generalize.data.leakage import warn_of_leaks
from deepfake_generalize.data.manifests import split_query
from deepfake_generalize.data.splits import SUBSETS
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.experiment.config import (
    Entry,
    StudyConfig,
    look_at,
    needed,
    part_of,
    read_entry,
    sets_of,
)
from deepfake_generalize.study.experiment.detector_family import derived_seed
from deepfake_generalize.study.experiment.records import RECORDS, Records, note, now
from deepfake_generalize.study.facts import fine_tuning
from deepfake_generalize.study.protocol import PAPER, count_shared, shared_by_design
from deepfake_generalize.study.sets import official_split, sets_apart, study_sets, uses_of
from deepfake_generalize.validation import Problems, about

SPLITS = "splits"
_SYNTHETIC = "data"
_CROPS = "crops"
_LOOKED_AT = 100
"""Crops that are asked for landmarks before a study begins: of some a few have none."""


def read_facts(folder: Path) -> dict[str, Any]:
    """Return the record of the sets that `prepare` made, or raise InputError: there is none."""
    record = Records(folder / RECORDS / "data.jsonl").find("data", "sets")
    if record is None:
        raise InputError(
            f"expected a study whose sets are made in {str(folder)!r}, there are none.",
            hint="Run the study first.",
        )
    return record


def prepare(
    config: StudyConfig,
    folder: Path,
    *,
    n_jobs: int,
    progress: Callable[[str, float], None],
) -> tuple[str, ...]:
    """Make the sets of a study, audit them, keep their splits as files, and return their names.

    `progress` is called with what is being done and the part of it that is done.
    """
    records = Records(folder / RECORDS / "data.jsonl")
    known = records.find("data", "sets")
    if known is not None:
        return tuple(known["sets"])
    began = now()
    make = _make_synthetic if config.is_synthetic else _make_of_places
    sets = make(config, folder, n_jobs, progress)
    (folder / SPLITS).mkdir(exist_ok=True)
    for name, splits in sets.items():
        splits.save(folder / SPLITS / f"{name}.csv")
    designed = PAPER if config.is_synthetic else config.protocol
    findings = data.audit_leakage(
        sets,
        shared_by_design=shared_by_design(sets, designed),
        progress=lambda done, total: progress("auditing the sets", done / total),
    )
    warn_of_leaks(findings)
    # Videos may be synthetic too, which no table or figure may keep to itself.
    marked = any(data.synthetic.is_synthetic(split_query(at)[0]) for at in config.places.values())
    records.append(
        {
            "kind": "data",
            "key": "sets",
            "config_sha256": config.sha256,
            "seed": config.seed,
            "synthetic": config.is_synthetic or marked,
            "sets": list(sets),
            "splits": {name: _facts(splits, config) for name, splits in sets.items()},
            "audit": _audited(findings),
        }
    )
    note(folder, "data", ("data", "sets"), began)
    return tuple(sets)


def read_entries(config: StudyConfig) -> dict[str, Entry]:
    """Read what a study's data are made of, by name: of videos those that a set is made of."""
    protocol = config.protocol
    entries = {name: read_entry(name, config.places[name]) for name in needed(protocol)}
    if protocol.splits == "paper":
        return entries
    parts = sets_of(protocol, {name: entry.rows for name, entry in entries.items()})
    used = {path for part in parts.values() for path in part["path"]}
    return {
        name: dataclasses.replace(entry, rows=entry.rows[entry.rows["path"].isin(used)])
        for name, entry in entries.items()
    }


def check_data(config: StudyConfig) -> None:
    """Raise `InputError` with all that keeps a study from being run: data, sizes, detectors."""
    problems, protocol = Problems(), config.protocol
    kinds = (fine_tuning(kind).function for kind in protocol.fine_tunings[1:])
    names = () if config.is_synthetic else needed(protocol)
    asked = (schedule.augmentation or "" for schedule in config.schedules.values())
    references = (*config.detectors.values(), *kinds, *(name for name in asked if ":" in name))
    entries = look_at(names, config.places, references, problems)
    videos = any(entry.videos for entry in entries.values())
    if videos and "self-blended" in protocol.fine_tunings and config.aligner != "landmarks":
        problems.add(
            f"expected aligner 'landmarks' with self-blended, received {config.aligner!r}.",
            hint="The other aligners keep no landmarks of the faces.",
        )
    if config.is_synthetic:
        for name in sorted({*protocol.names} - {*PAPER.names}):
            hint = f"Those that can be drawn are {', '.join(PAPER.names)}."
            problems.add(f"expected sets that can be drawn, received {name!r}.", hint=hint)
    elif not problems.found:
        if "self-blended" in protocol.fine_tunings and config.architectures:
            _check_landmarks(config, entries, problems)
        if protocol.splits != "paper":
            _check_sizes(config, entries, problems)
    problems.tell("the study")


def _check_landmarks(config: StudyConfig, entries: Mapping[str, Entry], problems: Problems) -> None:
    """Look for the landmarks of the reals that networks are trained on, of the first ones."""
    rows = {name: entry.rows for name, entry in entries.items() if not entry.videos}
    for name in config.sources:
        place = config.protocol.place_of(name)
        if str(split_query(place)[0]) in rows:
            with problems, about(name):
                crops = part_of(place, rows)
                data.read_landmarks(crops[crops["label"] == 0].head(_LOOKED_AT))


def _check_sizes(config: StudyConfig, entries: Mapping[str, Entry], problems: Problems) -> None:
    """Note the sizes that cannot be met: of crops for certain, of videos as far as is known."""
    protocol, trains = config.protocol, bool(config.architectures)
    tables: dict[str, pd.DataFrame] = {}
    for name in protocol.names:
        place = protocol.place_of(name)
        with problems, about(name):
            tables[name] = part_of(place, {key: entry.rows for key, entry in entries.items()})
    per_video = (protocol.frames_per_real_video, protocol.frames_per_video)
    for name, parts in uses_of(protocol, trains=trains).items() if not problems.found else ():
        wanted = sum(size for _, size in parts.values()) // 2
        of_videos = entries[str(split_query(protocol.place_of(name))[0])].videos
        for label, word in enumerate(("real", "fake") if of_videos else ()):
            videos = int((tables[name]["label"] == label).sum())
            if videos * per_video[label] < wanted:
                problems.add(
                    f"expected {wanted} {word} images of {name}, at most {per_video[label]} frames "
                    f"of each of {videos} videos can be had."
                )
    if not problems.found and not any(entry.videos for entry in entries.values()):
        with problems:
            sets_apart(tables, protocol, derived_seed(config.seed, "splits"), trains=trains)


def _make_synthetic(
    config: StudyConfig, folder: Path, n_jobs: int, progress: Callable[[str, float], None]
) -> Mapping[str, Splits]:
    progress("drawing faces", 0.0)
    return data.synthetic.make_datasets(
        folder / _SYNTHETIC,
        size=config.image_size,
        per_split={part: getattr(config.protocol.sizes, part) for part in SUBSETS},
        seed=derived_seed(config.seed, "faces"),
        n_jobs=n_jobs,
        progress=lambda done, total: progress("drawing faces", done / total),
    )


def _make_of_places(
    config: StudyConfig, folder: Path, n_jobs: int, progress: Callable[[str, float], None]
) -> Mapping[str, Splits]:
    protocol = config.protocol
    tables: dict[str, pd.DataFrame] = {}
    frames = {"real": protocol.frames_per_real_video, "fake": protocol.frames_per_video}
    entries = read_entries(config)
    for number, entry in enumerate(entries.values()):
        if not entry.videos:
            tables[entry.name] = entry.rows
            continue

        def advance(done: int, total: int, name: str = entry.name, number: int = number) -> None:
            progress(f"cutting faces of {name}", (number + done / total) / len(entries))

        tables[entry.name] = data.extract_faces(
            entry.rows,
            folder / _CROPS / entry.name,
            frames_per_video=frames,
            size=config.image_size,
            finder=data.CascadeFinder() if config.finder == "cascade" else None,
            aligner=config.aligner,
            n_jobs=n_jobs,
            progress=advance,
        ).crops
    seed = derived_seed(config.seed, "splits")
    if protocol.splits == "paper":
        return study_sets(tables, protocol.sizes, seed=seed)
    trains = bool(config.architectures)
    try:
        return sets_apart(sets_of(protocol, tables), protocol, seed, trains=trains)
    except InputError as error:
        cut = {
            entry.name: str(folder / _CROPS / entry.name)
            for entry in entries.values()
            if entry.videos
        }
        if not cut:
            raise
        places = ", ".join(f"{name} = {place!r}" for name, place in cut.items())
        raise InputError(
            str(error),
            hint=f"To go on without cutting again, take the faces that are cut, under [data] "
            f"{places}, and run into another folder.",
        ) from error


def _facts(splits: Splits, config: StudyConfig) -> dict[str, Any]:
    said = not config.is_synthetic and config.protocol.splits != "paper"
    return {
        **({"official": official_split(splits, config.protocol)} if said else {}),
        "sha256": splits.sha256,
        "images": {part: len(getattr(splits, part)) for part in SUBSETS},
        "dropped": len(splits.dropped),
    }


def _audited(findings: pd.DataFrame) -> dict[str, Any]:
    meant = findings["by_design"].astype(bool)
    leaks = findings[~meant]
    return {
        "by_design": int(findings["by_design"].sum()),
        "shared": count_shared(findings),
        "leaks": len(leaks),
        "leaking": count_shared(findings.assign(by_design=~meant)),
        "first_leaks": leaks.head(20).astype(str).to_dict("records"),
    }
