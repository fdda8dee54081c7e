"""The audit: what sets share is found, what they do not share is not, and nothing is silent."""

import warnings

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import (
    LeakageWarning,
    audit_leakage,
    balanced_splits,
    extract_faces,
    find_videos,
    read_crops,
    warn_of_leaks,
)
from deepfake_generalize.data.faces import Face
from deepfake_generalize.data.near_duplicates import Fingerprints, near_duplicates
from deepfake_generalize.errors import InputError


class MiddleFinder:
    """Takes the middle of the frame for a face."""

    name = "middle"

    def find(self, image):
        height, width = image.shape[:2]
        box = (0.2 * width, 0.1 * height, 0.8 * width, 0.9 * height)
        return [Face(box, 0.9)]

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


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


def crop(video, *, path=None, dataset="FF++", method="real", who=None, source=None, frame=0):
    return {
        "path": path or f"/crops/{video.strip('/').replace('/', '-')}-{frame}.png",
        "video": video,
        "frame": frame,
        "dataset": dataset,
        "method": method,
        "label": int(method != "real"),
        "target_identity": who,
        "source_identity": source,
    }


def audit(**sets):
    frames = {name.replace("_", " "): pd.DataFrame(rows) for name, rows in sets.items()}
    return audit_leakage(frames, near_duplicates=False)


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
def celeb(tmp_path_factory, write_video):
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
            finder=MiddleFinder(),
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


def test_two_qualities_of_a_clip_are_one_video_and_methods_are_told_apart():
    folder = "/ff/manipulated_sequences"
    found = audit(
        a=[crop(f"{folder}/Deepfakes/c23/videos/004_982.mp4", method="Deepfakes", who="004")],
        b=[crop(f"{folder}/Deepfakes/raw/videos/004_982.mp4", method="Deepfakes", who="004")],
        c=[crop(f"{folder}/FaceSwap/c23/videos/004_982.mp4", method="FaceSwap", who="004")],
    )
    videos = found[found["kind"] == "video"]
    assert list(zip(videos["set_a"], videos["set_b"], strict=True)) == [("a", "b")]
    assert (found["kind"] == "identity").sum() == 3


def test_names_say_nothing_in_folders_of_the_users_own():
    own = {"dataset": "mine", "method": "real"}
    assert audit(a=[crop("/x/train/0.mp4", **own)], b=[crop("/x/test/0.mp4", **own)]).empty
    found = audit(a=[crop("/x/0.mp4", **own, frame=1)], b=[crop("/x/../x/0.mp4", **own, frame=2)])
    assert found["what"].tolist() == ["/x/0.mp4"]


def test_a_file_in_both_sets_is_found_though_one_manifest_knows_its_video():
    found = audit(a=[crop("/v/0.mp4", path="/c/0.png")], b=[{"path": "/c/0.png"}])
    assert found[["kind", "what", "note"]].to_numpy().tolist() == [
        ["video", "/c/0.png", "the same file"]
    ]


def test_an_original_and_the_fakes_of_either_side_share_the_person():
    found = audit(
        train=[crop("/v/004.mp4", who="004")],
        test=[
            crop("/v/004_982.mp4", method="F", who="004", source="982"),
            crop("/v/982_004.mp4", method="G", who="982", source="004"),
        ],
        dfd=[crop("/v/004__a.mp4", dataset="DFD", who="004")],
    )
    assert found[["kind", "set_a", "set_b", "what", "n"]].to_numpy().tolist() == [
        ["identity", "train", "test", "FF++ 004", 3]
    ]


def shared_people(frames=(0, 1)):
    fake = {"method": "F", "who": "004", "source": "982"}
    return {
        "F2F train": pd.DataFrame([crop("/v/004.mp4", who="004", frame=frames[0])]),
        "FS-I": pd.DataFrame(
            [crop("/v/004.mp4", who="004", frame=frames[1]), crop("/v/004_982.mp4", **fake)]
        ),
        "FS": pd.DataFrame([crop("/v/004_000.mp4", method="F", who="004", source="000")]),
    }


def designed(sets, design):
    found = audit_leakage(sets, near_duplicates=False, shared_by_design=design)
    return {(r.kind, r.set_a, r.set_b): r.by_design for r in found.itertuples()}


@pytest.mark.parametrize("design", [[("F2F train", "FS-I")], [("FS-I", "F2F train")]])
def test_persons_shared_by_design_are_told_from_leaks(design):
    assert designed(shared_people(), design) == {
        ("video", "F2F train", "FS-I"): True,
        ("identity", "F2F train", "FS-I"): True,
        ("identity", "F2F train", "FS"): False,
        ("identity", "FS-I", "FS"): False,
    }


