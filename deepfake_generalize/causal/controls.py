"""Networks that learnt nothing, or lost what they learnt: what an overlap is held against."""

from __future__ import annotations

from typing import Literal, TypeVar

from deepfake_generalize.models.training import own_random_numbers
from deepfake_generalize.types import Explainable
from deepfake_generalize.validation import check_choice, check_explainable, check_whole

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
