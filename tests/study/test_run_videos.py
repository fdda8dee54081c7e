"""A study over folders of videos: the tables of the drawn frames, up to compression."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.metrics import structural_similarity

from deepfake_generalize import data, models, study
from deepfake_generalize.data import synthetic
from deepfake_generalize.data.synthetic import videos as films
from deepfake_generalize.study.experiment.records import of_kind, read_all

SETS = ["CELEB", "F2F", "FS", "NT", "DF", "DFD", "CELEB-M", "FS-I", "NT-I"]
TESTED = ["CELEB", "FS", "NT", "DF", "DFD", "CELEB-M"]
KEYS = ["video", "frame", "dataset", "method", "label", "target_identity", "source_identity"]
TABLES = {"IV": "table_iv", "V": "table_v", "VI": "table_vi", "VII": "table_vii"}
FRAMES = 8
pytestmark = pytest.mark.nightly  # From videos to a report a study goes in test_own_study too.


@pytest.fixture(scope="module")
def config(tiny_config, shared_data) -> study.StudyConfig:
    """The tiny study over videos; its one network learns little."""
    for name in ("face_detection_full_range_sparse", "face_landmark"):
        shared_data(f"mediapipe/{name}.tflite")
    return dataclasses.replace(
        tiny_config,
        name="videos",
        data={},
        image_size=64,
        protocol=dataclasses.replace(
            tiny_config.protocol,
            sizes=study.Sizes(
                train=16, val=8, test=8, few_shot_original=8, few_shot_unseen=8, few_shot_val=8
            ),
            frames_per_video=FRAMES,
            frames_per_real_video=FRAMES,
        ),
        schedules={
            "mesonet": study.Schedule(
                epochs=20, batch_size=8, fine_tuning_epochs=4, fine_tuning_batch_size=8
            )
        },
        analysis=study.Analysis(
            heat_map_fakes=2, causal_images=4, resamples=20, controls=1, shuffled_controls=0
        ),
    )


@pytest.fixture(scope="module")
def run_over(config, shared_data, tmp_path_factory) -> Callable[..., study.Study]:
    """A function that draws the videos with a quality of H.264 and runs the study over them."""

    def run(quality: str, *, marked: bool) -> study.Study:
        folder = tmp_path_factory.mktemp("films")
        with pytest.MonkeyPatch.context() as patch:
            model = "mediapipe/face_detection_full_range_sparse.tflite"
            patch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(shared_data(model)))
            model = "mediapipe/face_landmark.tflite"
            patch.setenv("DEEPFAKE_GENERALIZE_LANDMARK_MODEL", str(shared_data(model)))
            patch.setattr(films, "_CODEC", {**films._CODEC, "crf": quality})
            roots = synthetic.make_videos(
                folder,
                per_split={"train": 16, "val": 8, "test": 8},
                frames=FRAMES,
                size=160,
                seed=3,
            )
            if not marked:
                # What is not marked is filmed, as far as anybody can tell.
                (folder / "synthetic.json").unlink()
            named = zip(("faceforensics", "celebdf_v1", "celebdf_v2"), roots.values(), strict=True)
            own = dataclasses.replace(config, data={name: str(root) for name, root in named})
            return study.run(own, tmp_path_factory.mktemp("studies") / "run")

    return run


@pytest.fixture(scope="module")
def compressed(run_over) -> study.Study:
    """Over the videos as they are drawn."""
    return run_over("23", marked=True)


@pytest.fixture(scope="module")
def lossless(run_over) -> study.Study:
    """Over videos that hold the very frames that were drawn, and do not say that they were."""
    return run_over("0", marked=False)


def splits(done: study.Study) -> dict[str, data.Splits]:
    return {name: data.Splits.load(done.folder / "splits" / f"{name}.csv") for name in SETS}


def keys(crops: pd.DataFrame) -> pd.DataFrame:
    """Return which frames these are, wherever their videos lie."""
    parts = crops["video"].map(lambda path: "/".join(Path(path).parts[-3:]))
    return crops[KEYS].assign(video=parts).reset_index(drop=True)


def images(crops: pd.DataFrame) -> np.ndarray:
    return np.stack([data.read_image(path) for path in crops["path"]])


@pytest.mark.nightly
def test_the_sets_are_those_of_the_drawn_frames(compressed, lossless, config):
    alike = []
    for name, ours in splits(compressed).items():
        theirs = splits(lossless)[name]
        for part in ("train", "val", "test"):
            pd.testing.assert_frame_equal(keys(getattr(ours, part)), keys(getattr(theirs, part)))
        assert len(ours.test) == config.protocol.sizes.test
        assert ours.test["label"].mean() == 0.5
        pairs = zip(images(ours.test), images(theirs.test), strict=True)
        alike += [structural_similarity(a, b, channel_axis=2) for a, b in pairs]
    # Measured: 0.89 in the middle, 0.73 to 0.99.
    assert np.median(alike) > 0.8
    assert min(alike) > 0.6
    assert max(alike) < 1


@pytest.mark.parametrize(
    "quality", ["compressed", pytest.param("lossless", marks=pytest.mark.nightly)]
)
def test_the_tables_are_those_of_the_drawn_frames(quality, tiny_run, request):
    videos = request.getfixturevalue(quality)
    for number in TABLES:
        ours, drawn = videos.table(number), tiny_run.table(number)
        assert list(ours.columns) == list(drawn.columns)
        if number in ("IV", "V"):
            assert sorted(ours["detector"]) == sorted(drawn["detector"])


@pytest.mark.nightly
def test_a_detector_scores_compressed_and_drawn_frames_alike(compressed, lossless):
    ours, theirs = splits(compressed), splits(lossless)
    detector = models.Detector.load(compressed.folder / "detectors" / "MesoNet1.keras")
    a, b = (
        np.concatenate([detector.scores(images(each[name].test)) for name in TESTED])
        for each in (ours, theirs)
    )
    labels = np.concatenate([ours[name].test["label"] for name in TESTED])
    accuracies = [((scores > 0.5) == labels).mean() for scores in (a, b)]
    # Measured: 0.0035 apart, of a spread of 0.058 between images, and the same accuracy.
    assert a.std() > 0.02
    assert np.abs(a - b).mean() < 0.25 * a.std()
    assert abs(accuracies[0] - accuracies[1]) <= 0.1


def test_no_video_and_no_row_is_dropped_without_a_word(compressed, config):
    crops = compressed.folder / "crops"
    for name, root in compressed.config.data.items():
        there = {Path(path) for path in data.find_videos(root)["path"]}
        kept = {Path(path) for path in data.read_crops(crops / name)["video"]}
        assert kept == there
        assert len(data.read_crops(crops / name)) == FRAMES * len(there)
    records = of_kind(read_all(compressed.folder / "records"), "evaluation")
    assert {each["set"] for each in records} == set(TESTED)
    for each in records:
        assert each["coverage"] == {
            "ok": config.protocol.sizes.test,
            "total": config.protocol.sizes.test,
        }
        rows = pd.read_csv(compressed.folder / each["scores"], comment="#")
        assert len(rows) == config.protocol.sizes.test
        assert set(rows["status"]) == {"ok"}


def test_drawn_videos_are_marked_in_every_table_figure_and_report(compressed):
    folder = compressed.folder
    for each in read_all(folder / "records"):
        assert each["synthetic"] is True, each["key"]
    for name in TABLES.values():
        for suffix in ("md", "tex"):
            text = (folder / "tables" / f"{name}.{suffix}").read_text(encoding="utf-8")
            assert "Synthetic data: these faces are drawn, not filmed." in text
    pictures = list((folder / "figures").glob("*.svg"))
    assert len(pictures) == 3
    for path in pictures:
        assert "SYNTHETIC FACES" in path.read_text(encoding="utf-8"), path.name
    assert "these faces are drawn" in compressed.report.read_text(encoding="utf-8")


@pytest.mark.nightly
def test_nothing_says_so_of_other_videos(lossless):
    folder = lossless.folder
    for each in read_all(folder / "records"):
        assert each["synthetic"] is False, each["key"]
    paths = [lossless.report, *(folder / "tables").iterdir(), *(folder / "figures").glob("*.svg")]
    assert len(paths) == 1 + 12 + 3
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r".{0,60}\b(?:synthetic|drawn)\b.{0,40}", text, re.IGNORECASE) == []
