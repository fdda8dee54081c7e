"""Robustness and shortcuts of detectors whose scores are known by hand."""

import functools
import warnings
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from deepfake_generalize import metrics, study
from deepfake_generalize.data import PERTURBATIONS, ShortcutWarning, read_image
from deepfake_generalize.data.shortcuts import _last_quality
from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import Resampling
from deepfake_generalize.models import as_detector

FEW = Resampling(n_resamples=100)
robustness = functools.partial(study.robustness, resampling=FEW)
shortcut_test = functools.partial(study.shortcut_test, resampling=FEW)


def redness(images: np.ndarray) -> np.ndarray:
    return images[..., 0].mean((1, 2)).astype(np.float64)


@pytest.fixture(scope="module")
def red():
    return as_detector(redness, name="red", size=32)


def write(folder, pictures, labels) -> pd.DataFrame:
    rows = []
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        path = str(folder / f"{number}.png")
        cv2.imwrite(path, np.ascontiguousarray(picture[..., ::-1]))
        rows.append({"path": path, "label": label, "video": f"/v/{number // 2}-{label}.mp4"})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def reds(tmp_path_factory) -> pd.DataFrame:
    """24 pictures of 12 videos, of which the fake ones are mostly redder."""
    rng, labels = np.random.default_rng(0), [0, 0, 1, 1] * 6
    means = [rng.normal(110 + 60 * label, 30) for label in labels]
    pictures = [rng.normal(mean, 20, (32, 32, 3)).clip(0, 255).astype(np.uint8) for mean in means]
    return write(tmp_path_factory.mktemp("reds"), pictures, labels)


CHOICE = {"contrast": [1, 3], "gend_noise": [4], "saturation": [2, 5]}


def by_hand(crops: pd.DataFrame, name: str, level: int) -> np.ndarray:
    pictures = [read_image(path) for path in crops["path"]]
    if level:
        pictures = [PERTURBATIONS[name](picture, level) for picture in pictures]
    return np.array([picture[..., 0].mean() / 255 for picture in pictures])


def test_robustness_is_degradation_by_type_and_level(red, reds) -> None:
    found = robustness(red, reds, perturbations=CHOICE)
    assert found.detector == "red"
    assert found.applied_to == "crops, after they were cut out"
    clean = by_hand(reds, "", 0)
    at_home = 100 * accuracy_score(reds["label"], clean >= 0.5)
    for row in found.frame.dropna(subset="level").to_dict("records"):
        scores = by_hand(reds, row["perturbation"], row["level"])
        accuracy = 100 * accuracy_score(reds["label"], scores >= 0.5)
        assert row["accuracy"] == pytest.approx(accuracy)
        assert row["auc"] == pytest.approx(100 * roc_auc_score(reds["label"], scores))
        assert row["degradation"] == pytest.approx(at_home - accuracy)
        if row["level"]:
            kept = found.scores[f"{row['perturbation']} {row['level']}"]
            np.testing.assert_allclose(kept, scores, atol=1e-6)
    assert found.frame["perturbed"].eq("both").all()
    assert found.frame[["n_real", "n_fake"]].eq(12).all(axis=None)


def test_the_mean_over_levels_is_the_papers_formula_with_its_paired_interval(red, reds) -> None:
    found = robustness(red, reds, perturbations=CHOICE)
    mean = found.frame[found.frame["level"].isna()].set_index("perturbation").loc["contrast"]
    groups = [f"{label}\t{n // 2}" for n, label in enumerate(reds["label"])]
    sets = [(reds["label"], by_hand(reds, "contrast", level), groups) for level in (0, 1, 3)]
    accuracies = [metrics.accuracy(labels, scores) for labels, scores, _ in sets]
    lost = metrics.degradation(accuracies[0], accuracies[1:])
    assert mean["degradation"] == pytest.approx(100 * lost)
    by_video = metrics.degradation_interval(sets[0], sets[1:], n_resamples=2000)
    many = study.robustness(
        red, reds, perturbations=CHOICE, resampling=Resampling(n_resamples=2000)
    )
    mean = many.frame[many.frame["level"].isna()].set_index("perturbation").loc["contrast"]
    # Other names of the same videos draw other weights.
    expected = (100 * by_video.low, 100 * by_video.high)
    assert (mean["degradation_low"], mean["degradation_high"]) == pytest.approx(expected, abs=2.0)
    # A perturbation that changes no decision loses nothing, without any width.
    none = robustness(red, reds, perturbations={"gend_jpeg": [1]}).frame.iloc[1]
    assert (none["degradation"], none["degradation_low"], none["degradation_high"]) == (0, 0, 0)


def test_all_seven_types_with_five_levels_are_the_default(red, reds) -> None:
    found = robustness(red, reds.iloc[:8])
    counts = found.frame.groupby("perturbation", sort=False).size()
    assert counts.to_dict() == {"none": 1} | dict.fromkeys(list(PERTURBATIONS)[:7], 6)
    assert "no interval: 2 videos of a class, and none is made of fewer than 5" in found.notes
    for table_format in ("markdown", "latex", "html", "csv", "text"):
        table = found.table(table_format, intervals=True)
        assert "colour" in table
        assert "mean" in table
        assert table_format == "csv" or "crops, after they were cut out" in table
    assert "[" not in found.table("csv")


