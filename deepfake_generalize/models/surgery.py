"""Cut a network in two at a layer."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras

from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Callable

_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)


@dataclass(frozen=True)
class Cut:
    """A network in two parts: `tail(trunk(x))` is `model(x)`.

    Attributes:
        trunk: From the network's input to the cut.
        tail: From the cut to the network's output.
    """

    trunk: keras.Model
    tail: keras.Model


def cut(model: keras.Model, layer: str, *, before: bool = False) -> Cut:
    """Cut a network at the output of a layer, or at its input.

    The two parts hold the layers of `model` themselves, not copies: training one changes all three.

    Args:
        model: Functional or Sequential, one input and one output. Functional and Sequential models
            nested in it are opened when the layer is inside one of them.
        layer: The layer's name.
        before: Cut where the layer begins instead of where it ends.

    Returns:
        The two parts. Nothing is computed yet; a part may be empty, and then returns its input.

    Raises:
        InputError: Not such a model; no such layer, or one that is used more than once; or a cut
            that does not separate the network, because a skip connection runs past it.

    Reproduction notes:
        An argument given to a nested model where it is called, such as `training=False`, is lost
        when that model is opened. For inference it makes no difference.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> parts = cut(mesonet((64, 64, 3)), "flatten")
        >>> parts.trunk.output_shape, parts.tail.output_shape
        ((None, 64), (None, 1))
    """
    graph = _graph(model, layer)
    matches = [node for node in _nodes(graph) if node.operation.name == layer]
    if len(matches) != 1:
        raise InputError(
            f"expected a layer that is used once, received {layer!r}, used {len(matches)} times.",
            hint="Cut at a layer before or after it.",
        )
    node = matches[0]
    tensors = node.input_tensors if before else node.outputs
    if before and node.is_input:
        tensors = node.outputs
    if len(tensors) != 1:
        raise InputError(
            f"expected a layer with one {'input' if before else 'output'}, received {layer!r} "
            f"with {len(tensors)}.",
            hint="Cut at the output of a layer." if before else "",
        )
    _refuse_crossings(graph, tensors[0], layer)
    return Cut(
        trunk=_part(graph.inputs[0], tensors[0], f"{model.name}_trunk"),
        tail=_part(tensors[0], graph.outputs[0], f"{model.name}_tail"),
    )


def last_convolution(model: keras.Model) -> str:
    """Return the name of the last layer that is a convolution.

    Args:
        model: Any Keras model with layers; nested models are looked into.

    Raises:
        InputError: There is none.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> last_convolution(mesonet((64, 64, 3)))
        'conv4'
    """
    found: list[str] = [
        layer.name for layer in flat_layers(model) if isinstance(layer, _CONVOLUTIONS)
    ]
    if not found:
        raise InputError(
            f"expected a network with a convolution, received {model.name!r} without one.",
            hint="Name the layer to look at.",
        )
    return found[-1]


def flat_layers(model: keras.Model) -> list[Any]:
    """Return the layers that are not models themselves, those of nested models included, in order.

    Args:
        model: Any Keras model with layers.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> [layer.name for layer in flat_layers(mesonet((64, 64, 3)))][-2:]
        ['dropout2', 'output']
    """
    leaves: list[Any] = []
    for layer in model.layers:
        leaves += flat_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return leaves


def run_through(
    model: keras.Model,
    images: Any,
    around: Callable[[Any, tuple[Any, ...], Callable[[], Any]], Any],
) -> Any:
    """Compute a network's output for inference, with a say in what every layer gives.

    Nothing is built and nothing of the model changes: its own layers compute, one after the other.

    Args:
        model: As `cut` takes it. Functional and Sequential models nested in it are opened.
        images: What the network takes: tensors, not symbols.
        around: Called for every layer, the inputs and the nested models themselves included, with
            the layer, its inputs (none for an input) and a function that computes its output. What
            it returns flows on in the place of that output.

    Returns:
        The network's output.

    Raises:
        InputError: Not such a model.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> names = []
        >>> def noted(layer, inputs, compute):
        ...     names.append(layer.name)
        ...     return compute()
        >>> run_through(mesonet((32, 32, 3)), keras.ops.zeros((2, 32, 32, 3)), noted).shape
        TensorShape([2, 1])
        >>> names[:3], names[-1]
        (['image', 'conv1', 'norm1'], 'output')
    """
    _check_graph(model)

    def called(operation: Any) -> Any:
        def call(*inputs: Any, **arguments: Any) -> Any:
            if _is_graph(operation):
                return around(operation, inputs, lambda: through(operation, inputs[0]))
            if "training" in inspect.signature(operation.call).parameters:
                arguments["training"] = False
            return around(operation, inputs, lambda: operation(*inputs, **arguments))

        return call

    def through(graph: Any, entering: Any) -> Any:
        if len(graph.inputs) == 1:
            source = producer(graph.inputs[0])
            entering = around(source, (), lambda: entering)
        if isinstance(graph, keras.Sequential):
            for layer in graph.layers:
                entering = called(layer)(entering)
            return entering
        outputs = graph._run_through_graph(entering, operation_fn=called)
        return outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else outputs

    return through(model, images)


def producer(tensor: keras.KerasTensor) -> Any:
    """Return the layer that gives a symbolic tensor. Keras has no public way to ask.

    Args:
        tensor: Such as `model.outputs[0]`.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> producer(mesonet((32, 32, 3)).outputs[0]).name
        'output'
    """
    return tensor._keras_history.operation


def _is_graph(operation: Any) -> bool:
    return isinstance(operation, keras.Sequential) or hasattr(operation, "_nodes_by_depth")


def _check_graph(model: Any) -> None:
    """Refuse what has no graph of layers, or more than one way in or out."""
    if not _is_graph(model):
        raise InputError(
            f"expected a functional or Sequential Keras model, received {describe(model)}.",
            hint="A subclassed model has no graph to cut: rebuild it with the functional API.",
        )
    if not model.built or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(f"expected a built model with one input and one output, {model.name!r}.")


def _graph(model: keras.Model, layer: str) -> Any:
    """Return a functional model in whose own graph the layer is, opening nested models if need be.

    Keras has no public way to ask which layer feeds which, hence the private attributes here.
    """
    _check_graph(model)
    # An Input is kept out of a Sequential model's layers, and is a layer of its graph.
    outer = (
        keras.Model(model.inputs[0], model.outputs[0])
        if isinstance(model, keras.Sequential)
        else model
    )
    if layer in [operation.name for operation in outer.operations]:
        return outer
    names = [inner.name for inner in flat_layers(model)]
    if layer not in names:
        raise InputError(
            f"expected the name of a layer of {model.name!r}, received {layer!r}; it has "
            f"{', '.join(names)}.",
        )
    source = keras.Input(batch_shape=outer.inputs[0].shape, dtype=outer.inputs[0].dtype)
    try:
        return keras.Model(source, _inlined(outer, source))
    except ValueError as error:
        raise InputError(
            f"expected nested models that can be opened to reach {layer!r}, received "
            f"{model.name!r}: {error}",
            hint="Give the layers of the nested models names of their own.",
        ) from error


def _nodes(graph: Any) -> list[Any]:
    """Return the calls of layers that the graph consists of."""
    return [node for level in graph._nodes_by_depth.values() for node in level]


def _inlined(model: Any, tensor: Any) -> Any:
    """Call every layer of the model on the tensor, opening the models among them."""
    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            tensor = _opened(layer)(tensor)
        return tensor
    return model._run_through_graph(tensor, operation_fn=_opened)


def _opened(operation: Any) -> Any:
    if not _is_graph(operation):
        return operation
    return lambda tensor, **_: _inlined(operation, tensor)


def _refuse_crossings(graph: Any, tensor: Any, layer: str) -> None:
    """Raise unless every path from the input to the output runs through the tensor."""
    makers = {id(output): node for node in _nodes(graph) for output in node.outputs}
    above = _ancestors(makers, tensor, stop=None)
    below = _ancestors(makers, graph.outputs[0], stop=tensor)
    crossings = sorted(
        f"{makers[id(source)].operation.name} -> {node.operation.name}"
        for node in below - above
        for source in node.input_tensors
        if source is not tensor and makers[id(source)] in above
    )
    if crossings:
        raise InputError(
            f"expected a layer through which everything flows, received {layer!r}; past it runs "
            f"{', '.join(crossings)}.",
            hint="Cut where the branches have joined again, or before they part.",
        )


def _ancestors(makers: dict[int, Any], tensor: Any, *, stop: Any) -> set[Any]:
    """Return the nodes that the tensor is computed by, without going past `stop`."""
    found: set[Any] = set()
    waiting = [tensor]
    while waiting:
        wanted = waiting.pop()
        node = makers[id(wanted)]
        if wanted is not stop and node not in found:
            found.add(node)
            waiting += node.input_tensors
    return found


def _part(start: Any, end: Any, name: str) -> keras.Model:
    if start is end:
        start = end = keras.Input(batch_shape=start.shape, dtype=start.dtype)
    return keras.Model(start, end, name=name)
