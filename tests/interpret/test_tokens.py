"""Maps of transformers in Keras: tokens by their grid, the last block by default."""

import keras
import numpy as np
import pytest
from keras import layers

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret import grad_cam
from deepfake_generalize.models import Detector
from deepfake_generalize.models.passes import token_grid

IMAGES = np.random.default_rng(0).random((3, 32, 16, 3)).astype(np.float32)


@keras.saving.register_keras_serializable("tests")
class ClassToken(layers.Layer):
    """Puts a learnt token before the others."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="normal")

    def call(self, tokens):
        count = keras.ops.shape(tokens)[0]
        return keras.ops.concatenate([keras.ops.repeat(self.token, count, axis=0), tokens], axis=1)


def vit(*, token):
    """Two blocks over 8x4 patches of 4x4 pixels, read from a class token or from the mean."""
    keras.utils.set_random_seed(4)
    image = keras.Input((32, 16, 3))
    x = layers.Conv2D(8, 4, 4, name="patches")(image)
    x = layers.Reshape((32, 8))(x)
    x = ClassToken()(x) if token else x
    for number in range(2):
        y = layers.LayerNormalization(name=f"norm1_{number}")(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(y, y)])
        y = layers.LayerNormalization(name=f"norm2_{number}")(x)
        x = layers.Add()([x, layers.Dense(8)(layers.Dense(16, activation="gelu")(y))])
    x = layers.LayerNormalization(name="norm")(x)
    x = x[:, 0] if token else layers.GlobalAveragePooling1D()(x)
    return keras.Model(image, layers.Dense(1, activation="sigmoid", name="head")(x))


@pytest.mark.parametrize(
    ("token", "last"), [(True, "norm1_1"), pytest.param(False, "norm", marks=pytest.mark.nightly)]
)
def test_the_last_tokens_that_count_are_shown_by_default(token, last):
    detector = Detector(vit(token=token))
    found = grad_cam(detector, IMAGES, relu=False)
    assert found.shape == (3, 32, 16)
    assert (np.abs(found).max(axis=(1, 2)) == 1).all()
    np.testing.assert_array_equal(found, grad_cam(detector, IMAGES, relu=False, layer=last))
    # One dense layer is behind the tokens: those within the blocks are no site.
    with pytest.raises(InputError, match=r"two dense layers or more for site='paper'.* with 1"):
        detector.open_site("paper")


def test_the_map_of_tokens_is_that_of_the_picture_they_were():
    image = keras.Input((32, 16, 3))
    picture = layers.Conv2D(6, 4, 4, activation="tanh", name="picture")(image)
    tokens = layers.Reshape((32, 6), name="tokens")(picture)
    flat = layers.Flatten()(layers.Dense(3, activation="relu")(tokens))
    detector = Detector(keras.Model(image, layers.Dense(1, activation="sigmoid")(flat)))
    picture, tokens, wide = (
        grad_cam(detector, IMAGES, relu=False, layer=layer, grid=grid)
        for layer, grid in [("picture", None), ("tokens", (8, 4)), ("tokens", (4, 8))]
    )
    np.testing.assert_allclose(tokens, picture, atol=1e-6)
    assert not np.allclose(wide, picture)


def test_grids_by_count_and_proportions():
    assert token_grid(196, (224, 224), None, "x") == (14, 14)
    assert token_grid(197, (224, 224), None, "x") == (14, 14)
    assert token_grid(33, (32, 16), None, "x") == (8, 4)
    for before in (2, 4, 5):
        assert token_grid(196 + before, (224, 224), None, "x") == (14, 14)
    assert token_grid(199, (224, 224), (14, 14), "x") == (14, 14)
    for count, grid in ((199, None), (1, None), (2, None), (3, (2, 2)), (32, (0, 4))):
        with pytest.raises(InputError, match=rf"tokens on a grid at 'x', received {count} of"):
            token_grid(count, (224, 224), grid, "x")
