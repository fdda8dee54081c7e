"""Every parser of text: whatever the file holds, a result or one of the library's own errors."""

import hashlib
import io
import json
import shutil

import pandas as pd
import pytest
from hypothesis import strategies as st

from deepfake_generalize.data import CROP_COLUMNS, Splits, find_videos, read_crops, read_failures
from deepfake_generalize.data.crops.manifest import write_crops, write_failures
from deepfake_generalize.data.extraction_folder import (
    Key,
    checksum,
    crop_rows,
    failure_rows,
    read_json,
    read_record,
)
from deepfake_generalize.data.faces.crop_video import FRAME_COLUMNS
from deepfake_generalize.data.manifests import FAILURE_COLUMNS, crop_keys, restore_types
from deepfake_generalize.errors import InputError
from deepfake_generalize.study.experiment import toml
from deepfake_generalize.study.experiment.config import StudyConfig
from deepfake_generalize.study.experiment.records import Records, read_all
from deepfake_generalize.study.scores import read_scores

HEADER = ",".join(CROP_COLUMNS)
ROW = ",".join(
    {"path": "a.png", "video": "m/v.mp4", "frame": "3", "label": "0", "score": "0.5"}.get(name, "")
    for name in CROP_COLUMNS
)
SCORES = b"key,label,score,status,reason,frame,path\na,1,0.9,ok,,3,x/a.png\nb,0,,error,why,,\n"
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
KEY = Key("0" * 64, frames=2, size_bytes=9, modified_ns=8)
FRAME = dict.fromkeys(FRAME_COLUMNS) | {"frame": 3, "status": "ok", "score": 0.9}
FRAME |= {"box": "1.00,2.00,3.00,4.00", "aligner": "landmarks"}
NO_FACE = dict.fromkeys(FRAME_COLUMNS) | {"frame": 7, "status": "no_face", "reason": "none"}
FINISHED = {"key": KEY._asdict(), "status": "ok", "reason": "", "lasting": True}
FINISHED |= {"frames": [FRAME, NO_FACE]}
FINISHED["sha256"] = checksum(FINISHED)
CROPS = f"{HEADER}\n{ROW}\n{ROW.replace('a.png', 'b.png')}\n".encode()
PLACES = [f"train\t{key}" for key in crop_keys(pd.read_csv(io.BytesIO(CROPS)))]
SPLITS = f"# sha256: {hashlib.sha256(chr(10).join(PLACES).encode()).hexdigest()}\n" + "".join(
    f"{line},{more}\n"
    for line, more in zip(
        CROPS.decode().splitlines(), ("subset,reason", "train,", "train,"), strict=True
    )
)
CELEB = "Celeb-real/id0_0000.mp4", "Celeb-synthesis/id0_id1_0000.mp4"
LISTED = f"1 {CELEB[0]}\n0 {CELEB[1]}\n0 Celeb-synthesis/id0_id1_0009.mp4\n".encode()
FFPP = "original_sequences/youtube/c23/videos", "manipulated_sequences/Deepfakes/c23/videos"
PAIRS = [["000", "003"], ["001", "870"]]


def found(layout):
    return lambda file: find_videos(file.parent, layout=layout)


def used_again(file):
    """Read a finished video's record as the next extraction does, and write what it says."""
    record = read_record(file.parent, KEY)
    if record is None:
        return
    about = dict.fromkeys(CROP_COLUMNS) | {"video": "v.mp4", "label": 0}
    crops = [about | row for row in crop_rows(file.parent, record)]
    write_crops(
        restore_types(pd.DataFrame(crops, columns=[*CROP_COLUMNS]), CROP_COLUMNS), file.parent
    )
    failures = failure_rows("v.mp4", record)
    write_failures(pd.DataFrame(failures, columns=[*FAILURE_COLUMNS]), file.parent)


