"""Cut a network in two at a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery.graph import check_graph, graph_layers, is_graph, through


@dataclass(frozen=True)
class Cut:
    """A network in two parts, its input to the cut and the cut to its output.

    `tail(trunk(x))` is `model(x)`.
    """

    trunk: keras.Model
    tail: keras.Model


def cut(model: keras.Model, layer: str, *, before: bool = False) -> Cut:
    """Cut a network at the output of the layer of that name, or at its input (`before`).

    The two parts hold the layers of `model` themselves, not copies: training one changes all three.
    A part may be empty, and then returns its input. Functional and Sequential models nested in it
    are opened when the layer is inside one of them; an argument given to them where they are
    called, such as `training=False`, is lost then.

    Raises:
        InputError: Not a graph with one input and one output; no such layer, or one that is used
            more than once; or a cut that a skip connection runs past.
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
    """Return a functional model in whose own graph the layer is, opening nested models if need be.

    Keras has no public way to ask which layer feeds which, hence the private attributes here.
    """
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
