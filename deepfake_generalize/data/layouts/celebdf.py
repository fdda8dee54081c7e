"""Celeb-DF, versions 1 and 2.

Source: Li et al., "Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics" (CVPR 2020),
and its README. In `id<A>_id<B>_<n>` A is the person filmed and B the face put in.
"""

from __future__ import annotations

import re
from pathlib import Path

from deepfake_generalize._system.bounded_files import MAX_TEXT_BYTES, read_regular
from deepfake_generalize.data.layouts.manifest import REAL, Problem, Reading, VideoRow
from deepfake_generalize.data.layouts.scanning import subfolders, walk_videos
from deepfake_generalize.errors import InputError

LOOKS_FOR = "a folder Celeb-real or Celeb-synthesis"
CHOICES = ("version",)
OWN_FOLDERS = frozenset({"celeb-real", "youtube-real", "celeb-synthesis"})

_LIST = "List_of_testing_videos.txt"
_CELEB, _YOUTUBE, _SYNTHESIS = "celeb-real", "youtube-real", "celeb-synthesis"
_NAMES = {
    _CELEB: re.compile(r"(?P<target>id\d+)_\d+", re.ASCII),
    _YOUTUBE: re.compile(r"\d+", re.ASCII),
    _SYNTHESIS: re.compile(r"(?P<target>id\d+)_(?P<source>id\d+)_\d+", re.ASCII),
}
_FAKES_IN_VERSION_1 = 795
_BESIDE = frozenset({"frames", "images", "landmarks", "faces"})

Key = tuple[str, str]


def recognise(root: Path) -> bool:
    """Say whether the root has Celeb-DF's folders; case does not matter."""
    return bool({_CELEB, _SYNTHESIS} & {name.lower() for name in subfolders(root)})


def read(root: Path, *, version: str | None = None) -> Reading:
    """Read the folders Celeb-real, YouTube-real (or Youtube-real) and Celeb-synthesis of a root.

    The videos lie in them directly or in a folder `videos`; those in List_of_testing_videos.txt
    (1 = real, 0 = fake) have the split `test`. Among the problems: videos of other places or names,
    those that the list names but the disk lacks, and those that the list calls real in a folder of
    fakes, or the reverse. `version` is `v1` or `v2`; None takes it from the name of the root, else
    from the number of fakes (version 1 has 795), and `v2` where neither tells.
    """
    if version not in (None, "v1", "v2"):
        raise InputError(
            f"expected version= to be 'v1' or 'v2', received {version!r}.",
            hint="Leave it out to have it read from the name of the root.",
        )
    walked = walk_videos(root, skip=_BESIDE)
    version, why = (version, "as asked") if version else _version(root, walked)
    own = {name.lower(): name for name in subfolders(root)}
    held = " and ".join(name for folder, name in own.items() if folder in _NAMES)
    reading = Reading(f"it holds {held}; taken as {version}, {why}")
    listed = _read_list(root / _LIST)
    seen: set[Key] = set()
    for parts in walked:
        path, key = str(root.joinpath(*parts)), (parts[0].lower(), parts[-1])
        row = _place(path, parts, f"Celeb-DF-{version}", listed)
        if row is None:
            reason = "not in a folder of Celeb-DF, or not named like one of its videos"
            reading.problems.append(Problem(path, "unknown", reason))
            continue
        seen.add(key)
        reading.rows.append(row)
        if listed.get(key, row.label) != row.label:
            reason = f"{_LIST} and the folder disagree about its label; the folder's was taken"
            reading.problems.append(Problem(path, "mismatch", reason))
    reading.problems += [
        Problem(
            str(root / own.get(folder, folder) / name),
            "missing",
            f"{_LIST} names it, and it is not on disk",
        )
        for folder, name in sorted(listed.keys() - seen)
    ]
    return reading


def _version(root: Path, walked: list[tuple[str, ...]]) -> tuple[str, str]:
    found = re.search(r"v([12])(?![0-9])", root.name.lower())
    if found:
        return f"v{found[1]}", "by the name of the root"
    fakes = sum(parts[0].lower() == _SYNTHESIS for parts in walked)
    if fakes == _FAKES_IN_VERSION_1:
        return "v1", f"by its {fakes} fakes"
    if fakes > _FAKES_IN_VERSION_1:
        return "v2", f"by its {fakes} fakes"
    return "v2", "since nothing tells the version (version='v1' for the other)"


def _place(
    path: str, parts: tuple[str, ...], dataset: str, listed: dict[Key, int]
) -> VideoRow | None:
    match parts:
        case (folder, name) | (folder, "videos", name) if folder.lower() in _NAMES:
            kind = folder.lower()
        case _:
            return None
    found = _NAMES[kind].fullmatch(name.rpartition(".")[0])
    if found is None:
        return None
    people = found.groupdict()
    fake = kind == _SYNTHESIS
    return VideoRow(
        path=path,
        dataset=dataset,
        method="Celeb-synthesis" if fake else REAL,
        label=int(fake),
        target_identity=people.get("target"),
        source_identity=people.get("source"),
        split="test" if (kind, name) in listed else None,
    )


def _read_list(path: Path) -> dict[Key, int]:
    """Return our label (1 = fake) of each video in the list, whose own labels are the reverse."""
    if not path.is_file():
        return {}
    listed: dict[Key, int] = {}
    try:
        text = read_regular(path, most=MAX_TEXT_BYTES).decode("utf-8-sig", "replace")
    except OSError as error:
        raise InputError(
            f"expected to read {path}: {error.strerror}.", hint="Check its permissions."
        ) from error
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        # A folder begins with no space: else a long line of them would be tried in every division.
        found = re.fullmatch(r"([01])\s+([^/\s][^/]*)/(?:videos/)?([^/]+)", line.strip())
        if found is None:
            raise InputError(
                f"expected line {number} of {path} to be '<0|1> <folder>/<file>', received "
                f"{line.strip()!r}.",
                hint="Download the list again, or remove it if the official split is not wanted.",
            )
        listed[found[2].lower(), found[3]] = 1 - int(found[1])
    return listed