def test_whole_frames_are_perturbed_before_the_face_is_cut_out(
    red, tmp_path, write_video, part_finder
) -> None:
    rng, videos = np.random.default_rng(1), []
    for number in range(4):
        frames = [rng.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(4)]
        path = write_video(tmp_path / f"{number}.mp4", frames)
        videos.append({"path": str(path), "label": number % 2, "method": "made"})
    videos.append({"path": str(tmp_path / "gone.mp4"), "label": 1, "method": "made"})
    videos[1]["fake_frames"] = "2-4"
    finder, seen = part_finder(0.25, 0.25, 0.75, 0.75), []

    def keep(images: np.ndarray) -> np.ndarray:
        seen.append(np.array(images))
        return redness(images)

    found = robustness(
        as_detector(lambda images: keep(images) / 255, name="keep", size=256, scale="uint8"),
        pd.DataFrame(videos),
        perturbations={"contrast": [5], "blur": [1]},
        frames_per_video=2,
        finder=finder,
        aligner="finder",
    )
    assert found.applied_to.startswith("whole frames, before the face was cut out")
    assert found.notes[0] == "1 missing: not scored, clean or perturbed"
    assert found.frame[["n_real", "n_fake"]].eq(4).all(axis=None)
    dark, soft, clean = seen[:3]
    np.testing.assert_allclose(dark, clean * 0.35, atol=1.5)
    # A blur of the frame: the crop, 3 times as large, is blurred by 3 times as much.
    scale = 256 / (64 * 1.3)
    again = cv2.GaussianBlur(clean[0], (0, 0), scale * 7 / 6)[40:-40, 40:-40]
    crop = PERTURBATIONS["blur"](clean[0], 1)[40:-40, 40:-40]
    assert again.std() == pytest.approx(soft[0][40:-40, 40:-40].std(), rel=0.1)
    assert crop.std() > 1.5 * again.std()
    assert found.scores["method"].eq("made").all()
    taken = found.scores.groupby(found.scores["video"].str[-5:])["frame"].agg(list)
    assert taken[["0.mp4", "1.mp4"]].tolist() == [[1, 3], [2, 3]]
    with pytest.raises(InputError, match="keep the size of whole frames, received gend_resize_box"):
        robustness(red, pd.DataFrame(videos), perturbations=["gend_resize_box"], finder=finder)
    with pytest.raises(UndefinedMetricError, match="expected a face in the 1 videos, found none"):
        robustness(red, pd.DataFrame(videos[-1:]), finder=finder, aligner="finder")


def test_what_cannot_be_scored_is_counted(red, reds, tmp_path) -> None:
    (tmp_path / "broken.png").write_bytes(b"x")
    rows = reds.copy()
    rows.loc[[1, 2], "path"] = [str(tmp_path / "broken.png"), str(tmp_path / "gone.png")]
    found = robustness(red, rows, perturbations=CHOICE)
    assert set(found.notes) == {
        "1 error: not scored, clean or perturbed", "1 missing: not scored, clean or perturbed",
    }  # fmt: skip
    assert found.frame[["n_real", "n_fake"]].eq(11).all(axis=None)
    whole = robustness(red, reds, perturbations=CHOICE).scores.drop([1, 2])
    np.testing.assert_array_equal(found.scores["gend_noise 4"], whole["gend_noise 4"])


def test_clips_are_perturbed_frame_by_frame(reds) -> None:
    clips = as_detector(lambda x: redness(x[:, -1]), name="clips", size=32, frames=2)
    rows = reds.assign(video=[f"v{number // 2}" for number in range(24)], frame=[0, 1] * 12)
    found = robustness(clips, rows, perturbations=CHOICE)
    assert found.frame[["n_real", "n_fake"]].eq(6).all(axis=None)
    for name, level in (("contrast", 3), ("gend_noise", 4)):
        np.testing.assert_allclose(
            found.scores[f"{name} {level}"], by_hand(rows[1::2], name, level), atol=1e-6
        )
    with pytest.raises(InputError, match="crops for the detector of clips clips, received videos"):
        robustness(clips, pd.DataFrame({"path": ["a.mp4"], "label": [1]}))


def test_one_class_has_accuracies_alone(red, reds) -> None:
    fakes = reds[reds["label"] == 1]
    found = robustness(red, fakes, perturbations={"contrast": [3]})
    assert found.frame["auc"].isna().all()
    assert found.frame["degradation"].iloc[1] > 0
    assert "| - |" in found.table()


