"""The two networks built on Keras's: what reaches their first convolution, and ImageNet."""

import keras
import numpy as np
import pytest

from deepfake_generalize.errors import MissingAssetError
from deepfake_generalize.models import efficientnet_b0, xception

SIZE = {"xception": 71, "efficientnet_b0": 32}
BUILD = {"xception": xception, "efficientnet_b0": efficientnet_b0}
APPLICATION = {"xception": "Xception", "efficientnet_b0": "EfficientNetB0"}
STEM = {"xception": "block1_conv1", "efficientnet_b0": "stem_conv_pad"}


@pytest.fixture
def levels():
    return np.random.default_rng(0).integers(0, 256, (2, 71, 71, 3)).astype(np.float32)


def _before(model, layer):
    """Return a model that ends where `layer` begins."""
    return keras.Model(model.inputs[0], model.get_layer(layer).input)


@pytest.fixture
def imagenet(tmp_path, monkeypatch):
    """Give Keras a file in place of its download; return the application that is in it."""

    def offer(name):
        original = getattr(keras.applications, APPLICATION[name])
        source = original(include_top=False, weights=None, input_shape=(71, 71, 3))
        rng = np.random.default_rng(3)
        for layer in source.layers:
            if isinstance(layer, keras.layers.Normalization):
                layer.set_weights(
                    [np.float32([0.4, 0.5, 0.6]), np.float32([0.1, 0.2, 0.3]), np.array(0)]
                )
                layer.finalize_state()
            elif isinstance(layer, keras.layers.BatchNormalization):
                layer.moving_mean.assign(rng.normal(0, 0.1, layer.moving_mean.shape))
        path = tmp_path / f"{name}.weights.h5"
        source.save_weights(path)
        monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: str(path))
        return original(include_top=False, weights="imagenet", input_shape=(71, 71, 3))

    return offer


@pytest.mark.slow
def test_efficientnet_sees_in_0_1_what_the_application_sees_in_0_255(levels):
    application = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(71, 71, 3)
    )
    theirs = _before(application, "stem_conv_pad")(levels).numpy()
    ours = _before(efficientnet_b0((71, 71, 3)), "stem_conv_pad")(levels / 255).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(ours, levels / 255, atol=1e-6)
    np.testing.assert_allclose(ours.std(), (levels / 255).std(), rtol=1e-5)


@pytest.mark.nightly
def test_xception_with_random_weights_sees_0_to_1(levels):
    seen = _before(xception((71, 71, 3)), "block1_conv1")(levels / 255).numpy()
    np.testing.assert_array_equal(seen, levels / 255)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "xception" else pytest.mark.nightly)
        for name in BUILD
    ],
)
def test_imagenet_weights_give_the_applications_features(name, imagenet, levels):
    theirs = imagenet(name)
    prepared = levels / 127.5 - 1 if name == "xception" else levels
    model = BUILD[name]((71, 71, 3), weights="imagenet")
    plain = BUILD[name]((71, 71, 3))
    assert model.count_params() == plain.count_params()
    np.testing.assert_allclose(
        _before(model, STEM[name])(levels / 255).numpy(),
        _before(theirs, STEM[name])(prepared).numpy(),
        atol=1e-5,
    )
    expected = theirs(prepared, training=False).numpy()
    features = _before(model, "average_pool")(levels / 255, training=False).numpy()
    np.testing.assert_allclose(features, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.nightly if name == "efficientnet_b0" else ())
        for name in BUILD
    ],
)
def test_imagenet_weights_that_cannot_be_had(name, monkeypatch):
    def offline(*_, **__):
        raise Exception("URL fetch failure on https://example.org")  # noqa: TRY002 - as Keras does

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", offline)
    with pytest.raises(MissingAssetError, match=r"ImageNet weights of .* URL fetch failure") as it:
        BUILD[name]((71, 71, 3), weights="imagenet")
    assert "weights=None" in it.value.hint


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.nightly
def test_normalization_follows_a_weights_file(tmp_path):
    shape = (32, 32, 3)
    images = np.random.default_rng(0).random((1, *shape), np.float32)
    source = efficientnet_b0(shape)
    source.get_layer("normalization_1").set_weights([np.full(3, 0.5), np.full(3, 4.0), np.array(0)])
    source.save_weights(tmp_path / "own.weights.h5")
    loaded = efficientnet_b0(shape, weights=tmp_path / "own.weights.h5")
    seen = _before(loaded, "stem_conv_pad")(images).numpy()
    np.testing.assert_allclose(seen, (images - 0.5) / 2, atol=1e-6)
