"""A study of one's own, by a file alone: from real clips to a report, killed once and resumed."""

import dataclasses
import json
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from deepfake_generalize import models, study
from deepfake_generalize.data.video import probe, read_frames

CLIPS = (
    "videos/people.mp4",
    "videos/short_clip.mp4",
    "dfdc/dfdc_train_part_0/abqwwspghj.mp4",
    "dfdc/dfdc_train_part_10/yhffcuhhjy.mp4",
    "dfdc/samples/lynaeydofd_real.mp4",
)
PIECES, FRAMES, SIDE = 3, 2, 480
NETS = """
import keras
import torch


def tiny(input_shape):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Conv2D(4, 3, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def redness(images):
    return (0.5 + images[..., 0] - images[..., 2]).mean((1, 2)).clip(0, 1)


class Brightness(torch.nn.Module):
    def forward(self, batch):
        return batch.mean((1, 2, 3))


def again(detector, train, val, *, seed, name):
    from deepfake_generalize import augment, models

    recipe = models.RECIPES["mesonet"].fine_tuning
    return augment.merge(
        detector, train, val, recipe=recipe, epochs=1, seed=seed, name=name, progress=None
    )
"""
STUDY = """
name = "mine"
image_size = 64
architectures = ["nets.py:tiny"]
aligner = "finder"
threads = 1

[data]
films = "films"
wild = "{wild}"

[detectors]
redness = "nets.py:redness[size=64]"
brightness = "nets.py:Brightness[size=64]"

[protocol]
metric = "auc"
units = ["frame", "video"]
frames_per_video = 2
frames_per_real_video = 2
fine_tunings = ["none", "merge", "nets.py:again"]

[protocol.sizes]
train = 16
val = 4
test = 8
few_shot_original = 4
few_shot_unseen = 4
few_shot_val = 4

[protocol.sets]
tinted = "films[method=Tint]"
blurred = "films[method=Blur]"

[protocol.sources.tinted]
unseen = ["blurred", "wild"]
few_shot = ["blurred"]

[schedules."nets.py:tiny"]
epochs = 2
fine_tuning_epochs = 1

[analysis]
heat_map_fakes = 4
causal_images = 8
controls = 1
shuffled_controls = 0
resamples = 50
"""
PROGRAM = "import sys; from deepfake_generalize.cli import main; sys.exit(main())"


def tint(frame):
    return np.clip(frame + np.array([45, 0, -45]), 0, 255).astype(np.uint8)


def blur(frame):
    return cv2.GaussianBlur(frame, (0, 0), 4)


@pytest.fixture
def place(tmp_path, shared_data, write_video, monkeypatch):
    """A folder with a study: pieces of real clips, forged in two ways, and a file of networks."""
    model = "mediapipe/face_detection_full_range_sparse.tflite"
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(shared_data(model)))
    for clip in CLIPS:
        path = shared_data(clip)
        count = probe(path).n_frames
        for piece in range(PIECES):
            first = piece * count // PIECES
            frames = read_frames(path, [first + number for number in range(FRAMES)]).images
            scale = SIDE / max(frames[0].shape[:2])
            size = [2 * int(scale * side / 2) for side in frames[0].shape[1::-1]]
            small = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
            name = f"{path.stem}{piece}.mp4"
            write_video(tmp_path / "films/real" / name, small)
            write_video(tmp_path / "films/fake/Tint" / name, [tint(frame) for frame in small])
            write_video(tmp_path / "films/fake/Blur" / name, [blur(frame) for frame in small])
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "study.toml").write_text(STUDY.format(wild=shared_data("dfdc_crops")))
    return tmp_path


def done(folder):
    return {path.name: path.read_bytes() for path in (folder / "records").glob("*.jsonl")}


