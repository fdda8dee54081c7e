"""Everything that is wrong with a value at once, in one message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from deepfake_generalize.errors import InputError


class SeveralError(InputError):
    """Several things that are wrong; `parts` has each."""

    parts: tuple[InputError, ...] = ()


class Problems:
    """Collects what is refused within `with problems:` blocks."""

    def __init__(self) -> None:
        """Begin without any."""
        self.found: list[InputError] = []

    def __enter__(self) -> None:
        """Begin a block that may refuse something."""

    def __exit__(
        self, _kind: object, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        """Keep an `InputError` for later."""
        if isinstance(error, InputError):
            self.found += error.parts if isinstance(error, SeveralError) else (error,)
        return isinstance(error, InputError)

    @contextmanager
    def about(self, what: str) -> Iterator[None]:
        """Keep an `InputError` of a block, saying first what it is about."""
        try:
            yield
        except InputError as error:
            self.add(f"{what}: {error.message}", hint=error.hint)

    def add(self, message: str, *, hint: str = "") -> None:
        """Keep a problem of one's own."""
        self.found.append(InputError(message, hint=hint))

    def tell(self, what: str) -> None:
        """Raise the only problem as it is, or several as one `InputError`; nothing where none is.

        Examples:
            >>> problems = Problems()
            >>> problems.add("expected a."), problems.add("expected b.")
            (None, None)
            >>> try:
            ...     problems.tell("this")
            ... except InputError as error:
            ...     print(error)
            2 things are wrong with this:
            - expected a.
            - expected b.
        """
        different = {str(error): error for error in self.found}
        if len(different) == 1:
            raise self.found[0]
        if different:
            lines = "\n- ".join((f"{len(different)} things are wrong with {what}:", *different))
            refused = SeveralError(lines)
            refused.parts = tuple(different.values())
            raise refused
