"""Everything that is wrong with a value at once, in one message."""

from __future__ import annotations

from types import TracebackType

from deepfake_generalize.errors import InputError


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
            self.found.append(error)
        return isinstance(error, InputError)

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
            2 things are wrong with this: expected a. expected b.
        """
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            said = " ".join(dict.fromkeys(map(str, self.found)))
            raise InputError(f"{len(self.found)} things are wrong with {what}: {said}")
