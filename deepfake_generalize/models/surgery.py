"""Networks looked at as graphs: what is in them, cut at a layer, copied at every depth."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray
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


def finalize(model: keras.Model) -> None:
    """Make normalization layers, at every depth, use the statistics they were given as weights."""
    for layer in every_layer(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def graph_layers(model: keras.Model) -> list[Any]:
    """Return, in order, the layers that the graph consists of; nested graphs are opened."""
    parts = ((layer, is_graph(layer)) for layer in model.layers)
    return [leaf for part, inner in parts for leaf in (graph_layers(part) if inner else [part])]


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


WIDE = 256
"""From so many units on, the paper's site is the outputs of the first dense layer."""

NOISE = (layers.Dropout, layers.GaussianDropout, layers.GaussianNoise, layers.AlphaDropout)
"""Layers that do nothing but in training, where they add random numbers."""

_ELEMENTWISE = (
    *NOISE,
    layers.InputLayer,
    layers.Identity,
    layers.Flatten,
    layers.ReLU,
    layers.LeakyReLU,
    layers.ELU,
    layers.PReLU,
    layers.BatchNormalization,
)
_ELEMENTWISE_NAMES = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "swish", "tanh"),
    *("sigmoid", "hard_sigmoid", "softplus", "softsign", "exponential"),
)
# The functions themselves: what somebody else calls "relu" may mix neurons.
_ELEMENTWISE_FUNCTIONS = {
    getattr(module, name)
    for module in (keras.activations, keras.ops, tf.nn, tf.math)
    for name in _ELEMENTWISE_NAMES
    if hasattr(module, name)
}
PAPER_REASON = (
    "The paper leaves such networks out too (threats to validity): detectors with only one dense "
    "layer, or none, such as XceptionNet and EfficientNet, have too few neurons there for it to "
    "make sense to analyse them."
)


@dataclass(frozen=True)
class Cut:
    """A network in two parts, its input to the cut and the cut to its output."""

    trunk: keras.Model
    tail: keras.Model


@dataclass(frozen=True)
class FirstDense:
    """The dense layer that is the first to mix the neurons of a site."""

    dense: keras.layers.Dense
    before: keras.Model
    after: keras.Model


def cut(model: keras.Model, layer: str, *, before: bool = False) -> Cut:
    """Cut a network at the output of the layer of that name, or at its input (`before`).

    The two parts hold the layers of `model` themselves, not copies. A part may be empty. Functional
    and Sequential models nested in it are opened when the layer is inside one of them. InputError
    where there is no such layer, or one used more than once, or a skip connection runs past.
    """
    graph = _graph(model, layer)
    matches = [node for node in _nodes(graph) if node.operation.name == layer]
    if len(matches) != 1:
        raise InputError(
            f"expected a layer that is used once, received {layer!r}, used {len(matches)} times.",
            hint="Cut at a layer before or after it.",
        )
    node = matches[0]
    tensors = node.input_tensors if before and not node.is_input else node.outputs
    if len(tensors) != 1:
        raise InputError(
            f"expected a layer with one {'input' if before else 'output'}, received {layer!r} "
            f"with {len(tensors)}.",
            hint="Cut at the output of a layer." if before else "",
        )
    trunk = _part(graph.inputs[0], tensors[0], f"{model.name}_trunk")
    _refuse_crossings(graph, trunk, tensors[0], layer)
    return Cut(trunk, tail=_part(tensors[0], graph.outputs[0], f"{model.name}_tail"))


def _graph(model: keras.Model, layer: str) -> Any:
    """Return a functional model in whose own graph the layer is, nested ones opened if need be."""
    check_graph(model)
    # An Input is kept out of a Sequential model's layers, and is a layer of its graph.
    outer = (
        keras.Model(model.inputs[0], model.outputs[0])
        if isinstance(model, keras.Sequential)
        else model
    )
    if layer in [operation.name for operation in outer.operations]:
        return outer
    names = [inner.name for inner in graph_layers(model)]
    if layer not in names:
        raise InputError(
            f"expected the name of a layer of {model.name!r}, received {layer!r}; it has "
            f"{', '.join(names)}.",
        )
    source = keras.Input(batch_shape=outer.inputs[0].shape, dtype=outer.inputs[0].dtype)
    try:
        return keras.Model(source, through(outer, source, _opened))
    except ValueError as error:
        raise InputError(
            f"expected nested models that can be opened to reach {layer!r}, received "
            f"{model.name!r}: {error}",
            hint="Give the layers of the nested models names of their own.",
        ) from error


def _nodes(graph: Any) -> list[Any]:
    """Return the calls of layers that the graph consists of."""
    return [node for level in graph._nodes_by_depth.values() for node in level]


