"""Tracks: faces side by side never switch, gaps and cuts are honoured, the weightiest wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_generalize.data.faces.finders import Face
from deepfake_generalize.data.faces.tracking import (
    Track,
    choose_subject,
    distinct,
    expected_box,
    iou,
    link_tracks,
)


def face(x, *, side=40.0, y=0.0, score=0.9):
    return Face((x, y, x + side, y + side), score)


def test_overlap_by_hand():
    assert iou((0, 0, 2, 2), (1, 1, 3, 3)) == 1 / 7
    assert iou((0, 0, 2, 2), (2, 0, 4, 2)) == 0.0


@st.composite
def two_people(draw):
    """The faces of one on the left and one on the right, who are the larger and the surer by turns.

    Both may be so in the same frames or in different ones.
    """
    lefts, rights, x = {}, {}, 0.0
    turns = draw(st.booleans()), draw(st.booleans())
    for at in range(draw(st.integers(2, 12))):
        x += draw(st.floats(-10, 10))
        sides = draw(st.floats(30, 36)), draw(st.floats(38, 46))
        scores = draw(st.floats(0.5, 0.7)), draw(st.floats(0.75, 0.95))
        large, sure = (at % 2 == turn for turn in turns)
        lefts[at] = face(x, side=sides[large], score=scores[sure])
        rights[at] = face(x + 60, side=sides[not large], score=scores[not sure])
    return lefts, rights


@given(people=two_people(), swapped=st.lists(st.booleans(), min_size=12, max_size=12))
def test_two_people_side_by_side_never_switch(people, swapped):
    frames = [[person[at] for person in people] for at in people[0]]
    for pair, swap in zip(frames, swapped, strict=False):
        pair[:] = pair[::-1] if swap else pair

    tracks = link_tracks(frames)

    by_place = sorted((track.faces for track in tracks), key=lambda faces: faces[0].box[0])
    assert by_place == [*people]


def test_a_neighbour_does_not_take_the_place_of_a_person_who_is_not_seen():
    frames = [[face(0), face(60, score=0.8)], [face(62, score=0.8)], [face(1), face(61, score=0.8)]]

    first, second = link_tracks(frames)

    assert sorted(first.faces) == [0, 2]
    assert {one.score for one in second.faces.values()} == {0.8}


def test_nobody_is_followed_across_a_cut():
    frames = [[face(0)], [face(0)], [face(0)]]

    assert [sorted(track.faces) for track in link_tracks(frames, {2})] == [[0, 1], [2]]
    assert expected_box(link_tracks(frames, {2})[0], 2, {2}) is None


def test_the_subject_has_the_largest_area_times_score():
    near, far = Track({0: face(0, side=80)}), Track({0: face(0), 1: face(0), 2: face(0)})
    doubtful = Track({0: face(0, side=80, score=0.5)})

    assert choose_subject([far, near]) is near
    assert choose_subject([far, doubtful]) is far
    assert choose_subject([]) is None


def test_a_large_pattern_that_is_never_surely_a_face_is_not_the_subject():
    person, pattern = Track({0: face(0, score=0.75)}), Track({0: face(0, side=300, score=0.6)})

    assert choose_subject([pattern, person]) is person
    assert choose_subject([pattern]) is pattern


def test_of_two_boxes_on_one_face_the_surer_stays():
    sure, doubtful, other = face(0), face(12, score=0.5), face(60, score=0.6)

    assert distinct([doubtful, other, sure]) == [sure, other]


def test_a_missed_face_is_expected_between_its_neighbours():
    track = Track({1: face(0), 3: face(20)})

    assert expected_box(track, 2) == (10.0, 0.0, 50.0, 40.0)
    assert expected_box(track, 5) == face(20).box
    assert expected_box(track, 6) is None
    assert expected_box(Track({}), 0) is None


@pytest.mark.parametrize(
    ("where", "side", "n_tracks"),
    [(78, 40, 1), (82, 40, 2), (50, 60, 1), (50, 66, 2)],
    ids=["two sides away", "further", "half as large again", "larger"],
)
def test_a_face_that_moved_without_overlap_is_followed_so_far_and_no_further(where, side, n_tracks):
    tracks = link_tracks([[face(0)], [face(where, side=side)]])

    assert len(tracks) == n_tracks
