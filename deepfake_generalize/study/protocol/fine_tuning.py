"""Kinds of detectors: a name, or a function of one's own by reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from deepfake_generalize.validation import check_choice


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


_TRAIN = "deepfake_generalize.models:train"
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
        "focus": FineTuning("deepfake_generalize.study.experiment.focusing:focus_where_shared"),
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
