"""Splits that cannot be: refused only where no choice meets the sizes, counted, with what to do."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from deepfake_generalize.data import balanced_splits
from deepfake_generalize.errors import InputError


def _exists(videos, sizes, by):
    """Try every way to assign people (or videos) to the splits that are asked for."""
    units = [
        frozenset(who for who in video[1:3] if who) if by == "identity" else frozenset()
        for video in videos
    ]
    units = [unit or frozenset([number]) for number, unit in enumerate(units)]
    everyone = sorted(set().union(*units), key=str)
    open_splits = [number for number, size in enumerate(sizes) if size]
    for choice in itertools.product(open_splits, repeat=len(everyone)):
        home = dict(zip(everyone, choice, strict=True))
        have = np.zeros((3, 2), int)
        for video, unit in zip(videos, units, strict=True):
            places = {home[one] for one in unit}
            if len(places) == 1:
                have[places.pop(), video[0]] += video[3]
        if (have >= np.array(sizes)[:, None] // 2).all():
            return True
    return False


FEW = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from("abcdef"),
        st.sampled_from([None, *"abcdef"]),
        st.integers(1, 5),
        st.none(),
    ),
    min_size=3,
    max_size=8,
)


@given(
    videos=FEW,
    sizes=st.tuples(*[st.sampled_from([0, 2, 4, 6])] * 3).filter(any),
    by=st.sampled_from(["identity", "video"]),
)
def test_sizes_are_refused_only_where_no_choice_meets_them(crops_of_videos, videos, sizes, by):
    train, val, test = sizes
    exists = _exists(videos, sizes, by)
    event(f"{by}: {'exists' if exists else 'does not exist'}")
    try:
        balanced_splits(crops_of_videos(videos), train=train, val=val, test=test, by=by)
    except InputError as error:
        assert "No choice of whole groups meets the sizes." in str(error)  # noqa: PT017
        assert not exists
    else:
        assert exists


def test_a_split_is_never_topped_up_from_another(crops_of_pairs):
    crops = pd.concat(
        [
            crops_of_pairs(4, split="train"),
            crops_of_pairs(1, split="val").assign(
                path=lambda f: "/v" + f["path"], video=lambda f: "/v" + f["video"]
            ),
        ]
    )
    message = "val 4 of 6 real, val 4 of 6 fake, test 0 of 0 real.* in all 20 real and 20 fake"
    with pytest.raises(InputError, match=message.replace(" in all", r".*in all")):
        balanced_splits(crops, train=4, val=12, test=0, by="official")


def test_too_few_images_are_counted_by_class(crops_of_videos):
    crops = crops_of_videos([(0, "a", None, 3, None), (1, "a", None, 5, None)])
    with pytest.raises(InputError, match="in all 3 real and 5 fake of 2 videos"):
        balanced_splits(crops, train=20, val=0, test=0, by="video")


def test_a_refusal_counts_what_was_dealt_even_if_a_split_got_nothing(crops_of_videos):
    crops = crops_of_videos([(0, "a", None, 4, None), *[(1, who, None, 1, None) for who in "bcd"]])
    with pytest.raises(InputError, match=r"4 of 1 real.* 0 of 1 real.*No choice of whole groups"):
        balanced_splits(crops, train=2, val=2, test=2, by="video")


def test_a_video_in_two_official_splits_is_refused(crops_of_pairs):
    crops = crops_of_pairs(2, split="train")
    crops.loc[crops.index[0], "split"] = "test"
    with pytest.raises(InputError, match="expected each video in one official split"):
        balanced_splits(crops, train=2, val=0, test=0, by="official")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": 3}, "expected an even number of images for train.*received 3. Use 4"),
        ({"val": -2}, "expected val to be a whole number from 0, received -2.*; 0 for none"),
        ({"test": 2.0}, "expected test to be a whole number"),
        ({"train": 0, "val": 0, "test": 0}, "at least one split with images"),
        ({"by": "method"}, "expected by to be one of identity, video, official"),
        ({"train": 400}, "train .* of 200 real.*Ask for smaller splits"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(change, message, crops_of_pairs):
    with pytest.raises(InputError, match=message):
        balanced_splits(crops_of_pairs(4), **{"train": 2, "val": 2, "test": 2, **change})


@pytest.mark.parametrize(
    ("crops", "by", "hint"),
    [
        (
            {"n_pairs": 4},
            "official",
            "No crop has train or val in its column split: fill the column",
        ),
        ({"n_pairs": 1, "split": "train"}, "official", "No crop has val in its column split"),
        ({"n_pairs": 4, "labels": [1]}, "video", "There is no real crop at all: add videos"),
        ({"n_pairs": 1}, "identity", "Ask for smaller splits .*by='video'"),
        ({"n_pairs": 1}, "video", "Ask for smaller splits or extract more frames a video.$"),
    ],
)
def test_too_few_images_are_answered_with_what_to_do(crops, by, hint, crops_of_pairs):
    with pytest.raises(InputError, match=hint):
        balanced_splits(crops_of_pairs(**crops), train=8, val=2, test=0, by=by)


def test_crops_that_are_none_are_refused(crops_of_pairs):
    crops = crops_of_pairs(4)
    sizes = {"train": 2, "val": 2, "test": 2}
    with pytest.raises(InputError, match="missing: label"):
        balanced_splits(crops.drop(columns="label"), **sizes)
    with pytest.raises(InputError, match="expected the labels 0"):
        balanced_splits(crops.assign(label=2), **sizes)
    with pytest.raises(InputError, match="listed more than once"):
        balanced_splits(pd.concat([crops, crops]), **sizes)
    with pytest.raises(InputError, match="expected a video in every row of crops, 32 of 32"):
        balanced_splits(crops.assign(video=pd.NA), by="video", **sizes)
    with pytest.raises(InputError, match="received list"):
        balanced_splits([], **sizes)