def _opened(operation: Any) -> Any:
    """Return what calls an operation, or all that a nested model consists of."""
    if not is_graph(operation):
        return operation
    return lambda tensor, **_: through(operation, tensor, _opened)


def _refuse_crossings(graph: Any, trunk: Any, tensor: Any, layer: str) -> None:
    """Raise unless every path from the input to the output runs through the end of the trunk."""
    makers = {id(output): node for node in _nodes(trunk) for output in node.outputs}
    above = set(_nodes(trunk))
    crossings = sorted(
        f"{makers[id(source)].operation.name} -> {node.operation.name}"
        for node in _nodes(graph)
        for source in node.input_tensors
        if node not in above and source is not tensor and id(source) in makers
    )
    if crossings:
        raise InputError(
            f"expected a layer through which everything flows, received {layer!r}; past it runs "
            f"{', '.join(crossings)}.",
            hint="Cut where the branches have joined again, or before they part.",
        )


def _part(start: Any, end: Any, name: str) -> keras.Model:
    if start is end:
        start = end = keras.Input(batch_shape=start.shape, dtype=start.dtype)
    return keras.Model(start, end, name=name)


def site_cut(model: keras.Model, site: str) -> Cut:
    """Cut a network where its neurons, at least two, are looked at: they are the trunk's outputs.

    `site` is the name of a layer whose outputs are (N, neurons), not the network's own; or `paper`:
    the outputs of the first dense layer if it has 256 units or more, else the features that enter.
    """
    parts = _paper_cut(model) if site == "paper" else cut(model, site)
    shape = parts.tail.input_shape
    if len(shape) != 2 or not shape[1]:
        raise InputError(
            f"expected a site whose outputs are (None, neurons), received {site!r} with {shape}.",
            hint="Name a dense layer, or the flatten layer before it.",
        )
    if shape[1] < 2 or all(isinstance(x, layers.InputLayer) for x in parts.tail.layers):
        raise InputError(
            f"expected a site of several neurons before the network's output, received {site!r} "
            f"with {shape[1]}.",
            hint=PAPER_REASON,
        )
    return parts


def first_dense(tail: keras.Model) -> FirstDense | None:
    """Return the dense layer that mixes the neurons first, given the network behind them."""
    dense = next((x for x in graph_layers(tail) if isinstance(x, layers.Dense)), None)
    if dense is None or not is_plain(dense, layers.Dense):
        return None
    try:
        before = cut(tail, dense.name, before=True).trunk
        after = cut(tail, dense.name).tail
    except InputError:
        return None
    elementwise = all(_is_elementwise(operation) for operation in graph_operations(before))
    return FirstDense(dense, before, after) if elementwise else None


def _paper_cut(model: keras.Model) -> Cut:
    every = [layer for layer in graph_layers(model) if isinstance(layer, layers.Dense)]
    dense = [layer for layer in every if len(layer.output.shape) == 2]  # None of tokens.
    if len(dense) < 2:
        raise InputError(
            f"expected a network with two dense layers or more for site='paper', received "
            f"{model.name!r} with {len(dense)}.",
            hint=closed_parts(model) or PAPER_REASON,
        )
    return cut(model, dense[0].name, before=dense[0].units < WIDE)


def _is_elementwise(operation: Any) -> bool:
    """Say whether this is known to treat each neuron on its own."""
    if is_plain(operation, layers.Activation):
        function = operation.activation
        return function in _ELEMENTWISE_FUNCTIONS or _is_elementwise(function)
    return is_plain(operation, _ELEMENTWISE)


_MOST_DIFFERENCE = 1e-6
"""How far the outputs of a copy may be from those of its original."""
_TRIED_IMAGES = 2
_OPEN_SIDE = 8
"""What stands for an open side of a network's input when a copy is tried."""


def remake(layer: Any, **changes: Any) -> Any:
    """Make a layer, or an operation of `keras.ops` in a graph, again, without its weights."""
    config = layer.get_config()
    if "trainable" in changes:
        _set_everywhere(config, "trainable", changes["trainable"])
    config.update({key: value for key, value in changes.items() if key in config})
    for key in config:
        own = getattr(layer, key, None)
        if inspect.isroutine(own) and getattr(own, "__self__", None) is not layer:
            config[key] = own
    if isinstance(layer, keras.layers.Lambda):
        # Keras would make its function from the byte code, without the names that it looks up, and
        # keeps where its output has its shape from under another name.
        own = {"output_shape": layer._output_shape, "mask": layer.mask}
        return type(layer)(**{**config, "arguments": layer.arguments, **own})
    with keras.saving.custom_object_scope(_own_objects(layer)):
        return type(layer).from_config(config)


