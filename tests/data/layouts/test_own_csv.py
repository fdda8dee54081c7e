"""A CSV file of videos."""

import pytest

from deepfake_generalize.data import LayoutWarning, find_videos
from deepfake_generalize.errors import InputError


@pytest.fixture
def write(tmp_path, touch):
    def build(text, name="list.csv"):
        touch(tmp_path, ["clips/a.mp4", "b.avi"])
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        return tmp_path / name

    return build


@pytest.mark.parametrize("as_file", [True, False])
def test_columns_of_the_manifest_are_taken_and_the_others_have_defaults(write, as_file):
    path = write("label,path,target_identity,age\nfake,clips/a.mp4,004,31\n0,b.avi,,\n")
    videos = find_videos(path if as_file else path.parent)
    assert videos.attrs["layout"] == "csv"
    assert videos["path"].tolist() == [str(path.parent / n) for n in ("b.avi", "clips/a.mp4")]
    assert videos["label"].tolist() == [0, 1]
    assert videos["method"].tolist() == ["real", "fake"]
    assert videos["target_identity"].fillna("?").tolist() == ["?", "004"]
    assert set(videos["dataset"]) == {"list"}


@pytest.mark.parametrize(
    ("text", "labels"),
    [("path\nb.avi\nclips/a.mp4\n", [-1, -1]), ("path,label\nb.avi,\nclips/a.mp4,1\n", [-1, 1])],
)
def test_a_named_file_needs_no_labels(write, text, labels):
    path = write(text)
    videos = find_videos(path)
    assert videos["label"].fillna(-1).tolist() == labels
    assert videos["method"].fillna("?").tolist() == ["?" if n < 0 else "fake" for n in labels]


def test_a_table_of_paths_alone_does_not_make_a_folder_a_list(write):
    path = write("path\nb.avi\n")
    with pytest.warns(LayoutWarning, match="2 videos are listed without a label"):
        assert find_videos(path.parent).attrs["layout"] == "unlabelled"


def test_absent_files_and_other_suffixes_are_reported(write):
    path = write("path,label\nb.avi,1\ngone.mp4,0\nlist.csv,0\n")
    with pytest.warns(LayoutWarning, match="1 missing, 1 unknown"):
        videos = find_videos(path)
    assert len(videos) == 1
    assert "line 3 of list.csv" in videos.attrs["problems"][0]["reason"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\nb.avi,2\n", "line 2 of .*received path 'b.avi' and label '2'"),
        ("path,label\nb.avi,1\n./b.avi,1\n", "each path once .*line 2 and on line 3"),
        ("file,label\nb.avi,1\n", r"received none: list\.csv begins with 'file,label'"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(write, text, message):
    with pytest.raises(InputError, match=message):
        find_videos(write(text))


def test_several_lists_in_one_folder_are_not_chosen_between(write):
    write("path,label\nb.avi,1\n", name="other.csv")
    path = write("path,label\nb.avi,1\n")
    with pytest.raises(InputError, match=r"list\.csv, other\.csv\. Pass the path of the CSV"):
        find_videos(path.parent)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path;label\nb.avi;1\n", "utf-8"),
        ("path\tlabel\nb.avi\t1\n", "utf-8"),
        ("Path,LABEL\nb.avi,1\n", "utf-8"),
        ("path, label\nb.avi, 1\n", "utf-8"),
        ("path,label\r\nb.avi,1\r\n", "utf-16"),
        ("path,label\nb.avi,1\n", "utf-16-le"),
        ("path,label\rb.avi,1\r", "utf-8-sig"),
    ],
)
def test_a_list_as_spreadsheets_save_it_is_read(write, text, encoding):
    path = write("")
    path.write_bytes(text.encode(encoding))
    videos = find_videos(path)
    assert videos["path"].tolist() == [str(path.parent / "b.avi")]
    assert videos["label"].tolist() == [1]


def test_other_columns_and_an_identity_are_kept(write):
    videos = find_videos(write("path,label,identity,age\nb.avi,1,x,31\nclips/a.mp4,0,y,\n"))
    assert videos["target_identity"].tolist() == ["x", "y"]
    assert videos["age"].fillna("?").tolist() == ["31", "?"]


def test_names_that_are_not_utf_8_are_found(write):
    path = write("")
    (path.parent / "caf\udce9.mp4").touch()
    path.write_bytes(b"path,label\ncaf\xe9.mp4,1\n")
    assert find_videos(path)["path"].tolist() == [str(path.parent / "caf\udce9.mp4")]
