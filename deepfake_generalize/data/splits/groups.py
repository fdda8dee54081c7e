"""Which videos must stay together: those of one clip, and those that share a person.

A video carries tokens: its identities, or its clip where none is known. A unit is a set of tokens
that stay together; a video whose units land in different splits belongs to none of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from deepfake_generalize.data.manifests import clip_keys, people

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

Token: TypeAlias = tuple[str, str]
_PAIR = 2


@dataclass(frozen=True)
class Video:
    """One video's tokens and how many crops of each class it has."""

    tokens: tuple[Token, ...]
    counts: tuple[int, ...]


def collect_videos(
    crops: pd.DataFrame, classes: Sequence[int], n_classes: int, *, by_identity: bool
) -> dict[str, Video]:
    """Gather the videos of sorted crops, in order of first appearance.

    Args:
        crops: Rows of the crop manifest.
        classes: The class of each row, 0 to `n_classes` - 1.
        n_classes: How many classes are counted.
        by_identity: Tokens are the identities within a family of data sets, where known; else the
            clip, which two qualities of it share.

    Returns:
        Video's path to its tokens and counts.
    """
    # Kept by clip: one quality of it may name the people and another may not.
    tokens: dict[str, dict[Token, None]] = {}
    counts: dict[str, list[int]] = {}
    clips: dict[str, str] = {}
    rows = zip(crops["video"], classes, clip_keys(crops), people(crops), strict=True)
    for video, number, clip, who in rows:
        if video not in counts:
            counts[video], clips[video] = [0] * n_classes, clip
        counts[video][number] += 1
        own = tokens.setdefault(clip, {})
        if by_identity:
            own.update(dict.fromkeys(("person", one) for one in who))
    return {
        video: Video(tuple(tokens[clip]) or (("clip", clip),), tuple(counts[video]))
        for video, clip in clips.items()
    }


def connected_components(videos: Mapping[str, Video]) -> dict[Token, Token]:
    """Map each token to the first token of those that videos link it to.

    Args:
        videos: The videos, each linking all of its tokens.

    Returns:
        Token to the token that stands for its component.

    Examples:
        >>> a, b, c = ("person", "000"), ("person", "003"), ("person", "007")
        >>> units = connected_components({"v": Video((a, b), (0, 9)), "w": Video((c,), (9, 0))})
        >>> units[b] == units[a], units[c] == units[a]
        (True, False)
    """
    parents: dict[Token, Token] = {}

    def root(token: Token) -> Token:
        while parents.setdefault(token, token) != token:
            parents[token] = parents[parents[token]]
            token = parents[token]
        return token

    for video in videos.values():
        first = root(video.tokens[0])
        for token in video.tokens[1:]:
            parents[root(token)] = first
    return {token: root(token) for token in list(parents)}


def break_large_components(units: Mapping[Token, Token]) -> dict[Token, Token]:
    """Let every token of a component of more than two stand for itself.

    A pair stays whole: to break it loses all of its fakes.

    Args:
        units: Token to unit, as `connected_components` returns them.

    Returns:
        Token to unit.
    """
    sizes = Counter(units.values())
    return {token: unit if sizes[unit] <= _PAIR else token for token, unit in units.items()}


def count_units(
    videos: Mapping[str, Video], units: Mapping[Token, Token]
) -> dict[frozenset[Token], tuple[int, ...]]:
    """Count the crops of each class by the units that they need together.

    Args:
        videos: The videos.
        units: Token to unit.

    Returns:
        For each unit by itself, in order of first appearance, and for each set of units that a
        video links, the counts. Crops of a linked set are lost unless its units are in one split.
    """
    counts: dict[frozenset[Token], list[int]] = {}
    linked: dict[frozenset[Token], list[int]] = defaultdict(list)
    for video in videos.values():
        own = dict.fromkeys(units[token] for token in video.tokens)
        for unit in own:
            counts.setdefault(frozenset([unit]), [0] * len(video.counts))
        key = frozenset(own)
        into = counts if len(own) == 1 else linked
        before = into.get(key) or [0] * len(video.counts)
        into[key] = [old + new for old, new in zip(before, video.counts, strict=True)]
    return {key: tuple(value) for key, value in (counts | linked).items()}
