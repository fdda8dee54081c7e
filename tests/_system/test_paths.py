"""Temporary files go somewhere on a machine that has no folder for them."""

import os
import tempfile

import pytest

from deepfake_generalize._system import paths
from deepfake_generalize._system.paths import find_temporary_folder
from deepfake_generalize.cli import failures


@pytest.fixture
def nowhere(monkeypatch, tmp_path):  # Its folder is made before.
    """Let nothing take temporary files, as on a disk that may only be read."""

    def none():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "_get_default_tempdir", none)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", "")


@pytest.mark.usefixtures("nowhere")
def test_memory_is_taken_first_then_the_place_of_the_result(monkeypatch, tmp_path):
    memory, out = tmp_path / "memory", tmp_path / "not/yet"
    monkeypatch.setattr(paths, "_MEMORY", memory)
    find_temporary_folder()
    with pytest.raises(FileNotFoundError):
        tempfile.gettempdir()
    find_temporary_folder(out)
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", None)
    memory.mkdir()
    find_temporary_folder(out)
    assert tempfile.gettempdir() == str(memory)


def test_where_there_is_one_it_stays(tmp_path):
    before = tempfile.gettempdir()
    find_temporary_folder(tmp_path)
    assert tempfile.gettempdir() == before


@pytest.mark.usefixtures("nowhere")
def test_the_command_line_says_what_to_set(capsys):
    with pytest.raises(FileNotFoundError) as caught:
        tempfile.gettempdir()
    assert failures.report(caught.value) == 2
    assert "hint: set TMPDIR to a folder that you may write to" in capsys.readouterr().err