def copy_network(model: keras.Model, make: Callable[[Any], Any] = remake) -> keras.Model:
    """Return a copy of a built network with its weights, at every depth; it is not compiled."""
    clone = twin(model, make)
    check_alike(model, clone)
    return clone


def twin(model: keras.Model, make: Callable[[Any], Any], *, weights: bool = True) -> keras.Model:
    """Copy a network as `copy_network` does, without a trial: for one that computes differently."""
    try:
        if is_graph(model):
            plain = _not_compiled(model)
            clone = keras.models.clone_model(plain, clone_function=make, recursive=True)
        else:
            clone = remake(model)
            clone.build(model.input_shape)
        if weights:
            clone.set_weights(model.get_weights())
    except Exception as error:  # Whatever layers of somebody's own raise.
        raise InputError(
            f"expected a network whose layers can be made again, a copy of {model.name!r} failed: "
            f"{first_line(error)}",
            hint="Give layers of your own a get_config that returns the arguments of __init__, or "
            "rebuild the network with Keras's layers.",
        ) from error
    finalize(clone)
    return clone


def first_line(error: Exception) -> str:
    """Return the first line that an exception of a library says, or its kind where it is silent."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def without_lambdas(model: keras.Model) -> keras.Model:
    """Return the network with what its Lambda layers do in place of them, as operations."""
    lambdas = (isinstance(layer, keras.layers.Lambda) for layer in every_layer(model))
    if not is_graph(model) or not any(lambdas):
        return model

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if isinstance(layer, keras.layers.Lambda):
            return layer.function(*inputs, **layer.arguments)
        return layer(*inputs, **options)

    try:
        plain = keras.models.clone_model(
            _not_compiled(model), clone_function=remake, call_function=call, recursive=True
        )
        plain.set_weights(model.get_weights())
        check_alike(model, plain)
    except Exception:  # Whatever somebody's function raises for a tensor without numbers.
        return model
    return plain


def check_alike(model: keras.Model, clone: keras.Model) -> None:
    """Raise unless a copy gives what its original gives, for noise of two brightnesses."""
    shape = [_OPEN_SIDE if side is None else side for side in model.input_shape[1:]]
    noise = np.random.default_rng(0).random((_TRIED_IMAGES, *shape), np.float32)
    noise[1] *= 0.5
    right, came = _outputs(model, noise), _outputs(clone, noise)
    apart = _difference(right, came) if right.shape == came.shape else np.inf
    # Dropout that is always active gives other outputs each time: nothing can be told from them.
    if apart < _MOST_DIFFERENCE or _difference(right, _outputs(model, noise)) >= _MOST_DIFFERENCE:
        return
    raise InputError(
        f"expected a copy of {model.name!r} to give what the network gives, the outputs of two "
        f"images of noise differ: {describe(right)} and {describe(came)}"
        + (f", by up to {apart:g}." if right.shape == came.shape else "."),
        hint="A layer of it has a state that is no weight, or a get_config that leaves something "
        "out.",
    )


def _set_everywhere(config: Any, key: str, value: Any) -> None:
    parts = config.values() if isinstance(config, dict) else config
    if isinstance(config, dict) and isinstance(config.get(key), bool):
        config[key] = value
    for part in parts:
        if isinstance(part, dict | list | tuple):
            _set_everywhere(part, key, value)


def _own_objects(layer: Any) -> dict[str, Any]:
    """Return the classes and functions of a layer, and of what it holds, by name."""
    inner = [layer, *every_layer(layer)] if isinstance(layer, keras.layers.Layer) else [layer]
    objects: dict[str, Any] = {}
    for part in inner:
        for value in (part, *vars(part).values()):
            if inspect.isroutine(value):
                objects[getattr(value, "__name__", "")] = value
            elif not type(value).__module__.startswith(("builtins", "keras.")):
                objects[type(value).__name__] = type(value)
    return objects


def _not_compiled(model: Any) -> keras.Model:
    """Return a network of the same layers, so that losses and metrics are not copied with them."""
    if not model.compiled:
        return model
    if isinstance(model, keras.Sequential):
        source = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
        return keras.Sequential([source, *model.layers], name=model.name)
    return keras.Model(model.input, model.output, name=model.name)


def _outputs(model: keras.Model, batch: AnyArray) -> AnyArray:
    outputs: AnyArray = np.asarray(keras.ops.cast(output_of(model, batch), "float32"))
    return outputs


def _difference(first: AnyArray, second: AnyArray) -> float:
    apart = np.where(np.isnan(first) & np.isnan(second), 0, np.abs(first - second))
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0))
