"""A frozen description as TOML: written plainly, read back with every name and type checked."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tomli_w

from deepfake_generalize._system.files import read_regular
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import Problems, check_type

_MOST_BYTES, _MOST_DOTS = 256_000, 256
"""What a configuration may hold, and what a line of it; none comes near."""


def dumps(values: Mapping[str, Any]) -> str:
    """Write nested mappings of plain values as TOML; what is None is left out."""
    return tomli_w.dumps(_without_none(values))


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if value is not None
    }


def load(path: Path) -> dict[str, Any]:
    """Read a TOML file, or raise InputError: no such file, or not TOML, with the line."""
    try:
        text = read_regular(path, most=_MOST_BYTES).decode("utf-8")
        _check_simple(text)
        return tomllib.loads(text.replace("\r\n", "\n"))
    # A number of thousands of digits is a ValueError, brackets of that depth a RecursionError.
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"expected a configuration in TOML at {str(path)!r}: {reason}.",
            hint="Begin with the file that `study --write-config` writes.",
        ) from error


def _check_simple(text: str) -> None:
    # tomllib takes minutes over a key of thousands of parts.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _MOST_DOTS:
            raise ValueError(f"line {number} holds more than {_MOST_DOTS} dots")


def build(kind: Any, value: object, where: str, base: Any = None) -> Any:
    """Return what a file holds as what a dataclass or a field of one is declared to be.

    `where` is what messages call it; `base` has what the file leaves out, in place of the defaults.
    `InputError` where a value is of another type, or a name is none of the dataclass's.
    """
    if isinstance(value, dict):  # Of the kinds that a field may have, a table is the mapping.
        kind = next((arm for arm in get_args(kind) if get_origin(arm) is Mapping), kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if isinstance(value, kind):
            return value
        given = check_type(f"{where} to be a table of settings", value, dict)
        return _dataclass(kind, given, where, base)
    if get_origin(kind) is tuple:
        items = check_type(f"{where} to be a list", value, list)
        return tuple(build(get_args(kind)[0], item, where) for item in items)
    if get_origin(kind) is Mapping:
        table = check_type(f"{where} to be a table", value, dict)
        return {
            name: build(get_args(kind)[1], item, f"{where}.{name}") for name, item in table.items()
        }
    _check_plain(kind, value, where)
    return value


def _dataclass(kind: Any, given: Mapping[str, object], where: str, base: Any) -> Any:
    fields = dataclasses.fields(kind)
    names, kinds = [field.name for field in fields], get_type_hints(kind)
    problems = Problems()
    built: dict[str, Any] = {}
    for name, item in given.items():
        if name not in names:
            problems.add(
                f"expected only known settings in {where}, received {name!r}.",
                hint=f"It may hold {', '.join(names)}.",
            )
        else:
            with problems:
                built[name] = None
                built[name] = build(kinds[name], item, name, getattr(base, name, None))
    for field in fields:
        needed = field.default is field.default_factory is dataclasses.MISSING
        if needed and field.name not in given and base is None:
            problems.add(f"expected {field.name} in {where}, there is none.")
            built[field.name] = None
    made = None
    if None not in built.values():  # Else it would be checked with other values than are meant.
        with problems:
            made = kind(**built) if base is None else dataclasses.replace(base, **built)
    problems.tell(where)
    return made


def _check_plain(kind: Any, value: object, where: str) -> None:
    kinds = tuple(get_origin(part) or part for part in get_args(kind)) or (kind,)
    if get_origin(kind) is Literal or Literal in kinds:
        return
    if float in kinds:
        kinds = (*kinds, int)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        said = kind.__name__ if isinstance(kind, type) else str(kind)
        raise InputError(f"expected {where} to be {said}, received {value!r}.")
