"""The videos on disk, read by the package's own readers and finders."""

import json
from pathlib import Path

import numpy as np
import pytest

from deepfake_generalize.data import CascadeFinder, find_videos, read_crops
from deepfake_generalize.data.extraction import extract_faces
from deepfake_generalize.data.synthetic import is_synthetic, make_videos
from deepfake_generalize.data.video.sampling import probe
from deepfake_generalize.errors import DataMismatchError, InputError

SETTINGS = {"per_split": {"train": 4, "val": 4, "test": 4}, "frames": 3, "size": 96, "seed": 100}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_videos(tmp_path_factory.mktemp("films") / "roots", **SETTINGS)


@pytest.mark.slow
def test_face_forensics_is_read_without_a_complaint(roots) -> None:
    videos = find_videos(roots["FaceForensics++"], layout="auto", strict=True)
    counts = videos.groupby(["dataset", "method"]).size().to_dict()
    assert counts == {
        ("DFD", "DeepFakeDetection"): 2,
        ("DFD", "real"): 2,
        ("FF++", "Deepfakes"): 12,
        ("FF++", "Face2Face"): 12,
        ("FF++", "FaceSwap"): 12,
        ("FF++", "NeuralTextures"): 12,
        ("FF++", "real"): 12,
    }
    assert set(videos["compression"]) == {"c23"}
    ff = videos[videos["dataset"] == "FF++"]
    assert ff.groupby("split").size().to_dict() == {"test": 20, "train": 20, "val": 20}
    assert set(ff.query("split == 'test'")["target_identity"]) == {"400", "401", "800", "801"}


@pytest.mark.parametrize(("version", "test", "all_of_it"), [("v2", 4, 12), ("v1", 4, 4)])
def test_celeb_df_is_read_without_a_complaint(roots, version, test, all_of_it) -> None:
    videos = find_videos(roots[f"Celeb-DF-{version}"], layout="auto", strict=True)
    assert set(videos["dataset"]) == {f"Celeb-DF-{version}"}
    assert len(videos) == all_of_it
    assert (videos["split"] == "test").sum() == test
    assert videos.groupby("method").size().nunique() == 1


def test_each_video_has_its_frames_in_real_time(roots) -> None:
    path = sorted(roots["FaceForensics++"].rglob("*.mp4"))[0]
    info = probe(path)
    assert info.n_frames == 3


def test_persons_are_those_of_the_crops(roots, sets) -> None:
    videos = find_videos(roots["Celeb-DF-v2"])
    drawn = set(sets["CELEB"].train["target_identity"])
    assert drawn >= set(videos["target_identity"]) & {f"id{i}" for i in range(300)}


def test_all_of_it_is_marked(roots, tmp_path) -> None:
    assert is_synthetic(find_videos(roots["Celeb-DF-v1"]))
    assert is_synthetic(roots["FaceForensics++"])
    assert not is_synthetic(tmp_path)


def test_a_rerun_writes_what_is_missing_and_two_processes_the_same(roots, tmp_path) -> None:
    folder = roots["Celeb-DF-v1"].parent
    videos = {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*.mp4"))}
    lost = folder / next(iter(videos))
    lost.unlink()
    make_videos(folder, **SETTINGS, n_jobs=2)
    assert {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*.mp4"))} == videos
    assert not list(folder.rglob(".*"))


def test_other_settings_are_refused(roots) -> None:
    with pytest.raises(
        DataMismatchError, match=r"made with frames=4, its synthetic\.json says frames=3"
    ):
        make_videos(roots["Celeb-DF-v1"].parent, **{**SETTINGS, "frames": 4})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 97}, "expected size to be an even number, received 97"),
        ({"frames": 0}, "expected frames to be a whole number from 1, received 0"),
        ({"frames": 301}, "frames to be at most 300, received 301"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, change, message) -> None:
    with pytest.raises(InputError, match=message):
        make_videos(tmp_path / "x", **{**SETTINGS, **change})


@pytest.mark.nightly
def test_a_finder_without_a_model_finds_most_of_the_faces(tmp_path) -> None:
    roots = make_videos(tmp_path / "v", per_split={"train": 0, "val": 0, "test": 8}, frames=4)
    videos = find_videos(roots["Celeb-DF-v1"])
    with CascadeFinder() as finder:
        done = extract_faces(
            videos, tmp_path / "crops", frames_per_video=4, size=64, finder=finder, aligner="finder"
        )
    assert len(done.crops) >= 0.6 * 4 * len(videos)
    crops = read_crops(tmp_path / "crops")
    assert is_synthetic(crops)
    assert set(crops["method"]) == {"real", "Celeb-synthesis"}


@pytest.mark.slow
def test_mediapipe_finds_every_face_where_the_crops_have_it(tmp_path, shared_data) -> None:
    from deepfake_generalize.data import MediaPipeFinder
    from deepfake_generalize.data.synthetic.canvas import CROP_MIDDLE, CROP_SIDE, View
    from deepfake_generalize.data.synthetic.pictures import clip_of
    from deepfake_generalize.data.synthetic.renderer import render

    model = shared_data("mediapipe/face_detection_full_range_sparse.tflite")
    sides, middles = [], []
    view = View(256, 256, 52.0, 128.0, 115.0)
    with MediaPipeFinder(model) as finder:
        for number in range(24):
            image = render(clip_of(f"someone {number}", 100).shot(5 * number), view).image
            (face,) = finder.find(np.rint(image * 255).astype(np.uint8))
            sides.append(1.3 * face.side / view.scale)
            middles.append(((face.box[1] + face.box[3]) / 2 - view.y) / view.scale)
    assert np.mean(sides) == pytest.approx(CROP_SIDE, abs=0.15)
    assert np.mean(middles) == pytest.approx(CROP_MIDDLE, abs=0.08)


def test_the_split_files_hold_pairs(roots) -> None:
    train = json.loads((roots["FaceForensics++"] / "splits" / "train.json").read_text())
    assert train == [["000", "001"], ["500", "501"]]
