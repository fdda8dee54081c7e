"""What every way of splitting must do alike."""

import itertools
import os
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from deepfake_generalize.data import CROP_COLUMNS, Splits, audit_leakage, balanced_splits
from deepfake_generalize.data.splits import By
from deepfake_generalize.errors import InputError

WAYS = get_args(By)
PARTS = ("train", "val", "test")
LEVELS = ("raw", "c23")
PEOPLE = st.sampled_from([None, *(f"{i:03d}" for i in range(8))])


def make_crops(videos, root="/data"):
    """Make crops of (label, target, source, frames, split, method) videos.

    Two neighbours are two qualities of one clip where their methods are equal.
    """
    rows = [
        {
            "path": f"{root}/crops/{number}/{frame:06d}.png",
            "video": f"{root}/{method}/{LEVELS[number % 2]}/{number // 2:03d}.mp4",
            "frame": frame,
            "dataset": "FF++",
            "method": method if label else "real",
            "label": label,
            "target_identity": target,
            "source_identity": source if label else None,
            "compression": LEVELS[number % 2],
            "split": split,
        }
        for number, (label, target, source, frames, split, method) in enumerate(videos)
        for frame in range(frames)
    ]
    return pd.DataFrame(rows, columns=list(CROP_COLUMNS))


VIDEOS = st.lists(
    st.tuples(
        st.integers(0, 1),
        PEOPLE,
        PEOPLE,
        st.integers(1, 5),
        st.sampled_from(["train", "train", "val", "test", None]),
        st.sampled_from(["F", "G"]),
    ),
    min_size=6,
    max_size=20,
)
SIZES = st.sampled_from([s for s in itertools.product([0, 2, 4], repeat=3) if any(s)])


def split(crops, sizes, by, seed=0):
    return balanced_splits(crops, **dict(zip(PARTS, sizes, strict=True)), by=by, seed=seed)


def plenty(root="/data"):
    """Return crops that every way of splitting can make 8, 4 and 4 images of."""
    videos = [
        (label, f"{i:03d}", f"{i:03d}", 4, PARTS[i % 3], "FG"[label])
        for i in range(12)
        for label in (0, 1)
    ]
    return make_crops(videos, root)


@pytest.fixture(params=WAYS)
def by(request) -> str:
    return request.param


@given(
    videos=VIDEOS,
    sizes=SIZES,
    way=st.sampled_from(WAYS),
    seed=st.integers(0, 3),
    order=st.randoms(use_true_random=False),
)
def test_whole_disjoint_balanced_and_the_same_for_any_order_of_rows(
    videos, sizes, way, seed, order
):
    crops = make_crops(videos)
    try:
        splits = split(crops, sizes, way, seed)
    except InputError as error:
        event(f"{way}: refused")
        refused = str(error)
    else:
        event(f"{way}: met")
        refused = ""
    if refused:
        assert refused.startswith("expected enough images")
        assert f"(in all {(crops['label'] == 0).sum()} real" in refused
        return
    parts = [getattr(splits, name) for name in PARTS]
    for part, size in zip(parts, sizes, strict=True):
        assert (len(part), int(part["label"].sum())) == (size, size // 2)
    assert sorted(pd.concat([*parts, splits.dropped])["path"]) == sorted(crops["path"])
    assert splits.dropped["reason"].str.len().gt(0).all()
    found = audit_leakage(splits, near_duplicates=False)
    forbidden = {"identity": {"video", "identity"}, "video": {"video"}, "official": set()}[way]
    assert not forbidden & set(found["kind"])
    if way == "official":
        assert all(set(part["split"]) <= {name} for name, part in zip(PARTS, parts, strict=True))
    videos_of = [set(part["video"]) for part in parts]
    assert sum(map(len, videos_of)) == len(set.union(*videos_of))
    rows = list(range(len(crops)))
    order.shuffle(rows)
    again = split(crops.iloc[rows].set_index(np.zeros(len(crops), int)), sizes, way, seed)
    for name in (*PARTS, "dropped"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(splits, name))
    assert again.sha256 == splits.sha256


def test_the_crops_that_came_are_not_changed(by):
    crops = plenty()
    before = crops.copy(deep=True)
    split(crops, (8, 4, 4), by)
    pd.testing.assert_frame_equal(crops, before)


def test_the_hash_is_that_of_another_place_and_of_no_other_choice(by):
    hashes = {root: split(plenty(root), (8, 4, 4), by).sha256 for root in ("/z", "/a/b/c")}
    assert len(set(hashes.values())) == 1
    assert split(plenty(), (8, 4, 4), by, seed=1).sha256 not in hashes.values()
    assert split(plenty(), (8, 4, 2), by).sha256 not in hashes.values()


def test_a_file_gives_the_same_splits_also_where_it_was_moved_to(by, tmp_path):
    here = tmp_path / "here"
    splits = split(plenty(str(here)), (8, 4, 4), by)
    file = splits.save(here / "splits.csv")
    again = Splits.load(file)
    for name in (*PARTS, "dropped"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(splits, name))
    there = tmp_path / "there"
    here.rename(there)
    moved = Splits.load(there / "splits.csv")
    assert moved.sha256 == splits.sha256
    assert all(path.startswith(str(there) + os.sep) for path in moved.test["path"])


def test_columns_have_the_types_of_the_manifest_and_what_the_user_added_stays(by):
    splits = split(plenty().assign(mine=7), (8, 4, 4), by)
    for name in (*PARTS, "dropped"):
        part = getattr(splits, name)
        assert list(part.columns[: len(CROP_COLUMNS)]) == list(CROP_COLUMNS)
        assert part["label"].dtype == "int64"
        assert part["frame"].dtype == "Int64"
        assert part["target_identity"].dtype == "string"
        assert (part["mine"] == 7).all()
        assert part.index.tolist() == list(range(len(part)))


def test_what_cannot_be_met_is_refused_with_the_numbers_and_a_hint(by):
    with pytest.raises(InputError, match=r"train \d+ of 200 real.*in all 48 real and 48") as caught:
        split(plenty(), (400, 4, 4), by)
    assert caught.value.hint.startswith("Ask for smaller splits")
