"""Networks that learnt nothing, or lost what they learnt: what an overlap is held against."""

from __future__ import annotations

from typing import Any, Literal

import keras

from deepfake_generalize.models.detectors import Detector
from deepfake_generalize.models.surgery import output_of, remake, site_cut, twin
from deepfake_generalize.models.training import own_random_numbers
from deepfake_generalize.validation import check_choice, check_type, check_whole


def control(
    detector: Detector,
    kind: Literal["untrained", "new head"],
    *,
    seed: int = 0,
    site: str = "paper",
) -> Detector:
    """Return a network like the detector, all or the last part of whose weights are drawn anew.

    Args:
        detector: Around a functional or Sequential Keras model; it is left as it is.
        kind: `untrained`: all weights are new, as before any training. `new head`: those behind
            the site are, and the layers before it are the detector's own.
        seed: Of the weights. As many seeds, as many controls.
        site: Of `new head`, as in `average_causal_effect`.

    Returns:
        A detector of the same architecture.

    Raises:
        InputError: Another argument, a network that cannot be copied, or a site without neurons.

    Reproduction notes:
        Not in the paper. For controls that learn, but nothing about forgeries, train on shuffled
        labels: `models.train(..., crops.assign(label=rng.permutation(crops["label"])), ...)`.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> detector = Detector(mesonet((32, 32, 3)), name="mine")
        >>> [control(detector, "new head", seed=seed).name for seed in (0, 1)]
        ['mine, new head', 'mine, new head']
    """
    model = check_type("a models.Detector", detector, Detector).model
    check_choice("kind", kind, ("untrained", "new head"))
    parts = site_cut(model, site) if kind == "new head" else None
    with own_random_numbers(check_whole("seed", seed, least=0)):
        made = twin(model if parts is None else parts.tail, _unseeded, weights=False)
    if parts is not None:
        entering = parts.trunk
        made = keras.Model(entering.inputs[0], output_of(made, entering.outputs[0]))
    name = f"{detector.name}, {kind}"
    return Detector(made, fake_index=detector.fake_index, name=name, resize=detector.resize)


def _unseeded(layer: Any) -> Any:
    """Make a layer again whose initializers have no seed of their own."""
    config = layer.get_config()
    for value in config.values():
        if isinstance(value, dict) and "seed" in (value.get("config") or {}):
            value["config"]["seed"] = None
    return remake(layer, **config)
