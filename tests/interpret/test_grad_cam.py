"""Maps against tf-explain, against numbers worked out by hand, and at the edges."""

import gc
import weakref

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret import grad_cam
from deepfake_generalize.interpret.maps import finished
from deepfake_generalize.models import (
    Detector,
    as_detector,
    load_pretrained,
    mesoinception,
    mesonet,
)


def tiny(weights, *, bias=0.0, activation="sigmoid", fake_index=1, nested=False):
    """A network whose 1x1 convolution passes red and green on; the head weighs their means."""
    keras.backend.clear_session()
    image = keras.Input((4, 4, 3))
    conv = keras.layers.Conv2D(2, 1, use_bias=False, name="conv")
    head = keras.layers.Dense(len(weights[0]), activation=activation, name="head")
    pool = keras.layers.GlobalAveragePooling2D(name="pool")
    if nested:
        inner = keras.Input((4, 4, 3))
        trunk = keras.Model(inner, conv(inner), name="trunk")
        output = keras.Sequential([pool, head], name="top")(trunk(image))
    else:
        output = head(pool(conv(image)))
    model = keras.Model(image, output)
    conv.kernel.assign(np.array([[[[1, 0], [0, 1], [0, 0]]]], np.float32))
    head.kernel.assign(np.asarray(weights, np.float32))
    head.bias.assign(np.full(len(weights[0]), bias, np.float32))
    return Detector(model, fake_index=fake_index)


@pytest.fixture
def image():
    """Red rises to the right, green downward."""
    ramp = np.linspace(0, 1, 4, dtype=np.float32)
    red, green = np.tile(ramp, (4, 1)), np.tile(ramp[:, None], (1, 4))
    return np.stack([red, green, np.zeros((4, 4), np.float32)], axis=-1)[None]


def stretched(values):
    """Rectify and stretch one map to [0, 1]."""
    values = np.maximum(values, 0)
    return (values - values.min()) / (values.max() - values.min())


@pytest.mark.parametrize(
    ("target", "fake_index", "nested"),
    [
        *(("fake", 1, True), ("real", 0, True)),
        *(
            pytest.param(*each, False, marks=pytest.mark.nightly)
            for each in (("fake", 0), ("real", 1))
        ),
    ],
)
def test_the_map_of_a_hand_weighted_network(image, target, fake_index, nested):
    # Every position's gradient is weight / 16, so the map is the weighted sum of the channels.
    detector = tiny([[3.0], [-2.0]], fake_index=fake_index, nested=nested)
    sign = 1 if (target == "fake") == (fake_index == 1) else -1
    signed = sign * (3 * image[0, ..., 0] - 2 * image[0, ..., 1])
    found = grad_cam(detector, image, target=target)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], stretched(signed), atol=1e-6)
    found = grad_cam(detector, image, target=target, relu=False)[0]
    np.testing.assert_allclose(found, signed / np.abs(signed).max(), atol=1e-6)


@pytest.mark.parametrize(
    ("target", "fake_index"),
    [
        ("fake", 0),
        ("real", 0),
        *(pytest.param(target, 1, marks=pytest.mark.nightly) for target in ("fake", "real")),
    ],
)
def test_softmax_columns_have_a_logit_each(image, target, fake_index):
    weights = np.array([[3.0, -1.0], [-2.0, 4.0]])
    detector = tiny(weights, activation="softmax", fake_index=fake_index)
    column = fake_index if target == "fake" else 1 - fake_index
    signed = image[0, ..., :2] @ weights[:, column]
    np.testing.assert_allclose(
        grad_cam(detector, image, target=target)[0], stretched(signed), atol=1e-6
    )


def test_a_softmax_layer_of_its_own_is_left_out(image):
    plain = tiny([[3.0, -1.0], [-2.0, 4.0]], activation="softmax", fake_index=0)
    plain.model.layers[-1].activation = keras.activations.linear
    output = keras.layers.Softmax()(plain.model.layers[-1](plain.model.layers[-1].input))
    detector = Detector(keras.Model(plain.model.input, output), fake_index=0)
    expected = stretched(3 * image[0, ..., 0] - 2 * image[0, ..., 1])
    np.testing.assert_allclose(grad_cam(detector, image)[0], expected, atol=1e-6)


