"""A detector by a text: the same words on the command line, in TOML and in Python."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from deepfake_generalize.data import assets
from deepfake_generalize.data.assets import DETECTORS, DetectorReference, find_detector
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.architectures import ARCHITECTURES
from deepfake_generalize.models.detectors.callables import as_detector, is_torch_module
from deepfake_generalize.models.detectors.detector import Detector
from deepfake_generalize.types import Scorer
from deepfake_generalize.validation import check_choice, describe


def load_pretrained(name: str, *, path: str | Path | None = None) -> Detector:
    """Load a public MesoNet with the weights of its authors.

    Source: Afchar et al., "MesoNet: a Compact Facial Video Forgery Detection Network". The weights
    give P(real), so the detector's `fake_index` is 0 and its scores are 1 minus the network's.

    Args:
        name: `mesonet-deepfakes`, `mesonet-face2face`, `mesoinception-deepfakes` or
            `mesoinception-face2face`.
        path: The weights file. Without it: the folder named by
            `$DEEPFAKE_GENERALIZE_MESONET_WEIGHTS`, the cache, a checksummed download.

    Returns:
        A detector for 256x256 images.

    Raises:
        InputError: Another name, or a file that does not hold these weights.
        MissingAssetError: The file is nowhere to be had.

    Reproduction notes:
        The weights were trained and tested through Keras's ImageDataGenerator, whose resizing takes
        the nearest pixel; so does this detector. On the published test set MesoInception's
        `deepfakes` weights reach .913 of frames and .985 of videos so, as published (.917, .984).
        The `deepfakes` weights separate Deepfakes from real faces; the `face2face` ones do not.

    Examples:
        >>> load_pretrained("mesonet-deepfakes").fake_index  # doctest: +SKIP
        0
    """
    check_choice(
        "name", name, assets.DETECTORS, hint="A detector of your own: Detector.load(path)."
    )
    _refuse_another(name, file := assets.resolve(name, path))
    build = ARCHITECTURES[name.partition("-")[0]]
    return Detector(build(weights=file), fake_index=0, name=name, resize="nearest")


def _refuse_another(name: str, file: Path) -> None:
    """Raise where a file is known to be that of another public detector: networks are alike."""
    public = [asset for asset in assets.ASSETS if asset.name in assets.DETECTORS]
    if file.stat().st_size > max(asset.most_bytes for asset in public):
        return
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    other = next((asset.name for asset in public if asset.sha256 == digest), name)
    if other != name:
        raise InputError(
            f"expected the weights of {name}, {file} holds those of {other}.",
            hint=f"Pass the name {other}, or the path of the other file.",
        )


_ONNX_TYPES = {
    f"tensor({kind})": dtype
    for kind, dtype in (("float", "f4"), ("float16", "f2"), ("double", "f8"), ("uint8", "u1"))
}


def load_detector(reference: str, weights: str | Path | None = None) -> Scorer:
    r"""Load a detector that a text names.

    Args:
        reference: A public detector's name, as `load_pretrained` takes it; a `.keras` file that
            `Detector.save` wrote; an `.onnx` file (needs onnxruntime), whose input says size and
            order of the axes; or `path/to/file.py:name` or `package.module:name`, where `name` is a
            detector, a Keras model, a scoring function, a `torch.nn.Module`, or a function or class
            that without arguments gives one of those. Arguments of `as_detector` (of `Detector`
            for a Keras model) stand in brackets behind it: `net.py:model[size=224,logits=true]`.
            Python code is run, so it must be trusted.
        weights: A public detector's weights file, instead of a download.

    Raises:
        InputError: Nothing is there, code raised an error, or what is named is no detector.
        MissingDependencyError: An `.onnx` file without onnxruntime.
        MissingAssetError: A public detector's weights are nowhere to be had.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "mine.py")
        ...     _ = file.write_text("def bright(images):\n    return images.mean((1, 2, 3))\n")
        ...     load_detector(f"{file}:bright[size=8]").size
        (8, 8)
    """
    found = find_detector(reference, weights)
    value: Any
    known: dict[str, Any] = {}
    if found.name:
        value, known = _of_python(found), {"name": found.name}
    elif found.place in DETECTORS:
        value = load_pretrained(found.place, path=weights)
    elif found.place.endswith(".onnx"):
        value, known = _of_onnx(found.place)
    else:
        value = Detector.load(found.place)
    if isinstance(value, Scorer) and not inspect.isclass(value):
        if found.settings:
            raise InputError(
                f"expected no settings of {found.text}, which has its own, received "
                f"{', '.join(found.settings)}.",
                hint="They are for networks and functions.",
            )
        return value
    make: Callable[..., Scorer] = Detector if isinstance(value, keras.Model) else as_detector
    for setting in found.settings:
        check_choice(f"a setting of {found.text}", setting, [*inspect.signature(make).parameters])
    settings = found.settings if make is Detector else known | found.settings
    if make is as_detector and callable(value) and "size" not in settings:
        raise InputError(
            f"expected the size of the images that {found.text} takes, {describe(value)} does not "
            "say it.",
            hint=f"Add it in pixels: {found.text}[size=256].",
        )
    return make(value, **{"size": 1} | settings if make is as_detector else settings)


def named(reference: str) -> Any:
    """Return what a file or module of Python calls so, as it is: "path/to/file.py:name"."""
    found = find_detector(reference)
    module = _run(found, _module, found)
    if not hasattr(module, found.name):
        own = [name for name, value in vars(module).items() if name[0] != "_" and callable(value)]
        raise InputError(
            f"expected {found.name!r} in {found.place}, there is none.",
            hint=f"It has {', '.join(own) or 'no function and no network'}.",
        )
    return getattr(module, found.name)


def _of_python(found: DetectorReference) -> Any:
    """Return what a file or module calls so, or what that gives when it is called."""
    value = named(found.text)
    if isinstance(value, keras.Model) or is_torch_module(value) or not callable(value):
        return value
    try:
        inspect.signature(value).bind()
    except (TypeError, ValueError):  # It takes images.
        return value
    return _run(found, value)


def _module(found: DetectorReference) -> Any:
    """Import a file or a module; what lies beside it can be imported too, as by a script."""
    is_file = found.place.endswith(".py")
    file = Path(found.place).absolute()
    folder = str(file.parent if is_file else Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    if not is_file:
        return importlib.import_module(found.place)
    name = f"{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec: Any = importlib.util.spec_from_file_location(name, file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[name])
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _run(found: DetectorReference, function: Callable[..., Any], *given: object) -> Any:
    """Run code of somebody's own; what it raises is told with its place."""
    try:
        return function(*given)
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise InputError(
            f"expected {found.text} to be a detector, it raised {type(error).__name__}: {error} "
            f"({last.filename}, line {last.lineno}).",
            hint="Run it in Python by itself until it works.",
        ) from error


