"""What the paper fixed: sizes of its sets, its networks, the kinds of detectors."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from deepfake_generalize.errors import InputError
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
_TRAIN = "deepfake_generalize.models:train"


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


@dataclass(frozen=True)
class FineTuning:
    """One kind of detector, and how it comes about.

    Attributes:
        function: By reference, "package.module:name" or "path/to/file.py:name": called with the
            original detector, or the architecture where it sees the source, with train and val, and
            with those of recipe, seed, name, progress, checkpoint, early_stopping, precision and
            input_shape that it takes; it returns a detector.
        sees: What train and val are. The "few-shot" mix: a copy of the original is fine-tuned. The
            parts of the "source" alone (zero-shot): a new network is trained, by the original's
            recipe and from its seed, so that both begin with the same weights.
        changes: Further arguments of the function, by name.
    """

    function: str
    sees: Literal["few-shot", "source"] = "few-shot"
    changes: Mapping[str, Any] = field(default_factory=dict)


FINE_TUNINGS: Mapping[str, FineTuning] = MappingProxyType(
    {
        "none": FineTuning(_TRAIN, "source"),
        "paired": FineTuning(_TRAIN, "source", {"pairing": True}),
        "augmented": FineTuning(_TRAIN, "source", {"augmentation": "deepfakebench"}),
        "self-blended": FineTuning(
            "deepfake_generalize.study.experiment.self_blending:train_self_blended", "source"
        ),
        "transfer": FineTuning("deepfake_generalize.augment:transfer"),
        "merge": FineTuning("deepfake_generalize.augment:merge"),
        "focus": FineTuning("deepfake_generalize.study.experiment.steps:focus_where_shared"),
    }
)
"""The kinds that have a name of their own; "none" is the original."""
ZERO_SHOT = tuple(
    name for name, kind in FINE_TUNINGS.items() if kind.sees == "source" and name != "none"
)
"""Those of networks trained anew, on the source alone: no detectors of the paper's Table IV."""


def fine_tuning(kind: str) -> FineTuning:
    """Return a kind by its name, or one's own by its reference, or raise `InputError`."""
    if ":" in kind:
        return FineTuning(kind)
    hint = 'Or name a function of your own: "path/to/file.py:name".'
    check_choice("the kind of fine-tuning", kind, FINE_TUNINGS, hint=hint)
    return FINE_TUNINGS[kind]


def short_name(reference: str) -> str:
    """Return what tables call something named by reference: what stands behind the colon.

    Examples:
        >>> short_name("nets/mine.py:build"), short_name("merge")
        ('build', 'merge')
    """
    return reference.rpartition(":")[2]
