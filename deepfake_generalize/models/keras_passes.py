"""A Keras network at work: forward, back to a layer, on from a site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.passes import SCALES, is_rectifier, token_grid
from deepfake_generalize.models.surgery import (
    closed_parts,
    first_dense,
    graph_layers,
    is_graph,
    is_plain,
    last_convolution,
    only,
    output_of,
    producer,
    remake,
    run_through,
    site_cut,
    twin,
)
from deepfake_generalize.types import Images, MapOps, MapRule, MapView, Site

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


# Tracing takes longer than the maps of many batches, so a network's functions are kept as long as
# the network itself is.
_compiled: WeakKeyDictionary[keras.Model, dict[tuple[Any, ...], Callable[..., Any]]] = (
    WeakKeyDictionary()
)


def weighted_maps(
    detector: Wrapped, rule: MapRule, view: MapView, layer: str
) -> Callable[[Any], Any]:
    """Return the compiled function from images to a rule's signed maps at a layer."""

    def trace(images: Any) -> Any:
        tape, logit, found = _watched(detector, view.target, images, {layer})
        features, first = _only_map(found, layer, detector.model)
        gradient = _gradient(tape, logit, features)
        features = _widened(features)
        if len(features.shape) == 3:
            sides = token_grid(features.shape[1], detector.size, view.grid, layer)
            features, gradient = (_pictured(values, sides) for values in (features, gradient))
        positions, channels = ((2, 3), 1) if first else ((1, 2), 3)
        ops = MapOps(
            mean=partial(tf.reduce_mean, axis=positions, keepdims=True),
            total=partial(tf.reduce_sum, axis=positions, keepdims=True),
            across=partial(tf.reduce_sum, axis=channels),
            relu=tf.nn.relu,
        )
        return tf.cast(rule(features, gradient, ops), tf.float32)

    return _kept(detector, ("maps", rule, layer, view.target, view.grid), trace)


