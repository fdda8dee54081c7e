"""Rows chosen by what their columns say, and the set that a text names."""

from pathlib import Path

import pandas as pd
import pytest

from deepfake_generalize.data import read_set, select
from deepfake_generalize.data.crops.manifest import write_crops
from deepfake_generalize.data.manifests import split_query, with_columns
from deepfake_generalize.errors import InputError


@pytest.fixture
def crops():
    rows = [
        ("FF++", "real", 0, "c23"),
        ("FF++", "real", 0, "c40"),
        ("FF++", "FaceSwap", 1, "c23"),
        ("FF++", "FaceSwap", 1, "c40"),
        ("FF++", "NeuralTextures", 1, "c23"),
        ("DFD", "real", 0, "c23"),
        ("DFD", "DeepFakeDetection", 1, "c23"),
    ]
    table = pd.DataFrame(rows, columns=["dataset", "method", "label", "compression"])
    return table.assign(path=list("abcdefg"), age=[30, 40, 30, 40, 50, 60, 70])


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("method=FaceSwap", "abcd"),
        ("method=FaceSwap,compression=c23", "ac"),
        (" method = FaceSwap | NeuralTextures , compression = c23 ", "ace"),
        ("method=FaceSwap|DeepFakeDetection,compression=c23", "acfg"),
        ("method!=FaceSwap,dataset=FF++", "abe"),
        ("method=real", "abf"),
        ("method=real|FaceSwap", "abcdf"),
        ("method!=real", "cdeg"),
        ("method=FaceSwap,label=fake", "cd"),
        ("label=1,compression!=c40", "ceg"),
        ("age=30|70", "acg"),
        ('method == "FaceSwap" and compression == "c23"', "ac"),
        ("method!='FaceSwap' and dataset==FF++", "abe"),
    ],
)
def test_a_query_chooses_what_it_says(crops, query, paths):
    before = crops.copy(deep=True)
    chosen = select(crops, query)
    assert "".join(chosen["path"]) == paths
    assert chosen.index.tolist() == list(range(len(paths)))
    assert chosen.attrs["selected"].startswith(f"{query} chose {len(paths)} of 7 rows")
    pd.testing.assert_frame_equal(crops, before)


def test_quotes_hold_what_would_part_values_and_nothing_is_a_value_too():
    table = pd.DataFrame(
        {"group": ["a|b", "26, or more", "it's", "", "x and y"], "path": [*"12345"]}
    )
    for query, paths in {
        "group='a|b'": "1",
        'group="26, or more"': "2",
        "group=\"26, or more\"|'a|b'": "12",
        "group=it's": "3",
        "group=": "4",
        "group=x and y": "5",
        "group!=x and y,path!=1": "234",
    }.items():
        assert "".join(select(table, query)["path"]) == paths, query


def test_it_says_where_reals_were_kept_beside_a_method(crops):
    assert "the reals of their data sets" in select(crops, "method=FaceSwap").attrs["selected"]
    assert "reals" not in select(crops, "method=real").attrs["selected"]


def test_reals_without_a_method_stay_beside_the_fakes():
    table = pd.DataFrame({"method": [None, "FaceSwap", "F2F"], "label": [0, 1, 1]})
    assert select(table, "method=F2F")["label"].tolist() == [0, 1]
    only_fakes = table[1:]
    assert select(only_fakes, "method=F2F")["label"].tolist() == [1]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("methods=FaceSwap", "received 'methods'.*There are dataset, method, label"),
        ("method=Faceswap", "'Faceswap', which no row has.*FaceSwap, NeuralTextures, real"),
        ("method!=Faceswap", "which no row has"),
        ("method=FaceSwap|", "received '', which no row has"),
        ("method=DeepFakeDetection,compression=c40", "no row meets all"),
        ("", "expected a query"),
        ("method", "expected a query"),
        ("=FaceSwap", "expected a query"),
        ("method=FaceSwap,", "expected a query"),
        ("__import__('os').system('true')=1", "expected a column"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_what_is_there(crops, query, message):
    with pytest.raises(InputError, match=f"(?s){message}") as refused:
        select(crops, query)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "place", "query"),
    [
        ("crops[method=FaceSwap]", "crops", "method=FaceSwap"),
        ("a[b]/crops[x=1,y!=2]", "a[b]/crops", "x=1,y!=2"),
        ("crops", "crops", None),
        ("crops[1]", "crops[1]", None),
    ],
)
def test_a_query_stands_in_brackets_behind_the_place(text, place, query):
    assert split_query(text) == (Path(place), query)


def test_a_folder_that_is_called_like_a_query_is_a_folder(tmp_path):
    folder = tmp_path / "crops[method=FaceSwap]"
    folder.mkdir()
    assert split_query(folder) == (folder, None)


def test_a_set_is_read_by_its_place_and_query(crops, tmp_path):
    crops["path"] = [str(tmp_path / f"{name}.png") for name in crops["path"]]
    columns = ("path", "video", "frame", "target_identity", "source_identity", "split", "box")
    whole = with_columns(crops, (*columns, "score", "aligner", "flag"))
    write_crops(whole, tmp_path)
    chosen = read_set(f"{tmp_path}[method=FaceSwap,compression=c23]")
    assert [Path(path).stem for path in chosen["path"]] == ["a", "c"]
    assert len(read_set(tmp_path)) == 7
    assert read_set(crops) is crops
    with pytest.raises(InputError, match=str(tmp_path)):
        read_set(f"{tmp_path}[method=F2F]")
    with pytest.raises(InputError, match="missing: path"):
        read_set(crops.drop(columns="path"))
    with pytest.raises(InputError, match="received int"):
        read_set(3)
