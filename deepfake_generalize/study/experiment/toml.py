"""Settings as TOML: written in one fixed form, read back with every name checked."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


_MOST_BYTES, _MOST_DOTS = 256_000, 256
"""What a configuration may hold, and what a line of it; none comes near."""


def dumps(values: Mapping[str, Any]) -> str:
    """Write nested mappings of plain values as TOML; what is None is left out.

    Args:
        values: Strings, numbers, booleans, sequences of these, and mappings of the same.

    Examples:
        >>> print(dumps({"seed": 1, "few": [0.5, 1.0], "sizes": {"train": 8, "val": None}}))
        seed = 1
        few = [0.5, 1.0]
        <BLANKLINE>
        [sizes]
        train = 8
    """
    return "\n".join(_lines(values, ())).strip()


def _lines(values: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items() if value is not None]
    if path and lines:
        lines = ["", f"[{'.'.join(map(_key, path))}]", *lines]
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += _lines(value, (*path, key))
    return lines


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else _text(name)


def _text(value: str) -> str:
    # A JSON string is a TOML basic string, but for the one control character JSON leaves alone.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return f"[{', '.join(map(_value, value))}]"


def _check_simple(text: str) -> None:
    # tomllib takes minutes over a key of thousands of parts.
    if len(text.encode()) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES:,} bytes")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _MOST_DOTS:
            raise ValueError(f"line {number} holds more than {_MOST_DOTS} dots")


def load(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: No such file, or one that is not TOML, with the line.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1).decode("utf-8")
        _check_simple(text)
        return tomllib.loads(text.replace("\r\n", "\n"))
    # A number of thousands of digits is a ValueError, brackets of that depth a RecursionError.
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"expected a configuration in TOML at {str(path)!r}: {error}.",
            hint="Begin with the file that `study --write-config` writes.",
        ) from error


def check_names(kind: type, values: object, where: str) -> dict[str, Any]:
    """Return the values if every name is a field of the dataclass `kind`.

    Args:
        kind: The dataclass.
        values: What the file holds.
        where: What the message calls the place.

    Raises:
        InputError: Not a table, or a name that the dataclass does not have.
    """
    names = [field.name for field in dataclasses.fields(kind)]
    if not isinstance(values, Mapping):
        raise InputError(f"expected {where} to be a table of settings, received {values!r}.")
    unknown = [name for name in values if name not in names]
    if unknown:
        raise InputError(
            f"expected only known settings in {where}, received {unknown[0]!r}.",
            hint=f"It may hold {', '.join(names)}.",
        )
    return dict(values)
