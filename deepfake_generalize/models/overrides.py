"""Let layers of a network compute otherwise for as long as a block lasts."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from deepfake_generalize.models.surgery import every_layer, is_plain


@contextlib.contextmanager
def _calling(chosen: Iterable[Any], call: Callable[..., Any]) -> Iterator[None]:
    """Let layers compute by `call(layer, its own call, inputs...)` within the block."""
    layers = list(chosen)
    around = [vars(layer).get("call") for layer in layers]
    for layer in layers:
        layer.call = partial(call, layer, layer.call)
    try:
        yield
    finally:
        for layer, before in zip(layers, around, strict=True):
            if before is None:
                del layer.call
            else:
                layer.call = before


def in_inference(layers: Iterable[Any]) -> AbstractContextManager[None]:
    """Let layers, and all inside them, compute as in scoring, whatever they are told."""
    parts = {id(part): part for layer in layers for part in (layer, *every_layer(layer))}.values()
    held = [part for part in parts if "training" in inspect.signature(part.call).parameters]
    return _calling(held, _without_training)


def _without_training(_: Any, call: Callable[..., Any], *inputs: Any, **arguments: Any) -> Any:
    return call(*inputs, **{**arguments, "training": False})


def norms_in_one_pass(network: Any) -> AbstractContextManager[None]:
    """Let batch norms over the channels of pictures compute by TensorFlow's own operation.

    In training that has a third of the steps of Keras's own, forward and back. Norms of other
    numbers than float32 stay with Keras: of few channels in bfloat16 it takes ten times as long.
    """
    norms = [
        layer
        for layer in _plain(network, keras.layers.BatchNormalization)
        if layer.compute_dtype == layer.variable_dtype == "float32"
        and layer.axis in (-1, 3)
        and not (layer.synchronized or layer.renorm)
    ]
    return _calling(norms, _in_one_pass)


def _plain(network: Any, kind: type[Any]) -> list[Any]:
    """Return the layers of one of Keras's own classes whose `call` nobody has replaced."""
    found = (layer for layer in every_layer(network) if is_plain(layer, kind))
    return [layer for layer in found if "call" not in vars(layer)]


def _in_one_pass(
    layer: Any, call: Callable[..., Any], inputs: Any, training: Any = None, mask: Any = None
) -> Any:
    fits = len(inputs.shape) == 4 and inputs.dtype == layer.compute_dtype
    if not fits or mask is not None:
        return call(inputs, training=training, mask=mask)
    learns = bool(training and layer.trainable)
    mean, variance = (tf.convert_to_tensor(x) for x in (layer.moving_mean, layer.moving_variance))
    scale = tf.ones_like(mean) if layer.gamma is None else tf.convert_to_tensor(layer.gamma)
    offset = tf.zeros_like(mean) if layer.beta is None else tf.convert_to_tensor(layer.beta)
    found = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=scale,
        offset=offset,
        # In training it takes its own.
        mean=[] if learns else mean,
        variance=[] if learns else variance,
        epsilon=layer.epsilon,
        is_training=learns,
    )
    if learns:
        # It gives the variance of what the pictures are a sample of, Keras keeps their own.
        count = tf.cast(tf.size(inputs) // tf.size(mean), variance.dtype)
        own, momentum = found.batch_variance * (count - 1.0) / count, layer.momentum
        layer.moving_mean.assign(mean * momentum + found.batch_mean * (1.0 - momentum))
        layer.moving_variance.assign(variance * momentum + own * (1.0 - momentum))
    return found.y


@contextlib.contextmanager
def quick_training(network: Any) -> Iterator[None]:
    """Let a network that learns on a CPU take the same steps in fewer operations.

    Norms are computed in one pass, and convolutions of one pixel as products of matrices, whose
    gradients TensorFlow has in half the time. (Without gradients the convolution is the quicker.)
    """
    pixels = [
        layer
        for layer in _plain(network, keras.layers.Conv2D)
        if (layer.kernel_size, layer.strides, layer.groups) == ((1, 1), (1, 1), 1)
    ]
    separable = _plain(network, keras.layers.SeparableConv2D)
    with (
        norms_in_one_pass(network),
        _calling(
            filter(_as_product, pixels),
            lambda layer, _, inputs: _pixelwise(layer, inputs, layer.kernel),
        ),
        _calling(filter(_as_product, separable), _separable),
    ):
        yield


def _as_product(layer: Any) -> bool:
    # The gradient of a bias that is added by itself would be summed up in bfloat16.
    exact = layer.compute_dtype == "float32"
    exact |= layer.compute_dtype == "bfloat16" and not layer.use_bias
    return bool(exact and layer.data_format == "channels_last")


def _separable(layer: Any, _: Callable[..., Any], inputs: Any) -> Any:
    inner = keras.ops.depthwise_conv(
        inputs,
        layer.depthwise_kernel,
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
        data_format="channels_last",  # Without it: what keras.json says.
    )
    return _pixelwise(layer, inner, layer.pointwise_kernel)


def _pixelwise(layer: Any, inputs: Any, kernel: Any) -> Any:
    """Return what a convolution of kernel (1, 1, C, F) gives, as the product that it is."""
    # Not by `tensordot`, of whose graph the half is to find the axes out.
    channels, filters = kernel.shape[2:]
    sides = inputs.shape[1:-1]
    if None in sides:
        sides = tf.unstack(tf.shape(inputs))[1:-1]
    pixels = tf.reshape(inputs, (-1, channels))
    outputs = tf.matmul(pixels, tf.reshape(kernel, (channels, filters)))
    outputs = tf.reshape(outputs, (-1, *sides, filters))
    if layer.use_bias:
        outputs = keras.ops.add(outputs, layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)
