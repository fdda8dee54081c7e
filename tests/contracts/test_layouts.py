"""What every layout's reader must do alike."""

import json
import warnings
from pathlib import Path

import pandas as pd
import pytest

from deepfake_generalize.data import VIDEO_COLUMNS, LayoutWarning, find_videos
from deepfake_generalize.errors import DataMismatchError, InputError

# For each layout: its videos, the texts beside them, and what makes a problem.
DFDC = {"a.mp4": {"label": "FAKE", "original": "b.mp4"}, "b.mp4": {"label": "REAL"}}
TREES = {
    "faceforensics": (
        ["original_sequences/youtube/c23/videos/004.mp4"]
        + [f"manipulated_sequences/F/c23/videos/{n}.mp4" for n in ("004_982", "982_004")],
        {},
        "original_sequences/stray.mp4",
    ),
    "celebdf": (
        ["Celeb-real/id0_0000.mp4", "Celeb-synthesis/id0_id1_0000.mp4"],
        {"List_of_testing_videos.txt": "1 Celeb-real/id0_0000.mp4"},
        "Celeb-real/stray.mp4",
    ),
    "dfdc": (
        ["dfdc_train_part_0/a.mp4", "dfdc_train_part_0/b.mp4"],
        {"dfdc_train_part_0/metadata.json": json.dumps(DFDC)},
        "stray.mp4",
    ),
    "folders": (["real/a.mp4", "real/ü.MKV", "fake/x/b.mp4"], {}, "stray.mp4"),
    "csv": (["a.mp4", "b.mp4"], {"v.csv": "path,label\na.mp4,1\nb.mp4,0\n"}, None),
}


def _build(root: Path, layout: str, *, backwards: bool = False) -> Path:
    videos, texts, _ = TREES[layout]
    for name in reversed(videos) if backwards else videos:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, text in texts.items():
        (root / name).write_text(text)
    return root


def _spoil(root: Path, layout: str) -> Path:
    stray = TREES[layout][2]
    if stray is None:
        (root / TREES[layout][0][0]).unlink()
        return root / TREES[layout][0][0]
    (root / stray).touch()
    return root / stray


@pytest.fixture(params=TREES)
def layout(request) -> str:
    return request.param


def test_auto_recognises_it_and_reads_every_video_once(tmp_path, layout):
    root = _build(tmp_path, layout)
    videos = find_videos(root)
    assert videos.attrs["layout"] == layout
    assert videos.attrs["recognised_by"]
    assert videos.attrs["problems"] == []
    assert videos["path"].tolist() == sorted(str(root / name) for name in TREES[layout][0])
    pd.testing.assert_frame_equal(videos, find_videos(root, layout=layout, strict=True))


def test_columns_types_and_labels(tmp_path, layout):
    videos = find_videos(_build(tmp_path, layout))
    assert tuple(videos.columns) == VIDEO_COLUMNS
    assert videos["label"].dtype == "int64"
    assert set(videos["label"]) == {0, 1}
    strings = [name for name in VIDEO_COLUMNS if name != "label"]
    assert all(isinstance(videos[name].dtype, pd.StringDtype) for name in strings)
    assert all(videos[name].dtype == "string" for name in strings)
    assert all(Path(path).is_absolute() and Path(path).is_file() for path in videos["path"])
    assert not videos[["dataset", "method"]].isna().any(axis=None)
    assert ((videos["method"] == "real") == (videos["label"] == 0)).all()
    assert videos.loc[videos["label"] == 0, "source_identity"].isna().all()
    assert videos.index.tolist() == list(range(len(videos)))


def test_the_order_is_that_of_the_paths_whatever_the_disk_did(tmp_path, layout):
    first = find_videos(_build(tmp_path / "1" / "set", layout))
    second = find_videos(_build(tmp_path / "2" / "set", layout, backwards=True))
    assert second["path"].is_monotonic_increasing
    first["path"] = first["path"].str.replace(str(tmp_path / "1"), str(tmp_path / "2"))
    pd.testing.assert_frame_equal(first, second)


def test_a_problem_is_listed_warned_of_once_and_raised_when_strict(tmp_path, layout):
    root = _build(tmp_path, layout)
    spoilt = _spoil(root, layout)
    with pytest.warns(LayoutWarning, match="1 (missing|unknown)") as caught:
        videos = find_videos(root)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    (problem,) = videos.attrs["problems"]
    assert set(problem) == {"path", "status", "reason"}
    assert problem["path"] == str(spoilt)
    assert str(spoilt) not in set(videos["path"])
    assert json.loads(json.dumps(videos.attrs)) == videos.copy().attrs
    with pytest.raises(DataMismatchError, match=spoilt.name):
        find_videos(root, strict=True)


def test_hidden_files_are_passed_over(tmp_path, layout):
    root = _build(tmp_path, layout)
    ((root / TREES[layout][0][0]).parent / "._x.mp4").touch()
    (root / ".trash").mkdir()
    (root / ".trash" / "y.mp4").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(find_videos(root)) == len(TREES[layout][0])


def test_no_videos_and_unknown_choices_are_refused(tmp_path, layout):
    root = _build(tmp_path, layout)
    with pytest.raises(InputError, match=f"choices of layout '{layout}'.*received colour"):
        find_videos(root, colour="red")
    for name in TREES[layout][0]:
        (root / name).unlink()
    with pytest.raises(InputError, match=r"expected.*received"):
        find_videos(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"expected .*received") as caught:
        find_videos(tmp_path / "empty", layout=layout)
    assert caught.value.hint