def two_outputs(model, name, images, sign):
    """Signed map at a layer by Keras's own two-output model and one whole gradient: slow, plain."""
    logit = keras.layers.Dense(1, name="logit")
    before = model.layers[-1].input
    both = keras.Model(model.input, [model.get_layer(name).output, logit(before)])
    logit.set_weights(model.layers[-1].get_weights())
    with tf.GradientTape() as tape:
        images = tf.constant(images)
        tape.watch(images)
        features, verdict = both(images, training=False)
        total = tf.reduce_sum(sign * verdict)
    gradient = tape.gradient(total, features)
    return tf.reduce_sum(tf.reduce_mean(gradient, (1, 2), keepdims=True) * features, -1).numpy()


@pytest.mark.parametrize(
    "layer",
    [
        "block2_conv_c1",
        *(
            pytest.param(name, marks=pytest.mark.nightly)
            for name in ("block1_conv_a", "block2_conv_d2", "image")
        ),
    ],
)
def test_a_layer_inside_a_branch_has_a_map_of_its_own(layer):
    keras.utils.set_random_seed(5)
    model = mesoinception((32, 32, 3))
    images = np.random.default_rng(5).random((3, 32, 32, 3)).astype(np.float32)
    signed = two_outputs(model, layer, images, 1.0)
    expected = signed / np.abs(signed).max(axis=(1, 2), keepdims=True)
    if layer.startswith("block2"):  # at half the size
        expected = np.stack([cv2.resize(each, (32, 32)) for each in expected])
        expected /= np.abs(expected).max(axis=(1, 2), keepdims=True)
    found = grad_cam(Detector(model), images, layer=layer, relu=False)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_branch_is_not_credited_with_what_its_input_says_elsewhere(image):
    # "copy" passes red and green on as they are; beside it "conv" is read with weight 5.
    keras.backend.clear_session()
    inputs = keras.Input((4, 4, 3))
    conv = keras.layers.Conv2D(2, 1, use_bias=False, name="conv")
    features = conv(inputs)
    copy = keras.layers.Identity(name="copy")(features)
    pooled = [keras.layers.GlobalAveragePooling2D()(x) for x in (copy, features)]
    head = keras.layers.Dense(1, activation="sigmoid", name="head")
    model = keras.Model(inputs, head(keras.layers.Concatenate()(pooled)))
    conv.kernel.assign(np.array([[[[1, 0], [0, 1], [0, 0]]]], np.float32))
    head.kernel.assign([[3.0], [-2.0], [0.0], [5.0]])
    found = grad_cam(Detector(model), image, layer="copy")[0]
    expected = stretched(3 * image[0, ..., 0] - 2 * image[0, ..., 1])
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("use_bias", [True, False])
def test_dense_layers_behind_the_map_count_as_keras_counts_them(use_bias):
    keras.utils.set_random_seed(6)
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, name="conv")(inputs))
    x = keras.layers.Dense(7, activation="tanh", use_bias=use_bias)(x)
    x = keras.layers.Dense(5, use_bias=use_bias, bias_initializer="ones")(x)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))
    images = np.random.default_rng(6).random((3, 6, 6, 3)).astype(np.float32)
    signed = two_outputs(model, "conv", images, 1.0)
    expected = np.stack([cv2.resize(each, (6, 6)) for each in signed])
    expected /= np.abs(expected).max(axis=(1, 2), keepdims=True)
    found = grad_cam(Detector(model), images, relu=False)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_layer_used_twice_is_refused(image):
    inputs = keras.Input((4, 4, 3))
    twice = keras.layers.Conv2D(3, 1, name="twice")
    pooled = keras.layers.GlobalAveragePooling2D()(twice(twice(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(pooled))
    with pytest.raises(InputError, match="used once, received 'twice', used 2 times"):
        grad_cam(Detector(model), image)


def test_a_sigmoid_that_is_also_a_gate_inside_is_refused(image):
    inputs = keras.Input((4, 4, 3))
    squash = keras.layers.Activation("sigmoid", name="squash")
    gated = squash(keras.layers.Conv2D(1, 1, name="conv")(inputs))
    model = keras.Model(inputs, squash(keras.layers.Flatten()(keras.layers.MaxPooling2D(4)(gated))))
    with pytest.raises(InputError, match="last layer to be used once, received 'squash', used 2"):
        grad_cam(Detector(model), image)


def test_a_saturated_detector_still_gives_a_map(image):
    detector = tiny([[3.0], [-2.0]], bias=200.0)
    assert detector.scores(image)[0] == 1.0
    expected = grad_cam(tiny([[3.0], [-2.0]]), image)
    np.testing.assert_allclose(grad_cam(detector, image), expected, atol=1e-6)


def test_maps_come_at_the_size_of_the_images(image):
    detector = tiny([[3.0], [-2.0]])
    large = np.repeat(np.repeat(image, 2, axis=1), 3, axis=2)
    small = np.maximum(3 * image[0, ..., 0] - 2 * image[0, ..., 1], 0)
    expected = stretched(cv2.resize(small, (12, 8), interpolation=cv2.INTER_LINEAR))
    found = grad_cam(detector, [large[0]])
    assert found.shape == (1, 8, 12)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_batches_do_not_show():
    keras.utils.set_random_seed(3)
    detector = Detector(mesonet((32, 32, 3)))
    images = np.random.default_rng(3).random((5, 32, 32, 3))
    whole = grad_cam(detector, images, relu=False)
    np.testing.assert_allclose(
        grad_cam(detector, images, relu=False, batch_size=2), whole, atol=1e-5
    )
    assert grad_cam(detector, images[:0]).shape == (0, 32, 32)


def test_new_weights_give_new_maps(image):
    detector = tiny([[3.0], [-2.0]])
    grad_cam(detector, image)
    detector.model.get_layer("head").kernel.assign([[0.0], [1.0]])
    np.testing.assert_allclose(grad_cam(detector, image)[0], image[0, ..., 1], atol=1e-6)


def test_functions_are_kept_no_longer_than_their_network(image):
    detector = tiny([[3.0], [-2.0]])
    grad_cam(detector, image)
    network = weakref.ref(detector.model)
    del detector
    gc.collect()
    assert network() is None


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ([[-1.0], [-1.0]], "in 1 nothing at 'conv' speaks for 'fake', relu=False shows"),
        ([[0.0], [0.0]], "in 1 the layer's features or the logit's gradient are zero"),
    ],
)
def test_an_empty_map_is_zeros_and_one_warning_says_why(image, weights, reason):
    with pytest.warns(RuntimeWarning, match=f"1 of 1 maps are returned as zeros: {reason}") as seen:
        found = grad_cam(tiny(weights), image)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    np.testing.assert_array_equal(found, np.zeros((1, 4, 4)))


