"""Detectors by a text: the public ones, files, and whatever Python names."""

from __future__ import annotations

import shutil
import sys

import cv2
import keras
import numpy as np
import pytest

from deepfake_generalize.data.assets import DETECTORS, find_detector
from deepfake_generalize.errors import InputError, MissingAssetError, MissingDependencyError
from deepfake_generalize.models import Detector, load_detector, mesonet
from deepfake_generalize.models.detectors import load_pretrained

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


CODE = """
import beside
from deepfake_generalize.models import as_detector, mesonet

def red(images):
    return images[..., 0].mean((1, 2))

def logit(images):
    return images[..., 0].mean((1, 2)) * 4 - 2

def build():
    return mesonet((16, 16, 3))

def finished():
    return as_detector(red, name="finished", size=8)

class Own:
    name = "own"

    def scores(self, images):
        return images[..., 0].mean((1, 2))

network, detector, own, number = build(), finished(), Own(), 3

def fails():
    raise KeyError("weights.pth")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    (folder / "mine.py").write_text(CODE)
    (folder / "beside.py").touch()
    (folder / "folder.py").mkdir()
    (folder / "raises.py").write_text("x = 1\nraise ZeroDivisionError('no graphics card')\n")
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("RAN = True\n")
    (folder / "pack" / "net.py").write_text(
        "def red(images):\n    return images[..., 0].mean((1, 2))\n"
    )
    Detector(mesonet((16, 16, 3)), name="saved").save(folder / "saved.keras")
    return folder


@pytest.fixture(autouse=True)
def _modules_as_before(monkeypatch, folder):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if (
            getattr(sys.modules[name], "__file__", None)
            and str(folder) in sys.modules[name].__file__
        ):
            del sys.modules[name]


IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
RED = IMAGES[..., 0].mean((1, 2)) / 255


@pytest.mark.parametrize(
    ("reference", "name", "expected"),
    [
        ("mine.py:red[size=8]", "red", RED),
        ("mine.py:red[size=8, name=mine]", "mine", RED),
        ("mine.py:red[size=8,returns='real']", "red", 1 - RED),
        ("mine.py:logit[size=8,logits=true]", "logit", 1 / (1 + np.exp(2 - 4 * RED))),
        ("mine.py:detector", "finished", RED),
        ("mine.py:finished", "finished", RED),
        ("pack.net:red[size=8]", "red", RED),
    ],
)
def test_what_a_file_or_module_names_scores_as_it_does_by_itself(reference, name, expected):
    detector = load_detector(reference)
    assert detector.name == name
    np.testing.assert_allclose(detector.scores(IMAGES), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["own", "Own"])
def test_ones_own_object_with_name_and_scores_is_a_detector(name):
    detector = load_detector(f"mine.py:{name}")
    np.testing.assert_allclose(detector.scores(IMAGES / 255), RED)


def test_a_keras_model_takes_the_settings_of_a_detector():
    fake, real = (load_detector(f"mine.py:network[fake_index={n}]") for n in (1, 0))
    np.testing.assert_allclose(fake.scores(IMAGES) + real.scores(IMAGES), 1, atol=1e-6)
    assert isinstance(load_detector("mine.py:build"), Detector)
    assert load_detector("mine.py:network[name=meso]").name == "meso"


def test_a_saved_file_is_loaded_and_a_file_of_code_is_run_once():
    assert load_detector("saved.keras").name == "saved"
    assert load_detector("mine.py:detector") is load_detector("mine.py:detector")


def test_a_torch_module_is_called_channels_first(folder):
    torch = pytest.importorskip("torch")
    (folder / "lit.py").write_text(
        "import torch\n"
        "class Red(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        return x[:, 0].mean((1, 2))\n"
        "module = Red()\n"
    )
    assert torch
    for name in ("module", "Red"):
        scores = load_detector(f"lit.py:{name}[size=8]").scores(IMAGES)
        np.testing.assert_allclose(scores, RED, atol=1e-6)


@pytest.mark.parametrize("first", [True, False])
def test_an_onnx_file_says_size_and_axes_itself(first, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    axes = [2, 3] if first else [1, 2]
    shape = [1, 3, 8, 8] if first else ["N", 8, 8, 3]
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["image", "axes"], ["means"], keepdims=0),
            helper.make_node("Gather", ["means", "red"], ["score"], axis=1),
        ],
        "red",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("score", kind, [shape[0], 1])],
        [
            helper.make_tensor("axes", onnx.TensorProto.INT64, [2], axes),
            helper.make_tensor("red", onnx.TensorProto.INT64, [1], [0]),
        ],
    )
    path = tmp_path / "red.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path
    )
    detector = load_detector(str(path))
    assert (detector.name, detector.size, detector.batch_size) == (
        "red",
        (8, 8),
        1 if first else None,
    )
    np.testing.assert_allclose(detector.scores(IMAGES), RED, atol=1e-6)
    real = load_detector(f"{path}[returns=real]")
    np.testing.assert_allclose(real.scores(IMAGES), 1 - RED, atol=1e-6)


@pytest.mark.parametrize(
    ("reference", "said", "hint"),
    [
        ("mesonet", "received 'mesonet'", "There is no mesonet;"),
        ("gone.keras", "received 'gone.keras'", "mesonet-deepfakes"),
        ("mine.py", "path/to/file.py:name", "Name what is in mine.py"),
        ("gone.py:net", "received 'gone.py:net'", "There is no gone.py"),
        ("pack.gone:net", "received 'pack.gone:net'", "There is no pack.gone"),
        ("no_such_pack.net:red", "received", "There is no no_such_pack.net"),
        ("mine.py:gone", "expected 'gone' in mine.py", "red, logit, build"),
        ("folder.py:net", "a file of Python at 'folder.py': .*directory", "Check the path"),
        ("mine.py:number", "expected a function that takes a batch", ""),
        ("mine.py:red", "does not say it", "mine.py:red[size=256]"),
        ("mine.py:red[sise=8]", "one of function, name, size, returns", ""),
        ("mine.py:detector[size=8]", "expected no settings of mine.py:detector", "functions"),
        ("mine.py:fails", r"KeyError: 'weights.pth' \(.*mine.py, line 26\)", "by itself"),
        (
            "raises.py:ZeroDivisionError",
            r"ZeroDivisionError: no graphics card \(.*raises.py, line 2\)",
            "itself",
        ),
    ],
)
def test_what_leads_to_nothing_is_refused_in_words(reference, said, hint):
    with pytest.raises(InputError, match=said) as caught:
        load_detector(reference)
    assert hint in (caught.value.hint or "")


def test_no_code_is_run_before_a_module_is_known_to_exist():
    with pytest.raises(InputError):
        load_detector("pack.gone:net")
    assert "pack" not in sys.modules
    assert find_detector("pack.net:anything").name == "anything"
    with pytest.raises(InputError, match=r"expected .rad. in mine\.py, there is none") as caught:
        find_detector("mine.py:rad[size=8]")
    assert "red, logit" in caught.value.hint
    assert "pack" not in sys.modules


def test_weights_belong_to_public_detectors():
    with pytest.raises(InputError, match="beside a public detector's name"):
        load_detector("saved.keras", "weights.h5")


def test_without_onnxruntime_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "net.onnx").touch()
    with pytest.raises(MissingDependencyError) as caught:
        load_detector(str(tmp_path / "net.onnx"))
    assert caught.value.hint == "pip install onnxruntime"


def test_a_damaged_onnx_file_is_told_as_such(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "net.onnx").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"cannot open .*net\.onnx"):
        load_detector(str(tmp_path / "net.onnx"))


def test_names_of_folders_with_brackets_are_paths(tmp_path):
    Detector(mesonet((16, 16, 3)), name="odd").save(tmp_path / "a[1].keras")
    assert load_detector(str(tmp_path / "a[1].keras")).name == "odd"
