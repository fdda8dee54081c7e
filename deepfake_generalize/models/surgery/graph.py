"""The layers of a network: which there are, what feeds what, and what each of them computes."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import describe

_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)


def last_convolution(model: keras.Model) -> str:
    """Return the name of the last convolution whose outputs still are a picture."""
    check_graph(model)
    pictured = _pictured(model)
    found: list[str] = [
        layer.name
        for layer in graph_layers(model)
        if id(layer) in pictured
        and any(isinstance(part, _CONVOLUTIONS) for part in (layer, *every_layer(layer)))
    ]
    if not found:
        raise InputError(
            "expected a network with a convolution whose outputs have more than one position, "
            f"received {model.name!r} without one.",
            hint=closed_parts(model)
            or "Name a layer with outputs (None, h, w, C) or of tokens, (None, T, C); volumes, of "
            "Conv3D, are none.",
        )
    return found[-1]


def _pictured(model: Any) -> set[int]:
    """Return the `id` of each layer that gives a picture, made from the image without a break."""
    found: set[int] = set()

    def visit(graph: Any, entering: bool) -> bool:
        if isinstance(graph, keras.Sequential):
            graph = graph._functional
        pictures = {id(tensor): entering for tensor in graph.inputs}
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                layer = node.operation
                comes = any(pictures.get(id(tensor), False) for tensor in node.input_tensors)
                if is_graph(layer):
                    comes = visit(layer, comes)
                shapes = [tensor.shape for tensor in node.outputs]
                comes = comes and all(_has_positions(layer, shape) for shape in shapes)
                if comes and len(shapes) == 1 and len(shapes[0]) == 4:
                    found.add(id(layer))
                pictures |= dict.fromkeys(map(id, node.outputs), comes)
        return any(pictures.get(id(tensor), False) for tensor in graph.outputs)

    visit(model, True)
    return found


def _has_positions(layer: Any, shape: tuple[int | None, ...]) -> bool:
    """Say whether outputs of a layer hold more than one position, or an unknown number of them."""
    if len(shape) != 4:
        return len(shape) > 2
    first = getattr(layer, "data_format", "") == "channels_first"
    return any(side != 1 for side in (shape[2:] if first else shape[1:3]))


def flat_layers(network: Any) -> list[Any]:
    """Return, in order, the layers that are not models themselves; nested models are opened."""
    if not isinstance(network, keras.Model):
        return [network]
    return [leaf for layer in network.layers for leaf in flat_layers(layer)]


def every_layer(layer: Any) -> list[Any]:
    """Return the layers inside a layer or network, at every depth, in wrappers and classes too."""
    inner: list[Any] = layer._flatten_layers(include_self=False)  # There is no public way to ask.
    return inner


@contextlib.contextmanager
def _calling(layers: list[Any], call: Callable[..., Any]) -> Iterator[None]:
    """Let layers compute by `call(layer, its own call, inputs...)` within the block."""
    for layer in layers:
        layer.call = partial(call, layer, layer.call)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def in_inference(layers: Iterable[Any]) -> AbstractContextManager[None]:
    """Let layers, and all inside them, compute as in scoring, whatever they are told."""
    parts = {id(part): part for layer in layers for part in (layer, *every_layer(layer))}.values()
    held = [part for part in parts if "training" in inspect.signature(part.call).parameters]
    return _calling(held, _without_training)


def _without_training(_: Any, call: Callable[..., Any], *inputs: Any, **arguments: Any) -> Any:
    return call(*inputs, **{**arguments, "training": False})


def norms_in_one_pass(network: Any) -> AbstractContextManager[None]:
    """Let batch norms over the channels of pictures compute by TensorFlow's own operation."""
    norms = [
        layer
        for layer in every_layer(network)
        if is_plain(layer, keras.layers.BatchNormalization)
        and layer.compute_dtype == "float32"
        and layer.axis in (-1, 3)
    ]
    return _calling(norms, _in_one_pass)


def _in_one_pass(layer: Any, call: Callable[..., Any], inputs: Any, **options: Any) -> Any:
    if len(inputs.shape) != 4:
        return call(inputs, **options)
    mean = tf.convert_to_tensor(layer.moving_mean)
    scale = tf.ones_like(mean) if layer.gamma is None else tf.convert_to_tensor(layer.gamma)
    offset = tf.zeros_like(mean) if layer.beta is None else tf.convert_to_tensor(layer.beta)
    return tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=scale,
        offset=offset,
        mean=mean,
        variance=tf.convert_to_tensor(layer.moving_variance),
        epsilon=layer.epsilon,
        is_training=False,
    ).y


