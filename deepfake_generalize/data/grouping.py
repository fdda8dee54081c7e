"""Which videos must stay together, and which split each group goes to.

A video carries tokens: its identities, or itself where none is known. A unit is a set of tokens
that stay together; a video whose units land in different splits belongs to none of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

Token: TypeAlias = tuple[str, ...]
Needs: TypeAlias = tuple[tuple[int, int], ...]
"""Per split, how many (real, fake) images are needed."""

CROSSING = -1
# How strongly a split's size shows in its share of the units. With 1 the shares are as the sizes;
# below 1 small splits get more, as they need where a fake counts only if both its identities are
# in the split: with a share p of the identities about p squared of the fakes remain.
_EXPONENTS = (1.0, 0.75, 0.5)
_ATTEMPTS_EACH = 8
_PAIR = 2


@dataclass(frozen=True)
class Video:
    """One video's tokens and how many real and fake crops it has."""

    tokens: tuple[Token, ...]
    real: int
    fake: int


def collect_videos(crops: pd.DataFrame, *, by_identity: bool) -> dict[str, Video]:
    """Gather the videos of sorted crops, in order of first appearance.

    Args:
        crops: Rows of the crop manifest.
        by_identity: Tokens are the identities within a data set, where known; else the video.

    Returns:
        Video's path to its tokens and counts.
    """
    names = ("video", "dataset", "label", "target_identity", "source_identity")
    columns = [crops[name].astype(object).where(crops[name].notna(), None) for name in names]
    tokens: dict[str, dict[Token, None]] = {}
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for video, dataset, label, target, source in zip(*columns, strict=True):
        counts[video][int(label)] += 1
        own = tokens.setdefault(video, {})
        if by_identity:
            own.update(dict.fromkeys((str(dataset), str(who)) for who in (target, source) if who))
    return {
        video: Video(tuple(own) or (("video", video, ""),), *counts[video])
        for video, own in tokens.items()
    }


def connected_components(videos: Mapping[str, Video]) -> dict[Token, Token]:
    """Map each token to the first token of those that videos link it to.

    Args:
        videos: The videos, each linking all of its tokens.

    Returns:
        Token to the token that stands for its component.

    Examples:
        >>> a, b, c = ("FF++", "000"), ("FF++", "003"), ("FF++", "007")
        >>> units = connected_components({"v": Video((a, b), 0, 9), "w": Video((c,), 9, 0)})
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


def assign(
    videos: Mapping[str, Video], units: Mapping[Token, Token], needs: Needs, seed: int
) -> tuple[dict[str, int], bool]:
    """Give each unit to a split so that every split has the images it needs.

    Units are dealt in random order, each to the split that is furthest from its share; if that
    does not meet the needs, in other orders, the large ones first, and with larger shares for small
    splits. Which units a split gets depends on the sizes, the seed and the units alone.

    Args:
        videos: The videos.
        units: Token to unit.
        needs: What each split needs.
        seed: Seed of the order.

    Returns:
        Video to the number of its split (`CROSSING` where its units are in several), and whether
        all needs are met. Where they are not: the attempt that came nearest.
    """
    counts = _count_units(videos, units)
    best: tuple[float, dict[str, int]] = (-1.0, {})
    rng = np.random.default_rng(seed)
    for exponent in _EXPONENTS:
        for attempt in range(_ATTEMPTS_EACH):
            order = [list(counts)[i] for i in rng.permutation(len(counts))]
            if attempt % 2:
                order.sort(key=lambda unit: -sum(counts[unit]))
            home = _deal(order, counts, needs, exponent)
            placed = _place(videos, units, home)
            met = _fraction_met(videos, placed, needs)
            if met > best[0]:
                best = (met, placed)
            if met >= 1.0:
                return placed, True
    return best[1], False


def available(videos: Mapping[str, Video], placed: Mapping[str, int], n: int) -> list[list[int]]:
    """Count the [real, fake] images of each of `n` splits.

    Args:
        videos: The videos.
        placed: Video to split.
        n: How many splits there are.

    Returns:
        A pair of counts for each split.
    """
    counts = [[0, 0] for _ in range(n)]
    for name, video in videos.items():
        if placed[name] != CROSSING:
            counts[placed[name]][0] += video.real
            counts[placed[name]][1] += video.fake
    return counts


def _count_units(
    videos: Mapping[str, Video], units: Mapping[Token, Token]
) -> dict[Token, tuple[int, int]]:
    counts: dict[Token, list[int]] = {}
    for video in videos.values():
        own = {units[token] for token in video.tokens}
        for unit in (units[token] for token in video.tokens):
            counts.setdefault(unit, [0, 0])
        if len(own) == 1:
            unit = own.pop()
            counts[unit][0] += video.real
            counts[unit][1] += video.fake
    return {unit: (real, fake) for unit, (real, fake) in counts.items()}


def _deal(
    order: Sequence[Token],
    counts: Mapping[Token, tuple[int, int]],
    needs: Needs,
    exponent: float,
) -> dict[Token, int]:
    open_splits = [split for split, need in enumerate(needs) if sum(need)]
    shares = {split: float(sum(needs[split])) ** exponent for split in open_splits}
    have = {split: [0, 0] for split in open_splits}
    home: dict[Token, int] = {}
    for unit in order:
        real, fake = counts[unit]

        def rank(split: int, real: int = real, fake: int = fake) -> tuple[float, int]:
            own = have[split]
            # Only the classes that this unit brings say how badly a split wants it.
            filled = (own[0] if real else 0) + (own[1] if fake else 0)
            return (filled / shares[split], split)

        home[unit] = min(open_splits, key=rank)
        have[home[unit]][0] += real
        have[home[unit]][1] += fake
    return home


def _place(
    videos: Mapping[str, Video], units: Mapping[Token, Token], home: Mapping[Token, int]
) -> dict[str, int]:
    placed = {}
    for name, video in videos.items():
        splits = {home[units[token]] for token in video.tokens}
        placed[name] = splits.pop() if len(splits) == 1 else CROSSING
    return placed


def _fraction_met(videos: Mapping[str, Video], placed: Mapping[str, int], needs: Needs) -> float:
    counts = available(videos, placed, len(needs))
    return min(
        (
            have / need
            for got, wanted in zip(counts, needs, strict=True)
            for have, need in zip(got, wanted, strict=True)
            if need
        ),
        default=1.0,
    )