def test_a_uniform_map_is_zeros_too(image):
    with pytest.warns(RuntimeWarning, match="in 1 every position counts the same"):
        found = grad_cam(tiny([[1.0], [1.0]]), np.full_like(image, 0.5))
    np.testing.assert_array_equal(found, np.zeros((1, 4, 4)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "forged"}, "target to be one of fake, real, received 'forged'"),
        ({"layer": "nowhere"}, "expected the name of a layer of .*, received 'nowhere'"),
        ({"layer": "pool"}, r"\(None, h, w, C\) or .*, received 'pool' with \(None, 2\)"),
    ],
)
def test_calls_that_make_no_sense_are_refused(image, options, message):
    with pytest.raises(InputError, match=message):
        grad_cam(tiny([[3.0], [-2.0]]), image, **options)


def test_images_of_unequal_sizes_are_refused():
    images = [np.zeros((4, 4, 3)), np.zeros((4, 5, 3))]
    with pytest.raises(InputError, match=r"images of one size, received \(4, 4\), \(4, 5\)"):
        grad_cam(tiny([[3.0], [-2.0]]), images)


def test_a_function_has_no_gradient(image):
    detector = as_detector(lambda x: x.mean((1, 2, 3)), name="mean", size=4, returns="fake")
    with pytest.raises(InputError, match=r"expected a models\.Detector, received FunctionDetector"):
        grad_cam(detector, image)