@pytest.mark.slow
def test_from_real_clips_to_a_report_with_torch_by_a_file_alone_killed_once_and_resumed(place):
    pytest.importorskip("torch")
    folder = place / "run"
    command = [sys.executable, "-c", PROGRAM, "study", "--config", "study.toml", "--out", "run"]
    process = subprocess.Popen(command, cwd=place, stderr=subprocess.DEVNULL)
    # In the middle: some of the steps of the family that is trained are done.
    while process.poll() is None and done(folder).get("tiny-tinted.jsonl", b"").count(b"\n") < 4:
        time.sleep(0.01)
    assert process.poll() is None, "the study was done before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = done(folder)
    again = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    for name, lines in before.items():
        whole = lines[: lines.rfind(b"\n") + 1]
        assert done(folder)[name].startswith(whole), name
    count = before["tiny-tinted.jsonl"].count(b"\n")
    assert f"tiny-tinted: {count} of " in again.stderr
    assert "tables, figures and report wait for" in again.stderr
    found = study.publish(folder)
    names = set(found.table("IV")["detector"])
    assert names == {"redness", "brightness", "tiny1", "tiny2", "tiny3"}
    # A function that sees the tint knows the source's fakes, and nothing of the blurred ones.
    rows = found.table("V", metric="auc").set_index("detector")
    assert rows.loc["redness", "original_auc"] > 80 > rows.loc["redness", "blurred"]
    for unit in ("frame", "video"):
        header, *rows = (folder / "tables" / f"table_v_auc_{unit}.csv").read_text().splitlines()
        assert "wild,wild_low,wild_high" in header
        assert len(rows) == len(names)
    page = found.report.read_text(encoding="utf-8")
    assert "Left out: the protocol has no set that shares the method" in page
    for name in ("redness", "brightness"):
        record = json.loads(done(folder)[f"{name}-tinted.jsonl"].splitlines()[0])
        assert record["coverage"]["ok"] == 8
    assert found.findings[1].verdict == "cannot be told"


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Four sets of crops, by name: the fakes of each are redder, or not."""
    rng, places, folder = np.random.default_rng(0), {}, tmp_path_factory.mktemp("sets")
    for name, red in (("one", 60), ("two", 40), ("three", 0), ("four", -50)):
        places[name] = str(folder / name)
        for label, kind in enumerate(("real", "fake")):
            (folder / name / kind).mkdir(parents=True)
            for number in range(8):
                image = rng.integers(60, 140, (8, 8, 3))
                image[..., 2] += red * label
                cv2.imwrite(str(folder / name / kind / f"{number}.png"), image.astype(np.uint8))
    return places


@pytest.fixture(scope="module")
def measured(sets, tmp_path_factory):
    """A study of finished detectors alone, with two sources that differ in their unseen sets."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "own.py").write_text(
        "def red(images):\n    return images[..., 0].mean((1, 2)) + 0.1\n\n\n"
        "def same(images):\n    return 0 * images.mean((1, 2, 3)) + 0.3\n"
    )
    models.Detector(models.mesonet((32, 32, 3)), name="net").save(folder / "net.keras")
    protocol = study.Protocol(
        {"one": study.Source(("three",)), "two": study.Source(("three", "four"))},
        sizes=study.Sizes(test=12),
        units=("frame", "video"),
    )
    config = study.StudyConfig(
        name="measured",
        protocol=protocol,
        data=sets,
        architectures=(),
        detectors={
            "red": f"{folder}/own.py:red[size=8]",
            "same": f"{folder}/own.py:same[size=8]",
            "net": f"{folder}/net.keras",
        },
        image_size=8,
        analysis=study.Analysis(resamples=20, heat_map_fakes=2, causal_images=4),
    )
    return study.run(config, folder / "run")


@pytest.mark.slow
def test_finished_detectors_are_measured_without_any_training(measured):
    table = measured.table("V").set_index("detector")
    assert set(table.index) == {
        f"{n}-{of}" for n in ("red", "same", "net") for of in ("one", "two")
    }
    # By hand: the red channel alone decides, at a mean of .4 of 255.
    for name, unseen in (("red-one", ["three"]), ("red-two", ["three", "four"])):
        right = {}
        for key in (name.partition("-")[2], *unseen):
            frame = measured.results.scored[key][name]
            images = [cv2.imread(path) for path in frame["path"]]
            says = [image[..., 2].mean() / 255 + 0.1 >= 0.5 for image in images]
            right[key] = 100 * np.mean(says == (frame["label"] == 1))
            assert len(frame) == 12
        home, *abroad = right.values()
        assert table.loc[name, "original_accuracy"] == pytest.approx(home)
        assert table.loc[name, "degradation"] == pytest.approx(home - np.mean(abroad))
    assert np.isnan(table.loc["red-one", "four"])
    assert (table.loc[["same-one", "same-two"], "degradation"] == 0).all()
    facts = measured.table("IV")
    assert set(facts["fine_tuning"]) == {"finished"}
    assert set(facts["training_dataset"]) == {"elsewhere"}


