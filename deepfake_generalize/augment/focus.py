"""Focus: let a detector decide by the neurons that contribute on every data set."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, Unpack

import keras
import numpy as np
import numpy.typing as npt

from deepfake_generalize.augment.fine_tuning import (
    Head,
    check_detector,
    check_settings,
    child,
    choose_head,
    fine_tune,
    fit_cached,
    forward_batches,
    options_for,
    twin_of,
)
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import Detector
from deepfake_generalize.models.surgery import FirstDense, first_dense, flat_layers, site_cut
from deepfake_generalize.models.training import (
    Fit,
    LabelledImages,
    Progress,
    Recipe,
    RecipeSettings,
    TrainingData,
    TrainOptions,
    open_data,
)
from deepfake_generalize.types import AnyArray, DoubleArray, IntArray
from deepfake_generalize.validation import check_choice, check_number, check_whole, describe


def focus(  # noqa: PLR0913  (each is a choice of its own)
    detector: Detector,
    neurons: npt.ArrayLike,
    train: LabelledImages,
    val: LabelledImages | None,
    *,
    mode: Literal["freeze", "silence", "upweight"] = "freeze",
    factor: float = 2.0,
    recipe: Recipe | None = None,
    site: str = "paper",
    seed: int = 0,
    progress: Progress = "auto",
    name: str | None = None,
    **settings: Unpack[RecipeSettings],
) -> Detector:
    """Focus a copy of a detector on some of its neurons.

    A neuron's weights are its row in the first dense layer behind the site: what the rest of the
    network hears of it.

    Source: "How Generalizable are Deepfake Detectors?", section V, which proposes to increase the
    weights of universally contributing neurons, or to freeze the others, and tries neither.

    Args:
        detector: What was trained before; not changed.
        neurons: Indices at the site, such as `causal.universal_neurons` gives.
        train: What is learnt from, and for `silence` what the means are taken over: crops,
            (images, labels) as arrays, or a dataset, as `models.train` takes them.
        val: What the best epoch is chosen on, in the same form; never a test set. Not used where
            nothing is trained.
        mode: `freeze`: train these neurons' weights and nothing else. `silence`: hold every other
            neuron at its mean over `train`, exactly, by moving its part into the dense layer's
            bias. `upweight`: multiply these neurons' weights by `factor`.
        factor: Above 0, for `upweight`.
        recipe: For `freeze` the paper's for fine-tuning the detector's architecture by default. For
            the other modes None trains nothing; a recipe, or a value instead of one of the paper's,
            trains these neurons' weights afterwards.
        site: As `causal.average_causal_effect` takes it: `paper`, or the name of a layer.
        seed: Of the order of the images and the dropout between site and output.
        progress: As `models.train` takes it.
        name: The new detector's; the old one's and "-focus" by default.
        **settings: Instead of the recipe's `epochs`, `learning_rate`, `batch_size`, `dropout`,
            `weight_decay` and `pairing`. Images cannot be augmented: the layers before the site see
            each once.

    Returns:
        A new detector. Its `training` holds the mode, the site, the neurons and the parent.

    Raises:
        InputError: An argument is not as above, such a site makes no sense for the network (see
            `causal.average_causal_effect`) or its neurons are not mixed by a dense layer first,
            `train` and `val` share an image or a video, or training diverged.

    Examples:
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> detector = Detector(mesonet((32, 32, 3)), name="mesonet-celeb")
        >>> images = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
        >>> few = (images, np.arange(4) % 2)
        >>> louder = focus(detector, [0, 3], few, few, mode="upweight", factor=2.0)
        >>> kernels = [found.model.get_layer("dense1").kernel for found in (louder, detector)]
        >>> np.unique(kernels[0] / kernels[1], axis=1)[:5].ravel().tolist()
        [2.0, 1.0, 1.0, 2.0, 1.0]
    """
    check_settings("focus", settings, RecipeSettings)
    check_detector(detector)
    check_choice("mode", mode, ("freeze", "silence", "upweight"))
    factor = check_number("factor", factor, above=0)
    seed = check_whole("seed", seed, least=0)
    parts = site_cut(detector.model, site)
    chosen = _checked_neurons(neurons, int(parts.trunk.output_shape[1]))
    behind = first_dense(parts.tail)
    if behind is None:
        raise InputError(
            f"expected a site whose neurons a dense layer is the first to mix, received {site!r} "
            f"of {detector.model.name!r}.",
            hint="Name the layer before a dense layer.",
        )
    weights = behind.dense.get_weights()
    opened = open_data(train, name="train", shape=(*detector.size, 3))
    if mode == "silence":
        weights = _silenced(behind, chosen, _means(parts.trunk, opened))
    elif mode == "upweight":
        weights[0][chosen] *= np.float32(factor)
    asks = any(value is not None for value in settings.values())
    trains = mode == "freeze" or recipe is not None or asks
    facts: dict[str, Any] = {
        "mode": mode,
        "factor": factor if mode == "upweight" else None,
        "site": site,
        "neurons": chosen.tolist(),
        "trained_from": behind.dense.name if trains else None,
    }
    if not trains:
        record = {"recipe": None, "seed": seed, **facts}
        learned = twin_of(detector, seed)
        _layer(learned, behind.dense.name).set_weights(weights)
        return child(detector, learned, record, kind="focus", name=name)
    options = options_for(detector, recipe, seed, progress=progress, **settings)
    head = choose_head(detector.model, behind.dense.name, options.recipe)
    learn = partial(_fit_rows, weights=weights, rows=chosen, head=head)
    how: dict[str, Any] = {"kind": "focus", "name": name, "first": head.first, "noise": False}
    return fine_tune(detector, train, val, options, learn, **how, **facts)


def _layer(model: keras.Model, name: str) -> Any:
    return next(layer for layer in flat_layers(model) if layer.name == name)


class _KeepOtherRows(keras.constraints.Constraint):  # type: ignore[misc]  # Keras ships no types
    """Puts all but some rows of a kernel back after each step, as if they had no gradient.

    Adam moves each weight by its own gradient alone, so that the rows that train do not notice.
    """

    def __init__(self, kernel: Any, rows: IntArray) -> None:
        self._kept = keras.ops.convert_to_tensor(kernel.numpy())
        mask = np.zeros((kernel.shape[0], 1), bool)
        mask[rows] = True
        self._mask = keras.ops.convert_to_tensor(mask)

    def __call__(self, kernel: Any) -> Any:
        return keras.ops.where(self._mask, kernel, self._kept)


def _fit_rows(
    model: keras.Model,
    train: TrainingData,
    val: TrainingData,
    options: TrainOptions,
    *,
    weights: list[AnyArray],
    rows: IntArray,
    head: Head,
) -> Fit:
    """Fit some rows of the kernel with which a head begins, from these weights of its layer."""
    dense = _layer(model, head.trained)
    dense.set_weights(weights)
    for layer in flat_layers(model):
        layer.trainable = layer is dense
    dense.kernel.constraint = _KeepOtherRows(dense.kernel, rows)
    if dense.bias is not None:
        dense.bias.trainable = False
    return fit_cached(model, train, val, options, head=head)


def _silenced(behind: FirstDense, rows: IntArray, means: DoubleArray) -> list[AnyArray]:
    """Fold do(neuron = mean) of all other rows into the bias of the layer that mixes them."""
    if behind.dense.bias is None:
        raise InputError(
            f"expected a layer with a bias to move the silenced neurons into, "
            f"{behind.dense.name!r} has none.",
            hint="Use another mode or site.",
        )
    kernel, bias = behind.dense.get_weights()
    others = np.setdiff1d(np.arange(len(means)), rows)
    entering = behind.before(means[np.newaxis].astype(np.float32), training=False).numpy()[0]
    moved = entering[others].astype(np.float64) @ kernel[others].astype(np.float64)
    kernel[others] = 0
    return [kernel, bias + moved.astype(np.float32)]


def _means(trunk: keras.Model, data: TrainingData) -> DoubleArray:
    """Return each neuron's mean over the data, (neurons,)."""
    total, count = np.zeros(trunk.output_shape[1]), 0
    for activations, labels in forward_batches(trunk, data):
        total += activations.sum(axis=0, dtype=np.float64)
        count += len(labels)
    if not count:
        raise InputError("expected images to take means over, the dataset gave none.")
    return total / count


def _checked_neurons(neurons: npt.ArrayLike, count: int) -> IntArray:
    chosen = np.asarray(neurons)
    if chosen.ndim != 1 or not chosen.size or not np.issubdtype(chosen.dtype, np.integer):
        raise InputError(
            f"expected neurons as indices, whole numbers of shape (k,), received "
            f"{describe(chosen)}.",
            hint="causal.universal_neurons gives some; it may find none.",
        )
    if chosen.min() < 0 or chosen.max() >= count or len(np.unique(chosen)) < len(chosen):
        raise InputError(
            f"expected each neuron once, as an index from 0 to {count - 1}, received "
            f"{', '.join(map(str, chosen[:10]))}{', ...' if len(chosen) > 10 else ''}.",
            hint=f"Take neurons of this site, which has {count}.",
        )
    return chosen.astype(np.int64)