def test_a_network_without_logits_is_refused(image):
    with pytest.raises(InputError, match="received one that ends in Dense 'head'"):
        grad_cam(tiny([[3.0], [-2.0]], activation="relu"), image)


def test_weights_that_diverged_are_refused(image):
    with pytest.raises(InputError, match="expected finite maps at 'conv', received NaN"):
        grad_cam(tiny([[np.nan], [1.0]]), image)


@pytest.mark.filterwarnings("ignore:.*structure of `inputs`:UserWarning")  # tf-explain's own
@pytest.mark.parametrize("layer", ["conv4", pytest.param("conv2", marks=pytest.mark.nightly)])
def test_mesonet_equals_tf_explain_before_its_rendering(shared_data, layer):
    explainer = pytest.importorskip("tf_explain.core.grad_cam").GradCAM
    weights = shared_data("mesonet/weights/Meso4_F2F.h5")
    detector = load_pretrained("mesonet-face2face", path=weights)
    paths = sorted(shared_data("mesonet/test_images").glob("*/*.jpg"))
    read = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
    images = np.stack([cv2.resize(each, (256, 256)) for each in read])
    # The public network gives P(real), so tf-explain's only class is "real".
    found = grad_cam(detector, images, target="real", layer=layer)
    for image, ours in zip(images, found, strict=True):
        features, gradient = explainer.get_gradients_and_filters(
            detector.model, image[None] / np.float32(255), layer, 0, use_guided_grads=False
        )
        theirs = explainer.generate_ponderated_output(features, gradient)[0].numpy()
        assert theirs.max() > 0
        resized = cv2.resize(np.maximum(theirs, 0), (256, 256))
        np.testing.assert_allclose(ours, stretched(resized), atol=1e-4)


@pytest.mark.parametrize("side", [(1, 1), (1, 7), (7, 1), (7, 7)])
def test_what_is_the_same_everywhere_stays_so_at_any_size(side):
    values = np.random.default_rng(0).random(60).astype("float32")
    signed = tf.constant(np.broadcast_to(values[:, None, None], (60, *side)))
    for size in ((224, 224), (33, 57), (5, 3)):
        maps, flat = finished(np.asarray(signed), size, relu=True, layer="x")
        assert flat.all()
        assert not maps.any()
        maps, flat = finished(-np.asarray(signed), size, relu=False, layer="x")
        assert flat.all()
        assert not maps.any()


@pytest.mark.parametrize("size", [(13, 40), (8, 8), (5, 3), (1, 1)])
@pytest.mark.parametrize("relu", [True, False])
def test_maps_are_resized_as_tensorflow_does(size, relu):
    signed = tf.constant(np.random.default_rng(0).normal(size=(3, 8, 8)).astype("float32"))
    maps, flat = finished(np.asarray(signed), size, relu=relu, layer="x")
    resized = tf.image.resize((tf.nn.relu(signed) if relu else signed)[..., None], size).numpy()
    lowest = resized.min(axis=(1, 2, 3), keepdims=True) if relu else 0.0
    expected = (resized - lowest)[..., 0]
    highest = np.abs(expected).max(axis=(1, 2), keepdims=True)
    np.testing.assert_array_equal(flat, highest.ravel() == 0)
    np.testing.assert_allclose(
        maps, expected / np.where(flat[:, None, None], 1, highest), atol=1e-6
    )
