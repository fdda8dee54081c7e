"""Score files: what is written comes back, and pairs that do not belong together are refused."""

import functools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_generalize.data.manifests import score_keys
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.study import benchmark as full_benchmark
from deepfake_generalize.study import read_scores, write_scores
from deepfake_generalize.study.scores import data_hash, file_name

benchmark = functools.partial(full_benchmark, audit=False, resampling=None)
FACTS = {"detector": {"name": "mine", "sha256": "0" * 64}}


@pytest.fixture
def rows(tmp_path: Path) -> pd.DataFrame:
    video = str(tmp_path / "videos" / "004.mp4")
    return pd.DataFrame(
        {
            "label": [1, 0, 0, 1],
            "score": [0.1, 1 / 3, np.nan, np.nan],
            "status": ["ok", "ok", "missing", "no_face"],
            "reason": ["", "", "it does not exist", "nobody there"],
            "dataset": "FF++",
            "method": ["FaceSwap", "real", "real", "FaceSwap"],
            "video": [video, "/elsewhere/004.mp4", video, video],
            "frame": [0, 0, 5, 5],
        }
    )


def test_a_pair_comes_back_with_all_it_depends_on(rows: pd.DataFrame, tmp_path: Path) -> None:
    path = write_scores(tmp_path / "scores", "FS-I", rows, FACTS)
    assert path == tmp_path / "scores" / "FS-I.csv"
    file = read_scores(path)
    assert file.name == "FS-I"
    assert file.frame["score"].tolist()[:2] == [0.1, 1 / 3]
    assert file.frame["status"].tolist() == ["ok", "ok", "missing", "error"]
    assert file.frame["reason"].tolist()[2:] == ["it does not exist", "no_face: nobody there"]
    assert file.frame["video"].tolist() == rows["video"].tolist()
    assert file.frame["frame"].tolist() == [0, 0, 5, 5]
    assert file.frame["key"].tolist()[0] == "FF++/FaceSwap/videos/004/0"
    assert file.facts["detector"] == FACTS["detector"]
    assert file.facts["polarity"] == "fake-high"
    assert file.facts["rows"] == {"error": 1, "missing": 1, "ok": 2}
    again = read_scores(path.with_suffix(".json"), polarity="fake-high")
    pd.testing.assert_frame_equal(again.frame, file.frame)


def test_a_score_file_is_no_table_and_says_where_its_table_is(rows, tmp_path: Path) -> None:
    read = read_scores(write_scores(tmp_path, "DFD", rows, {}))
    with pytest.raises(InputError, match=r"a table of scores, received ScoreFile") as refused:
        write_scores(tmp_path, "again", read, {})
    assert ".frame" in refused.value.hint


def test_on_disk_paths_are_relative_and_a_moved_folder_still_opens(rows, tmp_path: Path) -> None:
    inside = tmp_path / "data"
    rows = rows.assign(video=str(inside / "v.mp4"), path=[str(inside / f"{i}.png") for i in "abcd"])
    path = write_scores(inside / "scores", "A", rows, FACTS)
    assert str(tmp_path) not in path.read_text()
    shutil.move(inside, tmp_path / "moved")
    moved = read_scores(tmp_path / "moved" / "scores" / "A.csv").frame
    assert moved["path"].tolist()[0] == str(tmp_path / "moved" / "a.png")


def test_the_name_of_a_video_is_not_taken_for_a_place(rows, tmp_path: Path) -> None:
    rows = rows.assign(video=["a/1", "a/2", "b", pd.NA])
    back = read_scores(write_scores(tmp_path, "A", rows, FACTS)).frame
    assert back["video"].tolist()[:3] == ["a/1", "a/2", "b"]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_every_float_comes_back_to_the_last_bit(tmp_path_factory, pairs) -> None:
    folder = tmp_path_factory.mktemp("scores")
    frame = pd.DataFrame(pairs, columns=["label", "score"])
    back = read_scores(write_scores(folder, "A", frame, {})).frame
    assert back["score"].tolist() == frame["score"].tolist()
    assert back["label"].tolist() == frame["label"].tolist()


