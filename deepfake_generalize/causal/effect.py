"""The average causal effect of every neuron at a site, and networks to hold it against."""

from __future__ import annotations

import tempfile
from collections.abc import Sized
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics.resampling import Resampling, resample_counts
from deepfake_generalize.models.training import own_random_numbers
from deepfake_generalize.notebooks import card, html_table
from deepfake_generalize.types import AnyArray, DoubleArray, Explainable, Images, Site
from deepfake_generalize.validation import (
    check_choice,
    check_explainable,
    check_type,
    check_whole,
    describe,
    refuse_masked,
)

BLOCK = 2**20
"""Numbers (float32) that one step of the intervention holds at a time: 4 MB."""
BUDGET = 2**28
"""Bytes of activations that are kept in memory: 256 MB, 65,536 images at 1,024 neurons."""

_BATCH = 32


@dataclass(frozen=True, repr=False)
class NeuronEffects:
    """What setting each neuron does to the decision.

    Attributes:
        values: (neurons, steps) float64, what each neuron was set to, ascending in general.
        effects: (neurons, steps) float64 in [0, 1], the mean outcome with the neuron set so.
        resampled: (n_resamples, neurons) float64, the contributions on the images sampled again,
            for `top_stability`; None where no resampling was asked for.
    """

    values: DoubleArray
    effects: DoubleArray
    resampled: DoubleArray | None = None

    @property
    def contribution(self) -> DoubleArray:
        """(neurons,), the largest minus the smallest effect of each neuron; at least 0."""
        spread: DoubleArray = np.ptp(self.effects, axis=1)
        return spread

    def __repr__(self) -> str:
        """Say how many neurons, and which contributes most."""
        neurons, steps = self.effects.shape
        ((best, most),) = self._most()
        return f"NeuronEffects({neurons} neurons, {steps} steps, neuron {best} most: {most:.4f})"

    def _repr_html_(self) -> str:
        """Show it in a notebook: the ten neurons that contribute most."""
        rows = [(neuron, f"{of:.4f}") for neuron, of in self._most(10)]
        table = html_table([("neuron", "contribution"), *rows], [True, True])
        return card("The {} neurons' effects in {} steps".format(*self.effects.shape), [table])

    def _most(self, count: int = 1) -> list[tuple[int, float]]:
        spread = self.contribution
        return [(int(at), float(spread[at])) for at in np.argsort(-spread, kind="stable")[:count]]


