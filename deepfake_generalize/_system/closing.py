"""What is opened by `with` and closed behind it: the base of finders, aligners and caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class Opening:
    """A tool that is opened by `with` and closed at its end, also when it ends with an error.

    Examples:
        >>> class Door(Opening):
        ...     def close(self):
        ...         print("closed")
        >>> with Door():
        ...     print("open")
        open
        closed
    """

    def open(self) -> None:
        """Load what the tool needs; nothing here."""

    def close(self) -> None:
        """Free what the tool holds; nothing here. Safe to call twice."""

    def __enter__(self) -> Self:
        """Open the tool, and return it."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the tool; an error goes on."""
        self.close()
