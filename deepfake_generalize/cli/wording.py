"""What the library says of its arguments and functions, in the words of the command line.

Messages and hints are written for Python: `layout='csv'`, `data.balanced_splits`. Which option an
argument is, the running command itself says; only what is called otherwise there stands in a table.
"""

from __future__ import annotations

import re
from typing import Any

_CALLED_OTHERWISE = {"n_jobs": "jobs", "out_dir": "out", "frames_per_video": "frames"}
"""Arguments of functions whose options have another name."""

_FUNCTIONS = {
    "balanced_splits": "`split`",
    "Splits.save": "`split`",
    "extract_faces": "`extract`",
    "find_videos": "`extract`",
    "read_crops": "`split`, `train` and `benchmark`",
    "study.run": "`study`",
    "Detector.save": "`train`",
    "Detector.load": "--detector FILE.keras",
    "load_pretrained": "--detector NAME --weights FILE",
    "CascadeFinder": "cascade",
}
"""What a reader of the command line would use in place of a function."""

_ROOM = r"(?:\b(?:data|models|study)\.)?"
_CALL = re.compile(rf"{_ROOM}\b({'|'.join(map(re.escape, _FUNCTIONS))})\b(?:\([^()]*\))?")
# Not inside a path: folders may be called size=256.
_KEYWORD = re.compile(
    r"""(?<![\w/.\\'"-])(?P<name>[a-z]\w*)=(?P<value>'[^']*'|"[^"]*"|\{[^{}]*\}|[\w-]+)?"""
    r"(?![\w/\\-]|\.\w)"
)
_SETS, _NAMED = re.compile(r"""\{["'](\w+)["']: (\w+)\}"""), r"\1=\2"
_QUOTES = "'\""


def for_command(text: str, command: Any) -> str:
    """Put a message of the library into the words of a command.

    Args:
        text: A message or a hint.
        command: The command that runs, as click describes it, or None.

    Returns:
        The text with options in place of arguments, and commands in place of functions. Arguments
        that the command has no option for stay as they are.
    """
    options = _options_of(command)

    def as_option(found: re.Match[str]) -> str:
        name, value = found["name"], found["value"]
        option = options.get(_CALLED_OTHERWISE.get(name, name))
        without = options.get(f"no_{name}")
        if value == "False" and without is not None:
            return without
        if option is None:
            return found[0]
        if value in {None, "True"}:
            return option
        return f"{option} {_SETS.sub(_NAMED, value).strip(_QUOTES)}"

    text = _CALL.sub(lambda found: _FUNCTIONS[found[1]], text)
    text = _KEYWORD.sub(as_option, text)
    for name, called in _CALLED_OTHERWISE.items():
        if called in options:
            text = re.sub(rf"(?<![\w/.]){name}\b", options[called], text)
    return text


def _options_of(command: Any) -> dict[str, str]:
    """Return each option by its name as an argument of a function would have it."""
    if command is None:
        return {}
    return {
        name.lstrip("-").replace("-", "_"): name
        for option in command.params
        for name in option.opts
        if name.startswith("--")
    }
