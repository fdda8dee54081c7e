"""What a function of somebody's own gives for a batch of images, as P(fake) of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors.batching import check_sums, checked_scores
from deepfake_generalize.types import AnyArray
from deepfake_generalize.validation import describe, refuse_masked

_LOGITS = (
    "Numbers that are no probabilities yet: as_detector(..., logits=True) puts a sigmoid, or a "
    "softmax over columns, behind the function (docs: guides/my-detector)."
)
_COLUMN = (
    "Say which column is P(fake), as_detector(..., column=1), or which is P(real), column=0 with "
    "returns='real' (docs: guides/my-detector)."
)
_ONE_BATCH = (
    "If it computes a fixed number of images at once, say so: as_detector(..., batch_size=1). "
    "squeeze() drops the axis of images too: squeeze(axis=1)."
)


def p_fake(
    returned: Any, count: int, *, source: str, real: bool, logits: bool, column: int | None
) -> AnyArray:
    """Turn what a function gave for `count` images into P(fake), (count,).

    `returned` is (count,), (count, 1) or (count, K): an array or tensor, a list of numbers or
    tensors, or a list, tuple or mapping that holds one of these; further axes of one are dropped.
    """
    rows, dtype = _rows(returned, count, source, column)
    kept = column or 0
    if logits:
        if not np.isfinite(rows).all():
            raise InputError(
                f"expected logits from {source}, received NaN or infinity.",
                hint="Its weights may have diverged, or the input may be scaled wrongly.",
            )
        return _softmax(rows.astype(np.float64), kept, real=real)
    rows = checked_scores(rows, source=source, hint=_LOGITS)
    if rows.shape[1] > 1:
        check_sums(rows, source=source, dtype=dtype, hint=_LOGITS)
    numbers: AnyArray = rows[:, kept]
    if real:
        return 1.0 - numbers.astype(np.float64)
    return numbers if dtype == "float64" else numbers.astype(np.float32)


def _softmax(rows: AnyArray, kept: int, *, real: bool) -> AnyArray:
    """Return P(fake), computed from the small side, so that what is near 0 keeps its digits."""
    if rows.shape[1] == 1:  # A sigmoid is a softmax of which the other column is 0.
        rows, kept = np.hstack([np.zeros_like(rows), rows]), 1
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    chosen = np.arange(rows.shape[1]) == kept
    shares: AnyArray = powers[:, chosen != real].sum(axis=1) / powers.sum(axis=1)
    return shares


def _rows(returned: Any, count: int, source: str, column: int | None) -> tuple[AnyArray, str]:
    """Return (count, K) numbers and the type that the function gave them in."""
    numbers, dtype = _to_numpy(single(returned, source), source)
    if count == 1 and numbers.shape[:1] != (1,):
        numbers = numbers[np.newaxis]
    while numbers.ndim > 2 and numbers.shape[-1] == 1:
        numbers = numbers[..., 0]
    rows = numbers[:, np.newaxis] if numbers.ndim == 1 else numbers
    columns = rows.shape[1] if rows.ndim == 2 else 0
    counted = columns > 0 and len(rows) == count
    if not counted or (column is None and columns > 1):
        raise InputError(
            f"expected one number an image from {source}, shape ({count},) or ({count}, 1), "
            f"received shape {numbers.shape}.",
            hint=_COLUMN if counted else _ONE_BATCH,
        )
    if column is not None and column >= columns:
        raise InputError(
            f"expected column {column} in what {source} gives, received {columns} column(s), "
            "counted from 0.",
            hint="Leave column= out where there is one." if columns == 1 else "Choose another.",
        )
    return rows, dtype


def single(value: Any, source: str) -> Any:
    """Return what is in a list, tuple or mapping of one output, else the value itself."""
    if isinstance(value, Mapping):
        parts, several, told = list(value.values()), len(value) > 1, ", ".join(map(str, value))
    elif isinstance(value, list | tuple):
        parts = list(value)
        shapes = [tuple(getattr(part, "shape", ())) for part in parts]
        # A list may hold what belongs to each image, a tuple of longer arrays does not.
        several = len(parts) > 1 and any(math.prod(shape) > 1 for shape in shapes)
        several = several and (isinstance(value, tuple) or len(set(shapes)) > 1)
        told = ", ".join(map(str, shapes))
        if not several and (len(parts) != 1 or not shapes[0]):
            return value
    else:
        return value
    if several or not parts:
        raise InputError(
            f"expected one output from {source}, received {len(parts)}: {told}.",
            hint="Return the one that says fake or real.",
        )
    return single(parts[0], source)


def _on_cpu(value: Any) -> tuple[Any, str]:
    """Return a tensor of PyTorch or TensorFlow as an array, all else as it is; and its type."""
    dtype = str(getattr(value, "dtype", "")).rpartition(".")[2]
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if dtype == "bfloat16" else value
    value = value.numpy() if hasattr(value, "numpy") else value
    return value, str(getattr(value, "dtype", "")) if dtype != "bfloat16" else dtype


def _to_numpy(value: Any, source: str) -> tuple[AnyArray, str]:
    """Turn an array, a tensor, or a list of either into float64, and say what type it had."""
    try:
        value, dtype = _on_cpu(value)
        if isinstance(value, list | tuple) and value:
            parts = [_on_cpu(part) for part in value]
            value, dtype = [part for part, _ in parts], parts[0][1]
        given = np.asarray(value)
        if given.dtype.kind in "cSUMm":
            raise TypeError(f"{given.dtype} are no real numbers")  # noqa: TRY301
        numbers = np.asarray(given, np.float64)
    except Exception as error:  # Tensors of other libraries raise many kinds.
        raise InputError(
            f"expected numbers from {source}, received {describe(value)}: {error}",
            hint="Return one number an image: an array, a tensor or a list.",
        ) from error
    refuse_masked(f"the numbers of {source}", value, hint="Fill them, or leave the images out.")
    return numbers, dtype
