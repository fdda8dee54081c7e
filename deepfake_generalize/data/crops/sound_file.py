"""A file for HDF5 to write to, which crashes the process where the system refuses a write."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class SoundFile:
    """Writes until the system refuses, then takes everything without a word and keeps the error.

    HDF5 cannot close a file that it cannot finish: it leaves memory behind that crashes the process
    later. So it never learns of it, and whoever gave it the file asks here whether all is well.

    Attributes:
        error: The first refusal, or None.
    """

    def __init__(self, file: Any) -> None:
        """Write to an open binary file without a buffer, which this does not close."""
        self._file = file
        self.error: OSError | None = None

    def check(self) -> None:
        """Raise the first refusal.

        Raises:
            OSError: The system refused a write.
        """
        if self.error is not None:
            raise self.error

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, as files do."""
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        """Return the place, as files do."""
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        """Read what was written, as files do."""
        return int(self._file.readinto(buffer))

    def write(self, content: Any) -> int:
        """Write all of it, or keep the error and say that all was written."""
        view = memoryview(content).cast("B")
        done = 0
        while self.error is None and done < len(view):
            done += self._tried(functools.partial(self._file.write, view[done:]))
        return len(view)

    def truncate(self, size: int) -> int:
        """Set the length, or keep the error."""
        self._tried(functools.partial(self._file.truncate, size))
        return size

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def _tried(self, call: Callable[[], int]) -> int:
        try:
            return call()
        except OSError as error:
            self.error = self.error or error
            return 0