PARSERS = {
    "csv list": ("f.csv", b"path,label,dataset\na.mp4,1,x\nb.mp4,real,\n", find_videos),
    "dfdc metadata": ("metadata.json", json.dumps(METADATA).encode(), found("dfdc")),
    "dfdc preview": ("dataset.json", json.dumps(PREVIEW).encode(), found("dfdc")),
    "dfdc labels": ("labels.csv", b"filename,label\na.mp4,1\nb.mp4,0\n", found("dfdc")),
    "celeb-df list": ("List_of_testing_videos.txt", LISTED, found("celebdf")),
    "ff++ split": ("train.json", json.dumps(PAIRS).encode(), found("faceforensics")),
    "any layout": ("metadata.json", json.dumps(METADATA).encode(), found("auto")),
    "crops": ("crops.csv", CROPS, lambda f: read_crops(f.parent)),
    "finished video": ("record.json", json.dumps(FINISHED).encode(), used_again),
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

# What a parser looks at beside its file.
BESIDE = {
    "score facts": {"f.csv": SCORES},
    "crops check": {"crops.csv": CROPS},
    "dfdc preview": {"m/a.mp4": b""},
    "celeb-df list": dict.fromkeys(CELEB, b""),
    "ff++ split": {
        "val.json": b'[["953", "974"]]',
        f"{FFPP[0]}/000.mp4": b"",
        f"{FFPP[1]}/000_003.mp4": b"",
    },
}


def placed(folder, name):
    """The file that a parser reads, with what belongs beside it, and the parser."""
    file_name, whole, read = PARSERS[name]
    for other, content in (dict.fromkeys(("a.mp4", "b.mp4"), b"") | BESIDE.get(name, {})).items():
        (folder / other).parent.mkdir(parents=True, exist_ok=True)
        (folder / other).write_bytes(content)
    (folder / file_name).write_bytes(whole)
    return folder / file_name, whole, read


@pytest.mark.parametrize("name", PARSERS)
def test_a_damaged_file_is_read_or_refused_in_words(fuzz, hostile, tmp_path, name):
    file, whole, read = placed(tmp_path, name)
    read = hostile.own_errors_only(read)

    def check(content):
        file.write_bytes(content)
        read(file)

    fuzz(hostile.damaged(whole), check, examples=25)


@pytest.mark.parametrize("name", PARSERS)
def test_a_file_of_anything_is_read_or_refused_in_words(fuzz, hostile, tmp_path, name):
    file, whole, read = placed(tmp_path, name)
    read = hostile.own_errors_only(read)
    lines = st.lists(st.sampled_from(whole.splitlines(keepends=True)), max_size=4).map(b"".join)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(str.encode)

    def check(content):
        file.write_bytes(content)
        read(file)

    anything = st.one_of(text, st.binary(max_size=60), st.builds(bytes.__add__, lines, text))
    fuzz(anything, check, examples=10)


@pytest.mark.parametrize("name", [name for name in PARSERS if PARSERS[name][1][:1] in b"{["])
def test_other_values_in_json_are_read_or_refused_in_words(fuzz, hostile, tmp_path, name):
    file, whole, read = placed(tmp_path, name)
    read = hostile.own_errors_only(read)

    def check(document):
        file.write_text(json.dumps(document))
        read(file)

    fuzz(hostile.altered(json.loads(whole.splitlines()[0])), check, examples=25)


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.filterwarnings("ignore")
def test_each_of_these_files_is_read_while_it_is_whole(tmp_path, name):
    file, _, read = placed(tmp_path, name)
    read(file)


# Each of these once passed through the parser as an error of Python's, or took minutes.
DEEP, LONG = b"[" * 100_000, b"1" * 5000
FOUND = [
    *(("dfdc metadata", content) for content in (DEEP, b'{"a":' * 100_000, b'{"a": %s}' % LONG)),
    ("celeb-df list", b"1" + b" " * 100_000 + b"x\n"),
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
    file, _, read = placed(tmp_path, name)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"expected .*(received|:)"):
        read(file)


def test_a_name_too_long_for_the_system_is_a_problem_and_not_an_end(tmp_path):
    (tmp_path / "f.csv").write_text(f"path,label\n{'a' * 5000}.mp4,1\ngood.mp4,0\n")
    (tmp_path / "good.mp4").touch()
    with pytest.warns(UserWarning, match="1 missing"):
        assert len(find_videos(tmp_path / "f.csv")) == 1


@pytest.mark.parametrize(
    "change",
    [
        *({"frames": "ok"}, {"frames": [3]}, {"frames": [{"status": "ok"}]}, {"status": None}),
        {"frames": [FRAME | {"frame": 10**30}]},
        {"frames": [FRAME | {"score": "high"}]},
        {"frames": [FRAME | {"box": [1, 2, 3, 4]}]},
        {"frames": [NO_FACE | {"reason": "\ud800"}]},
    ],
)
def test_a_video_whose_record_is_damaged_is_not_finished(tmp_path, change):
    file, _, _ = placed(tmp_path, "finished video")
    assert read_record(tmp_path, KEY) is not None
    file.write_text(json.dumps(FINISHED | change))
    assert read_record(tmp_path, KEY) is None


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
