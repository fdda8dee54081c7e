"""What an exception was raised at, told beside it or in its place."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def noted(note: str) -> Iterator[None]:
    """Add a note to whatever is raised inside, which keeps its type: what it was raised at."""
    try:
        yield
    except Exception as error:
        error.add_note(note)
        raise


@contextlib.contextmanager
def telling(expected: str, *, hint: str) -> Iterator[None]:
    """Turn what the system refuses inside into an `InputError` that says what was expected."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{expected}: {error.strerror or error}.", hint=hint) from error
