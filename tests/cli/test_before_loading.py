"""What is wrong with a command's inputs is said at once, before TensorFlow or MediaPipe load."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

RUN = """
import contextlib, io, json, sys
from deepfake_generalize.cli import main
for argv in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = main(argv)
    loaded = sorted({"tensorflow", "keras", "mediapipe"} & set(sys.modules))
    print(json.dumps([code, said.getvalue(), loaded]))
"""


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory, write_video: Callable[..., Path]
) -> dict[str, tuple[int, str, list[str]]]:
    """Run every command below in one new process, whose model files are all missing."""
    root = tmp_path_factory.mktemp("inputs")
    video = write_video(root / "videos/real/a.mp4", [np.zeros((16, 16, 3), np.uint8)] * 2)
    write_video(root / "videos/fake/b.mp4", [np.zeros((16, 16, 3), np.uint8)] * 2)
    (root / "notes.mp4").write_text("no video")
    (root / "more.mp4").write_text("no video either")
    (root / "empty").mkdir()
    for label in ("real", "fake"):
        (root / "crops" / label).mkdir(parents=True)
        cv2.imwrite(str(root / "crops" / label / "a.png"), np.zeros((8, 8, 3), np.uint8))
    crops, empty, out = str(root / "crops"), str(root / "empty"), str(root / "out")
    row = ["benchmark", "--detector", "mesonet-deepfakes", "--original", crops]
    train = ["train", "--architecture", "mesonet", "--out", f"{out}.keras", "--train", crops]
    (root / "saved.keras").touch()
    few = ["--train", crops, "--val", crops, "--out", f"{out}.keras", "--detector"]
    (root / "net.py").write_text("raise SystemExit\nmodel = None")
    commands = {
        "score": ["score", str(video)],
        "extract": ["extract", str(root / "videos"), "--out", out],
        "benchmark": [*row, "--unseen", f"A={crops}"],
        "weights": [*row, "--unseen", f"A={crops}", "--weights", f"{out}.h5"],
        "no video": ["score", str(root / "notes.mp4")],
        "no videos": ["score", str(root / "notes.mp4"), str(root / "more.mp4")],
        "no crops": [*row, "--unseen", f"A={empty}"],
        "nothing to learn": [*train, "--val", empty],
        "no module": ["score", str(video), "--detector", "no_such_pack.net:model"],
        "no code": ["transfer", *few, f"{root}/gone.py:model"],
        "no such weights": ["merge", *few, "mesonet-deepfakes", "--weights", f"{out}.h5"],
        "no neurons": ["focus", *few, f"{root}/net.py:model", "--neurons", "all"],
        "no place": ["transfer", *few, f"{root}/net.py:model", "--out", str(root / "saved.keras")],
        "no maps": ["grad-cam", crops, "--out", out, "--detector", "mesonet"],
        "no set": ["causal", f"A={empty}", "--detector", "mesonet-deepfakes"],
        "no scores": ["compare", f"a={out}.csv", f"b={out}.csv"],
        "weights twice": ["score", str(video), "--detector", str(root / "saved.keras"),
                          "--weights", f"{out}.h5"],
    }  # fmt: skip
    variables = {
        f"DEEPFAKE_GENERALIZE_{name}": str(root / "gone")
        for name in ("FACE_MODEL", "LANDMARK_MODEL", "MESONET_WEIGHTS")
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(list(commands.values()))],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | variables,
    )
    return dict(zip(commands, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize(
    ("command", "code", "error", "hint"),
    [
        (
            "score",
            5,
            "expected to find or download face-full-range, face-landmarks, mesonet-deepfakes, but ",
            "$DEEPFAKE_GENERALIZE_MESONET_WEIGHTS",
        ),
        ("extract", 5, "to find or download face-full-range, face-landmarks, but $", "$DEEPFAKE"),
        ("benchmark", 5, "but $DEEPFAKE_GENERALIZE_MESONET_WEIGHTS leads to no file", "Four ways"),
        ("weights", 5, "download mesonet-deepfakes, but the path given leads to no", "Four ways"),
        ("no video", 2, "notes.mp4", ""),
        ("no videos", 2, "none of the 2 files can be scored; the first: ", ""),
        ("no crops", 2, "expected crops in ", "real and fake"),
        ("nothing to learn", 2, "expected crops in ", "real and fake"),
        ("no module", 2, "received 'no_such_pack.net:model'", "There is no no_such_pack.net"),
        ("no code", 2, "gone.py:model'", "There is no "),
        ("no such weights", 5, "download mesonet-deepfakes, but the path given", "Four ways"),
        ("no neurons", 2, "expected numbers of neurons", "--neurons 3,17,42"),
        ("no place", 2, "expected --out to name a new file", "--overwrite"),
        ("no maps", 2, "received 'mesonet'", "mesonet-deepfakes"),
        ("no set", 2, "expected crops in ", "real and fake"),
        ("no scores", 2, "which way the scores of", "--polarity fake-high"),
        ("weights twice", 2, "expected --weights beside a public detector's name", "mesonet-deep"),
    ],
)
def test_what_is_wrong_is_said_before_anything_heavy_is_loaded(
    command: str,
    code: int,
    error: str,
    hint: str,
    outcomes: dict[str, tuple[int, str, list[str]]],
) -> None:
    came, said, loaded = outcomes[command]
    assert (came, loaded) == (code, [])
    first, second = said.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert second.startswith("hint: ")
    assert hint in second