def guided_gradient(detector: Wrapped, target: str) -> Callable[[Any], Any]:
    """Return the compiled function from images to the guided gradient of the logit in them."""

    def around(layer: Any, _: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        return _gate(compute()) if _is_rectifier(layer) else compute()

    def trace(images: Any) -> Any:
        with _tape(detector.model) as tape:
            tape.watch(images)
            logit = logit_of(detector, target, images, around)
        return _gradient(tape, logit, images)

    return _kept(detector, ("guided", target), trace)


def default_layer(detector: Wrapped) -> str:
    """Return the name of the last layer that still shows where."""
    model = detector.model
    norms = {
        layer.name
        for layer in (graph_layers(model) if is_graph(model) else ())
        if is_plain(layer, keras.layers.LayerNormalization) and len(layer.output.shape) == 3
    }
    if norms:
        noise = np.random.default_rng(0).random((2, *detector.size, 3), np.float32)
        tape, logit, found = _watched(detector, "fake", tf.constant(noise), norms)
        for name, tokens, _ in reversed(found):
            gradient = tape.gradient(logit, tokens, unconnected_gradients="zero")
            if bool(tf.reduce_any(gradient[:, (tokens.shape[1] + 1) // 2 :] != 0)):
                return str(name)
    return last_convolution(model)


def _watched(
    detector: Wrapped, target: str, images: Any, layers: set[str]
) -> tuple[tf.GradientTape, Any, list[tuple[str, Any, bool]]]:
    """Run up to the logit; return the tape, the logit, and by layer its outputs and their order."""
    found: list[tuple[str, Any, bool]] = []
    channels_first = _Format()
    with _tape(detector.model, several=len(layers) > 1) as tape:

        def around(current: Any, inputs: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
            output = only(compute())
            first = channels_first.note(current, inputs, output)
            if current.name in layers:
                # A copy: a layer that passes its input on must not stand for the input's other
                # readers, too.
                output = tf.nest.map_structure(tf.identity, output)
                channels_first.keep(output, first)
                tape.watch(output)
                found.append((current.name, output, first))
            return output

        logit = logit_of(detector, target, images, around)
    return tape, logit, found


def _pictured(tokens: Any, sides: tuple[int, int]) -> Any:
    """Return the last tokens (N, T, C) as (N, h, w, C)."""
    height, width = sides
    return tf.reshape(tokens[:, -height * width :], (-1, height, width, tokens.shape[2]))


class _Format:
    """Which tensors have their channels first, followed from layer to layer."""

    def __init__(self) -> None:
        # The tensors are kept with their answers: an `id` is free again when its tensor is gone.
        self._known: dict[int, tuple[Any, bool]] = {}

    def note(self, layer: Any, inputs: tuple[Any, ...], output: Any) -> bool:
        """Take down, and return, whether what a layer made of its inputs has channels first."""
        if id(output) in self._known:  # Passed on as it came, or out of a nested model.
            return self._known[id(output)][1]
        said = getattr(layer, "data_format", None)
        known = [self._known[id(tensor)][1] for tensor in inputs if id(tensor) in self._known]
        first = said == "channels_first" if said else any(known)
        if isinstance(layer, keras.layers.Permute):
            first = {(3, 1, 2): True, (2, 3, 1): False}.get(layer.dims, first)
        return self.keep(output, first)

    def keep(self, tensor: Any, first: bool) -> bool:
        """Take down whether a tensor has its channels first, and return it."""
        self._known[id(tensor)] = (tensor, first)
        return first


def _tape(model: keras.Model, *, several: bool = False) -> tf.GradientTape:
    """Return a tape; one that can go back several times where a layer computes in float16."""
    half = any(getattr(layer, "compute_dtype", "") == "float16" for layer in graph_layers(model))
    return tf.GradientTape(persistent=half or several, watch_accessed_variables=False)


def _gradient(tape: tf.GradientTape, logit: Any, source: Any) -> Any:
    """Return the gradient of each image's logit, in float32 where it was computed in less."""
    if not tape._persistent:
        return _widened(tape.gradient(logit, source, unconnected_gradients="zero"))
    chosen: Any = None
    for scale in SCALES:
        scaled = tape.gradient(
            logit,
            source,
            output_gradients=tf.fill(tf.shape(logit), scale),
            unconnected_gradients="zero",
        )
        gradient = _widened(scaled) / scale
        finite = tf.reduce_all(
            tf.math.is_finite(gradient), axis=range(1, len(gradient.shape)), keepdims=True
        )
        chosen = gradient if chosen is None else tf.where(finite, gradient, chosen)
    return chosen


def _widened(values: Any) -> Any:
    """Return float16 and bfloat16 as float32: sums over positions need its range and digits."""
    return tf.cast(values, tf.float32) if values.dtype.size < tf.float32.size else values


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _gate(rectified: Any) -> Any:
    """Pass values on as they are, and gradients only where they and the values are positive."""

    def backward(gradient: Any) -> Any:
        kept = (gradient > 0) & (rectified > 0)
        return tf.where(kept, gradient, tf.zeros_like(gradient))

    return tf.identity(rectified), backward


def _is_rectifier(layer: Any) -> bool:
    """Say whether a layer, or the activation at its end, is ReLU or one of its kin."""
    activation = getattr(layer, "activation", None)
    activation = getattr(activation, "func", activation)  # Of functools.partial.
    kinds = (type(layer).__name__, getattr(activation, "__name__", type(activation).__name__))
    return any(map(is_rectifier, kinds))


def _only_map(
    found: list[tuple[str, Any, bool]], layer: str, model: keras.Model
) -> tuple[Any, bool]:
    """Return the features of the one call of the layer, if they are maps or tokens."""
    if not found:
        names = ", ".join(other.name for other in graph_layers(model))
        raise InputError(
            f"expected the name of a layer of {model.name!r}, received {layer!r}; it has {names}.",
            hint=closed_parts(model),
        )
    if len(found) != 1:
        raise InputError(
            f"expected a layer that is used once, received {layer!r}, used {len(found)} times.",
            hint="Name a layer before or after it.",
        )
    shape = getattr(found[0][1], "shape", ())
    if len(shape) not in (3, 4):
        raise InputError(
            f"expected a layer with outputs (None, h, w, C) or tokens (None, T, C), received "
            f"{layer!r} with {tuple(shape)}.",
            hint="Name a convolution, or what follows one.",
        )
    return found[0][1:]


def _kept(
    detector: Wrapped, key: tuple[Any, ...], trace: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    """Return the function of that key, compiled at its first use."""
    kept = _compiled.setdefault(detector.model, {})
    key = (detector.fake_index, *key)
    if key not in kept:
        signature = [tf.TensorSpec((None, *detector.size, 3), tf.float32)]
        function = tf.function(trace, input_signature=signature, autograph=False)
        # The concrete function holds the variables, and not the model that the key must outlive.
        kept[key] = function.get_concrete_function()
    return kept[key]


Run = Callable[[Callable[[Any], Any], Images, int], Iterator[Any]]
"""Runs a compiled function over images, so many at a time."""


def site_opener(
    model: keras.Model, site: str, *, fake: Callable[[Any], Any], run: Run
) -> Callable[[], Site]:
    """Cut a network open at `paper`, or at the layer of a name whose outputs are (N, neurons).

    Returns what gives the site with the weights of then: cut and compiled once, used as often as
    there are sets. `fake` goes from the network's outputs (N, K) to P(fake), (N,).
    """
    parts = site_cut(model, site)
    first = first_dense(parts.tail)
    if first is None:
        # Whatever mixes the neurons is left to the rest: the identity is an affine map, too.
        width = parts.tail.input_shape[1]
        nothing = keras.Input((width,))
        before, rest = keras.Model(nothing, nothing), parts.tail
    else:
        dense, before, width = first.dense, first.before, first.dense.units

        def rest(mixed: Any) -> Any:
            return first.after(dense.activation(mixed), training=False)

    step = _compiled_step(rest, fake, width)

    @cache
    def forward() -> Callable[[Any], Any]:
        # A concrete function: TensorFlow takes a new tf.function every call for tracing in a loop.
        function = tf.function(
            lambda batch: parts.trunk(batch, training=False),
            input_signature=[tf.TensorSpec(parts.trunk.input_shape, tf.float32)],
        )
        concrete: Callable[[Any], Any] = function.get_concrete_function()
        return concrete

    def site_now() -> Site:
        if first is None:
            kernel, bias = np.eye(width, dtype=np.float32), np.zeros(width, np.float32)
        else:
            kernel = np.asarray(dense.kernel.numpy(), np.float32)
            bias = np.zeros(width, np.float32) if dense.bias is None else dense.bias.numpy()
        return Site(
            kernel=kernel,
            bias=bias,
            activations=lambda *given: (part.numpy() for part in run(forward(), *given)),
            before=lambda values: np.asarray(before(values, training=False)),
            sums=lambda *given: step(*map(tf.constant, given)).numpy(),
        )

    return site_now


def _compiled_step(rest: Callable[[Any], Any], fake: Callable[[Any], Any], width: int) -> Any:
    """Compile the update, the rest of the network and the sums over a block of images."""

    def step(mixed: Any, moved: Any, kernel: Any, factors: Any) -> Any:
        updated = mixed + moved[..., None] * kernel[:, None, None, :]
        scores = fake(rest(tf.reshape(updated, (-1, width))))
        shape = tf.shape(moved)
        scores = tf.cast(tf.reshape(scores, (shape[0] * shape[1], shape[2])), tf.float64)
        return tf.reshape(tf.matmul(scores, factors), (shape[0], shape[1], -1))

    return tf.function(
        step,
        input_signature=[
            tf.TensorSpec((None, width), tf.float32),
            tf.TensorSpec((None, None, None), tf.float32),
            tf.TensorSpec((None, width), tf.float32),
            tf.TensorSpec((None, None), tf.float64),
        ],
    ).get_concrete_function()


def redrawn(model: keras.Model, behind: str | None) -> keras.Model:
    """Return a copy whose weights, all or those behind a site, are drawn anew by Keras."""
    parts = None if behind is None else site_cut(model, behind)
    made = twin(model if parts is None else parts.tail, _unseeded, weights=False)
    if parts is not None:
        entering = parts.trunk
        made = keras.Model(entering.inputs[0], output_of(made, entering.outputs[0]))
    return made


def _unseeded(layer: Any) -> Any:
    """Make a layer again whose initializers have no seed of their own."""
    config = layer.get_config()
    for value in config.values():
        if isinstance(value, dict) and "seed" in (value.get("config") or {}):
            value["config"]["seed"] = None
    return remake(layer, **config)