def average_causal_effect(  # noqa: PLR0913  (each is a choice of its own)
    detector: Explainable,
    images: Images | None = None,
    *,
    activations: AnyArray | None = None,
    labels: npt.ArrayLike | None = None,
    site: str = "paper",
    steps: int = 4,
    grid: Literal["study", "minmax"] = "study",
    outcome: Literal["true_class", "score"] = "true_class",
    resampling: Resampling | None = None,
    groups: npt.ArrayLike | None = None,
) -> NeuronEffects:
    """Measure the average causal effect of every neuron at a site, exactly.

    The effect of do(neuron = value) is the mean over the images of P(true class), or of P(fake),
    when that neuron alone is held at the value and the network is computed on from there.

    Source: "How Generalizable are Deepfake Detectors?", section IV-D, Definition 3.

    Args:
        detector: A `models.Detector` around a functional or Sequential Keras model, or what
            `models.as_detector` makes of a `torch.nn.Module`.
        images: (N, H, W, 3) RGB, uint8 or float in [0, 1], or a sequence of (H, W, 3).
        activations: (N, neurons), what `site_activations` gives, instead of images.
        labels: (N,), 1 = fake, 0 = real; needed for `true_class`.
        site: `paper`: the outputs of the first dense layer if it has 256 units or more
            (ShallowNet's 1,024), else the features that enter it (MesoNet's and MesoInception's
            1,024 at 256x256). Or the name of a layer (of a PyTorch module, its path): its outputs,
            activation included. To set what enters a dense layer, name the layer before it, such
            as `flatten`.
        steps: How many values, at least 2.
        grid: `study`: evenly from min(minimum, 1) to max(maximum, 0) of the neuron's activations;
            `minmax`: from minimum to maximum.
        outcome: `true_class`: mean P(true class); `score`: mean P(fake), whatever the labels.
        resampling: Draw the images again as well, for `top_stability`: how often, and from which
            seed; 200 times is enough there.
        groups: (N,), the video of each image, as strings or numbers: whole videos are sampled, as
            many as there are, with replacement. None samples single images.

    Returns:
        Values and effects of every neuron, with dropout off. Images pass through the network once;
        beyond 256 MB their activations are kept in an unnamed temporary file.

    Raises:
        InputError: Wrong inputs, groups without `resampling`, or a site where it makes no sense
            (fewer than two neurons; for `paper`, fewer than two dense layers: Xception,
            EfficientNet).
        UndefinedMetricError: Images of one group only, with `resampling`.

    Reproduction notes:
        The study's scripts take the raw output whatever the label: `outcome="score"` is that up to
        polarity, which the contribution does not see. The default is the paper's text.

    Examples:
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> detector = Detector(mesonet((32, 32, 3)))
        >>> images = np.zeros((2, 32, 32, 3), np.uint8)
        >>> average_causal_effect(detector, images, labels=[0, 1]).effects.shape
        (16, 4)
    """
    check_explainable(detector)
    check_whole("steps", steps, least=2)
    check_choice("grid", grid, ("study", "minmax"))
    check_choice("outcome", outcome, ("true_class", "score"))
    if (images is None) == (activations is None):
        raise InputError("expected either images or activations, received both or neither.")
    if resampling is not None:
        check_type("a metrics.Resampling", resampling, Resampling)
    elif groups is not None:
        raise InputError(
            "expected resampling with groups, received groups alone.",
            hint="Pass resampling=metrics.Resampling(n_resamples=200), or leave out the groups.",
        )
    opened = detector.open_site(site)
    if images is not None:
        activations = _activations(opened, images)
    known = _checked_activations(activations, len(opened.kernel))
    signs, constants = _outcome(labels, len(known), outcome)
    values = _grid(known, steps, grid)
    # The first column is the images themselves, each once; the others are resamples.
    times = np.ones((len(known), 1))
    if resampling is not None:
        times = np.hstack([times, resample_counts(groups, len(known), resampling)])
    # What overflows float32 on the way is not finite at the end either.
    with np.errstate(over="ignore", invalid="ignore"):
        sums = summed_scores(opened, known, values, times * signs[:, None])
    if not np.isfinite(sums).all():
        raise InputError(
            "expected finite scores with the neurons set, received NaN or infinity.",
            hint="The weights may have diverged, or the activations are too large for float32.",
        )
    effects = (sums + constants @ times) / times.sum(axis=0)
    resampled = None if resampling is None else np.ptp(effects[..., 1:], axis=1).T
    return NeuronEffects(values, effects[..., 0], resampled)


def site_activations(detector: Explainable, images: Images, *, site: str = "paper") -> AnyArray:
    """Return the activations that `average_causal_effect` takes instead of images; as there.

    Returns:
        (N, neurons) float32; beyond 256 MB in an unnamed temporary file.

    Raises:
        InputError: As there.

    Examples:
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> images = np.zeros((2, 32, 32, 3), np.uint8)
        >>> site_activations(Detector(mesonet((32, 32, 3))), images).shape
        (2, 16)
    """
    return _activations(check_explainable(detector).open_site(site), images)


def _activations(site: Site, images: Images) -> AnyArray:
    """Return the site's activations, (N, neurons) float32, on disk if they are many."""
    # What has no length is no sequence of images either, and refused with the first batch.
    shape = (len(images) if isinstance(images, Sized) else 0, len(site.kernel))
    kept: AnyArray
    if 4 * shape[0] * shape[1] <= BUDGET:
        kept = np.empty(shape, np.float32)
    else:
        # Without a name, the file goes when the array does.
        with tempfile.TemporaryFile() as file:
            kept = np.memmap(file, np.float32, "w+", shape=shape)
    done = 0
    for part in site.activations(images, _BATCH):
        kept[done : done + len(part)] = part
        done += len(part)
    return kept


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
    refuse_masked("activations", activations)
    if not len(activations):
        raise InputError("expected at least one image, received none.")
    # A sum is NaN or infinite if any term is, and costs no array of flags.
    if not np.isfinite(activations.sum(dtype=np.float64)):
        raise InputError("expected finite activations, received NaN or infinity.")
    largest = float(np.finfo(np.float32).max)
    low, high = float(activations.min()), float(activations.max())
    if low < -largest or high > largest:
        raise InputError(
            f"expected activations that float32 can hold, up to {largest:.3g}, received values "
            f"from {low:.3g} to {high:.3g}.",
            hint="The network computes in float32, so it cannot give these.",
        )
    return activations


