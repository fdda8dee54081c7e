"""Every command line of the README, the docs and the examples is one that the program takes.

Nothing is run: the program is asked for its commands, options, arguments and the kinds of values,
none of which needs the files that are named.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from deepfake_generalize.cli.app import app
from deepfake_generalize.cli.failures import PROGRAM

REPOSITORY = Path(__file__).resolve().parents[1]
FILES = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *sorted(path for path in (REPOSITORY / "examples").rglob("*") if path.suffix in (".py", ".sh")),
]
FENCE = re.compile(r"^( *)```(?:sh|bash|console|shell)\b[^\n]*\n(?P<code>.*?)^\1```", re.M | re.S)
GROUP: Any = typer.main.get_command(app)


def command_lines(text: str, *, page: bool) -> Iterator[tuple[int, str]]:
    """Yield where each line with the program's name begins, and it with what continues it."""
    blocks = [(match.start("code"), match["code"]) for match in FENCE.finditer(text)]
    for start, code in blocks if page else [(0, text)]:
        first, whole = 0, ""
        for number, line in enumerate(code.splitlines(), start=text.count("\n", 0, start) + 1):
            first = first if whole else number
            whole += line.removesuffix("\\") + " "
            if line.endswith("\\") or line.rstrip().endswith("&&"):
                continue
            if (page and PROGRAM in whole) or whole.startswith(f"{PROGRAM} "):
                yield first, whole.strip()
            whole = ""


def commands_in(line: str) -> list[list[str]]:
    """Return the words that each command of the program in a line of the shell is given."""
    # A variable of the shell stands for a number on these pages.
    reader = shlex.shlex(re.sub(r"\$\{?\w+\}?", "1", line), posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in reader:
        if set(word) <= set("();<>|&"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [
        part[part.index(PROGRAM) + 1 :]
        for part in parts
        if PROGRAM in part and not {"install", "cd"} & set(part[: part.index(PROGRAM)])
    ]


def refusal_of(words: list[str]) -> str:
    """Return what the program says against these words, nothing where it takes them."""
    before = {name for option in GROUP.params for name in option.opts} | {"--help"}
    rest = list(words)
    while rest and rest[0] in before:
        rest.pop(0)
    if not rest:
        return ""
    if rest[0] not in GROUP.commands:
        return f"no such command or option: {rest[0]}"
    try:
        GROUP.commands[rest[0]].make_context(rest[0], rest[1:])
    except typer.Exit:  # After --help.
        return ""
    except Exception as error:
        # Click's own classes, which newer versions of Typer carry with them under another name.
        said = getattr(error, "format_message", None)
        if said is None:
            raise
        return str(said())
    return ""


LINES = [
    pytest.param(line, id=f"{path.relative_to(REPOSITORY)}:{number}")
    for path in FILES
    for number, line in command_lines(path.read_text(encoding="utf-8"), page=path.suffix == ".md")
]


@pytest.mark.parametrize("line", LINES)
def test_the_program_takes_a_command_line_of_the_documentation(line: str) -> None:
    for words in commands_in(line):
        assert refusal_of(words) == "", f"{PROGRAM} {' '.join(words)}"


def test_command_lines_are_found_on_the_pages_that_have_them() -> None:
    found = {str(line.id).partition(":")[0] for line in LINES}
    assert found >= {
        *("README.md", "docs/index.md", "docs/tutorial.md", "docs/command-line.md"),
        *("docs/videos-to-table.md", "docs/guides/training.md", "docs/guides/running-a-study.md"),
    }


PAGE = f"""\
Text with {PROGRAM} extract in it.

```bash
pip install {PROGRAM} &&
{PROGRAM} extract a \\
    --out 'b c' | tee log  # {PROGRAM} score
cd {PROGRAM}
```
```python
{PROGRAM} report
```
1. In a list:
   ```sh
   for i in 0 1; do {PROGRAM} demo --out "run$i" --seed ${{i}}; {PROGRAM} doctor>x; done
   ```
"""


def test_command_lines_are_taken_from_blocks_of_the_shell_alone() -> None:
    lines = list(command_lines(PAGE, page=True))
    assert [number for number, _ in lines] == [4, 7, 14]
    assert [words for _, line in lines for words in commands_in(line)] == [
        ["extract", "a", "--out", "b c"],
        ["demo", "--out", "run1", "--seed", "1"],
        ["doctor"],
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("extrakt a --out b", "extrakt"),
        ("--debugg extract a --out b", "--debugg"),
        ("extract a --uot b", "--uot"),
        ("extract a --out", "--out"),
        ("extract a b --out c", "unexpected extra argument"),
        ("extract --out b", "(?i)missing.*root"),
        ("extract a", "(?i)missing.*--out"),
        ("extract a --out b --size large", "--size"),
        ("extract a --out b --aligner eyes", "--aligner"),
    ],
)
def test_a_line_that_the_program_refuses_is_found(line: str, said: str) -> None:
    assert re.search(said, refusal_of(shlex.split(line)))


@pytest.mark.parametrize(
    "line",
    ["", "--version", "extract --help", "--debug extract a --out b --frames 3", "doctor --json"],
)
def test_a_line_that_the_program_takes_is_let_through(line: str) -> None:
    assert refusal_of(shlex.split(line)) == ""
