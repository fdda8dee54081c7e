"""Self-blends as a kind of detector of a study: they see reals alone."""

import dataclasses

import cv2
import keras
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import study
from deepfake_generalize.data import read_crops
from deepfake_generalize.data.crops import write_landmarks
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import RECIPES
from deepfake_generalize.models.detectors import named
from deepfake_generalize.study.experiment import check_data
from deepfake_generalize.study.facts import FINE_TUNINGS


@pytest.fixture
def parts(tmp_path):
    """Return crops to train on and to choose on, whose fakes are not on disk."""
    rng = np.random.default_rng(0)
    rows, points = [], {}
    for number in range(12):
        name = f"{number}.png"
        pixels = cv2.resize(rng.integers(0, 256, (4, 4, 3), np.uint8), (32, 32))
        cv2.imwrite(str(tmp_path / name), pixels)
        points[name] = rng.uniform(6, 26, (68, 2))
        about = {"target_identity": str(number), "video": f"/v/{number}.mp4", "dataset": "D"}
        rows.append(about | {"path": str(tmp_path / name), "label": 0})
        rows.append(about | {"path": str(tmp_path / f"gone/{name}"), "label": 1})
    write_landmarks(tmp_path, points)
    crops = pd.DataFrame(rows)
    return crops[:16], crops[16:]


@pytest.mark.slow
def test_a_network_is_trained_on_reals_and_blends_of_them_alone(parts):
    kind = FINE_TUNINGS["self-blended"]
    assert kind.sees == "source"
    recipe = dataclasses.replace(RECIPES["mesonet"], epochs=1, batch_size=8, name="short")
    layers = [keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
    choices = {"recipe": recipe, "seed": 3, "progress": None}
    network = keras.Sequential(layers)
    detector, again = (named(kind.function)(network, *parts, **choices) for _ in range(2))
    data = detector.training["data"]
    assert (data["train"]["images"], data["val"]["images"]) == (16, 8)
    assert data["train"]["pairs"] == 8
    assert detector.training["self_blends"] == "SBI"
    images = np.random.default_rng(1).random((4, 32, 32, 3), np.float32)
    np.testing.assert_array_equal(detector.scores(images), again.scores(images))


def test_a_study_of_crops_without_landmarks_is_refused_before_it_begins(tmp_path):
    for place in ("home", "abroad"):
        for label in ("real", "fake"):
            (tmp_path / place / label).mkdir(parents=True)
            for number in range(12):
                file = tmp_path / place / label / f"{number}.png"
                cv2.imwrite(str(file), np.full((8, 8, 3), number, np.uint8))
    sizes = study.Sizes(train=8, val=4, test=4)
    source = study.Source(("abroad",))
    protocol = study.Protocol({"home": source}, sizes=sizes, fine_tunings=("none", "self-blended"))
    config = study.StudyConfig(
        protocol=protocol,
        data={name: str(tmp_path / name) for name in ("home", "abroad")},
        architectures=("mesonet",),
        zero_shot=("mesonet",),
    )
    with pytest.raises(InputError, match="home: expected landmarks of one shape"):
        check_data(config)
    reals = read_crops(tmp_path / "home").query("label == 0")["path"]
    write_landmarks(
        tmp_path / "home", {path[len(f"{tmp_path}/home/") :]: np.ones((68, 2)) for path in reals}
    )
    check_data(config)
    for label in ("real", "fake"):
        (tmp_path / "films" / label).mkdir(parents=True)
        for number in range(12):
            (tmp_path / "films" / label / f"{number}.mp4").touch()
    # The paper's own splits are of other places, and no sizes are looked at.
    roots = dict.fromkeys(("faceforensics", "celebdf_v1"), config.places["abroad"])
    paper = study.StudyConfig.paper(roots | {"celebdf_v2": config.places["home"]})
    kinds = dataclasses.replace(paper.protocol, fine_tunings=("none", "self-blended"))
    ours = {"architectures": ("mesonet",), "protocol": kinds, "sources": ("CELEB",)}
    check_data(dataclasses.replace(paper, **ours))
    roots["celebdf_v2"] = config.places["abroad"]
    with pytest.raises(InputError, match="CELEB: expected landmarks of one shape"):
        check_data(dataclasses.replace(paper, **ours, data=roots))
    films = {"home": str(tmp_path / "films"), "abroad": config.places["abroad"]}
    with pytest.raises(InputError, match="'landmarks' with self-blended, received 'finder'"):
        check_data(dataclasses.replace(config, data=films, aligner="finder"))