def _of_onnx(path: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return a network of ONNX as a function, and what its input says of `as_detector`'s."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # It raises many kinds.
        raise InputError(
            f"expected a network of ONNX, onnxruntime cannot open {path}: {error}",
            hint="Export or copy it again.",
        ) from error
    inputs = [(one.name, one.type, one.shape) for one in session.get_inputs()]
    name, kind, shape = inputs[0]
    if len(inputs) > 1 or len(shape) != 4 or 3 not in shape[1::2] or kind not in _ONNX_TYPES:
        raise InputError(
            f"expected one input (N, 3, H, W) or (N, H, W, 3) in {path}, received "
            f"{', '.join(map(str, inputs))}.",
            hint="Call it in a function of your own: path/to/file.py:name.",
        )
    channels = "first" if shape[1] == 3 else "last"
    sides = tuple(shape[2:] if channels == "first" else shape[1:3])
    known: dict[str, Any] = {"name": Path(path).stem, "channels": channels}
    known |= {"scale": "uint8"} if kind == "tensor(uint8)" else {}
    known |= {"batch_size": shape[0]} if isinstance(shape[0], int) else {}
    known |= {"size": sides} if all(isinstance(side, int) for side in sides) else {}
    dtype = _ONNX_TYPES[kind]
    return lambda batch: session.run(None, {name: batch.astype(dtype)}), known
