"""CSV files as programs and people save them, turned into plain ones in UTF-8 with commas."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path

from deepfake_generalize._system.files import open_regular, read_regular
from deepfake_generalize.errors import InputError

MAX_COLUMNS = 1000
_MAX_HEADER = 1 << 20
_DELIMITERS = (",", ";", "\t")
_UTF_8_MARK, _UTF_16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_AGAIN = "Download or write this file again."


def read_table(file: Path, known: Collection[str]) -> bytes:
    """Return a CSV file as `plain_csv` does; no regular file, or a large one, raises `OSError`."""
    return plain_csv(read_regular(file), known)


def plain_csv(content: bytes, known: Collection[str]) -> bytes:
    """Return a table as CSV in UTF-8 with commas, bytes of other encodings kept as they are."""
    content = _utf_8(content)
    head = _text(content[:_MAX_HEADER])
    if "\n" not in head and "\r" in head:
        content = content.replace(b"\r", b"\n")
        head = head.replace("\r", "\n")
    line = head.partition("\n")[0].rstrip("\r")
    delimiter = max(_DELIMITERS, key=line.count)
    names = _first_row(head, delimiter)
    if len(names) > MAX_COLUMNS or ("\n" not in head and len(head) >= _MAX_HEADER):
        raise InputError(
            f"expected at most {MAX_COLUMNS} columns, received {max(len(names), MAX_COLUMNS)} or "
            "more.",
            hint="Keep the columns that are needed.",
        )
    wanted = _names(names, known)
    if wanted == names and delimiter == ",":
        return content
    spaced = any(name != name.lstrip() for name in names)
    text = io.StringIO(_text(content), newline="")
    rows = csv.reader(text, delimiter=delimiter, skipinitialspace=spaced)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    try:
        next(rows)
        writer.writerow(wanted)
        writer.writerows(row for row in rows if row)
    except csv.Error as error:
        raise InputError(f"expected a CSV table: {error}.", hint=_AGAIN) from error
    return out.getvalue().encode("utf-8", "surrogateescape")


@contextlib.contextmanager
def opened_table(file: Path, known: Collection[str]) -> Iterator[csv.DictReader[str]]:
    """Open a table with a header, and turn what reading it raises into an `InputError`."""
    try:
        text = _text(read_table(file, known))
    except (OSError, InputError) as error:
        raise _no_table(file, error) from error
    try:
        yield csv.DictReader(io.StringIO(text, newline=""))
    except csv.Error as error:
        raise _no_table(file, error) from error


def read_header(file: Path, known: Collection[str]) -> list[str]:
    """Return the names of a table's columns, as `plain_csv` makes them; none where it is none."""
    try:
        with open_regular(file) as content:
            head = _utf_8(content.read(_MAX_HEADER))
        return _first_row(_text(plain_csv(head, known)), ",")
    except (OSError, InputError):
        return []


def first_line(file: Path) -> str:
    """Return how a table begins, for a message; empty where it cannot be read."""
    try:
        with open_regular(file) as content:
            head = _text(_utf_8(content.read(_MAX_HEADER)))
    except OSError:
        return ""
    return head.partition("\n")[0].rstrip("\r")[:100]


def _no_table(file: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    return InputError(f"expected a CSV file at {file}: {reason.rstrip('.')}.", hint=_AGAIN)


def _utf_8(content: bytes) -> bytes:
    if content.startswith(_UTF_16_MARKS):
        return content.decode("utf-16", "replace").encode()
    if content[1:2] == b"\0" or content[:1] == b"\0":
        order = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
        return content.decode(order, "replace").encode()
    return content.removeprefix(_UTF_8_MARK)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _first_row(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []


def _names(names: list[str], known: Collection[str]) -> list[str]:
    found = []
    for name in names:
        plain = name.strip()
        low = plain.lower()
        found.append(low if low in known and low not in names else plain)
    return found
