"""What is used inside `with` and closed behind it: the base of finders, aligners and caches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class Closing:
    """A tool that `with` opens, and closes at its end, also when it ends with an error."""

    def open(self) -> None:
        """Load what the tool needs; nothing here."""

    def close(self) -> None:
        """Free what the tool holds; nothing here. Safe to call twice."""

    def __enter__(self) -> Self:
        """Open the tool, and return it."""
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the tool; an error goes on."""
        self.close()