def test_one_class_is_refused_before_it_is_scored(reds) -> None:
    def none_yet(images: np.ndarray) -> np.ndarray:
        raise AssertionError("scored")

    never = SimpleNamespace(name="never", scores=none_yet)
    with pytest.raises(UndefinedMetricError, match="one class"):
        shortcut_test(never, reds[reds["label"] == 1], perturbations={"contrast": [3]})


def test_one_class_that_can_be_scored_is_refused(red, reds, tmp_path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    left = reds[reds["label"] == 1]
    broken = left.head(1).assign(path=str(tmp_path / "broken.png"), label=0)
    with pytest.raises(UndefinedMetricError, match="one class"):
        shortcut_test(red, pd.concat([left, broken]), perturbations={"contrast": [3]})


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("blur", "expected names of perturbations"),
        ([], "expected names of perturbations"),
        (["fog"], "expected a perturbation to be one of saturation, contrast"),
        ({"blur": []}, "expected levels of blur"),
        ({"blur": 1}, "expected levels of blur"),
        ({"blur": [6]}, "the level of blur to be a whole number from 1 to 5"),
    ],
)
def test_unknown_perturbations_are_refused(red, reds, choice, message: str) -> None:
    with pytest.raises(InputError, match=message):
        robustness(red, reds, perturbations=choice)


def test_scores_and_names_are_refused(red, reds) -> None:
    with pytest.raises(InputError, match="expected crops, received scores"):
        robustness(red, reds.assign(score=0.5))
    with pytest.raises(InputError, match="expected a detector with name and scores"):
        robustness("red", reds)
    with pytest.raises(InputError, match="expected seed"):
        robustness(red, reds, seed=-1)


def reads_quality(images: np.ndarray) -> list[float]:
    """Call fake what was saved as JPEG of a low quality."""
    return [1 - _last_quality(image) / 100 for image in images]


def reads_forgery(images: np.ndarray) -> np.ndarray:
    """Call fake what has the artefact that `forged` plants: a brighter half."""
    halves = np.split(images.astype(np.float64), 2, axis=2)
    return 0.5 + (halves[1].mean((1, 2, 3)) - halves[0].mean((1, 2, 3))) / 255


@pytest.fixture(scope="module")
def forged(drawn_faces, tmp_path_factory) -> pd.DataFrame:
    """Fakes with an artefact, which were saved once more at JPEG quality 75 too."""
    images, labels = drawn_faces(None, range(6), per_identity=4)
    pictures = images.copy()
    for number in np.flatnonzero(labels):
        face = images[number].astype(int)
        face[:, 36:] += 60
        face = face.clip(0, 255).astype(np.uint8)
        pictures[number] = cv2.imdecode(cv2.imencode(".jpg", face, [1, 75])[1], 1)
    return write(tmp_path_factory.mktemp("forged"), pictures, labels.tolist())


def test_a_detector_that_reads_the_planted_shortcut_is_found(forged) -> None:
    detector = as_detector(reads_quality, name="jpeg", size=72, scale="uint8")
    with pytest.warns(ShortcutWarning, match="gend_jpeg 3 looks fake to jpeg: its AUC is"):
        found = shortcut_test(detector, forged)
    rows = found.frame.set_index(["perturbation", "level", "perturbed"]).sort_index()
    # Reals at quality 60 look more fake than the fakes do.
    assert rows["auc"]["gend_jpeg", 3, "reals"] == 0.0
    assert rows["auc"]["gend_jpeg", 3, "fakes"] == 100.0
    assert rows["swing"]["gend_jpeg", 3].eq(100.0).all()
    assert rows["told"]["gend_jpeg", 3].all()
    assert not rows["told"]["none", 0].any()
    assert found.notes[0].startswith("gend_jpeg")


def test_a_detector_that_reads_the_forgery_is_left_in_peace(forged) -> None:
    detector = as_detector(reads_forgery, name="forgery", size=72, scale="uint8")
    found = shortcut_test(detector, forged)  # Warnings are errors.
    assert found.frame["auc"].gt(95.0).all()
    assert not found.frame["told"].any()
    assert found.notes == ()


def test_three_ways_of_perturbing_against_scikit_learn(red, reds) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShortcutWarning)
        found = shortcut_test(red, reds, perturbations={"contrast": [2]}).frame
    clean, dark = by_hand(reds, "", 0), by_hand(reds, "contrast", 2)
    fake = reds["label"] == 1
    for who, where in (("reals", ~fake), ("fakes", fake), ("both", fake | ~fake)):
        scores = np.where(where, dark, clean)
        row = found[found["perturbed"].eq(who) & found["level"].eq(2)].iloc[0]
        assert row["auc"] == pytest.approx(100 * roc_auc_score(fake, scores))
        assert row["accuracy"] == pytest.approx(100 * accuracy_score(fake, scores >= 0.5))
    aucs = found.set_index("perturbed")["auc"]
    assert found["swing"].iloc[1] == pytest.approx(aucs["fakes"] - aucs["reals"])
    # Darker pictures are less red: the perturbation looks real to this detector.
    assert found["swing"].iloc[1] < 0
