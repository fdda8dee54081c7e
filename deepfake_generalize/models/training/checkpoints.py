"""Checkpoints of a training run: one file, replaced whole after every epoch."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import open_arrays, replacing, write_arrays
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.models.detectors import UNREADABLE
from deepfake_generalize.types import AnyArray

FILE = "training.npz"
_FACTS = "facts"
_HINT = "Choose a folder that you may write to, on a disk with room."


def locate(checkpoint: str | Path) -> Path:
    """Return the file of a checkpoint, in a folder that is made; itself where it ends in .npz."""
    path = Path(checkpoint)
    file = path if path.suffix == ".npz" else path / FILE
    with telling(f"expected a folder for the checkpoint {file}, the system refused", hint=_HINT):
        file.parent.mkdir(parents=True, exist_ok=True)
    return file


def write(file: Path, arrays: Mapping[str, Sequence[AnyArray]], facts: Mapping[str, Any]) -> None:
    """Write lists of arrays and JSON facts so that a kill leaves the old file or the new one."""
    # NumPy's files do not know bfloat16, which float32 holds exactly.
    members = {
        f"{name}/{index:05d}": array.astype(np.float32) if array.dtype.kind == "V" else array
        for name, group in arrays.items()
        for index, array in enumerate(map(np.asarray, group))
    }
    members[_FACTS] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    with (
        telling(f"expected to write the checkpoint {file}, the system refused", hint=_HINT),
        replacing(file, durable=True) as temporary,
        temporary.open("wb") as out,
    ):
        write_arrays(out, members)


def read(file: Path) -> tuple[dict[str, list[AnyArray]], dict[str, Any]] | None:
    """Return the arrays and the facts that `write` wrote, or None where there is no such file."""
    if not file.exists():
        return None
    arrays: dict[str, list[AnyArray]] = {}
    with readable(file), open_arrays(file, texts=(f"{_FACTS}.npy",)) as stored:
        facts = json.loads(stored[_FACTS].tobytes())
        for member in sorted(set(stored.files) - {_FACTS}):
            arrays.setdefault(member.rpartition("/")[0], []).append(stored[member])
    return arrays, facts


@contextlib.contextmanager
def readable(file: Path) -> Iterator[None]:
    """Say in words that a checkpoint is none or damaged, whatever reading it raises inside."""
    try:
        yield
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(
            f"expected a checkpoint at {file}, it cannot be read: {error}.",
            hint="Remove it to begin again, or name another.",
        ) from error


def require_same(file: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise unless the settings in a checkpoint are those of this run, plain JSON values."""

    def short(value: object) -> str:
        text = str(value)
        return text if len(text) <= 40 else f"{text[:12]}..."

    differing = [
        f"{key} ({short(stored.get(key))} there, {short(value)} here)"
        for key, value in wanted.items()
        if stored.get(key) != value
    ]
    if differing:
        raise DataMismatchError(
            f"expected a checkpoint of this training at {file}, it is of another: "
            f"{'; '.join(differing)}.",
            hint="Name another checkpoint, remove this one, or train with its settings.",
        )
