"""What fuzzing shares: damage to good files, and a runner of checks on many of them."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepfake_generalize.errors import DeepfakeGeneralizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Beyond it an example fails: no file this small may take long, however it is made.
LONGEST = dt.timedelta(seconds=20)

DIGITS = b"9" * 5000
NASTY = [
    *(b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\n", b"\r", b'"', b"'", b",", b"#", b"\\u0000"),
    *(b"[" * 20_000, b'{"a":' * 20_000, b"a." * 20_000, b"{a=" * 20_000, DIGITS, b"9" * 30),
    *(b"a" * 5000, b"x" * 140_000, b"../" * 40, b"/etc/passwd", b"-1", b"1e999", b"nan", b"NaN"),
    *(b"[]", b"{}", b"[[]]", b"null", b"true", b"3", b"inf", b"1.5", b"''"),
]


def damaged(whole: bytes, words: list[bytes] | None = None) -> st.SearchStrategy[bytes]:
    """The file with a few pieces cut out and others put in, and all of it as it is at times."""
    places = st.integers(0, len(whole))
    new = st.one_of(st.sampled_from(words or NASTY), st.binary(max_size=8))
    edit = st.tuples(places, st.integers(0, 40), new)

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        content = whole
        for place, length, put in edits:
            content = content[:place] + put + content[place + length :]
        return content

    return st.lists(edit, max_size=4).map(apply)


def flipped(whole: bytes, *, of: range | list[int] | None = None) -> st.SearchStrategy[bytes]:
    """The file with some of its bytes replaced, and perhaps cut short."""
    within = of or range(len(whole))
    if isinstance(within, range):
        place = st.integers(within.start, within.stop - 1)
    else:
        place = st.sampled_from(within)

    def apply(drawn: tuple[list[tuple[int, int]], int]) -> bytes:
        content = bytearray(whole)
        for at, byte in drawn[0]:
            content[at] = byte
        return bytes(content[: len(content) - drawn[1]])

    edits = st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=6)
    return st.tuples(edits, st.sampled_from([0, 0, 0, 1, 20, len(whole) // 2])).map(apply)


# Of every kind that JSON has, and such as no file of ours holds.
VALUES = [
    *(None, True, False, 0, 3, -1, 10**30, 1.5, float("nan"), float("inf")),
    *("", "x", "a/b", "0" * 300, "\0", "\ud800", [], [[]], [3], ["x", "y"], {}, {"x": 3}),
]


def altered(document: object) -> st.SearchStrategy[object]:
    """What a JSON file holds, with one value in it replaced, removed or doubled, or two."""
    values = st.one_of(st.sampled_from(VALUES), st.text(max_size=5), st.integers())
    edit = st.tuples(st.integers(0, 200), st.sampled_from(["put", "put", "remove", "double"]))

    def apply(edits: list[tuple[tuple[int, str], object]]) -> object:
        changed = {"": copy.deepcopy(document)}
        for (at, how), value in edits:
            places = list(_places(changed))
            holder, name = places[at % len(places)]
            if how == "put" or holder is changed:
                holder[name] = copy.deepcopy(value)
            elif how == "remove":
                del holder[name]
            elif isinstance(holder, list):
                holder.append(holder[name])
            else:
                holder[f"{name}2"] = holder[name]
        return changed[""]

    return st.lists(st.tuples(edit, values), min_size=1, max_size=2).map(apply)


def _places(holder: dict | list) -> Iterator[tuple[dict | list, str | int]]:
    for name in list(holder) if isinstance(holder, dict) else range(len(holder)):
        yield holder, name
        if isinstance(holder[name], dict | list):
            yield from _places(holder[name])


@pytest.fixture(
    params=[pytest.param(1, id="few"), pytest.param(8, id="many", marks=pytest.mark.nightly)]
)
def fuzz(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Run a check on many drawn values; more of them, and other ones each time, when nightly."""

    def run(strategy: st.SearchStrategy, check: Callable, *, examples: int) -> None:
        @settings(
            max_examples=examples * request.param,
            deadline=LONGEST,
            derandomize=request.param == 1,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def each(value: object) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check(value)

        each()

    return run


def own_errors_only(call: Callable) -> Callable:
    """The call, giving None where the library refused in its own words."""

    @functools.wraps(call)
    def wrapped(*arguments: object) -> object:
        try:
            return call(*arguments)
        except DeepfakeGeneralizeError as error:
            refusal = error
        assert str(refusal).strip()
        return None

    return wrapped


@pytest.fixture
def hostile() -> SimpleNamespace:
    """The ways to damage a file, and to read one."""
    return SimpleNamespace(
        altered=altered, damaged=damaged, flipped=flipped, own_errors_only=own_errors_only
    )