def test_the_hash_of_the_data_knows_images_and_labels_but_not_scores_or_order(rows) -> None:
    rows = rows.assign(key=score_keys(rows))
    assert data_hash(rows) == data_hash(rows.sample(frac=1, random_state=1).assign(score=0.5))
    assert data_hash(rows) != data_hash(rows[1:])
    assert data_hash(rows) != data_hash(rows.assign(label=1 - rows["label"]))


def test_rows_that_nothing_tells_apart_still_have_a_key_each() -> None:
    frame = pd.DataFrame({"video": ["v", "v", "w"], "label": 1})
    assert score_keys(frame) == ["v row 0", "v row 1", "w"]


def test_awkward_names_make_files_of_their_own() -> None:
    assert file_name("CELEB-M") == "CELEB-M"
    names = {file_name(name) for name in ("a/b", "a_b", "a b", "../x", "")}
    assert len(names) == 5
    assert not any("/" in name or name.startswith(".") for name in names)


def rewrite(**changes):
    """Return a function that changes what the JSON says."""

    def change(path: Path) -> None:
        beside = path.with_suffix(".json")
        facts = json.loads(beside.read_text()) | changes
        beside.write_text(json.dumps({key: value for key, value in facts.items() if value}))

    return change


def write_beside(content: bytes):
    return lambda path: path.with_suffix(".json").write_bytes(content)


ALTERED = "to have the SHA-256 .* it was altered, cut short, or belongs to another"
DAMAGES = {
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-9]), ALTERED),
    "edited": (lambda path: path.write_text(path.read_text().replace("0.1,", "0.9,")), ALTERED),
    "swapped": (lambda path: shutil.copy(path.with_name("B.csv"), path), ALTERED),
    "no csv": (Path.unlink, r"expected A.csv beside .*A.json: No such file"),
    "broken": (write_beside(b'{"format": '), r"expected .*A.json as write_scores writes it"),
    "binary": (write_beside(b"\xff\xfe\x00"), r"expected .*A.json as write_scores writes it"),
    "other": (write_beside(b"{}"), "as write_scores writes it .* received another: KeyError"),
    "list": (write_beside(b"[1]"), "as write_scores writes it .* received another: TypeError"),
    "future": (rewrite(version=2), "as write_scores writes it .* received another: .*version 2"),
    "poor": (rewrite(data_sha256=None), "in version 1 .* received another: .*'data_sha256'"),
    "sideways": (rewrite(polarity="up"), "as write_scores writes it .* received 'up'"),
    "astray": (rewrite(relative_paths=["label"]), "as write_scores writes it .*relative paths"),
    "images": (rewrite(data_sha256="0"), "images of .* to be those that A.json was written for"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_pairs_that_do_not_belong_together_are_refused(rows, tmp_path: Path, kind: str) -> None:
    damage, message = DAMAGES[kind]
    path = write_scores(tmp_path, "A", rows, FACTS)
    write_scores(tmp_path, "B", rows.assign(score=0.5), FACTS)
    damage(path)
    with pytest.raises(DataMismatchError, match=message) as caught:
        read_scores(path)
    assert caught.value.hint
    with pytest.raises(DataMismatchError, match=message):
        benchmark("mine", original=path, unseen={"A": rows})


def test_a_file_made_elsewhere_needs_its_polarity_said(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text("video,label,score\n004,1,0.25\n005,0,\n006,0,0.875\n")
    with pytest.raises(InputError, match=r"which way the scores of .* point: no theirs.json"):
        read_scores(path)
    assert read_scores(path, polarity="fake-high").frame["score"].tolist()[::2] == [0.25, 0.875]
    turned = read_scores(path, polarity="real-high")
    assert turned.frame["score"].tolist()[::2] == [0.75, 0.125]
    assert turned.frame["status"].tolist() == ["ok", "error", "ok"]
    assert turned.frame["video"].tolist() == ["004", "005", "006"]
    assert (turned.name, turned.facts) == ("theirs", {})


def test_what_the_json_says_is_not_contradicted(rows, tmp_path: Path) -> None:
    path = write_scores(tmp_path, "A", rows, FACTS)
    with pytest.raises(DataMismatchError, match=r"point real-high, A\.json says fake-high"):
        read_scores(path, polarity="real-high")
    with pytest.raises(InputError, match="fake-high, real-high, received 'up'"):
        read_scores(path, polarity="up")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,score\n1,3.5\n", r"scores of the set x in \[0, 1\], received values from 3.5"),
        ("label,score\n1,-0.5\n", r"in \[0, 1\], received values from -0.5"),
        ("label,score\nfake,0.5\n", "labels of the set x to be 0 or 1, received 'fake' in row 0"),
        ("label,p_fake\n1,0.5\n", "columns label and score, received label, p_fake"),
        ("label,score\n1,high\n", "to be numbers, received 'high' in row 0"),
        ("", "cannot read"),
    ],
)
def test_what_is_ambiguous_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    for polarity in ("fake-high", "real-high"):
        with pytest.raises(InputError, match=message):
            read_scores(tmp_path / "x.csv", polarity=polarity)


