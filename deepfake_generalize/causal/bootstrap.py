"""Images drawn again, video by video, to see how far effects depend on which ones there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import describe, is_whole

if TYPE_CHECKING:
    import numpy.typing as npt

    from deepfake_generalize.types import DoubleArray


@dataclass(frozen=True)
class Bootstrap:
    """How images are drawn again.

    Attributes:
        groups: (N,), the video of each image, as strings or numbers: whole videos are drawn, as
            many as there are, with replacement. None draws single images; frames of one video are
            alike, so that makes the top look steadier than it is.
        n_resamples: How many times.
        seed: Equal seeds draw equal images.

    Examples:
        >>> Bootstrap(groups=["a", "a", "b"], n_resamples=2).multiplicities(3).shape
        (3, 2)
    """

    groups: npt.ArrayLike | None = None
    n_resamples: int = 200
    seed: int = 0

    def multiplicities(self, count: int) -> DoubleArray:
        """Return how often each image is drawn, (count, n_resamples).

        Args:
            count: How many images there are.

        Raises:
            InputError: Groups of another length, fewer than two, an image without one, or no
                positive number of resamples.
        """
        if not is_whole(self.n_resamples, least=1):
            raise InputError(
                f"expected n_resamples to be a whole number from 1, received {self.n_resamples!r}."
            )
        names = np.arange(count) if self.groups is None else np.asarray(self.groups)
        if names.shape != (count,):
            raise InputError(
                f"expected groups of shape ({count},), one an image, received {describe(names)}."
            )
        _check_named(self.groups)
        found, codes = np.unique(names, return_inverse=True)
        if len(found) < 2:
            raise InputError(
                f"expected images of at least two groups, received {len(found)}.",
                hint="One video says nothing about how much another would change.",
            )
        shares = np.full(len(found), 1 / len(found))
        random = np.random.default_rng(self.seed)
        drawn = random.multinomial(len(found), shares, size=self.n_resamples)
        times: DoubleArray = drawn.T[codes].astype(np.float64)
        return times


def _check_named(groups: npt.ArrayLike | None) -> None:
    # NumPy would turn a missing name in a list of strings into the string "nan".
    kept = np.asarray(groups, dtype=object if isinstance(groups, list | tuple) else None)
    missing = 0 if groups is None else int(pd.isna(kept).sum())
    if missing:
        raise InputError(
            f"expected a group for every image, received {missing} without.",
            hint="Name the video of every image, or leave these images out.",
        )
