"""Does a deepfake detector work on fakes it has never seen, and if not, why not?

The subpackages load when they are first used, so importing the package costs almost nothing and
loads no TensorFlow:

- `data`: videos in, balanced and disjoint batches of face crops out
- `models`: the five architectures of the study, and `Detector`, the one interface to all of them
- `augment`: transfer, merge and neuron-focused fine-tuning
- `metrics`: accuracy, AUC, degradation, degradation difference, intervals
- `interpret`: Grad-CAM and the similarity of heat maps
- `causal`: average causal effects of dense neurons
- `study`: the paper's tables and figures, and the benchmark that any detector can enter

Label 1 is fake and 0 is real everywhere; a score is P(fake) in [0, 1].

Examples:
    >>> import deepfake_generalize as dg
    >>> round(dg.metrics.degradation(97.60, [51.15, 52.30, 61.80, 55.75]), 2)
    42.35
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from deepfake_generalize._version import __version__ as __version__

if TYPE_CHECKING:
    from types import ModuleType

    from deepfake_generalize import augment as augment
    from deepfake_generalize import causal as causal
    from deepfake_generalize import data as data
    from deepfake_generalize import interpret as interpret
    from deepfake_generalize import metrics as metrics
    from deepfake_generalize import models as models
    from deepfake_generalize import study as study

__all__ = ["augment", "causal", "data", "interpret", "metrics", "models", "study"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
