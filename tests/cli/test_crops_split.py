"""The command `split`, and the way from crops to a benchmark that begins with it."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import data
from deepfake_generalize.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Twelve videos of two frames, in a folder as extraction leaves it; two people meet in one."""
    folder = tmp_path / "crops"
    rows = []
    for number in range(12):
        label = number % 2
        identity = f"{number // 2:03d}"
        for frame in (1, 2):
            path = folder / f"{label}" / f"{identity}-{frame}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = np.random.default_rng([number, frame]).integers(0, 256, (16, 16, 3), np.uint8)
            cv2.imwrite(str(path), image)
            rows.append(
                {
                    "path": str(path),
                    "video": f"/v/{label}/{identity}.mp4",
                    "frame": frame,
                    "dataset": "own",
                    "method": "fake" if label else "real",
                    "label": label,
                    "target_identity": identity,
                    "split": ("train", "train", "val", "test")[number // 2 % 4],
                    "score": 0.9,
                }
            )
    frame = pd.DataFrame(rows).reindex(columns=list(data.CROP_COLUMNS))
    folder.joinpath("crops.csv").write_text(
        frame.assign(path=[Path(p).relative_to(folder) for p in frame["path"]]).to_csv(index=False)
    )
    return folder


def _split(crops: Path, out: Path, *more: object, sizes: tuple[int, ...] = (8, 4, 4)) -> list[str]:
    train, val, test = sizes
    given = ["split", crops, "--out", out, "--train", train, "--val", val, "--test", test, *more]
    return [str(word) for word in given]


def test_each_set_is_a_folder_that_commands_take(crops: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "sets"
    assert main(_split(crops, out, "--seed", 3, "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    expected = data.balanced_splits(data.read_crops(crops), train=8, val=4, test=4, seed=3)
    assert document["sha256"] == expected.sha256
    assert (document["by"], document["seed"], document["folder"]) == ("identity", 3, str(out))
    for name, images in (("train", 8), ("val", 4), ("test", 4)):
        read = data.read_crops(out / name)
        assert read["path"].tolist() == getattr(expected, name)["path"].tolist()
        assert data.read_image(read["path"][0]).shape == (16, 16, 3)
        videos = read["video"].nunique()
        facts = {"folder": str(out / name), "images": images, "videos": videos}
        assert document["sets"][name] == facts
    assert data.Splits.load(out / "splits.csv").sha256 == expected.sha256
    assert sum(document["dropped"].values()) == len(expected.dropped) == 8


def test_people_read_what_was_dropped_and_the_hash(
    crops: Path, tmp_path: Path, capsys: Any
) -> None:
    argv = _split(crops, tmp_path / "sets", "--by", "official", sizes=(4, 4, 0))
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "sets by official, half of each real" in shown
    assert "dropped: 6 images, more fake images than train needs" in shown
    assert re.search("^sha256: [0-9a-f]{64}$", shown, re.M)
    assert "unknown" not in shown
    assert not (tmp_path / "sets" / "test").exists()
    assert set(data.read_crops(tmp_path / "sets" / "train")["split"]) == {"train"}


def test_unknown_identities_are_said(crops: Path, tmp_path: Path, capsys: Any) -> None:
    table = pd.read_csv(crops / "crops.csv", dtype={"target_identity": "string"})
    table.assign(target_identity=pd.NA).to_csv(crops / "crops.csv", index=False)
    assert main(_split(crops, tmp_path / "sets")) == 0
    assert "people unknown for 12 of 12 videos" in capsys.readouterr().out


@pytest.fixture
def loose(tmp_path: Path) -> Path:
    """Eight videos of four frames, whose names alone say so: real/017_0042.png."""
    for number in range(32):
        path = tmp_path / f"loose/{('real', 'fake')[number % 2]}/{number // 4:03}_{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.full((16, 16, 3), number, np.uint8))
    return tmp_path / "loose"


@pytest.mark.parametrize("rule", ["number", r"^(\d+)_"])
def test_videos_that_names_hold_are_kept_together(
    loose: Path, tmp_path: Path, capsys: Any, rule: str
) -> None:
    sets = [tmp_path / "sets" / name for name in ("train", "test")]
    argv = _split(loose, sets[0].parent, "--by", "video", "--json", sizes=(8, 0, 8))
    assert main([*argv, "--video-pattern", rule]) == 0
    document = json.loads(capsys.readouterr().out)
    assert not [remark for remark in document["remarks"] if "torn" in remark]
    train, test = ({p.rpartition("_")[0] for p in data.read_crops(s)["path"]} for s in sets)
    assert not train & test


def test_frames_split_as_if_they_were_videos_are_told(
    loose: Path, tmp_path: Path, capsys: Any
) -> None:
    assert main(_split(loose, tmp_path / "sets", sizes=(8, 0, 8))) == 0
    told = capsys.readouterr().out
    assert "videos may be torn apart" in told
    assert "--video-pattern" in told
    argv = _split(loose, tmp_path / "more", "--video-pattern", "(", sizes=(8, 0, 8))
    assert main(argv) == 2
    assert "expected a regular expression as --video-pattern" in capsys.readouterr().err


def test_splits_are_never_mixed_with_others_or_with_the_crops(
    crops: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "sets"
    assert main(_split(crops, out)) == 0
    assert main(_split(crops, out)) == 0
    capsys.readouterr()
    before = (out / "splits.csv").read_bytes()
    assert main(_split(crops, out, "--seed", 1)) == 4
    error, hint = capsys.readouterr().err.splitlines()
    assert error == f"error: expected a new folder or one with these splits, {out} holds others."
    assert hint == "hint: Name another --out, or delete that one."
    assert (out / "splits.csv").read_bytes() == before
    assert main(_split(crops, crops)) == 2
    assert "another folder than that of the crops" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sizes", "more", "error", "hint"),
    [
        ((7, 4, 4), (), "expected an even number of images for train", "hint: Use 8."),
        ((8, 40, 4), (), "with --by identity; found", "--by video drops nothing"),
        ((8, 4, 40), ("--by", "official"), "with --by official; found", "never topped up"),
    ],
)
def test_refusals_speak_of_options(
    sizes: tuple[int, ...],
    more: tuple[str, ...],
    error: str,
    hint: str,
    crops: Path,
    tmp_path: Path,
    capsys: Any,
) -> None:
    assert main(_split(crops, tmp_path / "sets", *more, sizes=sizes)) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert error in first
    assert hint in second
    assert not (tmp_path / "sets").exists()


VIDEOS = {
    "home/real/a.mp4": "videos/short_clip.mp4",
    "home/real/b.mp4": "videos/people.mp4",
    "home/real/c.mp4": "dfdc/samples/lynaeydofd_real.mp4",
    "home/fake/a.mp4": "dfdc/dfdc_train_part_10/yhffcuhhjy.mp4",
    "home/fake/b.mp4": "dfdc/dfdc_train_part_0/abofeumbvv.mp4",
    "home/fake/c.mp4": "dfdc/dfdc_train_part_0/abqwwspghj.mp4",
    "abroad/real/d.mp4": "videos/short_clip.mp4",
    "abroad/fake/d.mp4": "dfdc/dfdc_train_part_0/abofeumbvv.mp4",
}


@pytest.mark.nightly
# There are six videos to test with, so two come twice; the audit says so.
@pytest.mark.filterwarnings("default:sets are not independent")
def test_the_way_on_the_page_runs_as_it_is_written(
    shared_data: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for variable, path in (
        ("DEEPFAKE_GENERALIZE_FACE_MODEL", "mediapipe/face_detection_full_range_sparse.tflite"),
        ("DEEPFAKE_GENERALIZE_LANDMARK_MODEL", "mediapipe/face_landmark.tflite"),
    ):
        monkeypatch.setenv(variable, str(shared_data(path)))
    for name, source in VIDEOS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(shared_data(source))
    monkeypatch.chdir(tmp_path)
    block = re.search(r"<!-- commands -->\n```sh\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    assert block is not None
    lines = block[1].replace("\\\n", " ").splitlines()
    assert [line.split()[1] for line in lines] == [
        *("extract", "extract", "split", "train", "benchmark"),
    ]
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    assert "images scored: original 4 of 4, ABROAD" in shown
