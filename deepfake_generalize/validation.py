"""Checks of arguments: each returns the value, or refuses it with the same words everywhere."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeGuard, TypeVar

import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, Explainable

MAX_PIXELS = 100_000_000
"""No picture or frame larger than this is decoded: its header alone could ask for all memory."""

ROUNDING = 1e-6
"""What is outside [0, 1] by no more than this is there by rounding: a float32 softmax gives
1.0000001, a resized image likewise."""

T = TypeVar("T")

_HOLDS = {"above": operator.gt, "from": operator.ge, "below": operator.lt, "at most": operator.le}
_IMAGE_HINT = (
    "Pass RGB images as uint8 in 0 to 255 or as float in [0, 1], channels last; "
    "the scale is never guessed (docs: guides/my-detector)."
)


def describe(value: object) -> str:
    """Describe a value for a message: an array by shape and dtype, all else by its type."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    return type(value).__name__


def is_whole(value: object, *, least: int | None = None) -> TypeGuard[int]:
    """Return whether this is a whole number, Python's or NumPy's; True and False are not."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        return False
    return least is None or bool(value >= least)


def check_whole(
    name: str,
    value: object,
    *,
    least: int | None = None,
    most: float = math.inf,
    even: bool = False,
    hint: str = "",
) -> int:
    """Return a whole number as Python's `int`, or refuse it by the name of its argument."""
    if not is_whole(value, least=least) or value > most or (even and value % 2):
        kind = "an even" if even else "a whole"
        low = "" if least is None else f" from {least}"
        high = "" if math.isinf(most) else f" {'to' if low else 'up to'} {most}"
        raise InputError(
            f"expected {name} to be {kind} number{low}{high}, received {value!r}.", hint=hint
        )
    return int(value)


def check_jobs(n_jobs: object) -> None:
    """Refuse what is no number of processes; None is for the caller to choose."""
    if n_jobs is not None and (not is_whole(n_jobs) or n_jobs == 0):
        raise InputError(
            "expected n_jobs to be a whole number other than 0 (-1 for one process a processor), "
            f"received {n_jobs!r}.",
            hint="Use 1.",
        )


def check_number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    hint: str = "",
) -> float:
    """Return a finite number as `float`, or refuse it by the name of its argument and its range."""
    bounds = {"above": above, "from": least, "below": below, "at most": most}
    asked = {word: bound for word, bound in bounds.items() if bound is not None}
    number = math.nan
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # From 10**400, say.
            number = float(value)
    if not math.isfinite(number) or not all(
        _HOLDS[word](number, bound) for word, bound in asked.items()
    ):
        limits = " and".join(f" {word} {bound:.15g}" for word, bound in asked.items())
        raise InputError(f"expected {name} to be a number{limits}, received {value!r}.", hint=hint)
    return number