def test_a_missing_file_and_facts_that_json_cannot_hold_are_refused(rows, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"CSV of scores at .*, there is none"):
        read_scores(tmp_path / "none.csv", polarity="fake-high")
    for bad in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises(InputError, match="expected facts that JSON can hold"):
            write_scores(tmp_path, "A", rows, bad)
    assert not list(tmp_path.iterdir())


def test_the_scores_of_a_benchmark_make_the_same_benchmark_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"label": rng.integers(0, 2, 60), "score": rng.random(60).round(3)})
    frame.loc[3, "score"] = np.nan
    first = benchmark("mine", original=frame, unseen={"A/B": frame, "C": frame[5:]})
    paths = first.save_scores(tmp_path / "out")
    assert [path.stem.split("-")[0] for path in paths] == ["original", "A_B", "C"]
    again = benchmark("mine", original=paths[0], unseen={"A/B": paths[1], "C": str(paths[2])})
    pd.testing.assert_frame_equal(again.row, first.row)
    assert again.coverage == first.coverage
    assert again.notes == first.notes
    assert again.provenance["data_sha256"] == first.provenance["data_sha256"]
    facts = json.loads(paths[1].with_suffix(".json").read_text())
    assert facts["detector"]["name"] == "mine"
    assert {"numpy", "python", "deepfake-generalize"} <= set(facts["versions"])
    assert (facts["policy"], facts["threshold"], facts["source"]) == ("exclude", 0.5, "scores")


def test_files_of_another_set_or_detector_are_named_and_of_another_network_refused(
    rows, tmp_path: Path
) -> None:
    good = write_scores(tmp_path, "original", rows, FACTS)
    other_set = write_scores(tmp_path, "NT", rows, FACTS)
    result = benchmark("yours", original=good, unseen={"FS": other_set})
    assert "FS: the score file was written for NT" in result.notes
    assert "FS: the score file names the detector mine, this result yours" in result.notes
    facts = {"detector": {"name": "mine", "sha256": "1" * 64}}
    other_network = write_scores(tmp_path, "FS", rows, facts)
    with pytest.raises(DataMismatchError, match="scores of one network, received several: the sc"):
        benchmark("mine", original=good, unseen={"FS": other_network})


@pytest.mark.parametrize(
    "key", ["NA", "null", "None", "nan", "", " x", "1e3", "007", "'", "a\rb", "a\nb", "\udcff", '"']
)
def test_a_key_comes_back_as_it_was_written(tmp_path: Path, key: str) -> None:
    rows = pd.DataFrame({"key": [key, "b"], "label": [0, 1], "score": [0.1, 0.9], "method": key})
    file = read_scores(write_scores(tmp_path, "s", rows, {}))
    assert file.frame["key"].tolist() == [key, "b"]
    if key:
        assert file.frame["method"].tolist() == [key, key]


def test_no_number_is_written_in_many_ways_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.csv"
    file.write_text("key,label,score,frame\nNA,1,NA,NA\nb,0,nan,1\nc,0,,2\nd,0,null,3\ne,1,0.5,4\n")
    frame = read_scores(file, polarity="fake-high").frame
    assert frame["key"].tolist() == ["NA", "b", "c", "d", "e"]
    assert frame["score"].notna().tolist() == [False, False, False, False, True]


