"""What Python raises of a zip archive, of arrays too, that is damaged or made to do harm."""

from __future__ import annotations

import lzma
import tokenize
import zipfile
import zlib

UNREADABLE: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError),
    # An encrypted member, one compressed in an unknown way, names and sizes that cannot be.
    *(RuntimeError, NotImplementedError, ValueError, OverflowError),
    # The header of an array in it, which is written in Python, and which says how large it is.
    *(SyntaxError, tokenize.TokenError, MemoryError),
)
"""To be caught around opening and reading one."""
