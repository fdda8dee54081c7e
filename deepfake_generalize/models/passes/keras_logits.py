"""A Keras network's output before its sigmoid or softmax, where gradients do not saturate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import keras
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery import is_graph, is_plain, only, producer, run_through

_SQUASHING = {
    getattr(module, name)
    for module in (keras.activations, keras.ops, tf.nn)
    for name in ("sigmoid", "softmax")
}


class Wrapped(Protocol):
    """What `models.Detector` says of its network."""

    model: keras.Model
    fake_index: int
    size: tuple[int, int]


def logit_of(
    detector: Wrapped,
    target: str,
    images: Any,
    around: Callable[[Any, tuple[Any, ...], Callable[[], Any]], Any],
) -> Any:
    """Run a network up to its logits; return that of "fake" or "real", (N,) float32."""
    last = _last(detector.model)
    used = 0

    def up_to_logits(layer: Any, inputs: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        nonlocal used
        if layer is not last:
            plain = _is_plain_dense(layer, inputs)
            return around(layer, inputs, (lambda: _dense(layer, inputs[0])) if plain else compute)
        used += 1
        return around(layer, inputs, lambda: _affine(last, inputs[0]))

    values = only(run_through(detector.model, images, up_to_logits))
    if used != 1:
        raise InputError(
            f"expected the network's last layer to be used once, received {last.name!r}, used "
            f"{used} times.",
            hint="Give the sigmoid or softmax at the end a layer of its own.",
        )
    return _chosen(tf.cast(values, tf.float32), detector.fake_index, against=target == "real")


def _chosen(logits: Any, fake_index: int, *, against: bool) -> Any:
    """Return the logit of "fake", or `against` it: that of all other classes together."""
    columns = logits.shape[-1]
    if columns == 1:
        return logits[:, 0] if (fake_index == 1) != against else -logits[:, 0]
    if not against:
        return logits[:, fake_index]
    others = [column for column in range(columns) if column != fake_index]
    return tf.reduce_logsumexp(tf.gather(logits, others, axis=1), axis=1)


def _affine(last: Any, entering: Any) -> Any:
    """Return what the last layer squashes."""
    if not isinstance(last, keras.layers.Dense):
        return entering
    values = tf.matmul(tf.cast(entering, tf.float32), tf.cast(last.kernel, tf.float32))
    return values + tf.cast(last.bias, tf.float32) if last.use_bias else values


def _is_plain_dense(layer: Any, inputs: tuple[Any, ...]) -> bool:
    return (
        type(layer) is keras.layers.Dense
        and layer.compute_dtype == "float32"
        and layer.quantization_mode is None
        and len(inputs) == 1
        and len(inputs[0].shape) == 2
    )


def _dense(layer: Any, entering: Any) -> Any:
    """Compute a dense layer so that its gradient reads the weights in the order they lie in."""
    kernel = tf.convert_to_tensor(layer.kernel)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(values: Any) -> Any:
        def backward(gradient: Any) -> Any:
            return tf.transpose(tf.matmul(kernel, gradient, transpose_b=True))

        return tf.matmul(values, kernel), backward

    output = product(entering)
    if layer.use_bias:
        output += layer.bias
    return output if layer.activation is None else layer.activation(output)


def _last(model: keras.Model) -> Any:
    """Return the layer that gives the output, if what it squashes can be reached."""
    last: Any = model
    while is_graph(last):
        last = last.layers[-1] if isinstance(last, keras.Sequential) else producer(last.outputs[0])
    if _squashes_alone(last) or (is_plain(last, keras.layers.Dense) and _squashes(last)):
        return last
    hint = "The maps are those of the logit, which cannot be found behind other layers."
    if isinstance(last, keras.Model):
        hint = (
            "What a class of its own does inside cannot be followed: rebuild it with the "
            "functional API, or end it before the sigmoid and put that behind it."
        )
    raise InputError(
        "expected a network that ends in a dense layer with a sigmoid or softmax, or in one of "
        f"them alone, received one that ends in {type(last).__name__} {last.name!r}.",
        hint=hint,
    )


def _squashes_alone(last: Any) -> bool:
    """Say whether this is a sigmoid or softmax and nothing else, as a layer or an operation."""
    if is_plain(last, keras.layers.Activation):
        return _squashes(last)
    return is_plain(last, keras.Operation) and type(last).__name__ in ("Sigmoid", "Softmax")


def _squashes(layer: Any) -> bool:
    activation = layer.activation
    if is_plain(activation, keras.layers.Activation):
        return _squashes(activation)
    return activation in _SQUASHING or is_plain(activation, keras.layers.Softmax)
