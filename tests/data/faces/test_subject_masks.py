"""Masks: whose face was changed, wherever the faces are larger or the mask is short."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import VIDEO_COLUMNS, crop_video, extract_faces
from deepfake_generalize.data.faces.finders import Face
from deepfake_generalize.data.faces.subject import mask_of, read_masks

LARGE_BOX, SMALL_BOX = (20, 30, 100, 110), (180, 60, 220, 100)


class BoxFinder:
    """Finds two squares by their colours, as two people."""

    name = "boxes"

    def find(self, image):
        faces = []
        for channel in (0, 2):
            rows, columns = np.nonzero((image[..., channel] > 150) & (image[..., 2 - channel] < 90))
            if rows.size > 200:
                box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                faces.append(Face(tuple(map(float, box)), 0.9))
        return faces

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def draw(box, colour, *, size=(120, 240)):
    frame = np.zeros((*size, 3), np.uint8)
    x0, y0, x1, y1 = box
    frame[y0:y1, x0:x1] = colour
    return frame


@pytest.fixture
def fake(tmp_path, write_video):
    """Two people, the red one four times as large; in a root of FaceForensics++."""
    frame = draw(LARGE_BOX, (220, 0, 0)) + draw(SMALL_BOX, (0, 0, 220))
    path = tmp_path / "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walk__ABCDEFGH.mp4"
    return write_video(path, [frame] * 20)


@pytest.fixture
def mask(fake, write_video):
    def write(box, n_frames=20, colour=255, size=(120, 240)):
        path = fake.parents[2] / "masks" / "videos" / fake.name
        return write_video(path, [draw(box, colour, size=size)] * n_frames)

    return write


def crop(path):
    return crop_video(path, size=32, finder=BoxFinder(), aligner="finder").frames


def lefts(frames):
    return frames["box"].str.split(",").str[0].astype(float).round(-1)


def flags(frames):
    return set(";".join(frames["flag"].dropna()).split(";")) - {""}


def test_without_a_mask_the_largest_face_is_the_subject(fake):
    assert mask_of(fake) is None
    frames = crop(fake)
    assert set(lefts(frames)) == {20}
    assert flags(frames) == {"other_faces"}


@pytest.mark.parametrize("colour", [255, (0, 160, 0), (90, 0, 0)])
def test_the_subject_is_the_face_that_overlaps_the_mask(fake, mask, colour):
    assert mask((185, 70, 215, 98), colour=colour) == mask_of(fake)
    frames = crop(fake)
    assert frames["status"].tolist() == ["ok"] * 10
    assert set(lefts(frames)) == {180}
    assert flags(frames) == {"other_faces", "mask_subject"}
    assert set(frames["faces"]) == {2}


def test_a_mask_of_another_size_is_scaled(fake, mask):
    mask((92, 34, 108, 50), size=(60, 120))
    assert set(lefts(crop(fake))) == {180}


@pytest.mark.parametrize("size", [(120, 240), (60, 120)])
def test_crops_have_the_part_of_the_mask_that_they_show(fake, mask, size):
    scale = size[0] // 60
    mask([scale * side for side in (90, 30, 110, 40)], size=size)  # the upper part of the face
    found = crop_video(fake, size=52, finder=BoxFinder(), aligner="finder")
    assert found.masks.shape == (10, 52, 52)
    # The crop shows 1.3 faces of 40 pixels at one to one, so from 174 and 54 on.
    expected = np.zeros((52, 52), bool)
    expected[60 - 54 : 80 - 54, 180 - 174 : 220 - 174] = True
    assert (found.masks != expected).mean() < 0.03  # blurred edges of a compressed video
    blue = (found.images[..., 2] > 150) & (found.images[..., 0] < 90)
    assert blue[found.masks].mean() > 0.9


def test_crops_without_a_mask_have_none_and_behind_its_end_an_empty_one(fake, mask):
    assert crop_video(fake, size=32, finder=BoxFinder(), aligner="finder").masks is None
    mask((185, 70, 215, 98), n_frames=6)
    found = crop_video(fake, size=32, finder=BoxFinder(), aligner="finder").masks
    assert found.any(axis=(1, 2)).tolist() == [True] * 3 + [False] * 7


def test_a_mask_that_ends_early_says_who_it_is_in_the_rest(fake, mask):
    mask((185, 70, 215, 98), n_frames=6)
    frames = crop(fake)
    assert set(lefts(frames)) == {180}
    assert flags(frames) == {"other_faces", "mask_subject", "mask_short"}


def test_a_mask_that_ends_before_any_sampled_frame_leaves_the_largest(fake, mask):
    mask((185, 70, 215, 98), n_frames=1)
    frames = crop(fake)
    assert set(lefts(frames)) == {20}
    assert flags(frames) == {"other_faces", "mask_short"}


def test_an_empty_mask_leaves_the_largest(fake, mask):
    mask((0, 0, 0, 0))
    frames = crop(fake)
    assert set(lefts(frames)) == {20}
    assert flags(frames) == {"other_faces", "mask_empty"}


def test_a_mask_that_cannot_be_read_leaves_the_largest(fake, mask):
    mask((185, 70, 215, 98)).write_bytes(b"no video")
    frames = crop(fake)
    assert set(lefts(frames)) == {20}
    assert flags(frames) == {"other_faces", "mask_unreadable"}


def test_a_mask_where_no_face_is_gives_no_crop_of_somebody_else(fake, mask):
    mask((130, 0, 160, 20))
    frames = crop(fake)
    assert frames["status"].tolist() == ["no_face"] * 10
    assert set(frames["reason"]) == {
        "the face that the mask marks is not among the 2 faces of this frame"
    }


def test_a_marked_face_missed_at_first_is_looked_for_where_the_mask_is(fake, mask, monkeypatch):
    mask((185, 70, 215, 98))
    find = BoxFinder.find

    def near_sighted(self, image):
        return [face for face in find(self, image) if image.shape[1] < 240 or face.side > 60]

    monkeypatch.setattr(BoxFinder, "find", near_sighted)
    frames = crop(fake)
    assert set(lefts(frames)) == {180}
    assert flags(frames) == {"second_look", "other_faces", "mask_subject"}


def test_frames_of_a_mask_are_those_of_the_same_number(fake, mask, write_video):
    path = mask((185, 70, 215, 98))
    write_video(path, [draw((10 * n, 0, 10 * n + 10, 20), 255) for n in range(20)])
    masks = read_masks(path, [3, 19, 25])
    assert masks.note == "mask_short"
    assert [None if a is None else np.flatnonzero(a.any(axis=0))[0] for a in masks.areas] == [
        30,
        190,
        None,
    ]


def test_a_mask_that_arrives_later_has_the_video_done_again(fake, mask, tmp_path):
    row = dict.fromkeys(VIDEO_COLUMNS, "x") | {"path": str(fake), "label": 1}
    choices = {"size": 32, "finder": BoxFinder(), "aligner": "finder"}
    videos = pd.DataFrame([row])
    first = extract_faces(videos, tmp_path / "out", **choices)
    assert set(lefts(first.crops)) == {20}
    mask((185, 70, 215, 98))
    second = extract_faces(videos, tmp_path / "out", **choices)
    assert second.n_done == 1
    assert set(lefts(second.crops)) == {180}
    assert extract_faces(videos, tmp_path / "out", **choices).n_done == 0
    fake.unlink()
    mask_of(fake).unlink()
    assert extract_faces(videos, tmp_path / "out", **choices).n_done == 0


@pytest.mark.parametrize("name", ["a.mp4", "videos/a.mp4", "masks/videos/a.mp4", "a\0.mp4"])
def test_other_places_have_no_mask(name):
    assert mask_of(Path(name)) is None
