"""The types that several rooms share: array aliases and the protocols at the plug points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

UInt8Array: TypeAlias = npt.NDArray[np.uint8]
FloatArray: TypeAlias = npt.NDArray[np.float32]
DoubleArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
AnyArray: TypeAlias = npt.NDArray[Any]

Images: TypeAlias = npt.NDArray[Any] | Sequence[npt.NDArray[Any]]
"""(N, H, W, 3) RGB, uint8 or float in [0, 1]; or a sequence of (H, W, 3) of unequal sizes."""

ImagePaths: TypeAlias = "Sequence[str | Path] | pd.DataFrame"
"""Paths of pictures, or a table with such a column `path`."""


@runtime_checkable
class Scorer(Protocol):
    """Anything that turns face crops into fake-probabilities.

    `models.Detector` is one, and so is what `models.as_detector` returns; a class of your own with
    these two members is one too. With a number `frames` it takes clips: `scores` gets a sequence of
    N videos, so many frames (H, W, 3) of each in order, as one array where sizes agree.
    """

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def scores(self, images: Images) -> FloatArray:
        """Return P(fake) in [0, 1], shape (N,), for RGB images (N, H, W, 3)."""
        ...


@dataclass(frozen=True)
class MapOps:
    """What a `MapRule` may use beside + - * / and ** on a framework's tensors.

    Attributes:
        mean: The mean over the positions, which stay as axes of one.
        total: The sum over the positions, which stay as axes of one.
        across: The sum over the channels, (N, h, w).
        relu: The values where they are positive, else 0.
    """

    mean: Callable[[Any], Any]
    total: Callable[[Any], Any]
    across: Callable[[Any], Any]
    relu: Callable[[Any], Any]


MapRule: TypeAlias = Callable[[Any, Any, MapOps], Any]
"""From a layer's features and the logit's gradient there to signed maps (N, h, w)."""


class MapView(NamedTuple):
    """Of which verdict a map is, "fake" or "real", and where in the network it is taken.

    Without a layer that is the last one that still shows where; `grid` is the (h, w) of tokens.
    """

    target: str
    layer: str | None
    grid: tuple[int, int] | None
    batch_size: int


@dataclass(frozen=True)
class Site:
    """A network cut open where neurons are set; arrays are NumPy's.

    Attributes:
        kernel: (neurons, M) float32, the first map that mixes the neurons; the identity where none
            is known.
        bias: (M,) float32, added behind the kernel.
        activations: From images, and how many at a time, to the site's activations, (B, neurons).
        before: From activations to what enters the kernel, (N, neurons): each neuron on its own.
        sums: Weighted sums of P(fake), (G, S, K) float64, of G neurons, S values and N images:
            P(fake) behind `mixed` (N, M) + `moved` (G, S, N) times the kernel's rows (G, M), times
            `factors` (N, K). Given are these four, float32, the last float64.
    """

    kernel: FloatArray
    bias: FloatArray
    activations: Callable[[Images, int], Iterator[AnyArray]]
    before: Callable[[AnyArray], AnyArray]
    sums: Callable[[FloatArray, FloatArray, FloatArray, DoubleArray], DoubleArray]


@runtime_checkable
class Explainable(Scorer, Protocol):
    """What `interpret` and `causal` ask of a detector, and all that they know of it.

    `models.Detector` and what `models.as_detector` makes of a `torch.nn.Module` have it; a class
    of your own that has it, in whatever framework, has maps and causal effects too. The logit of a
    verdict is what the network's sigmoid or softmax gets for it.
    """

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels that images are brought to."""
        ...

    def weighted_maps(self, images: Images, rule: MapRule, view: MapView) -> tuple[FloatArray, str]:
        """Return a rule's signed maps at a layer, (N, h, w) float32, and the layer's name."""
        ...

    def guided_gradient(self, images: Images, view: MapView) -> FloatArray:
        """Return the logit's gradient in the images, (N, *size, 3), guided at every rectifier."""
        ...

    def open_site(self, site: str) -> Site:
        """Cut the network open at a site, as `causal.average_causal_effect` names it."""
        ...

    def redrawn(self, seed: int, *, behind: str | None = None) -> Self:
        """Return a like detector with weights drawn anew, all or those behind a site.

        From `seed`, or from Python's generators, which whoever calls this has seeded with it.
        """
        ...
