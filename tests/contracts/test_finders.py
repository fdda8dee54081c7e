"""What every face finder must do, ours and a user's own."""

import contextlib
import copy
import math
import pickle

import cv2
import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import get_reusable_executor

from deepfake_generalize.data import (
    VIDEO_COLUMNS,
    CascadeFinder,
    Face,
    FaceFinder,
    MediaPipeFinder,
    crop_video,
    extract_faces,
    read_image,
)
from deepfake_generalize.errors import InputError

OWN = '''
"""A finder as a user may write it: skin colour, no base class of ours, in a module of their own."""
import numpy as np

from deepfake_generalize.data import Face


class SkinFinder:
    name = "skin"

    def find(self, image):
        rgb = image.astype(int)
        skin = (rgb[..., 0] > 120) & (rgb[..., 0] > rgb[..., 1] + 15)
        rows, columns = (np.flatnonzero(skin.mean(axis=axis) > 0.2) for axis in (1, 0))
        if rows.size == 0 or columns.size == 0:
            return []
        box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        return [Face(tuple(map(float, box)), 0.8)]

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The class of the user's finder, in a module that worker processes find too."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "skin_finder.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    # Workers that another test left waiting were started without this folder on their path.
    get_reusable_executor().shutdown(wait=True)
    import skin_finder

    return skin_finder.SkinFinder


FINDERS = ("mediapipe", "cascade", "own")


@pytest.fixture(params=FINDERS)
def make(request, shared_data, monkeypatch):
    """Return what makes a new finder of one kind."""
    if request.param == "mediapipe":
        model = shared_data("mediapipe/face_detection_full_range_sparse.tflite")
        monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(model))
        return MediaPipeFinder
    return CascadeFinder if request.param == "cascade" else request.getfixturevalue("own")


@pytest.fixture
def portrait(shared_data):
    image = read_image(shared_data("photos/obama.jpg"))
    return cv2.resize(image, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)


@pytest.fixture
def film(portrait, write_video, tmp_path):
    frames = [np.roll(portrait, shift, axis=1)[:380, :380] for shift in range(0, 12, 2)]
    return write_video(tmp_path / "film.mp4", frames)


def manifest(*paths):
    row = dict.fromkeys(VIDEO_COLUMNS, "x") | {"label": 0}
    return pd.DataFrame([row | {"path": str(path)} for path in paths])


def test_it_is_a_face_finder_with_a_name_that_stays(make):
    with make() as first, make() as second:
        assert isinstance(first, FaceFinder)
        assert isinstance(first.name, str)
        assert first.name
        assert first.name == second.name


def test_it_finds_the_face_and_describes_it_in_pixels_of_the_frame(make, portrait):
    with make() as finder:
        faces = finder.find(portrait)
    (face,) = faces
    assert isinstance(faces, list)
    assert isinstance(face, Face)
    x0, y0, x1, y1 = face.box
    assert all(type(value) is float and math.isfinite(value) for value in (*face.box, face.score))
    assert x0 < 0.4 * 500 < x1  # between the eyes, read off the photograph
    assert y0 < 0.4 * 250 < y1
    assert 0.0 <= face.score <= 1.0
    for x, y in face.eyes or ():
        assert x0 < x < x1
        assert y0 < y < y1


def test_nothing_is_found_where_nothing_is(make):
    with make() as finder:
        assert finder.find(np.zeros((60, 80, 3), np.uint8)) == []
        assert finder.find(np.zeros((8, 8, 3), np.uint8)) == []


def test_the_answer_depends_on_the_picture_alone(make, portrait):
    before = portrait.copy()
    wide = np.repeat(portrait, 2, axis=1)[:, ::2]  # a view whose pixels are not contiguous
    with make() as finder, make() as fresh:
        first = finder.find(portrait)
        assert finder.find(np.zeros_like(portrait)) == []
        assert finder.find(portrait) == first == fresh.find(portrait)
        assert finder.find(wide) == finder.find(np.asfortranarray(portrait)) == first
    np.testing.assert_array_equal(portrait, before)


def test_pickled_or_copied_it_answers_alike_and_is_closed_apart(make, portrait):
    with make() as finder:
        expected = finder.find(portrait)
        sent = pickle.loads(pickle.dumps(finder))  # noqa: S301
        for other in (sent, copy.copy(finder)):
            with other:
                assert other.name == finder.name
                assert other.find(portrait) == expected
        assert finder.find(portrait) == expected


def test_it_may_be_closed_twice_and_lets_errors_through(make):
    finder = make()
    with pytest.raises(ZeroDivisionError), finder:
        raise ZeroDivisionError
    finder.close()
    finder.close()


def test_a_video_is_cropped_with_it_and_it_stays_open(make, film, portrait):
    with make() as finder:
        crops = crop_video(film, size=32, finder=finder, aligner="finder")
        assert crops.frames["status"].tolist() == ["ok"] * 6
        assert finder.find(portrait)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [pytest.param(each, marks=() if each == "own" else pytest.mark.nightly) for each in FINDERS],
    indirect=True,
)
def test_an_extraction_names_it_and_spreads_it_over_processes(make, film, tmp_path):
    finder = make()
    choices = {"finder": finder, "aligner": "finder", "size": 32}
    one = extract_faces(manifest(film, film.with_name("gone.mp4")), tmp_path / "one", **choices)
    two = extract_faces(
        manifest(film, film.with_name("gone.mp4")), tmp_path / "two", n_jobs=2, **choices
    )
    assert one.counts == {"ok": 6, "missing": 1}
    assert f'"finder": "{finder.name}"' in (tmp_path / "one" / "settings.json").read_text()
    assert one.crops["box"].tolist() == two.crops["box"].tolist()
    for path in ("crops.csv", "failures.csv", "settings.json"):
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()
    with contextlib.closing(finder):
        assert crop_video(film, size=32, finder=finder, aligner="finder").coverage == 1.0


@pytest.mark.parametrize("make", ["mediapipe", "cascade"], indirect=True)
def test_ours_refuse_what_is_no_frame(make):
    with make() as finder:
        # Longer sides than 32,766 pixels end the process in native code.
        long = [np.zeros(shape, np.uint8) for shape in ((32_767, 8, 3), (1, 60_000, 3))]
        for image in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), "x", *long):
            with pytest.raises(InputError, match=r"expected a frame of shape \(H, W, 3\)"):
                finder.find(image)
