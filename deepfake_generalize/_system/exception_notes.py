"""What an exception was raised at, told beside it: code may be the user's, data are known."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

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
