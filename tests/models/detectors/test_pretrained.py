"""The public weights give the numbers that were seen with them elsewhere."""

import shutil

import cv2
import keras
import numpy as np
import pytest

from deepfake_generalize.data.assets import DETECTORS
from deepfake_generalize.errors import InputError, MissingAssetError
from deepfake_generalize.models.detectors import Detector, load_pretrained

# P(real) of df00204, df01254, real00240, real00772.
PUBLISHED = {
    "mesonet-deepfakes": ("Meso4_DF.h5", [0.0482, 0.0253, 0.9897, 0.9966]),
    "mesonet-face2face": ("Meso4_F2F.h5", [0.8277, 0.6877, 0.8810, 0.9432]),
    "mesoinception-deepfakes": ("MesoInception_DF.h5", [0.0189, 0.0008, 1.0, 1.0]),
    "mesoinception-face2face": ("MesoInception_F2F.h5", [0.9992, 1.0, 1.0, 0.9991]),
}
# Each network and each kind of fakes is seen by day too.
BY_NIGHT = ("mesonet-face2face", "mesoinception-deepfakes")


@pytest.fixture(scope="session")
def weights_folder(shared_data):
    return shared_data("mesonet/weights")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.nightly if name in BY_NIGHT else ())
        for name in DETECTORS
    ],
)
def test_sample_images_score_as_published(name, weights_folder, sample_images, monkeypatch):
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_MESONET_WEIGHTS", str(weights_folder))
    detector = load_pretrained(name)
    expected = 1 - np.array(PUBLISHED[name][1])
    at_256 = np.stack([cv2.resize(image, (256, 256)) for image in sample_images])
    for images in (at_256, at_256.astype(np.float32) / 255):
        np.testing.assert_allclose(detector.scores(images), expected, atol=2e-4)
    bilinear = Detector(detector.model, fake_index=0)
    np.testing.assert_array_equal(bilinear.scores(sample_images), detector.scores(at_256))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "mesonet-face2face" else pytest.mark.nightly)
        for name in DETECTORS
    ],
)
def test_images_of_any_size_are_read_as_in_the_training_of_the_weights(
    name, weights_folder, sample_paths, sample_images
):
    detector = load_pretrained(name, path=weights_folder / PUBLISHED[name][0])
    load, resized = keras.utils.load_img, {"target_size": (256, 256), "interpolation": "nearest"}
    kept = [np.asarray(load(path, **resized), np.uint8) for path in sample_paths]
    raw = detector.model(np.stack(kept).astype(np.float32) / 255).numpy()[:, 0]
    # OpenCV's JPEG decoder and Pillow's agree to a level: the same decoder is compared.
    decoded = [np.asarray(load(path), np.uint8) for path in sample_paths]
    np.testing.assert_allclose(detector.scores(decoded), 1.0 - raw, atol=1e-6)
    np.testing.assert_allclose(detector.scores(sample_images), 1.0 - raw, atol=1e-2)


def test_the_files_of_the_four_are_told_apart(weights_folder):
    with pytest.raises(InputError, match="holds those of mesonet-face2face"):
        load_pretrained("mesonet-deepfakes", path=weights_folder / "Meso4_F2F.h5")
    with pytest.raises(InputError, match="holds those of mesoinception-deepfakes"):
        load_pretrained("mesoinception-face2face", path=weights_folder / "MesoInception_DF.h5")


@pytest.mark.parametrize("name", DETECTORS)
def test_a_path_will_do_and_polarity_is_the_detectors(name, weights_folder, sample_images):
    detector = load_pretrained(name, path=weights_folder / PUBLISHED[name][0])
    assert detector.name == name
    assert detector.fake_index == 0
    raw = detector.model(cv2.resize(sample_images[1], (256, 256))[None] / 255.0).numpy()[0, 0]
    np.testing.assert_allclose(raw, PUBLISHED[name][1][1], atol=2e-4)


def test_unknown_names_list_the_known():
    with pytest.raises(InputError, match=r"mesonet-deepfakes, .*mesoinception-face2face.*'meso4'"):
        load_pretrained("meso4")


def test_files_of_another_network_and_no_files(weights_folder, tmp_path):
    with pytest.raises(InputError, match="holds those of mesoinception-deepfakes"):
        load_pretrained("mesonet-deepfakes", path=weights_folder / "MesoInception_DF.h5")
    with pytest.raises(MissingAssetError, match="absent"):
        load_pretrained("mesonet-deepfakes", path=tmp_path / "absent.h5")
    cut = tmp_path / "Meso4_DF.h5"
    shutil.copy(weights_folder / "Meso4_DF.h5", cut)
    with cut.open("r+b") as file:
        file.truncate(30_000)
    with pytest.raises(InputError, match="truncated"):
        load_pretrained("mesonet-deepfakes", path=cut)
    (tmp_path / "text.h5").write_text("not weights")
    with pytest.raises(InputError, match="not HDF5"):
        load_pretrained("mesonet-deepfakes", path=tmp_path / "text.h5")
