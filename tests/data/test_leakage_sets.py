"""The audit of the images: what is a copy is found however it was changed, and nobody else is."""

import cv2
import numpy as np
import pandas as pd
import pytest

from benchmarks.scale import draw_fingerprints
from deepfake_generalize.data import (
    LeakageWarning,
    audit_leakage,
    extract_faces,
    find_videos,
    read_crops,
)
from deepfake_generalize.data.leakage import warn_of_leaks
from deepfake_generalize.data.leakage_sets import near_duplicates


def draw_face(seed, turn=0.0, size=128):
    """Draw a face of its own colours and proportions; faces of two seeds are of one kind."""
    rng = np.random.default_rng(seed)
    image = np.full((size, size, 3), rng.integers(30, 120, 3), np.uint8)
    middle = np.array([size / 2 + turn, size / 2])

    def ellipse(offset, axes, colour):
        at = tuple(int(v) for v in middle + np.array(offset) * size)
        cv2.ellipse(image, at, tuple(int(a * size) for a in axes), 0, 0, 360, colour, -1)

    skin = rng.integers(120, 230, 3).tolist()
    ellipse((0, -0.06), (0.36, 0.46), rng.integers(0, 90, 3).tolist())
    ellipse((0, 0.02), (rng.uniform(0.22, 0.3), rng.uniform(0.3, 0.4)), skin)
    apart = rng.uniform(0.08, 0.13)
    for side in (-apart, apart):
        ellipse((side, rng.uniform(-0.1, -0.02)), (0.05, 0.03), (250, 250, 250))
        ellipse((side, rng.uniform(-0.1, -0.02)), (0.02, 0.03), (20, 20, 20))
    ellipse((0, rng.uniform(0.06, 0.1)), (0.03, rng.uniform(0.04, 0.08)), (140, 90, 80))
    ellipse((0, rng.uniform(0.18, 0.24)), (rng.uniform(0.06, 0.13), 0.03), (150, 40, 50))
    return image


@pytest.fixture
def pictures(tmp_path):
    """Return a function that writes images and returns crops of one video each."""

    def write(name, images, **columns):
        rows = []
        for number, image in enumerate(images):
            path = tmp_path / f"{name}-{number}.png"
            cv2.imwrite(str(path), image)
            rows.append({"path": str(path), "video": str(tmp_path / f"{name}-{number}.mp4")})
        return pd.DataFrame(rows).assign(**columns)

    return write


@pytest.fixture(scope="module")
def celeb(tmp_path_factory, write_video, part_finder):
    """Make Celeb-DF 1 and 2: two of version 1's clips come again in version 2, one renamed."""
    root = tmp_path_factory.mktemp("celeb")

    def clip(path, seed, quality, size=128):
        frames = [draw_face(seed, turn=6 * np.sin(i / 4), size=size) for i in range(24)]
        write_video(root / path, frames, options={"crf": str(quality)})

    one, two = "Celeb-DF-v1", "Celeb-DF-v2"
    clip(f"{one}/Celeb-real/id0_0000.mp4", 0, 18)
    clip(f"{two}/Celeb-real/id0_0000.mp4", 0, 30)
    clip(f"{one}/Celeb-real/id1_0000.mp4", 1, 18)
    clip(f"{two}/Celeb-real/id9_0007.mp4", 1, 30, size=160)
    clip(f"{one}/Celeb-synthesis/id2_id3_0000.mp4", 2, 18)
    clip(f"{two}/Celeb-synthesis/id4_id3_0000.mp4", 3, 18)
    for version in (one, two):
        extract_faces(
            find_videos(root / version),
            root / f"crops-{version}",
            frames_per_video=6,
            size=64,
            finder=part_finder(0.2, 0.1, 0.8, 0.9),
            aligner="finder",
        )
    return {
        "CELEB": read_crops(root / f"crops-{two}"),
        "CELEB-M": read_crops(root / f"crops-{one}"),
    }


def test_clips_of_version_1_that_come_again_in_version_2_are_found(celeb):
    found = audit_leakage(celeb).groupby("kind")["what"].apply(list).to_dict()
    assert found == {
        "video": ["Celeb-DF real id0_0000"],
        "identity": ["Celeb-DF id0", "Celeb-DF id3"],
        "near_duplicate": ["Celeb-DF real id9_0007 ~ Celeb-DF real id1_0000"],
    }


