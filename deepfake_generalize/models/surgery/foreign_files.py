"""Files that people give for weights or detectors and that are something else, known by content."""

from __future__ import annotations

import zipfile
from pathlib import Path

from deepfake_generalize._system.files import open_regular

_OTHER_LIBRARY = "Load it with its own library and wrap that: models.as_detector(...)."
_WHOLE = "Load it with Keras: Detector(keras.saving.load_model(path), fake_index=...)."

_POINTER = "a pointer of Git LFS, and the file itself is elsewhere: fetch it by `git lfs pull`"
_PAGE = "Download the file itself, not the page that shows it."
_BEGINNINGS = (
    ((b"version https://git-lfs",), (_POINTER, "")),
    ((b"<!doctype", b"<html"), ("a web page", _PAGE)),
    (
        (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
        ("a pickle, as PyTorch and joblib write them", _OTHER_LIBRARY),
    ),
    ((b"\x1c\0\0\0tfl3", b"\x20\0\0\0tfl3"), ("a network of TensorFlow Lite", _OTHER_LIBRARY)),
)
"""In small letters."""
_ANY_SIZE = 1 << 62


def foreign(path: Path, *, whole: bool = False) -> tuple[str, str] | None:
    """Say what a file or folder is, and what to do with it, where its beginning tells."""
    if path.is_dir():
        saved = "a folder of TensorFlow, a SavedModel", _OTHER_LIBRARY
        other = "a folder", "Pass the path of the file itself."
        return saved if (path / "saved_model.pb").is_file() else other
    try:
        with open_regular(path, most=_ANY_SIZE) as file:
            start = file.read(64)
    except OSError as error:
        return f"not to be read: {error.strerror}", "Check the path, and that you may read it."
    if not start:
        return "empty", "Download or copy it again, or save it again."
    if path.suffix.lower() in (".onnx", ".safetensors"):
        return f"a file of {path.suffix[1:]}", _OTHER_LIBRARY
    for beginnings, told in _BEGINNINGS:
        if start.lstrip().lower().startswith(beginnings):
            return told
    names = _members(path) if start.startswith(b"PK") else []
    if any(name.endswith(("/data.pkl", "constants.pkl")) for name in names):
        return "a file of PyTorch", _OTHER_LIBRARY
    if "config.json" in names and not whole:
        return "a whole model of Keras", _WHOLE
    if any(name.endswith(".npy") for name in names):
        return "a file of NumPy", "Put its arrays into the network: model.set_weights(arrays)."
    return None


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as file:
            return file.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return []
