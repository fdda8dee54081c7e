"""The library's own exceptions: each says what was expected, what was received, what to do.

Every class derives from `DeepfakeGeneralizeError` and from the built-in exception a caller would
expect, so `except ValueError` keeps working. The command line prints `hint` on a line of its own
and exits with `exit_code`.
"""

from __future__ import annotations

from typing import ClassVar


class DeepfakeGeneralizeError(Exception):
    """Base of all errors raised on purpose by this library.

    Args:
        message: What was expected and what was received.
        hint: What to do about it; one sentence.

    Examples:
        >>> error = InputError("expected uint8 images, received int64.", hint="Cast them.")
        >>> str(error)
        'expected uint8 images, received int64. Cast them.'
        >>> error.exit_code
        2
    """

    exit_code: ClassVar[int] = 1

    # Errors cross process borders: they are pickled by their message, all else as their state, so a
    # subclass that needs more arguments than a message brings a __reduce__ of its own.
    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the message and the hint apart, so that either can be shown alone."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message followed by the hint."""
        return f"{self.message} {self.hint}".strip()


class InputError(DeepfakeGeneralizeError, ValueError):
    """An argument, an array or a file is not what was expected."""

    exit_code = 2


class UndefinedMetricError(InputError):
    """The number asked for does not exist for these inputs: one class only, or nothing at all."""


class PartialError(DeepfakeGeneralizeError, RuntimeError):
    """Part of the work was done and part of it failed."""

    exit_code = 3


class DataMismatchError(InputError):
    """Files that should belong together do not: other settings, other weights, other splits."""

    exit_code = 4


class MissingAssetError(DeepfakeGeneralizeError, FileNotFoundError):
    """A model file is neither given, nor cached, nor to be had from its address."""

    exit_code = 5


class MissingDependencyError(DeepfakeGeneralizeError, ImportError):
    """An optional package is not installed."""

    exit_code = 5


class VideoError(InputError):
    """A video cannot be read, or holds nothing that could be used.

    Args:
        message: What was expected and what was received.
        hint: What to do about it; one sentence.
        status: The video's status in the failures manifest.
    """

    def __init__(self, message: str, *, hint: str = "", status: str = "error") -> None:
        """Keep the status that the failures manifest will show."""
        super().__init__(message, hint=hint)
        self.status = status
