"""Sets of crops that are compared: what is known of each crop, and which rows show whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepfake_generalize.data.leakage.perceptual_hash import Fingerprints, read_fingerprints
from deepfake_generalize.data.manifests import clip_keys, people, require_columns, text_column
from deepfake_generalize.data.splits import SUBSETS, Splits
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import describe

_NUMBERED_CLIPS = "FF++ "


@dataclass(frozen=True, eq=False)
class IndexedSet:
    """A named set of N crops: of each its path, its clip and its people; and their rows."""

    name: str
    parent: str
    """The name of the splits it is a part of; else its own."""
    paths: list[str]
    frame_ids: list[str]
    """Frame numbers as texts; the path where there is none."""
    clips: list[str]
    people: list[tuple[str, ...]]
    by_clip: dict[str, list[int]]
    by_person: dict[str, list[int]]
    fingerprints: Fingerprints
    """None at all where pictures are not compared."""


def gather_sets(
    sets: object, *, images: bool, progress: Callable[[int, int], object] = lambda *_: None
) -> list[IndexedSet]:
    """Look up what crops of `Splits`, or of a mapping of names to crops or splits, are.

    Reading the images is half of the `progress` of an audit.
    """
    named = _named(sets)
    place: dict[str, int] = {}
    for _, _, crops in named:
        for path in text_column(crops, "path"):
            place.setdefault(path, len(place))
    prints = read_fingerprints(
        list(place) if images else [], lambda read: progress(read, 2 * len(place))
    )
    indexed = []
    for name, parent, crops in named:
        clips, paths = clip_keys(crops).tolist(), text_column(crops, "path").tolist()
        frames, who = text_column(crops, "frame"), people(crops)
        rows = np.array([place[path] for path in paths], np.int64)
        indexed.append(
            IndexedSet(
                name=name,
                parent=parent,
                paths=paths,
                frame_ids=[frame or path for frame, path in zip(frames, paths, strict=True)],
                clips=clips,
                people=who,
                by_clip=_rows_of([(clip,) for clip in clips]),
                by_person=_rows_of(who),
                fingerprints=prints.take(rows) if images else prints,
            )
        )
    return indexed


def notes_on(indexed: Sequence[IndexedSet], *, images: bool) -> list[str]:
    """Say what an audit of these sets cannot find, a sentence a shortcoming."""
    notes = []
    for part in indexed:
        if unknown := sum(not who for who in part.people):
            notes.append(
                f"{part.name}: nobody is named in {unknown} of {len(part.people)} images; whom "
                "they share with other sets is not known."
            )
        if flat := int(part.fingerprints.flat.sum()):
            notes.append(
                f"{part.name}: {flat} of {len(part.paths)} images have too little contrast to be "
                "compared."
            )
    known = {who for part in indexed for own in part.people for who in own}
    if any(who.startswith(_NUMBERED_CLIPS) for who in known):
        notes.append(
            "FF++ numbers clips, not people: some source videos gave several clips (find_videos "
            "makes them one person where conversion_dict.json lies in the root), and some people "
            "are in several source videos, which is not known."
        )
    if not images:
        notes.append("No image was opened: near-duplicates were not looked for.")
    return notes


def _named(sets: object) -> list[tuple[str, str, pd.DataFrame]]:
    if isinstance(sets, Splits):
        return _parts("", sets)
    if not isinstance(sets, Mapping) or not sets:
        raise InputError(
            "expected a mapping of names to crops, or Splits, received "
            f"{'none at all' if isinstance(sets, Mapping) else describe(sets)}.",
            hint='Pass {"train": crops, "test": other_crops}.',
        )
    named: list[tuple[str, str, pd.DataFrame]] = []
    for name, crops in sets.items():
        if not isinstance(name, str) or not name:
            raise InputError(
                f"expected texts as names of sets, received {name!r}.", hint="Name every set."
            )
        if isinstance(crops, Splits):
            named += _parts(name, crops)
            continue
        require_columns(crops, ("path",), what=f"the set {name!r}")
        if crops["path"].isna().any():
            raise InputError(
                f"expected a path in every row of the set {name!r}, one is empty.",
                hint="Use data.read_crops(folder).",
            )
        named.append((name, name, crops))
    names = [name for name, _, _ in named]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"expected every set to have a name of its own, {twice[0]!r} comes twice.",
            hint="Rename one: the parts of splits are called 'NAME train' and so on.",
        )
    return named


def _parts(name: str, splits: Splits) -> list[tuple[str, str, pd.DataFrame]]:
    parts = [(f"{name} {part}".strip(), name, getattr(splits, part)) for part in SUBSETS]
    return [part for part in parts if len(part[2])]


def _rows_of(keys: Sequence[tuple[str, ...]]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, own in enumerate(keys):
        for key in own:
            rows[key].append(row)
    return dict(rows)