def check_choice(name: str, value: object, choices: Collection[str], *, hint: str = "") -> str:
    """Return a word if it is one of the choices, or refuse it and list them."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(
            f"expected {name} to be one of {', '.join(choices)}, received {value!r}.", hint=hint
        )
    return value


def check_type(
    what: str, value: object, kind: type[T] | tuple[type[T], ...], *, hint: str = ""
) -> T:
    """Return a value if it is of a class, or of one of several, or refuse it as not `what`."""
    if not isinstance(value, kind):
        raise InputError(f"expected {what}, received {describe(value)}.", hint=hint)
    return value


def check_explainable(detector: object) -> Explainable:
    """Return a detector that has maps and causal effects, or refuse it and say why it has none."""
    if isinstance(detector, Explainable):
        return detector
    raise InputError(
        f"expected a models.Detector, received {describe(detector)}.",
        hint="Detectors of clips have no maps and no causal effects, those of images have."
        if getattr(detector, "frames", None) is not None
        else "Maps and causal effects need the network, which a function hides: Detector(model, "
        "fake_index=...) of a Keras one, or as_detector(module, ...) of a torch.nn.Module, with "
        "PyTorch installed, pip install torch (docs: guides/my-detector).",
    )


def check_mapping(name: str, value: object, *, of: str, hint: str = "") -> Mapping[str, Any]:
    """Return a mapping of texts to what `of` says, with at least one entry, or refuse it."""
    if not isinstance(value, Mapping):
        came = describe(value)
    elif not all(isinstance(key, str) for key in value):
        came = f"keys {list(value)!r}"
    elif not value:
        came = "nothing in it"
    else:
        return value
    raise InputError(f"expected {name} to map {of}, received {came}.", hint=hint)


def check_unit(
    what: str,
    values: AnyArray,
    *,
    source: str = "",
    least: float = 0.0,
    most: float = 1.0,
    hint: str = "",
) -> AnyArray:
    """Return numbers that lie in [0, 1], with those outside by rounding put at the border.

    This is the one rule for scores, images, heat maps and accuracies. Where all are inside, the
    array is not copied. `ROUNDING` is a share of `most`, 100 for percent; types whose own steps are
    coarser (float16) may be one step outside. NaN and infinity are refused.
    """
    if not values.size:
        return values
    low, high = float(values.min()), float(values.max())
    if low >= least and high <= most:
        return values
    steps = np.finfo(values.dtype).eps if np.issubdtype(values.dtype, np.floating) else 0.0
    hair = most * max(ROUNDING, float(steps))
    if not (low >= least - hair and high <= most + hair):
        where = f" from {source}" if source else ""
        raise InputError(
            f"expected {what} in [{least:g}, {most:g}]{where}, received values from {low:.9g} to "
            f"{high:.9g}.",
            hint=hint,
        )
    return np.clip(values, least, most)


def check_counts(what: str, values: AnyArray, *, most: float = math.inf) -> None:
    """Refuse what are no counts, nor numbers to be expected of counts: below 0 or above `most`."""
    for value in np.ravel(values).tolist():
        if not isinstance(value, int | float) or not 0 <= value <= most or math.isinf(value):
            top = "" if math.isinf(most) else f" to {most:g}"
            raise InputError(f"expected {what} from 0{top}, received {value!r}.")


def refuse_masked(what: str, values: object, *, hint: str = "") -> None:
    """Raise if some values are masked: NumPy drops masks on the way, and they would count."""
    flags: AnyArray = np.zeros(0, np.bool_)
    if isinstance(values, np.ma.MaskedArray):
        flags = np.asarray(np.ma.getmaskarray(values))
    elif isinstance(values, list | tuple):
        flags = np.fromiter((value is np.ma.masked for value in values), np.bool_, len(values))
    if flags.any():
        raise InputError(
            f"expected {what} without gaps, received {flags.sum()} of {flags.size} masked.",
            hint=hint or "Leave out what is masked, for instance by compressed(), and say so.",
        )


def check_image_shape(images: object, *, name: str = "images") -> AnyArray:
    """Return images (N, H, W, 3), uint8 or float, uncopied; the values are not looked at."""
    wanted, hint = "", _IMAGE_HINT
    if not isinstance(images, np.ndarray):
        wanted = "to be a NumPy array"
    elif images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape[1:3]:
        wanted = "of shape (N, H, W, 3)"
        if images.ndim == 3 and images.shape[-1] == 3:
            hint = f"For a single image pass {name}[np.newaxis]. {hint}"
    elif images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        wanted = "of dtype uint8 or float"
    if wanted:
        raise InputError(f"expected {name} {wanted}, received {describe(images)}.", hint=hint)
    refuse_masked(name, images)
    return np.asarray(images)


def check_images(images: object, *, name: str = "images") -> AnyArray:
    """Return RGB images (N, H, W, 3), uint8 or float in [0, 1], copied only as by `check_unit`."""
    images = check_image_shape(images, name=name)
    if images.dtype == np.uint8:
        return images
    if np.isnan(images.max(initial=0.0)):
        raise InputError(f"expected finite {name}, received NaN.", hint=_IMAGE_HINT)
    return check_unit(f"float {name}", images, hint=_IMAGE_HINT)


@contextmanager
def about(what: str) -> Iterator[None]:
    """Say first what an `InputError` of a block is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error.message}", hint=error.hint) from error


class SeveralError(InputError):
    """Several things that are wrong; `parts` has each."""

    parts: tuple[InputError, ...] = ()


class Problems:
    """Collects what is refused within `with problems:` blocks."""

    def __init__(self) -> None:
        """Begin without any."""
        self.found: list[InputError] = []

    def __enter__(self) -> None:
        """Begin a block that may refuse something."""

    def __exit__(
        self, _kind: object, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        """Keep an `InputError` for later."""
        if isinstance(error, InputError):
            self.found += error.parts if isinstance(error, SeveralError) else (error,)
        return isinstance(error, InputError)

    def add(self, message: str, *, hint: str = "") -> None:
        """Keep a problem of one's own."""
        self.found.append(InputError(message, hint=hint))

    def tell(self, what: str) -> None:
        """Raise the only problem as it is, or several as one `InputError`; nothing where none is.

        Examples:
            >>> problems = Problems()
            >>> problems.add("expected a."), problems.add("expected b.")
            (None, None)
            >>> try:
            ...     problems.tell("this")
            ... except InputError as error:
            ...     print(error)
            2 things are wrong with this:
            - expected a.
            - expected b.
        """
        different = {str(error): error for error in self.found}
        if len(different) == 1:
            raise self.found[0]
        if different:
            lines = "\n- ".join((f"{len(different)} things are wrong with {what}:", *different))
            refused = SeveralError(lines)
            refused.parts = tuple(different.values())
            raise refused
