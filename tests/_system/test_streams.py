"""Standard streams that are closed or full, and native logs kept out of them."""

import contextlib
import io
import os
import subprocess
import sys

import pytest

from deepfake_generalize._system.streams import (
    quiet_native_logs,
    quiet_native_logs_of_command,
    show_what_cannot_be_encoded,
)
from deepfake_generalize.errors import InputError

FIRST_FILE = """
import os, sys
from deepfake_generalize._system.streams import open_closed_streams
open_closed_streams()
handle = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
print("said"), print("said", file=sys.stderr), os.write(2, b"native"), os.write(1, b"native")
sys.stdin.read()
sys.exit(handle)
"""
LIBRARY = """
import os, sys
from deepfake_generalize._system.streams import quiet_native_logs
with quiet_native_logs():
    handle = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
    os.write(2, b"native")
sys.exit(handle)
"""


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path):
    for program, closed in ((FIRST_FILE, "<&- >&- 2>&-"), (LIBRARY, "2>&-")):
        file = tmp_path / "opened"
        command = ['exec "$0" -c "$1" "$2" ' + closed, sys.executable, program, str(file)]
        done = subprocess.run(["bash", "-c", *command], check=False)
        assert done.returncode > 2
        assert file.read_bytes() == b""


def test_logs_are_held_where_no_folder_takes_a_file(capfd, monkeypatch):
    with monkeypatch.context() as within:
        within.setattr("tempfile.tempdir", "/nowhere/at/all")
        with quiet_native_logs():
            os.write(2, b"INFO: chatter\nfatal\n")
    assert capfd.readouterr().err == "fatal\n"


def test_signs_that_an_encoding_lacks_are_shown_by_their_code():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show_what_cannot_be_encoded(stream, io.StringIO())
    stream.write("M\xf6we")
    stream.flush()
    assert stream.buffer.getvalue() == b"M\\xf6we"


EXTRACT = """
import sys
import pandas as pd
from deepfake_generalize.data import VIDEO_COLUMNS, extract_faces

if __name__ == "__main__":
    row = dict.fromkeys(VIDEO_COLUMNS, "x") | {"label": 0}
    videos = pd.DataFrame([row | {"path": path} for path in sys.argv[3:]])
    done = extract_faces(videos, sys.argv[1], n_jobs=int(sys.argv[2]), size=32)
    print(done.counts)
"""


@pytest.fixture
def talkative(shared_data, monkeypatch):
    """Everything the libraries look at to decide how much to say, at its default."""
    for name in ("TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES", "GLOG_minloglevel"):
        monkeypatch.delenv(name, raising=False)
    for name, file in (
        ("FACE_MODEL", "mediapipe/face_detection_full_range_sparse.tflite"),
        ("LANDMARK_MODEL", "mediapipe/face_landmark.tflite"),
        ("MESONET_WEIGHTS", "mesonet/weights"),
    ):
        monkeypatch.setenv(f"DEEPFAKE_GENERALIZE_{name}", str(shared_data(file)))


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [pytest.param("1", marks=pytest.mark.nightly), "2"])
def test_an_extraction_is_silent_in_every_process(talkative, shared_data, tmp_path, n_jobs):
    script = tmp_path / "extract.py"
    script.write_text(EXTRACT)
    videos = [str(shared_data("videos/short_clip.mp4")), str(tmp_path / "gone.mp4")]
    done = subprocess.run(
        [sys.executable, script, tmp_path / "out", n_jobs, *videos],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "{'ok': 6, 'no_face': 4, 'missing': 1}"
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.nightly  # A stranger's is in cli/test_scoring.
def test_the_first_score_is_silent_and_a_bad_model_is_not(
    talkative, shared_data, tmp_path, monkeypatch
):
    program = "from deepfake_generalize.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", program, "score", str(shared_data("videos/people.mp4"))]

    def score():
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    done = score()
    assert (done.returncode, done.stderr) == (0, "")
    wrong = tmp_path / "model.tflite"
    wrong.write_text("<html>")
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(wrong))
    failed = score()
    assert failed.returncode == 2
    assert "expected a MediaPipe face model, received" in failed.stderr
    assert "hint: " in failed.stderr


def test_lines_that_are_no_logging_come_through_with_what_python_wrote(capfd):
    with quiet_native_logs():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate\n\nW0000 00:00:1 noise\n")
        os.write(2, b"E0000 00:00:1 1 x.cc:1] out of memory\nERROR: no\nIcy roads ahead\n")
    assert capfd.readouterr().err == (
        "E0000 00:00:1 1 x.cc:1] out of memory\nERROR: no\nIcy roads ahead\n"
    )


def test_the_descriptor_is_given_back_after_an_error(capfd):
    with pytest.raises(ZeroDivisionError), quiet_native_logs():
        raise ZeroDivisionError
    os.write(2, b"here again\n")
    assert capfd.readouterr().err == "here again\n"


@pytest.mark.parametrize(("error", "chatter"), [(InputError, False), (ValueError, True)])
def test_a_command_loses_nothing_where_an_error_passes_that_was_not_foreseen(capfd, error, chatter):
    with contextlib.suppress(error), quiet_native_logs_of_command():
        os.write(2, b"2026-07-01 12:00:00.1: I tensorflow/x.cc:1] chatter\nfatal: no space\n")
        raise error("odd")
    said = capfd.readouterr().err
    assert ("chatter" in said) is chatter
    assert "fatal: no space" in said


def test_what_python_writes_during_a_command_comes_through_at_once():
    program = """
import os, sys
from deepfake_generalize._system.streams import quiet_native_logs_of_command
with quiet_native_logs_of_command():
    os.write(2, b"fatal\\n")
    print("progress", file=sys.stderr)
print("after", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stderr == b"progress\nfatal\nafter\n"
