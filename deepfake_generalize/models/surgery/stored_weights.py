"""HDF5 files of weights, looked at before anything in them is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py

from deepfake_generalize._system.bounded_files import may_unpack_to

_MOST_OBJECTS = 1_000_000
"""More arrays and groups than any network has."""


def check_self_contained(file: Any, n_bytes: int) -> None:
    """Raise `ValueError` where arrays of an open HDF5 file of `n_bytes` lie elsewhere, or are huge.

    Links that lead out of it are not followed, and no array is opened.
    """
    unpacked = 0
    for name, dataset in _datasets(file):
        if dataset.external or dataset.is_virtual:
            raise ValueError(f"the numbers of {name!r} lie in another file")
        unpacked += dataset.size * dataset.dtype.itemsize if dataset.shape is not None else 0
        if unpacked > may_unpack_to(n_bytes):
            raise ValueError(f"it declares {unpacked:,} bytes of numbers in {n_bytes:,}")


def _datasets(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of an HDF5 file by name, each object once, in no order."""
    waiting, seen = [("", file)], set()
    while waiting:
        above, group = waiting.pop()
        for key in group:
            name = f"{above}/{key}"
            if group.get(key, getclass=True, getlink=True) is not h5py.HardLink:
                raise ValueError(f"{name!r} is a link that may lead to another file")
            found = group[key]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > _MOST_OBJECTS:
                raise ValueError(f"it holds more than {_MOST_OBJECTS:,} arrays and groups")
            if isinstance(found, h5py.Group):
                waiting.append((name, found))
            elif isinstance(found, h5py.Dataset):
                yield name, found
