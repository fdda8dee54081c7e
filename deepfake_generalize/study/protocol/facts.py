"""What the paper fixed: its sets and their sizes, its networks, how they were fine-tuned."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from deepfake_generalize.errors import InputError
from deepfake_generalize.study.protocol.fine_tuning import short_name
from deepfake_generalize.validation import check_choice, check_whole

ORIGINAL = "none"
"""The kind of detector that is trained from the beginning, and not fine-tuned."""
NULL_SET = "NULL"
"""Synthetic data only: reals and "fakes" that nothing was done to; nobody can tell them apart."""
_COLUMNS = frozenset(
    {
        *("detector", "architecture", "training_dataset", "fine_tuning", "source", "rank"),
        *("original", "original_accuracy", "average", "degradation"),
        *("specialized_average", "specialized_degradation", "degradation_difference"),
    }
)
PASSABLE_POINTS = 20.0
"""The paper calls a degradation below this passable (section IV-B)."""
POOR_POINTS = 30.0
"""Tables VI and VII hold the detectors that degrade by more than this."""


def is_poor(degradation: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Say of degradations in percentage points whether they are more than 30, noise left out.

    Examples:
        >>> is_poor([30.0 + 1e-12, 30.01]).tolist()
        [False, True]
    """
    # Finer than any difference between two test sets, coarser than the noise of adding floats.
    return np.round(np.asarray(degradation, float), 6) > POOR_POINTS


def check_set_name(name: str) -> None:
    """Refuse what the tables call their own columns: a set's column would take its place."""
    if not name or name in _COLUMNS:
        raise InputError(
            f"a set cannot be called {name!r}: the table needs this name for itself.",
            hint="Give the set another name.",
        )


@dataclass(frozen=True)
class Architecture:
    """What the study has to know of a network.

    Attributes:
        title: The paper's word for it, with which its detectors' names begin.
        layers: What Table IV says of its layers.
        cost: Time for a training image of 256x256 on a processor, relative to MesoNet's; only the
            time left is guessed from it.
        has_hidden_neurons: Whether a dense layer of several neurons comes before the output, so
            that neurons can be compared (section IV-D).
        smallest_side: The smallest side of its input, in pixels.
    """

    title: str
    layers: str
    cost: float
    has_hidden_neurons: bool
    smallest_side: int = 1


PAPER_ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "xception": Architecture(
            "XceptionNet", "2-Conv 12-SeparableConv 1-SeparableConv 1-Dense", 40.0, False, 71
        ),
        "mesoinception": Architecture("MesoInception", "2-Inception 2-Conv 2-Dense", 2.0, True),
        "mesonet": Architecture("MesoNet", "4-Conv 2-Dense", 1.0, True),
        "efficientnet_b0": Architecture(
            "EfficientNet", "1-Conv 7-MBConv 1-Conv 1-Dense", 10.0, False
        ),
        "shallownet": Architecture("ShallowNet", "8-Conv 2-Dense", 12.0, True),
    }
)
"""The paper's networks in the order of Table IV."""


@functools.cache
def architecture_facts(name: str) -> Architecture:
    """Return what the study has to know of a network, or InputError.

    The paper's five are known; any other of `models.ARCHITECTURES`, or a builder by reference
    ("file.py:build"), is built and looked at, which loads TensorFlow.
    """
    if name in PAPER_ARCHITECTURES:
        return PAPER_ARCHITECTURES[name]
    from deepfake_generalize import models
    from deepfake_generalize.models.detectors import named
    from deepfake_generalize.models.surgery import site_cut

    if ":" in name:
        builder = named(name)
    else:
        hint = 'Or name a builder of your own: "path/to/file.py:build".'
        builder = models.ARCHITECTURES[
            check_choice("the architecture", name, models.ARCHITECTURES, hint=hint)
        ]
    title = short_name(name)
    try:
        site_cut(builder((256, 256, 3)), "paper")
        has_hidden_neurons = True
    except InputError:
        has_hidden_neurons = False
    return Architecture(title, layers=title, cost=10.0, has_hidden_neurons=has_hidden_neurons)


def in_table_order(architectures: Iterable[str]) -> list[str]:
    """Sort networks as Table IV does, those that are not the paper's last."""
    order = list(PAPER_ARCHITECTURES)
    return sorted(architectures, key=lambda name: (*order, name).index(name))


@dataclass(frozen=True)
class Sizes:
    """Sizes of the study's sets, in images, half of them real; the defaults are the paper's.

    All but `test` may be 0 where nothing is trained, or fine-tuned.

    Source: section III-C of "How Generalizable are Deepfake Detectors? An Empirical Study" gives
    16,000 images for training, 2,000 of FS and NT for fine-tuning and 2,000 for each test.

    Attributes:
        train: Training set of an original detector (CELEB, F2F).
        val: Its validation set.
        test: Every test set.
        few_shot_original: Images of the source's training set in the few-shot mix.
        few_shot_unseen: Images of FS and NT together in it.
        few_shot_val: Images of the source, and of FS and NT together, that choose among the epochs
            of fine-tuning: so many each.

    Raises:
        InputError: A size that is odd, negative or no whole number, or no tests.

    Reproduction notes:
        The paper gives no size of a validation set. 2,000 is that of a test; 500 keep about the
        same share of the images that are fine-tuned on.

    Examples:
        >>> Sizes().train, Sizes(train=800).train
        (16000, 800)
    """

    train: int = 16_000
    val: int = 2_000
    test: int = 2_000
    few_shot_original: int = 2_000
    few_shot_unseen: int = 2_000
    few_shot_val: int = 500

    def __post_init__(self) -> None:
        """Check every size."""
        for name, size in dataclasses.asdict(self).items():
            least = 2 if name == "test" else 0
            check_whole(name, size, least=least, even=True, hint="Half of the images are real.")


def share_of(size: int, sets: int) -> int:
    """Return how many images each of some few-shot sets gives to so many of all: an even number.

    Examples:
        >>> share_of(2_000, 2), share_of(10, 2)
        (1000, 6)
    """
    return 2 * math.ceil(size / (2 * sets))
