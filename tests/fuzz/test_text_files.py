"""Every parser of text: whatever the file holds, a result or one of the library's own errors."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import strategies as st

from deepfake_generalize.data import CROP_COLUMNS, Splits, find_videos, read_crops, read_failures
from deepfake_generalize.data.extraction_folder import read_json
from deepfake_generalize.errors import InputError
from deepfake_generalize.study import toml
from deepfake_generalize.study.config import StudyConfig
from deepfake_generalize.study.records import Records, read_all
from deepfake_generalize.study.score_files import read_scores

HEADER = ",".join(CROP_COLUMNS)
ROW = ",".join(
    {"path": "a.png", "video": "v.mp4", "frame": "3", "label": "0", "score": "0.5"}.get(name, "")
    for name in CROP_COLUMNS
)
SCORES = b"key,label,score,status,reason,frame,path\na,1,0.9,ok,,3,x/a.png\nb,0,,error,why,,\n"
SPLITS = f"# deepfake_generalize splits, sha256 {'0' * 64}\n{HEADER},subset,reason\n{ROW},train,\n"
FACTS = {
    "format": "deepfake_generalize scores",
    "version": 1,
    "set": "s",
    "csv": "f.csv",
    "csv_sha256": hashlib.sha256(SCORES).hexdigest(),
    "data_sha256": hashlib.sha256(b"a\t1\nb\t0").hexdigest(),
    "relative_paths": ["path"],
    "polarity": "fake-high",
}
METADATA = {"a.mp4": {"label": "FAKE", "split": "train", "original": "b.mp4"}}
PREVIEW = {"m/a.mp4": {"label": "fake", "target_id": 1, "swapped_id": 2, "set": "train"}}
RECORD = {"kind": "detector", "key": "MesoNet1", "best_epoch": 3, "scores": [0.5, None]}


def found(layout):
    return lambda file: find_videos(file.parent, layout=layout)


PARSERS = {
    "csv list": ("f.csv", b"path,label,dataset\na.mp4,1,x\nb.mp4,real,\n", find_videos),
    "dfdc metadata": ("metadata.json", json.dumps(METADATA).encode(), found("dfdc")),
    "dfdc preview": ("dataset.json", json.dumps(PREVIEW).encode(), found("dfdc")),
    "dfdc labels": ("labels.csv", b"filename,label\na.mp4,1\nb.mp4,0\n", found("dfdc")),
    "any layout": ("metadata.json", json.dumps(METADATA).encode(), found("auto")),
    "crops": ("crops.csv", f"{HEADER}\n{ROW}\n{ROW}\n".encode(), lambda f: read_crops(f.parent)),
    "failures": (
        "failures.csv",
        b"path,frame,status,reason\na.mp4,3,corrupt,why\nb.mp4,,missing,gone\n",
        lambda f: read_failures(f.parent),
    ),
    "splits": ("splits.csv", SPLITS.encode(), Splits.load),
    "scores": ("f.csv", SCORES, lambda file: read_scores(file, polarity="real-high")),
    "score facts": ("f.json", json.dumps(FACTS).encode(), read_scores),
    "records": ("r.jsonl", f"{json.dumps(RECORD)}\n".encode() * 2, Records),
    "settings": ("settings.json", b'{"format": 1, "size": 256, "margin": 1.3}', read_json),
    "study": ("study.toml", StudyConfig.demo(quick=True).to_toml().encode(), StudyConfig.from_toml),
}


@pytest.mark.parametrize("name", PARSERS)
def test_a_damaged_file_is_read_or_refused_in_words(fuzz, hostile, tmp_path, name):
    file_name, whole, read = PARSERS[name]
    if name == "score facts":
        (tmp_path / "f.csv").write_bytes(SCORES)
    for video in ("a.mp4", "b.mp4"):
        (tmp_path / video).touch()
    file = tmp_path / file_name
    read = hostile.own_errors_only(read)

    def check(content):
        file.write_bytes(content)
        read(file)

    file.write_bytes(whole)
    fuzz(hostile.damaged(whole), check, examples=25)


# Each of these once passed through the parser as an error of Python's, or took minutes.
DEEP, LONG = b"[" * 100_000, b"1" * 5000
FOUND = [
    *(("dfdc metadata", content) for content in (DEEP, b'{"a":' * 100_000, b'{"a": %s}' % LONG)),
    ("csv list", b"path,label\n" + b"a" * 200_000 + b",1\n"),
    ("csv list", b"path,label\n" + b"a.mp4,1\n" * 2000 + b"\xff,1\n"),
    ("dfdc labels", b"filename,label\n" + b"a" * 200_000 + b",1\n"),
    ("crops", f"{HEADER}\n{ROW.replace('3', '9' * 30)}\n".encode()),
    ("settings", DEEP),
    ("records", DEEP + b"\n"),
    ("records", b'{"kind": [], "key": "x"}\n'),
    ("study", b"a=" + DEEP),
    ("study", b"a=" + b"{a=" * 50_000),
    ("study", b"seed=" + LONG),
    ("study", b"a." * 50_000 + b"a=1"),
    ("study", b"#" * 300_000),
    ("score facts", DEEP),
    *(
        ("score facts", json.dumps(FACTS | change).encode())
        for change in (
            {"polarity": []},
            {"relative_paths": 3},
            {"relative_paths": ["nope"]},
            {"relative_paths": ["label"]},
            {"relative_paths": [[1]]},
        )
    ),
]


@pytest.mark.parametrize(("name", "content"), FOUND, ids=[str(i) for i in range(len(FOUND))])
@pytest.mark.filterwarnings("ignore")
def test_what_fuzzing_found_is_refused_in_words(tmp_path, name, content):
    file_name, _, read = PARSERS[name]
    (tmp_path / "f.csv").write_bytes(SCORES)
    (tmp_path / file_name).write_bytes(content)
    with pytest.raises(InputError, match=r"expected .*(received|:)"):
        read(tmp_path / file_name)


def test_a_name_too_long_for_the_system_is_a_problem_and_not_an_end(tmp_path):
    (tmp_path / "f.csv").write_text(f"path,label\n{'a' * 5000}.mp4,1\ngood.mp4,0\n")
    (tmp_path / "good.mp4").touch()
    with pytest.warns(UserWarning, match="1 missing"):
        assert len(find_videos(tmp_path / "f.csv")) == 1


@pytest.mark.parametrize(
    "check", [DEEP, b'{"valid": 3}', b'{"valid": [{"sha256": [], "rows": 1}]}']
)
def test_a_damaged_check_beside_a_manifest_is_refused(tmp_path, check):
    (tmp_path / "crops.csv").write_text(f"{HEADER}\n{ROW}\n")
    (tmp_path / "crops.check.json").write_bytes(check)
    with pytest.raises(InputError, match=r"crops\.check\.json' as it was written"):
        read_crops(tmp_path)


def test_settings_come_back_from_toml(fuzz, tmp_path):
    # One line ending for all: TOML knows no other within its texts.
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    numbers = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False))
    values = st.one_of(texts, numbers, st.lists(st.one_of(texts, numbers), max_size=3))
    tables = st.dictionaries(
        texts, st.one_of(values, st.dictionaries(texts, values, min_size=1, max_size=3))
    )

    def check(settings):
        (tmp_path / "a.toml").write_text(toml.dumps(settings), encoding="utf-8", newline="")
        assert toml.load(tmp_path / "a.toml") == settings

    fuzz(tables, check, examples=20)


def test_records_come_back_whatever_was_torn_off_behind_them(fuzz, tmp_path):
    texts = st.text(max_size=12)
    records = st.lists(
        st.fixed_dictionaries(
            {"kind": texts, "key": texts, "value": st.one_of(st.none(), st.floats(0, 1), texts)}
        ),
        max_size=5,
        unique_by=lambda record: (record["kind"], record["key"]),
    )

    def check(drawn):
        written, torn = drawn
        folder = tmp_path / "records"
        shutil.rmtree(folder, ignore_errors=True)
        for record in written:
            Records(folder / "a.jsonl").append(record)
            with (folder / "a.jsonl").open("ab") as file:
                file.write(torn)
        assert read_all(folder) == written

    torn = st.binary(max_size=20).map(lambda piece: piece.replace(b"\n", b" "))
    fuzz(st.tuples(records, torn), check, examples=15)


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
