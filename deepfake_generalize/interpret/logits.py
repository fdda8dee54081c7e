"""A network's output before its sigmoid or softmax, where gradients do not saturate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery import producer, run_through

if TYPE_CHECKING:
    from collections.abc import Callable

_SQUASHING = (keras.activations.sigmoid, keras.activations.softmax)


@dataclass(frozen=True)
class Verdict:
    """What is explained: the logit of "fake" or of "real".

    Attributes:
        fake_index: The fake class; of one sigmoid unit, which gives P(class 1), 0 or 1.
        target: "fake" or "real".
    """

    fake_index: int
    target: str

    def of(
        self,
        model: keras.Model,
        images: Any,
        around: Callable[[Any, tuple[Any, ...], Callable[[], Any]], Any],
    ) -> Any:
        """Run a network up to its logits, and return one an image, shape (N,), float32.

        Args:
            model: Ends in a dense layer with a sigmoid or softmax, or in a layer that is one of
                them alone. The end may be inside a nested model.
            images: (N, H, W, 3) float32 in [0, 1].
            around: As in `models.graph.run_through`.

        Raises:
            InputError: The network ends in something else.
        """
        last = _last(model)
        used = 0

        def up_to_logits(layer: Any, inputs: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
            nonlocal used
            if layer is not last:
                plain = _is_plain_dense(layer, inputs)
                return around(
                    layer, inputs, (lambda: _dense(layer, inputs[0])) if plain else compute
                )
            used += 1
            return around(layer, inputs, lambda: _affine(last, inputs[0]))

        values = run_through(model, images, up_to_logits)
        if used != 1:
            raise InputError(
                f"expected the network's last layer to be used once, received {last.name!r}, used "
                f"{used} times.",
                hint="Give the sigmoid or softmax at the end a layer of its own.",
            )
        return self._chosen(tf.cast(values, tf.float32))

    def _chosen(self, logits: Any) -> Any:
        """Return the target's logit: its own, or that of all other classes together."""
        against = self.target == "real"
        columns = logits.shape[-1]
        if columns == 1:
            return logits[:, 0] if (self.fake_index == 1) != against else -logits[:, 0]
        if not against:
            return logits[:, self.fake_index]
        others = [column for column in range(columns) if column != self.fake_index]
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
    """Compute a dense layer so that its gradient reads the weights in the order they lie in.

    TensorFlow's own gradient multiplies by the transposed weights, which took eight times as long
    for ShallowNet's 118 million, half as long again as the whole pass forward.
    """
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
    while isinstance(last, keras.Model):
        last = last.layers[-1] if isinstance(last, keras.Sequential) else producer(last.outputs[0])
    squashes = getattr(last, "activation", None) in _SQUASHING
    alone = isinstance(last, keras.layers.Softmax) or (
        isinstance(last, keras.layers.Activation) and squashes
    )
    if not (alone or (isinstance(last, keras.layers.Dense) and squashes)):
        raise InputError(
            "expected a network that ends in a dense layer with a sigmoid or softmax, or in one of "
            f"them alone, received one that ends in {type(last).__name__} {last.name!r}.",
            hint="The maps are those of the logit, which cannot be found behind other layers.",
        )
    return last
