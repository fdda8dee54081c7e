"""What under a folder is not read: which files, and how they are told of."""

from __future__ import annotations

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from deepfake_generalize.data.layouts.manifest import Problem


def left_out(labels: Mapping[str, int | None]) -> list[Problem]:
    """Say which of these files, given with their labels, are not to be read, and why."""
    problems = []
    places: dict[str, list[str]] = defaultdict(list)
    for path, (real, regular) in _looked_up(sorted(labels)).items():
        if regular:
            places[real].append(path)
        else:
            problems.append(Problem(path, "unknown", "it is no regular file"))
    for first, *others in places.values():
        if len({labels[path] for path in (first, *others)}) > 1:
            reason = "it is one file, linked to from places that call it real and fake: {}"
            names = ", ".join(map(repr, (first, *others)))
            problems += [Problem(p, "mismatch", reason.format(names)) for p in (first, *others)]
        else:
            reason = f"links make it the same file as {first!r}, which was read"
            problems += [Problem(path, "mismatch", reason) for path in others]
    return problems


def counts_of(problems: Iterable[Problem]) -> str:
    """Say how many problems of which status there are."""
    counts = Counter(problem.status for problem in problems)
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))


def told_by_folder(paths: Iterable[str], reason: str) -> list[Problem]:
    """Say of files that are not read how many lie in which folder, a problem a folder."""
    folders: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        folder, name = os.path.split(path)
        folders[folder].append(name)
    return [
        Problem(folder, "unknown", f"it holds {len(names)} files such as {min(names)!r}: {reason}")
        for folder, names in sorted(folders.items())
    ]


def _looked_up(paths: Iterable[str]) -> dict[str, tuple[str, bool]]:
    """Map each path to where links lead from it, and to whether a regular file may be there."""
    folders: dict[str, str] = {}
    found = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        real, mode = os.path.join(folders[folder], name), stat.S_IFREG  # noqa: PTH118 - of a str
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                real = os.path.realpath(path)
                mode = os.stat(path).st_mode  # noqa: PTH116 - of a str, once a file
        except (OSError, ValueError):
            mode = stat.S_IFREG
        found[path] = real, stat.S_ISREG(mode)
    return found
