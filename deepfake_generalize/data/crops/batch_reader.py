"""The images of many crops, from files and from packs, read a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.data.crops.hdf5_reader import Pack, open_pack, split_packed
from deepfake_generalize.data.crops.image_files import image_size, read_image, resize
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deepfake_generalize.types import IntArray, UInt8Array

_A_FILE = -1


class ImageSource:
    """Images by their row, from files, packs or both.

    Holds no open file, so threads may share one, and so may processes across a fork.

    Attributes:
        size: (height, width) that they are read at.
    """

    def __init__(self, paths: Sequence[str], size: tuple[int, int] | None = None) -> None:
        """Look at every file's ends and every pack's index; at least one path is needed.

        Raises:
            InputError: A file is missing or unreadable, or sizes differ and `size` is None.
        """
        self._paths = list(paths)
        self._packs: list[Pack] = []
        self._pack_of = np.full(len(paths), _A_FILE, np.int64)
        self._row_of = np.zeros(len(paths), np.int64)
        self._find_packs()
        first = self._size_of(0)
        if size is None:
            self._check_sizes(first)
        else:
            for i in np.flatnonzero(self._pack_of == _A_FILE):
                image_size(self._paths[i])
        self.size = first if size is None else size

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._paths)

    def read(self, rows: IntArray) -> UInt8Array:
        """Read the images of `rows` (n,): (n, H, W, 3) uint8, RGB, in that order.

        Raises:
            InputError: One is damaged, or was changed since this source was made.
        """
        rows = np.asarray(rows)
        kinds = self._pack_of[rows]
        if len(rows) and kinds[0] != _A_FILE and (kinds == kinds[0]).all():
            return self._from_pack(int(kinds[0]), rows)
        images = np.empty((len(rows), *self.size, 3), np.uint8)
        for kind in np.unique(kinds):
            places = np.flatnonzero(kinds == kind)
            if kind == _A_FILE:
                for place in places:
                    images[place] = resize(read_image(self._paths[rows[place]]), self.size)
            else:
                images[places] = self._from_pack(int(kind), rows[places])
        return images

    def _from_pack(self, number: int, rows: IntArray) -> UInt8Array:
        pack = self._packs[number]
        images = pack.read(self._row_of[rows])
        if pack.index.size == self.size:
            return images
        return np.stack([resize(image, self.size) for image in images])

    def _find_packs(self) -> None:
        numbers: dict[str, int] = {}
        for i, path in enumerate(self._paths):
            found = split_packed(path)
            if found is None:
                continue
            file, name = found
            if file not in numbers:
                numbers[file] = len(self._packs)
                self._packs.append(open_pack(file))
            self._pack_of[i] = numbers[file]
            self._row_of[i] = self._packs[numbers[file]].row(name)

    def _size_of(self, i: int) -> tuple[int, int]:
        number = int(self._pack_of[i])
        if number == _A_FILE:
            return image_size(self._paths[i])
        return self._packs[number].index.size

    def _check_sizes(self, first: tuple[int, int]) -> None:
        for i, path in enumerate(self._paths):
            own = self._size_of(i)
            if own != first:
                raise InputError(
                    f"expected crops of one size, {self._paths[0]!r} is {first[0]} x {first[1]} "
                    f"(height x width) and {path!r} is {own[0]} x {own[1]}.",
                    hint="Pass size=(height, width) to resize them.",
                )


def check_size(size: object) -> None:
    """Raise `InputError` unless `size` is None or (height, width)."""
    if size is not None and not (
        isinstance(size, tuple) and len(size) == 2 and all(is_whole(side, least=1) for side in size)
    ):
        raise InputError(
            f"expected size to be None or (height, width) in pixels, received {size!r}.",
            hint="Use (256, 256).",
        )
