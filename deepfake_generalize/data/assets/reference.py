"""A detector named by a text: what kind of text it is, and whether it leads to anything."""

from __future__ import annotations

import importlib.util
import json
import re
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

from deepfake_generalize.data.assets.registry import DETECTORS
from deepfake_generalize.errors import InputError, MissingDependencyError


class DetectorReference(NamedTuple):
    """The parts of `net.py:model[size=256]`: all but the settings, `net.py`, `model`, the settings.

    `name` is empty where the place, a public name or a file, is itself what is meant.
    """

    text: str
    place: str
    name: str
    settings: dict[str, object]


def find_detector(reference: str, weights: str | Path | None = None) -> DetectorReference:
    """Find what `models.load_detector` would load; nothing is run, nothing heavy is loaded."""
    text, inside = reference, ""
    if not Path(text).exists() and (bracketed := re.fullmatch(r"(.+)\[(.+)\]", text)):
        text, inside = bracketed.groups()
    place, _, name = text.rpartition(":")
    if Path(text).exists() or not (place and name.isidentifier()):
        place, name = text, ""
    if name and not place.endswith(".py"):
        there = _is_module(place)
    else:
        there = Path(place).exists() and (bool(name) or not place.endswith(".py"))
    if not there and text not in DETECTORS:
        raise InputError(
            "expected the name of a public detector, a saved .keras file, an .onnx file, "
            f"path/to/file.py:name or package.module:name, received {text!r}.",
            hint=f"{'Name what is in' if Path(place).exists() else 'There is no'} {place}; public "
            f"names are {', '.join(DETECTORS)} (docs: guides/my-detector).",
        )
    if name and place.endswith(".py"):
        program = Path(place).read_text(encoding="utf-8", errors="replace")
        if not re.search(rf"\b{name}\b|import \*", program):
            own = re.findall(r"^(?:def|class) (\w+)", program, re.MULTILINE)
            raise InputError(
                f"expected {name!r} in {place}, there is none.",
                hint=f"It has {', '.join(own) or 'no function and no class'}.",
            )
    if weights is not None and text not in DETECTORS:
        raise InputError(
            f"expected weights= beside a public detector's name, received it with {text}.",
            hint=f"Others hold their weights; the names are {', '.join(DETECTORS)}.",
        )
    if text.endswith(".onnx") and importlib.util.find_spec("onnxruntime") is None:
        raise MissingDependencyError(
            f"expected onnxruntime, which computes {text}: it is not installed.",
            hint="pip install onnxruntime",
        )
    return DetectorReference(text, place, name, _settings(inside))


def _settings(inside: str) -> dict[str, object]:
    """Read `size=299,logits=true`: numbers, true and false, else words."""
    found: dict[str, object] = {}
    for part in filter(None, inside.split(",")):
        name, _, value = (word.strip(" '\"") for word in part.partition("="))
        try:
            found[name] = json.loads(value.lower())
        except ValueError:
            found[name] = value
    return found


def _is_module(name: str) -> bool:
    """Say whether Python, or the folder that it runs in, has a module; none is imported."""
    top, *rest = name.split(".")
    spec = PathFinder.find_spec(top, [str(Path.cwd())]) or importlib.util.find_spec(top)
    for part in rest:
        spec = spec and PathFinder.find_spec(part, spec.submodule_search_locations or [])
    return spec is not None
