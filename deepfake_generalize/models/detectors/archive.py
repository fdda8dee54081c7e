"""One `.keras` file that holds a network and what a detector must know of it.

A `.keras` file is a zip; the detector's facts are one more member, which Keras does not look at.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors.zip_faults import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMBER = "deepfake_generalize.json"
FORMAT = 1
_SAVED = "Pass a file that Detector.save wrote."
_MOST_TIMES, _SMALL_BYTES = 20, 100_000_000
"""How far a file may unpack: to so many times its size, or to so many bytes, if that is more."""


def write(model: keras.Model, facts: Mapping[str, Any], path: Path) -> Path:
    """Write `model` and `facts` to `path`, which is replaced at once or not at all.

    Args:
        model: Any Keras model.
        facts: What JSON can hold.
        path: Ends in `.keras`, in a folder that exists.

    Returns:
        The path.

    Raises:
        InputError: Another ending, no such folder, or one that cannot be written to; or
            facts that JSON cannot hold.
    """
    if path.suffix != ".keras":
        raise InputError(f"expected a path that ends in .keras, received {path}.")
    if not path.parent.is_dir() or path.is_dir():
        raise InputError(
            f"expected to write a file in a folder that exists, received {path}.",
            hint="Make the folder first.",
        )
    try:
        text = json.dumps({"format": FORMAT, **facts}, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected a training record of plain JSON values: {error}.",
            hint="Use numbers, strings, lists and dictionaries; neither arrays nor NaN.",
        ) from error
    try:
        _replace(model, text, path)
    except OSError as error:
        # The system's message names the temporary file, which the caller never heard of.
        raise InputError(
            f"expected to write {path}, the system refused: {error.strerror or error}.",
            hint="Choose a folder that you may write to, on a disk with room.",
        ) from error
    return path


def _replace(model: keras.Model, text: str, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        temporary = Path(folder) / path.name
        with warnings.catch_warnings():
            # TensorFlow's arrays answer NumPy 2 in the old way; that is between the two of them.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as file:
            file.writestr(MEMBER, text)
        os.replace(temporary, path)  # noqa: PTH105 - atomic on every platform, overwriting too


def read(path: Path) -> tuple[keras.Model, dict[str, Any]]:
    """Read what `write` wrote.

    Args:
        path: A `.keras` file.

    Returns:
        The model and the facts (`fake_index`, `name`, `training`).

    Raises:
        InputError: No such file, not a detector, damaged, or carrying code.
    """
    if not path.is_file():
        raise InputError(f"expected a detector file, found none at {path}.", hint="Check the path.")
    facts = _read_facts(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True), facts
    except Exception as error:  # Keras raises many kinds, none of which says which file it was
        if "safe_mode" in str(error) or "Lambda" in str(error):
            raise InputError(
                f"{path} carries code (a Lambda layer), which is never run from a file.",
                hint="Build the network in Python and wrap it: Detector(model).",
            ) from error
        raise InputError(
            f"{path} holds a network that this Keras ({keras.__version__}) cannot build: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}",
            hint="Register custom layers before loading, or save it again with this version.",
        ) from error


def _read_facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        start = file.read(8)
    if not zipfile.is_zipfile(path):
        raise _not_a_zip(path, start)
    try:
        with zipfile.ZipFile(path) as file:
            _check_sizes(file, path)
            members = set(file.namelist())
            damaged = file.testzip()
            text = file.read(MEMBER) if MEMBER in members and damaged is None else b""
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path} is damaged: {error}.", hint="Copy or save it again.") from error
    if damaged is not None:
        raise InputError(f"{path} is damaged: {damaged} in it.", hint="Copy or save it again.")
    if "config.json" not in members:
        raise InputError(
            f"expected a detector file, {path} is some other zip archive.", hint=_SAVED
        )
    if MEMBER not in members:
        raise InputError(
            f"{path} is a Keras model that does not say which class is fake.",
            hint="Wrap it: Detector(keras.saving.load_model(path), fake_index=...).",
        )
    return _parse(text, path)


def _check_sizes(file: zipfile.ZipFile, path: Path) -> None:
    # `zipfile` reads no more of a member than is declared here; Keras and HDF5 do not compress.
    unpacked = sum(member.file_size for member in file.infolist())
    most = max(_MOST_TIMES * path.stat().st_size, _SMALL_BYTES)
    if unpacked > most:
        raise InputError(
            f"expected {path} to unpack to at most {most:,} bytes, it declares {unpacked:,}.",
            hint="A detector is hardly smaller than its parts: this was made to fill the memory.",
        )


def _not_a_zip(path: Path, start: bytes) -> InputError:
    size = path.stat().st_size
    if size == 0:
        return InputError(f"expected a .keras file, {path} is empty.", hint=_SAVED)
    if start.startswith(b"PK"):
        return InputError(f"{path} is truncated ({size} bytes).", hint="Copy or save it again.")
    if start == b"\x89HDF\r\n\x1a\n":
        return InputError(
            f"expected a .keras file, {path} is HDF5.",
            hint="Weights go to an architecture's weights=, the public MesoNets to "
            "load_pretrained(name, path=).",
        )
    return InputError(
        f"expected a .keras file, {path} is neither that nor any zip archive.", hint=_SAVED
    )


def _parse(text: bytes, path: Path) -> dict[str, Any]:
    """Check the facts by hand: the file may come from anywhere."""
    try:
        facts = json.loads(text)
        kept = {key: facts[key] for key in ("format", "fake_index", "name", "training")}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path} is damaged: its {MEMBER} cannot be read ({error}).", hint=_SAVED
        ) from error
    if kept["format"] != FORMAT:
        raise InputError(
            f"expected format {FORMAT} in {path}, received {kept['format']!r}.",
            hint="It was written by another version of deepfake_generalize.",
        )
    if type(kept["fake_index"]) is not int or not isinstance(kept["name"], str):
        raise InputError(
            f"{path} is damaged: its {MEMBER} has values of the wrong type.", hint=_SAVED
        )
    if kept["training"] is not None and not isinstance(kept["training"], dict):
        raise InputError(
            f"{path} is damaged: its {MEMBER} has values of the wrong type.", hint=_SAVED
        )
    return kept
