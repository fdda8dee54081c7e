"""PyTorch modules called as functions of NumPy arrays, without importing PyTorch for others."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from deepfake_generalize.types import AnyArray


def is_torch_module(value: object) -> bool:
    """Say whether this is a `torch.nn.Module`: then its owner has imported PyTorch already."""
    torch = sys.modules.get("torch")
    module = getattr(getattr(torch, "nn", None), "Module", None)
    return module is not None and isinstance(value, module)


@dataclass(frozen=True, eq=False)
class TorchFunction:
    """A module as a function from arrays to what it gives for them in inference."""

    module: Any

    def __call__(self, batch: AnyArray) -> Any:
        """Compute a batch."""
        with sys.modules["torch"].no_grad():
            return self.given(self.tensor(batch))

    def given(self, tensor: Any) -> Any:
        """Return what the module gives in eval mode."""
        with _evaluating(self.module):
            return self.module(tensor)

    def tensor(self, batch: AnyArray) -> Any:
        """Return a batch as the module takes it."""
        tensor = sys.modules["torch"].from_numpy(batch)
        weights = itertools.chain(self.module.parameters(), self.module.buffers())
        if (first := next((w for w in weights if w.is_floating_point()), None)) is not None:
            tensor = tensor.to(first.device, first.dtype if tensor.is_floating_point() else None)
        return tensor


@contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    training = [part for part in module.modules() if getattr(part, "training", False)]
    if training:
        with suppress(NotImplementedError):  # Exported programs have one mode only.
            module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True
