"""Which frames of a clip the sets take, and who the people are."""

import itertools
import re

import pytest

from deepfake_generalize.data.synthetic.sets import GROUPS, SETS, check_sizes, people_of, plan_takes


@pytest.mark.parametrize("size", [4, 40, 2400])
def test_the_four_slots_of_a_clip_never_meet(size) -> None:
    sizes = check_sizes({"train": 8, "val": 8, "test": size})
    taken = {
        name: {(take.target, take.frame) for take in plan_takes(name, sizes)}
        for name in ("F2F", "FS", "NT", "DF", "FS-I", "NT-I")
        if not (name.endswith("-I") and size > 150)
    }
    for first, second in (("FS", "NT"), ("FS", "DF"), ("NT", "DF"), ("F2F", "FS-I")):
        if first in taken and second in taken:
            assert not taken[first] & taken[second]
    assert all(0 <= frame < 300 for frames in taken.values() for _, frame in frames)


@pytest.mark.parametrize("name", SETS)
def test_a_set_holds_each_picture_once(name) -> None:
    takes = plan_takes(name, check_sizes(160))
    assert len({(take.split, take.stem, take.frame) for take in takes}) == len(takes)


def test_groups_never_overlap_however_many_persons_there_are() -> None:
    for pattern in {group.pattern for group in GROUPS.values()}:
        spans = sorted(
            (group.first, group.first + group.most)
            for group in GROUPS.values()
            if group.pattern == pattern
        )
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_names_are_those_of_the_layouts() -> None:
    sizes = check_sizes(20_000)
    assert all(re.fullmatch(r"\d{3}", who) for who in people_of("Q2", sizes))
    assert all(re.fullmatch(r"\d{2}", who) for who in people_of("actors", {**sizes, "test": 9000}))
    assert len(people_of("P1", sizes)) == 300
