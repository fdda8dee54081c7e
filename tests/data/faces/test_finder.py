"""Finders on real photographs, and the traps of MediaPipe's detector."""

import copy
import gc
import os
import pickle
import subprocess
import sys
import weakref

import cv2
import numpy as np
import pytest

from deepfake_generalize.data.faces.finders import CascadeFinder, Face, FaceFinder, MediaPipeFinder
from deepfake_generalize.errors import InputError


@pytest.fixture
def model(shared_data, monkeypatch):
    path = shared_data("mediapipe/face_detection_full_range_sparse.tflite")
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(path))
    return path


@pytest.fixture
def portrait(shared_data):
    image = cv2.imread(str(shared_data("photos/obama.jpg")))
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def test_one_face_with_its_eyes_where_they_are(model, portrait):
    with MediaPipeFinder() as finder:
        (face,) = finder.find(portrait)

    (right, left) = face.eyes
    assert face.score > 0.7
    assert 430 < right[0] < 470 < 530 < left[0] < 570  # read off the photograph
    assert abs(right[1] - left[1]) < 15
    assert isinstance(finder, FaceFinder)


def test_strides_do_not_change_the_answer(model, portrait):
    small = portrait[::2, ::2]
    with MediaPipeFinder() as finder:
        assert finder.find(small) == finder.find(small.copy()) != []
        assert finder.find(np.asfortranarray(small)) == finder.find(small)


def test_no_call_of_a_finder_says_how_its_library_moved_a_picture(
    model, portrait, capfd, monkeypatch
):
    with MediaPipeFinder() as finder:
        detect = finder._ready().detect

        def said(picture):
            os.write(2, b"W0000 00:00:1795998477.3 3653 x.cc:1433] memory is not aligned\n")
            return detect(picture)

        monkeypatch.setattr(finder._ready(), "detect", said)
        # MediaPipe says so once, whichever call it is that first meets such memory.
        assert finder.find(portrait) == finder.find(portrait) != []
    assert capfd.readouterr().err == ""


def test_a_closed_finder_raises_instead_of_finding_nothing(model, portrait):
    finder = MediaPipeFinder()
    with finder:
        assert finder.find(portrait)
    finder.close()

    with pytest.raises(InputError, match="received one that was closed"):
        finder.find(portrait)
    with pickle.loads(pickle.dumps(finder)) as fresh:  # noqa: S301
        assert fresh.find(portrait)


def test_a_forked_finder_raises_instead_of_hanging(model, portrait, monkeypatch):
    with MediaPipeFinder() as finder:
        here = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: here + 1)
        with pytest.raises(InputError, match="opened in this process"):
            finder.find(portrait)
        monkeypatch.undo()


def test_a_finder_is_freed_without_the_garbage_collector(model, portrait):
    gc.disable()
    try:
        finder = MediaPipeFinder(model)
        finder.find(portrait)
        finder.close()
        gone = weakref.ref(finder)
        del finder
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.slow
def test_a_whole_life_is_silent_and_loads_no_tensorflow(model, tmp_path):
    code = (
        "import sys, numpy as np\n"
        "from deepfake_generalize.data import MediaPipeFinder\n"
        "with MediaPipeFinder() as finder:\n"
        "    finder.find(np.zeros((64, 64, 3), np.uint8))\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_file_that_is_no_model_is_named(tmp_path):
    wrong = tmp_path / "page.tflite"
    wrong.write_text("<html>")
    finder = MediaPipeFinder(wrong)
    with pytest.raises(InputError, match=r"expected a MediaPipe face model, received .*page"):
        finder.find(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    "image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), "x", np.zeros((0, 8, 3), np.uint8)]
)
def test_what_is_no_frame_is_refused(image):
    with CascadeFinder() as finder, pytest.raises(InputError, match=r"expected a frame of shape"):
        finder.find(image)


def test_the_cascade_finds_a_frontal_face_without_any_file(portrait):
    small = cv2.resize(portrait, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    with copy.copy(CascadeFinder()) as finder:
        (face,) = finder.find(small)
    x0, y0, x1, y1 = face.box
    assert x0 < 0.4 * 500 < x1
    assert y0 < 0.4 * 250 < y1
    assert (face.score, face.eyes) == (1.0, None)


def test_sides_of_a_face():
    face = Face((0, 0, 30, 20), 0.5)
    assert (face.side, face.area) == (30, 600)


def test_another_model_is_refused():
    with pytest.raises(InputError, match=r"full-range.*short-range.*received 'tiny'"):
        MediaPipeFinder(model="tiny")
