"""The layers of a network: which there are, what feeds what, and what each of them computes."""

from __future__ import annotations

import inspect
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


def last_convolution(model: keras.Model) -> str:
    """Return the name of the last layer that is a convolution; nested models are looked into."""
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
    """Return, in order, the layers that are not models themselves; nested models are opened."""
    leaves: list[Any] = []
    for layer in model.layers:
        leaves += flat_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return leaves


def every_layer(layer: Any) -> list[Any]:
    """Return the layers inside a layer or network, at every depth, in wrappers and classes too.

    Keras has no public way to ask.
    """
    inner: list[Any] = layer._flatten_layers(include_self=False)
    return inner


def run_through(
    model: keras.Model,
    images: Any,
    around: Callable[[Any, tuple[Any, ...], Callable[[], Any]], Any],
) -> Any:
    """Compute a network's output for inference, with a say in what every layer gives.

    Nothing is built and nothing of the model changes: its own layers compute, one after the other.
    Functional and Sequential models nested in it are opened. `images` are tensors, not symbols.

    `around` is called for every layer, the inputs and the nested models themselves included, with
    the layer, its inputs (none for an input) and a function that computes its output. What it
    returns flows on in the place of that output.
    """
    check_graph(model)

    def called(operation: Any) -> Any:
        def call(*inputs: Any, **arguments: Any) -> Any:
            if is_graph(operation):
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
    """Return the layer that gives a symbolic tensor. Keras has no public way to ask."""
    return tensor._keras_history.operation


def is_graph(operation: Any) -> bool:
    """Say whether this is a functional or Sequential model, whose layers can be followed.

    Keras has no public name for its functional models.
    """
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
