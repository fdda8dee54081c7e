"""Score files of Deepfake Workbench: read as it writes them, written as it reads them."""

import csv
import json
import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.study import benchmark, breakdown, read_scores, write_scores

REQUIRED = ["dataset", "key", "compression", "label", "score", "status"]
OPTIONAL = ["logit", "label_key", "method", "n_clips", "n_frames"]
THEIRS = """dataset,key,compression,label,score,status,logit,label_key,method,n_clips,n_frames,\
x_note
celebdf-v2,id0_0000,,0,0.12,ok,-1.99,CDFv2-CR,original,4,32,
celebdf-v2,id0_id1_0000,,1,0.9,ok,,,,,,"a,b"
celebdf-v2,id9_0001,,1,,missing,,,,,,
"""
META = {
    "schema": "dfwb.scores/1",
    "detector": {
        "name": "tiny",
        "version": "0.1.0",
        "source": "run:abc",
        "checkpoint_sha256": "d" * 64,
        "contract_version": [1, 0],
    },
    "protocol": {"id": "celebdf-v2/official", "split": "test"},
    "labels": "binary",
    "coverage": {"expected": 3, "ok": 2, "missing": 1, "error": 0},
    "created": "2026-01-01T00:00:00Z",
}


def check_contract(file: Path) -> list[dict[str, str]]:
    """Hold a pair of files to the contract, as that project's documentation states it."""
    assert file.name.endswith(".scores.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        header = list(reader.fieldnames or [])
        rows = list(reader)
    assert set(REQUIRED) <= set(header)
    assert all(name in REQUIRED + OPTIONAL or name.startswith("x_") for name in header)
    for row in rows:
        assert row["label"] in {"0", "1"}
        assert row["status"] in {"ok", "missing", "error"}
        assert row["dataset"]
        assert (row["score"] != "") == (row["status"] == "ok")
        assert not row["score"] or 0 <= float(row["score"]) <= 1
        assert not any(value.startswith("/") for value in row.values())
    assert len({(r["dataset"], r["key"], r["compression"]) for r in rows}) == len(rows)
    meta = json.loads(file.with_name(f"{file.name[:-4]}.meta.json").read_text())
    assert set(meta["detector"]) == set(META["detector"])
    assert set(meta["protocol"]) == {"id", "split", "pack", "pack_version", "scheme_sha256"}
    assert re.fullmatch("[0-9a-f]{64}", meta["protocol"]["scheme_sha256"])
    counts = {word: sum(r["status"] == word for r in rows) for word in ("ok", "missing", "error")}
    assert meta["coverage"] == {"expected": len(rows)} | counts
    assert datetime.fromisoformat(meta["created"]).tzinfo is not None
    assert set(meta) == {"schema", "detector", "protocol", "labels", "coverage", "created"}
    return rows


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    (tmp_path / "x.scores.csv").write_text(THEIRS)
    (tmp_path / "x.scores.meta.json").write_text(json.dumps(META))
    return tmp_path / "x.scores.csv"


def test_their_files_are_read_without_saying_which_way_scores_point(theirs: Path) -> None:
    file = read_scores(theirs)
    assert file.frame["score"].tolist()[:2] == [0.12, 0.9]
    assert file.frame["status"].tolist() == ["ok", "ok", "missing"]
    assert file.frame["video"].tolist() == file.frame["key"].tolist()
    assert file.frame["note"].tolist()[1] == "a,b"
    assert file.name == "celebdf-v2/official"
    assert file.facts["detector"] == {"name": "tiny", "sha256": "d" * 64}
    result = benchmark("tiny", original=theirs, unseen={"A": theirs}, audit=False, resampling=None)
    assert result.coverage["A"] == {"ok": 2, "total": 3}
    assert result.row["A"].item() == 100.0
    with pytest.raises(DataMismatchError, match="fake-high"):
        read_scores(theirs, polarity="real-high")


@pytest.mark.parametrize(
    "change",
    [{"schema": "dfwb.scores/2"}, {"detector": None}, {"coverage": {"expected": 9}}],
)
def test_a_meta_of_another_kind_or_of_other_rows_is_refused(theirs: Path, change) -> None:
    theirs.with_suffix(".meta.json").write_text(json.dumps(META | change))
    with pytest.raises(DataMismatchError, match=r"dfwb|coverage"):
        read_scores(theirs)


def frames() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(12), 4)
    rows = {"label": video % 2, "score": rng.uniform(size=48), "frame": np.arange(48) % 4}
    table = pd.DataFrame(rows).assign(dataset="FF++", compression="c23")
    table["method"] = np.where(table["label"] == 1, "FaceSwap", "real")
    table["video"] = [f"/data/{m}/{v:03d}.mp4" for m, v in zip(table["method"], video, strict=True)]
    table["gender"] = np.where(video % 4 < 2, "F", "M")
    table.loc[table["video"].str.endswith("005.mp4"), "score"] = np.nan
    table.loc[0, "score"] = np.nan
    return table


def test_ours_keep_their_contract_and_come_back(tmp_path: Path) -> None:
    table = frames()
    file = write_scores(tmp_path, "FF", table, {"detector": "mine"}, style="dfwb")
    rows = check_contract(file)
    means = table.groupby("video")["score"].mean()
    assert {f"/data/{row['key']}.mp4" for row in rows} == set(means.index)
    for row in rows:
        mean = means[f"/data/{row['key']}.mp4"]
        assert (row["score"] == "") == np.isnan(mean)
        assert not row["score"] or float(row["score"]) == pytest.approx(mean, abs=1e-15)
    back = read_scores(file)
    assert back.facts["detector"]["name"] == "mine"
    again = write_scores(tmp_path / "again", "FF", back.frame, back.facts, style="dfwb")
    assert again.read_text() == file.read_text()
    found = breakdown({"FF": back.frame}, "gender", "accuracy", unit="video", resampling=None)
    expected = breakdown({"FF": table}, "gender", "accuracy", unit="video", resampling=None)
    columns = ["gender", "n_videos", "video_accuracy"]
    pd.testing.assert_frame_equal(found[columns], expected[columns])


def test_a_benchmark_is_saved_for_them_and_has_the_same_video_numbers(tmp_path: Path) -> None:
    table = frames()
    result = benchmark("m", original=table, unseen={"A": table}, audit=False, resampling=None)
    files = result.save_scores(tmp_path, style="dfwb")
    assert [file.name for file in files] == ["original.scores.csv", "A.scores.csv"]
    check_contract(files[1])
    again = benchmark("m", original=files[0], unseen={"A": files[1]}, audit=False, resampling=None)
    of = [f"video_{name}" for name in ("auc", "accuracy", "eer", "brier_score")]
    pd.testing.assert_frame_equal(again.metrics[of], result.metrics[of])


def test_frames_without_videos_and_other_styles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="to name its video"):
        write_scores(tmp_path, "A", frames().drop(columns="video"), {}, style="dfwb")
    with pytest.raises(InputError, match="style to be one of own, dfwb"):
        write_scores(tmp_path, "A", frames(), {}, style="csv")
