"""Networks that learnt nothing, or nothing behind the site: what a detector is compared with."""

from __future__ import annotations

from typing import Any

import keras

from deepfake_generalize.models.detectors import Detector
from deepfake_generalize.models.surgery import output_of, remake, site_cut, twin
from deepfake_generalize.models.training import own_random_numbers
from deepfake_generalize.validation import check_type, check_whole


def untrained(detector: Detector, *, seed: int = 0) -> Detector:
    """Return a network like the detector's whose weights are drawn anew, as before any training.

    Args:
        detector: Around a functional or Sequential Keras model.
        seed: Of the weights: as many seeds, as many controls for `overlap`.

    Returns:
        A detector of the same architecture; the one that was given is left as it is.

    Raises:
        InputError: Not a detector, another seed, or a network that cannot be copied.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> untrained(Detector(mesonet((32, 32, 3)), name="mine"), seed=1).name
        'mine, untrained'
    """
    model = check_type("a models.Detector", detector, Detector).model
    return _like(detector, _drawn_anew(model, seed), "untrained")


def new_head(detector: Detector, *, seed: int = 0, site: str = "paper") -> Detector:
    """Return the detector with all that lies behind the site drawn anew.

    Its activations at the site are those of the detector; what is made of them was never learnt.

    Args:
        detector: As in `untrained`.
        seed: As in `untrained`.
        site: As in `average_causal_effect`.

    Returns:
        A detector that shares the layers up to the site with the one that was given.

    Raises:
        InputError: As in `untrained`, or a site where no neurons are set.

    Examples:
        >>> from deepfake_generalize.models import mesonet
        >>> new_head(Detector(mesonet((32, 32, 3)), name="mine"), seed=1).name
        'mine, new head'
    """
    parts = site_cut(check_type("a models.Detector", detector, Detector).model, site)
    head = _drawn_anew(parts.tail, seed)
    model = keras.Model(parts.trunk.inputs[0], output_of(head, parts.trunk.outputs[0]))
    return _like(detector, model, "new head")


def _like(detector: Detector, model: keras.Model, what: str) -> Detector:
    name, fake, resize = f"{detector.name}, {what}", detector.fake_index, detector.resize
    return Detector(model, fake_index=fake, name=name, resize=resize)


def _drawn_anew(model: keras.Model, seed: int) -> keras.Model:
    with own_random_numbers(check_whole("seed", seed, least=0)):
        return twin(model, _unseeded, weights=False)


def _unseeded(layer: Any) -> Any:
    """Make a layer again whose initializers take their seeds from the one that is set."""
    config = layer.get_config().items()
    free = {
        key: {**value, "config": {**value["config"], "seed": None}}
        for key, value in config
        if key.endswith("_initializer") and "seed" in ((value or {}).get("config") or {})
    }
    return remake(layer, **free)
