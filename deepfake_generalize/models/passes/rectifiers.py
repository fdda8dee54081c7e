"""Which activations are rectifiers, at which guided backpropagation stops what speaks against."""

from __future__ import annotations

_KIN = ["LeakyReLU", "PReLU", "ELU", "SELU", "CELU", "GELU", "SiLU", "Swish", "Mish"]
_HARD = ["ReLU6", "HardSiLU", "HardSwish"]
_RECTIFIERS = frozenset(name.lower() for name in ("ReLU", *_KIN, *_HARD))


def is_rectifier(name: str) -> bool:
    """Say whether this is the name of ReLU or one of its kin, a class or a function."""
    return name.replace("_", "").lower() in _RECTIFIERS