def test_a_frame_that_was_trained_on_is_a_leak_even_among_shared_persons():
    sets, pair = shared_people(frames=(1, 1)), ("F2F train", "FS-I")
    assert not designed(sets, [pair])["video", *pair]
    assert designed(sets, {pair: ("identity", "frame")})["video", *pair]


def test_a_design_may_say_that_persons_are_shared_and_videos_are_not():
    pair = ("F2F train", "FS-I")
    found = designed(shared_people(), {pair: "identity"})
    assert (found["identity", *pair], found["video", *pair]) == (True, False)


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ([("F2F", "FS-I")], "expected the sets of shared_by_design to be among F2F train"),
        (["FS-I"], "expected pairs of names of sets in shared_by_design, received 'FS-I'"),
        ({("FS", "FS-I"): "people"}, "share by design to be among identity, video, frame"),
        ({("FS", "FS-I"): ()}, "received nothing"),
    ],
)
def test_designs_that_mean_nothing_are_refused(design, message):
    with pytest.raises(InputError, match=message):
        audit_leakage(shared_people(), near_duplicates=False, shared_by_design=design)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({}, "expected a mapping of names to crops, or Splits, received none at all"),
        ([1], "received list"),
        ({"a": 3}, "expected the set 'a' as a pandas DataFrame, received int"),
        ({"a": pd.DataFrame({"video": ["v"]})}, "missing: path"),
        ({"a": pd.DataFrame({"path": [None]})}, "expected a path in every row of the set 'a'"),
        ({1: pd.DataFrame({"path": ["v"]})}, "expected texts as names of sets, received 1"),
    ],
)
def test_what_is_no_set_of_crops_is_refused(sets, message):
    with pytest.raises(InputError, match=message):
        audit_leakage(sets)


def split_crops():
    return pd.DataFrame(
        [
            {**crop(f"/v/{k}{i}.mp4", method=k, dataset="own"), "split": pd.NA, "score": 1.0}
            for k in ("real", "fake")
            for i in range(4)
        ]
    ).assign(compression=pd.NA, box=pd.NA, aligner=pd.NA, flag=pd.NA)


def test_splits_are_sets_of_their_parts():
    splits = balanced_splits(split_crops(), train=4, val=0, test=4, by="video")
    assert audit_leakage(splits, near_duplicates=False).empty
    found = audit_leakage({"A": splits, "B": splits.test}, near_duplicates=False)
    assert {*found["set_a"], *found["set_b"]} == {"A test", "B"}
    design = {("A", "B"): "frame"}
    found = audit_leakage(
        {"A": splits, "B": splits.test}, near_duplicates=False, shared_by_design=design
    )
    assert found["by_design"].all()
    with pytest.raises(InputError, match="'A test' comes twice"):
        audit_leakage({"A": splits, "A test": splits.test}, near_duplicates=False)


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


def test_what_is_not_known_is_said():
    found = audit(a=[crop("/v/0.mp4"), crop("/v/1.mp4", who="001")], b=[crop("/v/2.mp4", who="2")])
    assert found.attrs["notes"] == [
        "a: nobody is named in 1 of 2 images; whom they share with other sets is not known.",
        "No image was opened: near-duplicates were not looked for.",
    ]


def test_a_warning_names_each_leak_and_points_at_the_caller():
    found = audit_leakage(shared_people(), near_duplicates=False)
    with pytest.warns(LeakageWarning, match="F2F train and FS-I share 1 video \\(") as caught:
        assert warn_of_leaks(found) == 4
    assert caught[0].filename == __file__
    assert "F2F train and FS share 1 person (such as FF++ 004)" in str(caught[0].message)


def test_there_is_no_warning_of_what_is_meant():
    sets = {name: shared_people()[name] for name in ("F2F train", "FS-I")}
    found = audit_leakage(sets, near_duplicates=False, shared_by_design=[tuple(sets)])
    assert len(found) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warn_of_leaks(found) == 0


def test_ten_thousand_pictures_are_matched_with_as_many():
    rng = np.random.default_rng(0)
    n = 10_000
    hashes = np.where(rng.random((n, 63)) < 0.5, -1.0, 1.0).astype(np.float32)
    thumbnails = rng.integers(0, 255, (n, 32, 32, 3), np.uint8)
    one = Fingerprints(hashes, thumbnails, np.zeros(n, bool), {})
    moved = np.roll(np.arange(n), 1)
    pairs = list(near_duplicates(one, one.take(moved), np.arange(n), np.arange(n) + n))
    rows, columns = (np.concatenate(part) for part in zip(*pairs, strict=True))
    assert np.array_equal(moved[columns], rows)
    assert len(rows) == n
