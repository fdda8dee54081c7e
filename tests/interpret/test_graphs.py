"""Maps of networks of other shapes: structures, data formats, precisions, classes inside."""

import functools
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from deepfake_generalize.causal import average_causal_effect
from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret import grad_cam, guided_grad_cam
from deepfake_generalize.interpret.maps import finished
from deepfake_generalize.models import Detector

IMAGES = np.random.default_rng(0).random((4, 12, 10, 3)).astype(np.float32)


def parts():
    """A convolution with a picture, and what turns it into a probability."""
    conv = layers.Conv2D(4, 3, activation="relu", name="conv")
    return conv, layers.GlobalAveragePooling2D(name="pool"), layers.Dense(1, name="head")


def plain(seed=1, **options):
    keras.utils.set_random_seed(seed)
    image = keras.Input((12, 10, 3))
    conv, pool, _ = parts()
    head = layers.Dense(1, activation="sigmoid", name="head", **options)
    return keras.Model(image, head(pool(conv(image))))


def alike(model, other, **options):
    ours, theirs = (
        grad_cam(Detector(network), IMAGES, relu=False, **options) for network in (model, other)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert (np.abs(ours).max(axis=(1, 2)) == 1).all()
    ours, theirs = (guided_grad_cam(Detector(net), IMAGES, **options) for net in (model, other))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


STRUCTURES = {
    "tuple": lambda image, output: keras.Model((image,), (output,)),
    "list": lambda image, output: keras.Model([image], [output]),
    "nested list": lambda image, output: keras.Model(image, [[output]]),
    "dictionary": lambda image, output: keras.Model(image, {"fake": output}),
}


@pytest.mark.parametrize(
    "structure",
    [
        "nested list",
        *(
            pytest.param(name, marks=pytest.mark.nightly)
            for name in ("dictionary", "tuple", "list")
        ),
    ],
)
def test_one_output_in_any_structure_is_that_output(structure):
    model = plain()
    image, output = model.input, model.output
    structured = STRUCTURES[structure](image, output)
    if structure in ("tuple", "list"):
        alike(structured, model)
    outer = keras.Input((12, 10, 3))
    inner = STRUCTURES[structure](image, model.get_layer("pool").output)(outer)
    (features,) = keras.tree.flatten(inner)
    alike(keras.Model(outer, model.get_layer("head")(features)), model, layer="conv")


class OneByOne(layers.Layer):
    """A 1x1 convolution of (N, C, h, w), which TensorFlow has none of on a CPU."""

    data_format = "channels_first"

    def __init__(self, conv, **options):
        super().__init__(**options)
        self.conv = conv

    def call(self, x):
        return tf.transpose(self.conv(tf.transpose(x, (0, 2, 3, 1))), (0, 3, 1, 2))


@pytest.mark.parametrize(
    "layer",
    [
        *(None, "back"),
        *(pytest.param(each, marks=pytest.mark.nightly) for each in ("first", "bend", "permute")),
    ],
)
def test_channels_may_come_first(layer):
    model = plain()
    conv, head = model.get_layer("conv"), model.get_layer("head")
    image = keras.Input((12, 10, 3))
    x = layers.Permute((3, 1, 2), name="permute")(image)
    x = layers.Activation("linear", name="bend")(OneByOne(conv, name="first")(x))
    pooled = layers.GlobalAveragePooling2D(data_format="channels_first")(x)
    back = layers.Permute((2, 3, 1), name="back")(x)
    turned = layers.GlobalAveragePooling2D()(back) if layer == "back" else pooled
    other = keras.Model(image, head(turned))
    same = "conv" if layer != "permute" else model.layers[0].name
    ours = grad_cam(Detector(other), IMAGES, layer=layer, relu=False)
    theirs = grad_cam(Detector(model), IMAGES, layer=same, relu=False)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_nested_model_that_turns_its_channels_tells():
    model = plain()
    conv, head = model.get_layer("conv"), model.get_layer("head")
    inside = keras.Input((12, 10, 3))
    turned = OneByOne(conv, name="first")(layers.Permute((3, 1, 2))(inside))
    nested = keras.Model(inside, turned, name="nested")
    image = keras.Input((12, 10, 3))
    pooled = layers.GlobalAveragePooling2D(data_format="channels_first")(nested(image))
    other = Detector(keras.Model(image, head(pooled)))
    theirs = grad_cam(Detector(model), IMAGES, relu=False)
    for layer in ("nested", "first"):
        ours = grad_cam(other, IMAGES, layer=layer, relu=False)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def gated(kind):
    keras.utils.set_random_seed(2)
    image = keras.Input((12, 10, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="picture")(image)
    pool = functools.partial(layers.GlobalAveragePooling2D, keepdims=True)
    if kind == "1x1 convolution behind the pooling":
        x = layers.Flatten()(layers.Conv2D(8, 1)(pool()(x)))
    elif kind == "squeeze and excite":
        x = layers.Multiply()([x, layers.Conv2D(8, 1, activation="sigmoid")(pool()(x))])
        x = layers.GlobalAveragePooling2D()(x)
    elif kind == "gate along the channels":
        gate = layers.Reshape((8, 1))(pool()(x))
        gate = layers.Conv1D(1, 3, padding="same", activation="sigmoid")(gate)
        x = layers.GlobalAveragePooling2D()(layers.Multiply()([x, layers.Reshape((1, 1, 8))(gate)]))
    elif kind == "gate along the channels in two dimensions":
        gate = layers.Reshape((1, 8, 1))(pool()(x))
        gate = layers.Conv2D(1, (1, 3), padding="same", activation="sigmoid")(gate)
        x = layers.GlobalAveragePooling2D()(layers.Multiply()([x, layers.Reshape((1, 1, 8))(gate)]))
    elif kind == "head of convolutions in a nested model":
        head = keras.Sequential([keras.Input((1, 1, 8)), layers.Conv2D(4, 1), layers.Flatten()])
        x = head(pool()(x))
    elif kind == "decoder behind the features":
        x = layers.Dense(16)(layers.GlobalAveragePooling2D()(x))
        x = layers.Flatten()(layers.Conv2DTranspose(2, 3)(layers.Reshape((2, 2, 4))(x)))
    return keras.Model(image, layers.Dense(1, activation="sigmoid")(x))


@pytest.mark.parametrize(
    "kind",
    [
        "1x1 convolution behind the pooling",
        "head of convolutions in a nested model",
        "decoder behind the features",
        *(
            pytest.param(each, marks=pytest.mark.nightly)
            for each in (
                "squeeze and excite",
                "gate along the channels",
                "gate along the channels in two dimensions",
            )
        ),
    ],
)
def test_the_layer_by_default_still_has_a_picture(kind):
    detector = Detector(gated(kind))
    found = grad_cam(detector, IMAGES, relu=False)
    assert (np.ptp(found, axis=(1, 2)) > 0).all()
    named = grad_cam(detector, IMAGES, layer="picture", relu=False)
    np.testing.assert_array_equal(found, named)


class Block(layers.Layer):
    """A convolution in a layer of somebody's own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.conv = layers.Conv2D(4, 3)

    def call(self, x):
        return keras.ops.relu(self.conv(x))


@pytest.mark.parametrize(
    "last",
    [
        lambda: Block(name="last"),
        lambda: layers.SpectralNormalization(layers.Conv2D(4, 3), name="last"),
        lambda: layers.SeparableConv2D(4, 3, name="last"),
    ],
)
def test_a_convolution_inside_another_layer_is_one(last):
    image = keras.Input((12, 10, 3))
    x = layers.GlobalAveragePooling2D()(last()(layers.Conv2D(4, 3)(image)))
    detector = Detector(keras.Model(image, layers.Dense(1, activation="sigmoid")(x)))
    np.testing.assert_array_equal(
        grad_cam(detector, IMAGES), grad_cam(detector, IMAGES, layer="last")
    )


class Whole(keras.Model):
    """A network as a class: nothing in it can be followed."""

    def __init__(self, *, head):
        super().__init__(name="whole")
        self.conv, self.pool = layers.Conv2D(4, 3, name="inside"), layers.GlobalAveragePooling2D()
        self.head = layers.Dense(1, activation="sigmoid") if head else None

    def call(self, x):
        x = self.conv(x)
        return x if self.head is None else self.head(self.pool(x))


def test_a_class_as_network_is_refused_in_a_sentence():
    image = keras.Input((12, 10, 3))
    detector = Detector(keras.Model(image, Whole(head=True)(image)))
    with pytest.raises(InputError, match=r"with a convolution.* What is inside 'whole', a class"):
        grad_cam(detector, IMAGES)
    with pytest.raises(InputError, match=r"two dense layers.* What is inside 'whole', a class"):
        average_causal_effect(detector, IMAGES, outcome="score")
    image = keras.Input((12, 10, 3))
    behind = Whole(head=True)(layers.Conv2D(3, 3, name="conv")(image))
    detector = Detector(keras.Model(image, behind))
    for explain in (grad_cam, guided_grad_cam):
        with pytest.raises(InputError, match=r"ends in Whole 'whole'.* What a class .* rebuild it"):
            explain(detector, IMAGES)


def test_a_class_as_part_of_a_network_is_one_layer():
    image = keras.Input((12, 10, 3))
    x = layers.GlobalAveragePooling2D()(Whole(head=False)(image))
    detector = Detector(keras.Model(image, layers.Dense(1, activation="sigmoid")(x)))
    np.testing.assert_array_equal(
        grad_cam(detector, IMAGES), grad_cam(detector, IMAGES, layer="whole")
    )
    with pytest.raises(InputError, match=r"received 'inside'.* What is inside 'whole', a class of"):
        grad_cam(detector, IMAGES, layer="inside")


@pytest.mark.parametrize(
    "squash",
    [
        tf.nn.sigmoid,
        pytest.param(keras.ops.sigmoid, marks=pytest.mark.nightly),
        pytest.param(keras.activations.sigmoid, marks=pytest.mark.nightly),
    ],
)
def test_a_sigmoid_is_one_whoever_wrote_it(squash):
    model = plain()
    weights = model.get_weights()
    other = plain()
    other.get_layer("head").activation = squash
    other.set_weights(weights)
    alike(other, model)
    bare = plain()
    bare.get_layer("head").activation = None
    bare.set_weights(weights)
    logits = keras.Model(bare.input, bare.get_layer("head")(bare.get_layer("pool").output))
    if squash is keras.ops.sigmoid:
        alike(keras.Model(bare.input, squash(logits.output)), model)
    alike(keras.Model(bare.input, layers.Activation(squash)(logits.output)), model)


def test_a_sigmoid_may_be_a_layer_inside_the_dense_one():
    model = plain()
    head = layers.Dense(1, activation=layers.Activation("sigmoid"))
    other = keras.Model(model.input, head(model.get_layer("pool").output))
    head.set_weights(model.get_layer("head").get_weights())
    alike(other, model)


@pytest.mark.parametrize("kind", ["tokens", "volumes"])
def test_networks_without_pictures_are_told_what_maps_need(kind):
    image = keras.Input((12, 10, 3))
    if kind == "tokens":
        x = layers.Dense(4)(layers.Reshape((120, 3))(image))
        x = layers.Flatten()(x + layers.MultiHeadAttention(2, 2)(x, x))
    else:
        x = layers.Conv3D(2, (1, 3, 3))(layers.Reshape((1, 12, 10, 3))(image))
        x = layers.GlobalAveragePooling3D()(x)
    detector = Detector(keras.Model(image, layers.Dense(1, activation="sigmoid")(x)))
    with pytest.raises(InputError, match=r"\(None, h, w, C\) or of tokens, .*; volumes, of Conv3D"):
        grad_cam(detector, IMAGES)


def test_what_only_is_called_sigmoid_is_refused():
    def sigmoid(x):
        return keras.ops.sigmoid(2 * x)

    model = plain()
    model.get_layer("head").activation = sigmoid
    with pytest.raises(InputError, match="received one that ends in Dense 'head'"):
        grad_cam(Detector(model), IMAGES)


HALVES = (("mixed_float16", 1e-3),)
"""By day: the others differ in how far they are from what overflows."""


def in_precision(policy, scale):
    image = keras.Input((96, 96, 3))
    conv = layers.Conv2D(8, 3, activation="relu", dtype=policy)
    bend = layers.Conv2D(4, 1, activation="relu", dtype=policy)
    x = layers.GlobalAveragePooling2D(dtype=policy)(bend(conv(image)))
    start = keras.initializers.RandomNormal(0, scale, seed=3)
    head = layers.Dense(1, activation="sigmoid", dtype="float32", kernel_initializer=start)
    return keras.Model(image, head(x))


@pytest.mark.parametrize(
    ("policy", "scale"),
    [
        pytest.param(policy, scale, marks=[] if (policy, scale) in HALVES else pytest.mark.nightly)
        for policy in ("mixed_float16", "float16", "mixed_bfloat16")
        for scale in (1e-3, 1.0, 1e3)
    ],
)
def test_half_precision_gives_the_maps_of_the_same_weights(policy, scale):
    keras.utils.set_random_seed(1)
    half, single = in_precision(policy, scale), in_precision("float32", scale)
    single.set_weights([np.asarray(array, np.float32) for array in half.get_weights()])
    images = np.random.default_rng(0).random((2, 96, 96, 3), np.float32)
    least = 0.98 if "b" in policy else 0.999
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for explain, options in ((grad_cam, {"relu": False}), (guided_grad_cam, {})):
            found, wanted = (explain(Detector(net), images, **options) for net in (half, single))
            for ours, theirs in zip(found, wanted, strict=True):
                assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > least


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_signed_map_of_one_value_is_zeros_and_a_warning(sign):
    image = keras.Input((12, 10, 3))
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(image)
    conv = layers.Conv2D(4, 1, name="single", kernel_initializer="ones")
    head = layers.Dense(1, activation="sigmoid", kernel_initializer="ones")
    model = keras.Model(image, head(layers.Flatten()(conv(pooled))))
    head.kernel.assign(np.full((4, 1), sign))
    with pytest.warns(RuntimeWarning, match="4 of 4 maps .* in 4 every position counts") as seen:
        found = grad_cam(Detector(model), IMAGES, layer="single", relu=False)
    assert len(seen) == 1
    np.testing.assert_array_equal(found, np.zeros((4, 12, 10)))


@pytest.mark.parametrize("relu", [True, False])
def test_a_map_of_one_value_but_for_rounding_is_zeros_too(relu):
    steps = np.random.default_rng(0).integers(0, 3, (5, 7, 9)).astype(np.float32)
    value = np.float32(0.7)
    maps, flat = finished(value + steps * 2**-24, (12, 10), relu=relu, layer="x")
    assert flat.all()
    assert not maps.any()
    _, flat = finished(value + steps * 2**-16, (12, 10), relu=relu, layer="x")
    assert not flat.any()


def test_masked_images_are_refused():
    masked = np.ma.masked_less(IMAGES, 0.5)
    with pytest.raises(InputError, match="images without gaps"):
        grad_cam(Detector(plain()), masked)


@pytest.mark.parametrize("images", [5, None, iter([IMAGES[0]])])
def test_what_is_no_sequence_of_images_is_refused_in_a_sentence(images):
    with pytest.raises(InputError, match="expected images as an array"):
        grad_cam(Detector(plain()), images)
