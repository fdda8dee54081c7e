"""Whatever videos and their folders are called: placed, told of, or refused in words."""

import shutil
from pathlib import Path

import pytest
from hypothesis import strategies as st

from deepfake_generalize.data import find_videos

NAMES = [
    *(
        "000.mp4",
        "000_003.mp4",
        "1_2__x__ABC.mp4",
        "01__walk.mp4",
        "id0_0000.mp4",
        "id0_id1_0000.mp4",
    ),
    *(
        "00000.mp4",
        "aassnaulhq.mp4",
        "metadata.json",
        "List_of_testing_videos.txt",
        "_.mp4",
        ".mp4",
    ),
]
FOLDERS = [
    *("original_sequences/youtube/c23/videos", "manipulated_sequences/Deepfakes/c40/videos"),
    *("manipulated_sequences/DeepFakeDetection/raw/videos", "Celeb-real", "Celeb-synthesis"),
    *("YouTube-real", "real", "fake", "train/real", "test/fake", "dfdc_train_part_0", "."),
]
NAME = st.one_of(
    st.sampled_from(NAMES),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=30).map(
        lambda text: f"{text}.mp4"
    ),
    st.from_regex(r"\A[0-9id_-]{1,12}\.mp4\Z"),
)


@pytest.mark.parametrize("layout", ["auto", "faceforensics", "celebdf", "dfdc", "folders"])
def test_names_of_any_kind_are_placed_or_told_of(fuzz, hostile, tmp_path, layout):
    find = hostile.own_errors_only(lambda root: find_videos(root, layout=layout))
    root = tmp_path / "tree"

    def check(places):
        shutil.rmtree(root, ignore_errors=True)
        for folder, name in places:
            (root / folder).mkdir(parents=True, exist_ok=True)
            (root / folder / name).touch()
        videos = find(root)
        if videos is None:
            return
        paths = videos["path"].tolist()
        assert len(set(paths)) == len(paths)
        assert all(Path(path).is_file() and root in Path(path).parents for path in paths)
        assert set(videos["label"]) <= {0, 1}
        if "Celeb-real" in {Path(path).parent.name for path in paths} and layout == "celebdf":
            rows = videos[[Path(path).parent.name == "Celeb-real" for path in paths]]
            assert set(rows["label"]) == {0}

    places = st.lists(st.tuples(st.sampled_from(FOLDERS), NAME), min_size=1, max_size=6)
    fuzz(places, check, examples=15)


def test_a_loop_of_links_ends(tmp_path):
    for folder in ("real", "fake"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mp4").touch()
        (tmp_path / folder / "again").symlink_to(tmp_path)
        (tmp_path / folder / "self").symlink_to("self")
    assert len(find_videos(tmp_path, layout="folders")) == 2
