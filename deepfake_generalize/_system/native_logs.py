"""Keep native libraries from flooding standard error, without swallowing what matters.

MediaPipe's C++ code writes dozens of lines each time a model is loaded, past every environment
variable and past Python's own redirection. Only the file descriptor can be turned.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the native loggers call information or warning: "INFO: ...", "W0000 00:00:1795589570 ...".
_NOISE = re.compile(rb"^(INFO|WARNING|VERBOSE): |^[IW]\d{4} ")
_STDERR = 2
# Two threads turning the same descriptor could leave it turned for ever.
_LOCK = threading.Lock()


@contextlib.contextmanager
def quiet_native_logs() -> Iterator[None]:
    """Hold back standard error (the descriptor), then pass on whatever is not mere logging.

    Lines that native loggers mark as information or warnings are dropped. All others are written
    when the block ends, unless it ends with an exception, which then speaks for itself.

    Examples:
        >>> with quiet_native_logs():
        ...     _ = os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.")
    """
    with _LOCK, tempfile.TemporaryFile() as held:
        try:
            saved = os.dup(_STDERR)
        except OSError:  # A process without standard error has nothing to guard.
            yield
            return
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(saved, _STDERR)
            os.close(saved)
        _pass_on(held)


def _pass_on(held: IO[bytes]) -> None:
    held.seek(0)
    rest = b"".join(line for line in held if line.strip() and not _NOISE.match(line))
    if rest:
        os.write(_STDERR, rest)