def test_an_audit_is_the_same_for_any_order_of_rows(celeb):
    found = audit_leakage(celeb)
    shuffled = {name: rows.sample(frac=1, random_state=3) for name, rows in celeb.items()}
    pd.testing.assert_frame_equal(audit_leakage(shuffled), found)
    assert (found["n"] > 0).all()
    assert not found["by_design"].any()


@pytest.mark.parametrize(
    "change",
    [
        lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [1, 25])[1], 1),
        lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        lambda image: cv2.resize(image, None, fx=1.7, fy=1.7),
        lambda image: cv2.convertScaleAbs(image, alpha=0.85, beta=12),
    ],
)
def test_pictures_that_were_changed_a_little_are_recognised(pictures, change):
    images = [draw_face(seed) for seed in range(12)]
    found = audit_leakage(
        {"a": pictures("a", images), "b": pictures("b", [change(image) for image in images])}
    )
    assert (found["kind"] == "near_duplicate").all()
    pairs = [[part.rsplit("-", 1)[1] for part in what.split(" ~ ")] for what in found["what"]]
    assert len(pairs) == 12
    assert all(one == other for one, other in pairs)


def test_pictures_of_different_people_are_not_called_the_same(pictures):
    a = pictures("a", [draw_face(seed) for seed in range(150)])
    b = pictures("b", [draw_face(seed) for seed in range(1000, 1150)])
    found = audit_leakage({"a": a, "b": b})
    assert found.empty


def test_black_and_flat_pictures_match_nothing_and_are_counted(pictures):
    flat = [np.full((32, 32, 3), level, np.uint8) for level in (0, 0, 128)]
    found = audit_leakage({"a": pictures("a", flat), "b": pictures("b", flat)})
    assert found.empty
    assert "a: 3 of 3 images have too little contrast to be compared." in found.attrs["notes"]


def test_real_faces_of_different_videos_are_not_called_the_same(shared_data):
    pattern = r"^([a-z]+)-"
    crops = read_crops(shared_data("dfdc_crops"), video_pattern=pattern)
    clips = dict(iter(crops.groupby("video")))
    assert len(clips) >= 5
    assert audit_leakage(clips).empty


def test_real_faces_at_another_quality_are_recognised(shared_data, pictures):
    crops = read_crops(shared_data("dfdc_crops"))
    again = [
        cv2.imdecode(cv2.imencode(".jpg", cv2.imread(path), [1, 30])[1], 1)
        for path in crops["path"]
    ]
    copies = pictures("copy", again)
    own = dict(zip(crops["path"], copies["video"], strict=True))
    found = audit_leakage({"a": crops, "b": copies})
    pairs = [what.split(" ~ ") for what in found["what"]]
    assert {one for one, _ in pairs} == set(crops["path"])
    assert all([path, copy] in pairs for path, copy in own.items())


def test_images_that_cannot_be_read_are_a_finding(pictures):
    crops = pictures("a", [draw_face(0), draw_face(1)])
    gone = pd.DataFrame({"path": ["/nowhere/0.png", "/nowhere/1.png"]})
    found = audit_leakage({"a": crops, "b": gone})
    assert found[["kind", "set_a", "what", "n"]].to_numpy().tolist() == [
        ["unreadable", "b", "/nowhere/0.png", 2]
    ]
    assert "expected an image file at" in found["note"].item()
    assert pd.isna(found["set_b"]).all()
    with pytest.warns(LeakageWarning, match="2 images of b could not be read"):
        assert warn_of_leaks(found) == 1


@pytest.mark.slow
def test_ten_thousand_pictures_are_matched_with_as_many():
    n = 10_000
    one = draw_fingerprints(n)
    moved = np.roll(np.arange(n), 1)
    pairs = list(near_duplicates(one, one.take(moved), np.arange(n), np.arange(n) + n))
    rows, columns = (np.concatenate(part) for part in zip(*pairs, strict=True))
    assert np.array_equal(moved[columns], rows)
    assert len(rows) == n
