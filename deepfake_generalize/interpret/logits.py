"""A network's output before its sigmoid or softmax, where gradients do not saturate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.surgery import cut

_SQUASHING = (keras.activations.sigmoid, keras.activations.softmax)


@dataclass(frozen=True)
class Logits:
    """The way from features to logits.

    Attributes:
        body: The network up to where its last layer begins.
        dense: The last layer, of which only the affine part is used; None where the last layer is
            the sigmoid or softmax alone, and `body` gives the logits already.
    """

    body: keras.Model
    dense: keras.layers.Dense | None

    def of_class(self, features: Any, index: int, *, against: bool = False) -> Any:
        """Return one logit an image, shape (N,).

        Args:
            features: What `body` takes.
            index: The class; of one sigmoid unit, which gives P(class 1), 0 or 1.
            against: Return the logit of all other classes instead.
        """
        values = tf.cast(self.body(features, training=False), tf.float32)
        if self.dense is not None:
            values = tf.matmul(values, tf.cast(self.dense.kernel, tf.float32))
            if self.dense.use_bias:
                values += tf.cast(self.dense.bias, tf.float32)
        columns = values.shape[-1]
        if columns == 1:
            return values[:, 0] if (index == 1) != against else -values[:, 0]
        if not against:
            return values[:, index]
        others = [column for column in range(columns) if column != index]
        return tf.reduce_logsumexp(tf.gather(values, others, axis=1), axis=1)


def logits_of(model: keras.Model) -> Logits:
    """Find a network's logits.

    Args:
        model: A functional model that ends in a dense layer with a sigmoid or softmax, or in a
            layer that is one of them alone. The end may be inside a nested model.

    Returns:
        The way to them.

    Raises:
        InputError: The network ends in something else.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> logits_of(mesonet((32, 32, 3))).body.output_shape
        (None, 16)
    """
    last: Any = model
    while isinstance(last, keras.Model):
        last = last.layers[-1] if isinstance(last, keras.Sequential) else _producer(last)
    squashes = getattr(last, "activation", None) in _SQUASHING
    dense = isinstance(last, keras.layers.Dense) and squashes
    alone = isinstance(last, keras.layers.Softmax) or (
        isinstance(last, keras.layers.Activation) and squashes
    )
    if not (dense or alone):
        raise InputError(
            "expected a network that ends in a dense layer with a sigmoid or softmax, or in one of "
            f"them alone, received one that ends in {type(last).__name__} {last.name!r}.",
            hint="The maps are those of the logit, which cannot be found behind other layers.",
        )
    return Logits(cut(model, last.name, before=True).trunk, last if dense else None)


def _producer(model: Any) -> Any:
    """Return the layer that gives the model's output. Keras has no public way to ask."""
    return model.outputs[0]._keras_history.operation
