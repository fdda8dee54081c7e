"""Draw every command's arguments and options from the code, for docs/command-line.md.

`python docs/commands.py` prints them; `--write` puts them into the page. A test compares the two.
"""

import inspect
import re
import sys
import typing
from pathlib import Path

import typer.main

from deepfake_generalize.cli.app import app

PAGE = Path(__file__).with_name("command-line.md")
BLOCK = re.compile(r"(?<=<!-- options -->\n).*?(?=<!-- /options -->)", re.S)


def words_of(annotation: typing.Any) -> list[str]:
    """Return the words that an option takes, where its type lists them."""
    parts = [annotation, *typing.get_args(annotation)]
    lists = [part for part in parts if typing.get_origin(part) is typing.Literal]
    return [word for part in lists for word in typing.get_args(part)]


def default_of(option: typing.Any) -> str:
    """Say what counts where an option is not given."""
    if option.required:
        return "required"
    default = getattr(option.default, "value", option.default)
    return "-" if default is None or default is False else f"`{default}`"


def rows_of(command: typing.Any) -> list[str]:
    """Return a row of the table for each argument and option of a command."""
    types, rows = typing.get_type_hints(command.callback), []
    for option in command.params:
        if "--help" in option.opts:  # Some versions of click list it, some add it later.
            continue
        argument = option.param_type_name == "argument"
        name = option.name.upper() if argument else " / ".join(option.opts)
        words = words_of(types[option.name])
        said = all(word in option.help for word in words)
        listed = ", ".join(f"`{word}`" for word in words)
        says = option.help if said else f"{option.help} One of {listed}."
        rows.append(f"| `{name}` | {says} | {default_of(option)} |")
    return rows


def drawing() -> str:
    """Return a heading, a sentence and a table for each command."""
    group: typing.Any = typer.main.get_command(app)
    lines = ["### Before any command", "", "| option | what | default |", "| --- | --- | --- |"]
    lines += rows_of(group)
    for name, command in sorted(group.commands.items()):
        purpose = inspect.cleandoc(command.help).split("\n\n")[0].replace("\n", " ")
        lines += ["", f"### {name}", "", purpose, "", "| option | what | default |"]
        lines += ["| --- | --- | --- |", *rows_of(command)]
    return "\n".join(["", *lines, "", ""])


if __name__ == "__main__":
    if "--write" in sys.argv:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BLOCK.sub(lambda _: drawing(), text), encoding="utf-8")
    else:
        print(drawing())