def graph_layers(model: keras.Model) -> list[Any]:
    """Return, in order, the layers that the graph consists of; nested graphs are opened."""
    leaves: list[Any] = []
    for layer in model.layers:
        leaves += graph_layers(layer) if is_graph(layer) else [layer]
    return leaves


def graph_operations(model: Any) -> list[Any]:
    """Return what `graph_layers` does, and the operations that are no layers: `keras.ops`, `+`."""
    leaves: list[Any] = []
    for operation in model.layers if isinstance(model, keras.Sequential) else model.operations:
        leaves += graph_operations(operation) if is_graph(operation) else [operation]
    return leaves


def is_plain(operation: Any, kinds: type[Any] | tuple[type[Any], ...]) -> bool:
    """Say whether this is one of Keras' own classes; a subclass of somebody's may do anything."""
    return isinstance(operation, kinds) and type(operation).__module__.partition(".")[0] == "keras"


def only(outputs: Any) -> Any:
    """Return the tensor of a list, tuple or dictionary that holds one, else what was given."""
    tensors = keras.tree.flatten(outputs)
    return tensors[0] if len(tensors) == 1 else outputs


def output_of(model: keras.Model, images: Any) -> Any:
    """Compute a network's output for inference, in whatever structure of one it takes and gives."""
    if is_graph(model) and not isinstance(model, keras.Sequential):
        images = keras.tree.pack_sequence_as(model.input, [images])
    return only(model(images, training=False))


def closed_parts(model: keras.Model) -> str:
    """Return a hint that names the classes of their own in a network, if there are any."""
    names = [repr(layer.name) for layer in graph_layers(model) if isinstance(layer, keras.Model)]
    hint = "a class of its own, cannot be looked at: rebuild it with the functional API."
    return f"What is inside {', '.join(names)}, {hint}" if names else ""


def run_through(
    model: keras.Model,
    images: Any,
    around: Callable[[Any, tuple[Any, ...], Callable[[], Any]], Any],
) -> Any:
    """Compute a network's output for inference, with a say in what every layer gives.

    `around` is called for each layer, the inputs and the nested models themselves included, with
    the layer, its inputs (none for an input) and a function that computes its output. What it
    returns flows on in the place of that output. `images` are tensors, not symbols.
    """
    check_graph(model)

    def called(operation: Any) -> Any:
        def call(*inputs: Any, **arguments: Any) -> Any:
            given = inputs or tuple(filter(keras.ops.is_tensor, arguments.values()))
            if is_graph(operation):
                return around(operation, given, lambda: enter(operation, given[0]))
            if "training" in inspect.signature(operation.call).parameters:
                arguments["training"] = False
            return around(operation, given, lambda: operation(*inputs, **arguments))

        return call

    def enter(graph: Any, tensor: Any) -> Any:
        if len(graph.inputs) == 1:
            tensor = around(producer(graph.inputs[0]), (), lambda: tensor)
        return through(graph, tensor, called)

    return enter(model, images)


def through(graph: Any, tensor: Any, called: Callable[[Any], Callable[..., Any]]) -> Any:
    """Lead a tensor through a graph; `called` turns each operation into what is called for it."""
    if isinstance(graph, keras.Sequential):
        for layer in graph.layers:
            tensor = only(called(layer)(tensor))
        return tensor
    return only(graph._run_through_graph(tensor, operation_fn=called))


def producer(tensor: keras.KerasTensor) -> Any:
    """Return the layer that gives a symbolic tensor. Keras has no public way to ask."""
    return tensor._keras_history.operation


def is_graph(operation: Any) -> bool:
    """Say whether this is a functional or Sequential model, whose layers can be followed."""
    # Keras has no public name for its functional models.
    return isinstance(operation, keras.Sequential) or hasattr(operation, "_nodes_by_depth")


def check_graph(model: Any) -> None:
    """Refuse what has no graph of layers, or more than one way in or out."""
    if not is_graph(model):
        raise InputError(
            f"expected a functional or Sequential Keras model, received {describe(model)}.",
            hint="A subclassed model has no graph to cut: rebuild it with the functional API.",
        )
    if not model.built or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(f"expected a built model with one input and one output, {model.name!r}.")