def test_what_no_file_can_hold_is_refused_before_anything_is_written(rows, tmp_path: Path) -> None:
    rows["key"] = ["\ud800", "b", "c", "d"]
    with pytest.raises(InputError, match=r"received .*\\ud800.*no file can hold"):
        write_scores(tmp_path / "s", "set", rows, {})
    assert not (tmp_path / "s").exists()


def test_a_detector_known_by_its_name_alone_is_read(tmp_path: Path) -> None:
    rows = pd.DataFrame({"key": list("abcd"), "label": [0, 1] * 2, "score": [0.1, 0.9] * 2})
    facts = {"detector": "MesoNet1", "detector_sha256": "5" * 64}
    files = [write_scores(tmp_path, name, rows, facts) for name in ("A", "B")]
    assert read_scores(files[0]).facts["detector"] == {"name": "MesoNet1", "sha256": "5" * 64}
    made = benchmark("MesoNet1", original=files[0], unseen={"B": files[1]})
    assert made.row["detector"].tolist() == ["MesoNet1"]
    other = write_scores(tmp_path, "C", rows, facts | {"detector_sha256": "6" * 64})
    with pytest.raises(DataMismatchError, match="scores of one network"):
        benchmark("MesoNet1", original=files[0], unseen={"C": other})


@pytest.mark.parametrize(
    "facts",
    [
        {"detector": [1]},
        {"detector": {"name": {"a": 1}}},
        {"detector": {"name": "x", "sha256": [1, 2]}},
        {"detector": {"name": "x", "training": 3}},
        {"detector": "x", "detector_sha256": 3},
        {"set": ["x"]},
        {"set": None},
        {"data_sha256": 3},
        {"version": True},
        {"relative_paths": 3},
    ],
)
def test_facts_of_another_kind_are_refused_in_words(rows, tmp_path: Path, facts) -> None:
    path = write_scores(tmp_path, "s", rows, FACTS)
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | facts))
    with pytest.raises(DataMismatchError, match="as write_scores writes it"):
        read_scores(path)


def test_columns_of_the_users_own_come_back_as_written(tmp_path: Path) -> None:
    rows = pd.DataFrame({"label": [1, 0], "score": [0.5, 0.25], "batch": ["007", None]})
    crops = rows.assign(box="0,0,1,1", aligner="finder", settings="x", identity=["ann", "bob"])
    frame = read_scores(write_scores(tmp_path, "s", crops, FACTS)).frame
    assert frame["batch"].fillna("?").tolist() == ["007", "?"]
    assert frame["target_identity"].tolist() == ["ann", "bob"]
    assert not {"box", "aligner", "settings"} & set(frame.columns)


@pytest.mark.parametrize(
    "content",
    [
        b"Label;Score\n1;0.75\n0;0.25\n",
        b"label, score\r1, 0.75\r0, 0.25\r",
        "label\tscore\r\n1\t0.75\r\n0\t0.25\r\n".encode("utf-16"),
    ],
)
def test_scores_as_other_programs_save_tables_are_read(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "s.csv"
    file.write_bytes(content)
    assert read_scores(file, polarity="fake-high").frame["score"].tolist() == [0.75, 0.25]


def test_what_is_no_file_beside_scores_is_refused_without_waiting(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("label,score\n1,0.5\n")
    os.mkfifo(tmp_path / "s.json")
    with pytest.raises(DataMismatchError, match="it is no regular file"):
        read_scores(file)


def test_a_header_without_end_and_what_is_no_file_are_refused_at_once(tmp_path: Path) -> None:
    wide, pipe = tmp_path / "wide.csv", tmp_path / "pipe.csv"
    wide.write_text("label,score," + ",".join(f"c{i}" for i in range(200_000)) + "\n")
    os.mkfifo(pipe)
    told = ((wide, "at most 1000 columns"), (pipe, "no regular file"), (tmp_path, "Is a directory"))
    for file, said in told:
        with pytest.raises(InputError, match=said):
            read_scores(file, polarity="fake-high")
