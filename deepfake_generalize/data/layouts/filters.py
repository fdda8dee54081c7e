"""The choices that a caller may make among the videos of a layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from deepfake_generalize.data.layouts.manifest import VideoRow

REAL = "real"


def as_names(value: str | Sequence[str], *, choice: str) -> tuple[str, ...]:
    """Turn one name or a sequence of names into a tuple.

    Raises:
        InputError: The value is neither, or it is empty.

    Examples:
        >>> as_names("c23", choice="compression")
        ('c23',)
    """
    names = (value,) if isinstance(value, str) else tuple(value)
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"expected {choice}= to be a name or a list of names, received {value!r}.",
            hint=f"Leave {choice}= out to keep everything.",
        )
    return names


def check_present(wanted: Iterable[str], present: Iterable[str], *, choice: str) -> None:
    """Raise unless everything wanted is there.

    Raises:
        InputError: Something is not; the message lists what is.
    """
    there = sorted(set(present))
    absent = sorted(set(wanted) - set(there))
    if absent:
        raise InputError(
            f"expected {choice}= to be among what the root holds ({', '.join(there) or 'nothing'}),"
            f" received {', '.join(absent)}.",
            hint="Check the spelling, or download what is not there.",
        )


def choose_methods(rows: Sequence[VideoRow], methods: str | Sequence[str] | None) -> list[VideoRow]:
    """Keep the fakes of some methods, and the originals of the data sets they belong to.

    Args:
        rows: All videos.
        methods: Names of methods; `real` alone keeps only originals; None keeps everything.

    Returns:
        The videos that stay.

    Raises:
        InputError: A method is not among the rows.
    """
    if methods is None:
        return list(rows)
    wanted = set(as_names(methods, choice="methods"))
    check_present(wanted, {row.method for row in rows} | {REAL}, choice="methods")
    datasets = {row.dataset for row in rows if row.method in wanted}
    return [
        row for row in rows if row.method in wanted or (not row.label and row.dataset in datasets)
    ]