def _outcome(
    labels: npt.ArrayLike | None, count: int, outcome: str
) -> tuple[DoubleArray, DoubleArray]:
    """Return a factor and a constant an image: its outcome is factor * P(fake) + constant."""
    if outcome == "score":
        return np.ones(count), np.zeros(count)
    if labels is None:
        raise InputError(
            "expected labels for outcome='true_class', received none.",
            hint="Pass labels (1 = fake), or outcome='score', which needs none.",
        )
    refuse_masked("labels", labels)
    given = np.asarray(labels)
    if given.shape != (count,) or not np.isin(given, (0, 1)).all():
        expected = f"labels 0 (real) or 1 (fake) of shape ({count},)"
        raise InputError(f"expected {expected}, received {describe(given)}.")
    fakes = given.astype(bool)
    return np.where(fakes, 1.0, -1.0), np.where(fakes, 0.0, 1.0)


def _grid(activations: AnyArray, steps: int, grid: str) -> DoubleArray:
    low = activations.min(axis=0).astype(np.float64)
    high = activations.max(axis=0).astype(np.float64)
    if grid == "study":
        low, high = np.minimum(low, 1.0), np.maximum(high, 0.0)
    values: DoubleArray = np.linspace(low, high, steps, axis=1)
    return values


_Inside = TypeVar("_Inside", bound=Explainable)


def control(
    detector: _Inside,
    kind: Literal["untrained", "new head"],
    *,
    seed: int = 0,
    site: str = "paper",
) -> _Inside:
    """Return a network like the detector, all or the last part of whose weights are drawn anew.

    Args:
        detector: As in `average_causal_effect`; it is left as it is.
        kind: `untrained`: all weights are new, as before any training. `new head`: those behind
            the site are, and the layers before it are the detector's own.
        seed: Of the weights. As many seeds, as many controls.
        site: Of `new head`, as in `average_causal_effect`.

    Raises:
        InputError: Another argument, a network that cannot be copied, or a site without neurons.

    Reproduction notes:
        Not in the paper. For controls that learn, but nothing about forgeries, train on shuffled
        labels: `models.train(..., crops.assign(label=rng.permutation(crops["label"])), ...)`.

    Examples:
        >>> from deepfake_generalize.models import Detector, mesonet
        >>> detector = Detector(mesonet((32, 32, 3)), name="mine")
        >>> [control(detector, "new head", seed=seed).name for seed in (0, 1)]
        ['mine, new head', 'mine, new head']
    """
    check_explainable(detector)
    check_choice("kind", kind, ("untrained", "new head"))
    with own_random_numbers(check_whole("seed", seed, least=0)):
        return detector.redrawn(seed, behind=None if kind == "untrained" else site)


def summed_scores(
    site: Site,
    activations: AnyArray,
    values: DoubleArray,
    weights: DoubleArray,
    *,
    block: int = BLOCK,
) -> DoubleArray:
    """Sum weighted scores over images, for every neuron set to each of its values.

    Setting neuron i moves the result of the first affine map by `(value - activation) * kernel[i]`,
    a rank-one update for all images together; only what follows is computed anew.

    `activations` are (N, neurons), `values` (neurons, steps), `weights` (N, sums): the factors of
    each image's score, one column a sum. Returns (neurons, steps, sums).
    """
    (neurons, width), steps = site.kernel.shape, values.shape[1]
    rows = max(1, min(len(activations), block // (steps * width)))
    group = max(1, block // (steps * width * rows))
    set_to = site.before(values.T.astype(np.float32)).T
    sums = np.zeros((*values.shape, weights.shape[1]))
    for start in range(0, len(activations), rows):
        part = np.asarray(activations[start : start + rows], np.float32)
        entering = np.asarray(site.before(part), np.float64)
        mixed = (entering @ site.kernel.astype(np.float64) + site.bias).astype(np.float32)
        factors = weights[start : start + rows]
        for first in range(0, neurons, group):
            some = slice(first, first + group)
            moved = (set_to[some, :, None] - entering.T[some, None, :]).astype(np.float32)
            sums[some] += site.sums(mixed, moved, site.kernel[some], factors)
    return sums
