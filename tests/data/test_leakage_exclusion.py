"""Crops without, or only with, the people, clips or frames of others; nothing is lost silently."""

from functools import partial

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import (
    audit_leakage,
    exclude,
    only_identities,
)
from deepfake_generalize.errors import InputError


def rows(*videos, frames=(0,), dataset="FF++", root="/v"):
    """Make crops of videos named target, or target_source."""
    return pd.DataFrame(
        [
            {
                "path": f"/crops{root}/{dataset}/{name}-{frame}.png",
                "video": f"{root}/{name}.mp4",
                "frame": frame,
                "dataset": dataset,
                "method": "F" if "_" in name else "real",
                "target_identity": name.split("_")[0],
                "source_identity": name.split("_")[1] if "_" in name else None,
            }
            for name in videos
            for frame in frames
        ]
    )


def names(crops):
    return [video.rpartition("/")[2].removesuffix(".mp4") for video in crops["video"]]


def check_whole(selection, crops):
    assert sorted([*selection.crops["path"], *selection.dropped["path"]]) == sorted(crops["path"])
    assert selection.dropped["reason"].str.len().gt(0).all()


def test_persons_are_excluded_on_either_side_of_a_swap():
    crops = rows("004", "007", "004_982", "982_004", "001_002")
    selection = exclude(crops, rows("004"), by="identity")
    assert names(selection.crops) == ["007", "001_002"]
    assert set(selection.dropped["reason"]) == {"shows FF++ 004"}
    check_whole(selection, crops)


def test_only_whoever_is_known_stays():
    crops = rows("004", "007", "004_982", "004_007")
    selection = only_identities(crops, rows("004_982"))
    assert names(selection.crops) == ["004", "004_982"]
    check_whole(selection, crops)


def test_persons_of_another_data_set_are_others_and_those_of_celeb_df_are_not():
    assert len(exclude(rows("01", dataset="DFD"), rows("01"), by="identity").crops) == 1
    one, two = (rows("id0", dataset=f"Celeb-DF-v{version}") for version in (1, 2))
    assert exclude(one, two, by="identity").crops.empty


def test_crops_that_name_nobody_stay_out_of_only_and_in_exclude():
    nameless = rows("004", "007").assign(target_identity=None)
    assert len(exclude(nameless, rows("004"), by="identity").crops) == 2
    assert only_identities(nameless, rows("004")).dropped["reason"].tolist() == ["names nobody"] * 2
    for function in (partial(exclude, by="identity"), only_identities):
        with pytest.raises(InputError, match="at least one of 2 other crops to be known, none are"):
            function(rows("004"), nameless)


def test_other_frames_of_a_video_stay():
    crops = rows("004", frames=(0, 5, 9))
    selection = exclude(crops, rows("004", "007", frames=(5,), root="/c23"), by="frame")
    assert selection.crops["frame"].tolist() == [0, 9]
    assert exclude(crops.assign(frame=None), crops[:1], by="frame").crops["path"].tolist() == (
        crops["path"][1:].tolist()
    )


def test_videos_are_excluded_at_any_compression():
    crops = rows("004", "007", "004_982", root="/raw", frames=(0, 1))
    selection = exclude(
        crops, rows("004", "982_004", root="/c23", frames=(9,)), by="video", near_duplicates=False
    )
    assert names(selection.crops) == ["007", "007", "004_982", "004_982"]
    check_whole(selection, crops)
    assert "2 dropped: the same video" in repr(selection)


@pytest.fixture
def pictured(tmp_path):
    """Return a function that draws the images of crops, by the name of the picture."""

    def draw(crops, pictures, quality):
        for path, picture in zip(crops["path"], pictures, strict=True):
            noise = np.random.default_rng(picture).integers(0, 255, (9, 9, 3), np.uint8)
            image = cv2.resize(noise, (96, 96), interpolation=cv2.INTER_CUBIC)
            file = tmp_path / path.strip("/").replace("/", "-").replace(".png", ".jpg")
            cv2.imwrite(str(file), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        files = crops["path"].str.strip("/").str.replace("/", "-").str.replace(".png", ".jpg")
        return crops.assign(path=[str(tmp_path / file) for file in files])

    return draw


def test_a_renamed_video_is_excluded_whole_if_one_picture_is_the_same(pictured):
    crops = rows("id0", "id1", frames=(0, 1), dataset="Celeb-DF-v1")
    crops = pictured(crops, [0, 1, 2, 3], 90)
    others = pictured(rows("id7", "id8", dataset="Celeb-DF-v2"), [1, 9], 40)
    selection = exclude(crops, others, by="video")
    assert names(selection.crops) == ["id1", "id1"]
    assert (
        selection.dropped["reason"].tolist() == ["looks like another video (Celeb-DF real id7)"] * 2
    )
    assert "\n  2 dropped: looks like another video\n" in repr(selection)
    assert len(exclude(crops, others, by="video", near_duplicates=False).crops) == 4
    kept = {"CELEB-M": selection.crops, "CELEB": others}
    assert audit_leakage(kept).empty


def test_what_cannot_be_compared_is_refused(pictured):
    crops = pictured(rows("id0", "id1"), [0, 1], 90)
    with pytest.raises(InputError, match=r"1 of 1 in others cannot be read; the first: expected"):
        exclude(crops, rows("id9"), by="video")
