"""The average causal effect of every neuron at a site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tensorflow as tf

from deepfake_generalize.causal.intervention import Site, open_site, summed_scores
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.batching import unit_batches
from deepfake_generalize.models.detector import Detector
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    import numpy.typing as npt

    from deepfake_generalize.types import AnyArray, DoubleArray, Images

_BATCH = 32


@dataclass(frozen=True)
class NeuronEffects:
    """What setting each neuron does to the decision.

    Attributes:
        values: (neurons, steps) float64, what each neuron was set to, ascending in general.
        effects: (neurons, steps) float64 in [0, 1], the mean outcome with the neuron set so.
    """

    values: DoubleArray
    effects: DoubleArray

    @property
    def contribution(self) -> DoubleArray:
        """(neurons,), the largest minus the smallest effect of each neuron; at least 0."""
        spread: DoubleArray = np.ptp(self.effects, axis=1)
        return spread


def average_causal_effect(
    detector: Detector,
    images: Images | None = None,
    *,
    activations: AnyArray | None = None,
    labels: npt.ArrayLike | None = None,
    site: str = "paper",
    steps: int = 4,
    grid: Literal["study", "minmax"] = "study",
    outcome: Literal["true_class", "score"] = "true_class",
) -> NeuronEffects:
    """Measure the average causal effect of every neuron at a site, exactly.

    The effect of do(neuron = value) is the mean over the images of P(true class), or of P(fake),
    when that neuron alone is held at the value and the network is computed on from there.

    Source: "How Generalizable are Deepfake Detectors?", section IV-D, Definition 3.

    Args:
        detector: Around a functional or Sequential Keras model.
        images: (N, H, W, 3) RGB, uint8 or float in [0, 1], or a sequence of (H, W, 3).
        activations: (N, neurons) at the site, instead of images.
        labels: (N,), 1 = fake, 0 = real; needed for `true_class`.
        site: `paper`: the outputs of the first dense layer if it has 256 units or more
            (ShallowNet's 1,024), else the features that enter it (MesoNet's and MesoInception's
            1,024 at 256x256). Or the name of a layer: its outputs, activation included. To set what
            enters a dense layer, name the layer before it, such as `flatten`.
        steps: How many values, at least 2.
        grid: `study`: evenly from min(minimum, 1) to max(maximum, 0) of the neuron's activations;
            `minmax`: from minimum to maximum.
        outcome: `true_class`: mean P(true class); `score`: mean P(fake), whatever the labels.

    Returns:
        Values and effects of every neuron. Dropout is off. Images pass through the network in
        batches of 32; their activations are kept (4 bytes a neuron and image), and the
        interventions hold a few times 4 MB whatever N.

    Raises:
        InputError: Wrong inputs, or a site where it makes no sense (fewer than two neurons; for
            `paper`, fewer than two dense layers: Xception, EfficientNet).

    Reproduction notes:
        The study's scripts take the raw output whatever the label: `outcome="score"` is that up to
        polarity, which the contribution does not see. The default is the paper's text.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> detector = Detector(mesonet((32, 32, 3)))
        >>> images = np.zeros((2, 32, 32, 3), np.uint8)
        >>> average_causal_effect(detector, images, labels=[0, 1]).effects.shape
        (16, 4)
    """
    _check_choices(detector, steps, grid, outcome)
    if (images is None) == (activations is None):
        raise InputError("expected either images or activations, received both or neither.")
    opened = open_site(detector.model, site)
    if images is not None:
        batches = unit_batches(images, detector.size, _BATCH)
        activations = _activations(opened, batches)
    known = _checked_activations(activations, opened.neurons)
    signs, offset = _outcome(labels, len(known), outcome)
    values = _grid(known, steps, grid)
    sums = summed_scores(opened, known, values, signs, detector.fake_of)
    return NeuronEffects(values, (sums + offset) / len(known))


def _check_choices(detector: object, steps: object, grid: object, outcome: object) -> None:
    if not isinstance(detector, Detector):
        raise InputError(
            f"expected a models.Detector, received {describe(detector)}.",
            hint="Wrap a Keras model: Detector(model, fake_index=...).",
        )
    whole = isinstance(steps, int | np.integer) and not isinstance(steps, bool)
    if not whole or steps < 2:  # type: ignore[operator]
        raise InputError(f"expected steps to be a whole number from 2, received {steps!r}.")
    if grid not in ("study", "minmax"):
        raise InputError(f"expected grid 'study' or 'minmax', received {grid!r}.")
    if outcome not in ("true_class", "score"):
        raise InputError(f"expected outcome 'true_class' or 'score', received {outcome!r}.")


def _activations(site: Site, batches: Any) -> AnyArray:
    forward = tf.function(
        lambda batch: site.trunk(batch, training=False),
        input_signature=[tf.TensorSpec(site.trunk.input_shape, tf.float32)],
    )
    found = [forward(tf.constant(batch)).numpy() for batch in batches]
    return np.concatenate(found) if found else np.zeros((0, site.neurons), np.float32)


def _checked_activations(activations: object, neurons: int) -> AnyArray:
    fits = (
        isinstance(activations, np.ndarray)
        and activations.ndim == 2
        and activations.shape[1] == neurons
        and np.issubdtype(activations.dtype, np.floating)
    )
    if not isinstance(activations, np.ndarray) or not fits:
        raise InputError(
            f"expected activations as a float array of shape (N, {neurons}), received "
            f"{describe(activations)}."
        )
    if not len(activations):
        raise InputError("expected at least one image, received none.")
    # A sum is NaN or infinite if any term is, and costs no array of flags.
    if not np.isfinite(activations.sum(dtype=np.float64)):
        raise InputError("expected finite activations, received NaN or infinity.")
    return activations


def _outcome(labels: npt.ArrayLike | None, count: int, outcome: str) -> tuple[DoubleArray, float]:
    """Return factors and offset so that the sum of outcomes is factors @ P(fake) + offset."""
    if outcome == "score":
        return np.ones(count), 0.0
    if labels is None:
        raise InputError(
            "expected labels for outcome='true_class', received none.",
            hint="Pass labels (1 = fake), or outcome='score', which needs none.",
        )
    given = np.asarray(labels)
    if given.shape != (count,) or not np.isin(given, (0, 1)).all():
        raise InputError(
            f"expected labels 0 (real) or 1 (fake) of shape ({count},), received "
            f"{describe(given)}.",
        )
    fakes = given.astype(bool)
    return np.where(fakes, 1.0, -1.0), float((~fakes).sum())


def _grid(activations: AnyArray, steps: int, grid: str) -> DoubleArray:
    low = activations.min(axis=0).astype(np.float64)
    high = activations.max(axis=0).astype(np.float64)
    if grid == "study":
        low, high = np.minimum(low, 1.0), np.maximum(high, 0.0)
    values: DoubleArray = np.linspace(low, high, steps, axis=1)
    return values