@pytest.mark.slow
def test_what_cannot_be_answered_is_left_out_by_name(measured):
    page = measured.report.read_text(encoding="utf-8")
    assert "Left out: Figure 3" in page
    assert "Left out: red-one, heat maps. expected a" in page.replace("red-one, neurons", "")
    assert "Left out: the protocol has no set that shares the people with a source." in page
    assert [finding.verdict for finding in measured.findings[1:]] == ["cannot be told"] * 3
    assert all("Left out" in finding.why for finding in measured.findings[1:])
    assert "nothing is fine-tuned" in measured.findings[0].why
    told = (measured.folder / "tables" / "table_vi.md").read_text()
    assert "Left out: the protocol has no set that shares the method" in told
    assert (measured.folder / "tables" / "table_v_accuracy_video.tex").is_file()


@pytest.mark.slow
def test_a_finished_network_is_looked_into_as_far_as_it_can_be(measured):
    assert not [what for what in measured.results.left_out if what.startswith("net")]
    # One figure for each source, as their unseen sets are others.
    assert {path.stem for path in (measured.folder / "figures").glob("*.png")} == {
        f"figure_{number}_net-{source}" for number in (2, 5) for source in ("one", "two")
    }
    (overlap,) = measured.results.overlaps("net-two", [0.5])
    assert (overlap.neurons, len(overlap.counts)) == (16, 3)


@pytest.mark.slow
def test_a_study_may_move_and_is_still_itself(measured):
    config = measured.config
    moved = dataclasses.replace(
        config,
        data=dict.fromkeys(config.data, "/elsewhere"),
        detectors={
            name: each.replace(str(measured.folder.parent), "/else")
            for name, each in config.detectors.items()
        },
    )
    assert moved.sha256 == config.sha256
    other = dataclasses.replace(config, data={**config.data, "one": "crops[method=x]"})
    assert other.sha256 != config.sha256


def test_a_detector_of_clips_is_measured_by_video_beside_one_of_images(tmp_path):
    rng, data = np.random.default_rng(0), {}
    for name, red in (("one", 60), ("two", 0)):
        rows = ["path,label,video,frame"]
        for number in range(16):
            for at in range(2):
                image = rng.integers(60, 140, (8, 8, 3))
                image[..., 2] += red * (number % 2)
                cv2.imwrite(str(tmp_path / f"{name}{number}-{at}.png"), image.astype(np.uint8))
                rows.append(f"{name}{number}-{at}.png,{number % 2},{name}{number},{at}")
        (tmp_path / f"{name}.csv").write_text("\n".join(rows))
        data[name] = str(tmp_path / f"{name}.csv")
    (tmp_path / "own.py").write_text(
        "def red(images):\n    return images[..., 0].mean((1, 2)) + 0.1\n\n\n"
        "def clip(clips):\n    return red(clips[:, 1])\n"
    )
    config = study.StudyConfig(
        name="clips",
        protocol=study.Protocol(
            {"one": study.Source(("two",))}, sizes=study.Sizes(test=24), units=("frame", "video")
        ),
        data=data,
        architectures=(),
        detectors={
            "red": f"{tmp_path}/own.py:red[size=8]",
            "clip": f"{tmp_path}/own.py:clip[size=8,frames=2]",
        },
        image_size=8,
        analysis=study.Analysis(resamples=20),
    )
    found = study.run(config, tmp_path / "run")
    for key in ("one", "two"):
        frame = found.results.scored[key]["clip"]
        images = found.results.scored[key]["red"].set_index("video")
        counts = images.groupby(level=0).size()
        assert dict(zip(frame["video"], frame["status"] == "ok", strict=True)) == dict(counts == 2)
        ok = frame[frame["status"] == "ok"]
        second = images[images["frame"] == 1].loc[ok["video"], "score"]
        np.testing.assert_allclose(ok["score"], second)
        table = found.table("V", unit="video").set_index("detector")
        right = 100 * ((ok["score"] >= 0.5) == (ok["label"] == 1)).mean()
        column = "original_video_accuracy" if key == "one" else key
        assert table.loc["clip", column] == pytest.approx(right)
    assert found.table("V", unit="video").notna().all(axis=None)
    assert found.report.is_file()
