"""The public interface against the file that says what it was.

`python tests/test_public_api.py --write` writes the file anew.
"""

from __future__ import annotations

import ast
import difflib
import enum
import importlib
import inspect
import sys
import textwrap
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import deepfake_generalize as dg

if TYPE_CHECKING:
    from types import ModuleType

SNAPSHOT = Path(__file__).with_name("public_api.txt")
PACKAGE = dg.__name__

CHANGED = """The public interface is not what tests/public_api.txt says:

{difference}

If this was not meant, undo it. If it was, docs/development/versions.md says what a change owes its
users: a line in CHANGELOG.md, and for what was renamed or removed a DeprecationWarning first.
Then run `python tests/test_public_api.py --write` and commit the file with the change."""


def public_api() -> str:
    """Return what a user may rely on, a line each: names, arguments, options and exit codes."""
    rooms = [line for room in dg.__all__ for line in room_lines(f"{PACKAGE}.{room}")]
    return "\n".join([*rooms, *room_lines(f"{PACKAGE}.errors"), *command_lines()]) + "\n"


def room_lines(path: str) -> Iterator[str]:
    room = importlib.import_module(path)
    for name in sorted(getattr(room, "__all__", None) or own_names(room)):
        full, found = f"{path.removeprefix(PACKAGE + '.')}.{name}", getattr(room, name)
        if inspect.ismodule(found):
            yield from room_lines(found.__name__)
        elif inspect.isclass(found):
            yield from class_lines(full, found)
        elif callable(found):
            yield f"{full}{signature(found)}"
        else:
            yield f"{full} = {sorted(found) if isinstance(found, Mapping) else found!r}"


def own_names(module: ModuleType) -> list[str]:
    """Return what a module without `__all__` defines itself, without a leading underscore."""
    return [
        name
        for name, found in vars(module).items()
        if name[0] != "_" and getattr(found, "__module__", None) == module.__name__
    ]


def class_lines(full: str, cls: type) -> Iterator[str]:
    bases = [base.__name__ for base in cls.__bases__ if base is not object]
    if issubclass(cls, BaseException):
        code = f", exit code {cls.exit_code}" if hasattr(cls, "exit_code") else ""
        yield f"{full}: {', '.join(bases)}{code}"
    else:
        yield full if getattr(cls, "_is_protocol", False) else f"{full}{signature(cls)}"
    for name, found in sorted(members(cls).items()):
        if isinstance(found, classmethod | staticmethod) or inspect.isfunction(found):
            yield f"{full}.{name}{signature(getattr(cls, name))}"
        else:
            yield f"{full}.{name}"


def members(cls: type) -> dict[str, object]:
    """Return a class's public attributes and methods, with those of the package's base classes."""
    found: dict[str, object] = {}
    for part in reversed(cls.__mro__):
        if part.__module__.startswith(PACKAGE):
            found |= dict.fromkeys(inspect.get_annotations(part)) | vars(part)
            found |= dict.fromkeys(set_on_self(part))
    return {name: value for name, value in found.items() if not name.startswith("_")}


def set_on_self(cls: type) -> Iterator[str]:
    """Name what `__init__` hangs on the object, which the class itself does not know."""
    init = vars(cls).get("__init__")
    if not inspect.isfunction(init) or init.__code__.co_filename == "<string>":  # a dataclass's
        return
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(init)))):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            yield node.attr


def signature(function: Any) -> str:
    """Return the parameters with their kinds and defaults; types are left to mypy."""
    found = inspect.signature(function)
    bare = [
        one.replace(annotation=inspect.Parameter.empty, default=Named.of(one.default))
        for one in found.parameters.values()
    ]
    return str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))


class Named(str):
    """A default, shown alike by every Python and on every machine."""

    __slots__ = ()

    @classmethod
    def of(cls, default: object) -> object:
        if default is inspect.Parameter.empty:
            return default
        if isinstance(default, enum.Enum):
            return cls(f"{type(default).__name__}.{default.name}")
        return cls(getattr(default, "__qualname__", None) or repr(default))

    def __repr__(self) -> str:
        return str(self)


def command_lines() -> Iterator[str]:
    import typer.main

    from deepfake_generalize.cli import failures
    from deepfake_generalize.cli.app import app

    group: Any = typer.main.get_command(app)
    yield from option_lines("deepfake-generalize", group)
    for name, command in sorted(group.commands.items()):
        yield from option_lines(f"deepfake-generalize {name}", command)
    yield f"exit code of a command that was interrupted: {failures.INTERRUPTED}"


def option_lines(program: str, command: Any) -> Iterator[str]:
    yield program
    types = typing.get_type_hints(command.callback)
    for option in command.params:
        names = " / ".join([*option.opts, *option.secondary_opts])
        names = f"<{option.name}>" if option.param_type_name == "argument" else names
        if names == "--help":  # Some versions of click list it, some add it later.
            continue
        default = getattr(option.default, "value", option.default)
        said = "required" if option.required else f"default {default!r}"
        words = words_of(types[option.name])
        yield f"{program} {names}: {said}" + (f", one of {words}" if words else "")


def words_of(annotation: Any) -> list[str]:
    """Return the words that an option takes, where its type lists them."""
    parts = [annotation, *typing.get_args(annotation)]
    lists = [part for part in parts if typing.get_origin(part) is typing.Literal]
    return [word for part in lists for word in typing.get_args(part)]


def test_the_public_interface_is_what_the_file_says() -> None:
    now, before = public_api().splitlines(), SNAPSHOT.read_text("utf-8").splitlines()
    difference = "\n".join(difflib.unified_diff(before, now, "before", "now", "", n=0))
    assert now == before, CHANGED.format(difference=difference)


@pytest.mark.parametrize(
    "line",
    [
        "metrics.auc(labels, scores)",
        "data.Splits.load(path)",
        "data.Splits.sha256",
        "models.Detector.model",
        "deepfake-generalize demo --out: required",
    ],
)
def test_the_file_holds_each_kind_of_line(line: str) -> None:
    assert line in SNAPSHOT.read_text("utf-8").splitlines()


def test_nothing_in_the_file_hangs_on_one_machine() -> None:
    text = SNAPSHOT.read_text("utf-8")
    assert " at 0x" not in text
    assert str(Path.home()) not in text


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        raise SystemExit("python tests/test_public_api.py --write writes tests/public_api.txt anew")
    SNAPSHOT.write_text(public_api(), encoding="utf-8")
