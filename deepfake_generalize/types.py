"""The types that several rooms share: array aliases and the protocols at the plug points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

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
    these two members is one too.
    """

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def scores(self, images: Images) -> FloatArray:
        """Return P(fake) in [0, 1], shape (N,), for RGB images (N, H, W, 3)."""
        ...


class MapOps(Protocol):
    """What a `MapRule` may use beside + - * / and ** on a framework's tensors."""

    def mean(self, values: Any) -> Any:
        """Return the mean over the positions, which stay as axes of one."""
        ...

    def total(self, values: Any) -> Any:
        """Return the sum over the positions, which stay as axes of one."""
        ...

    def across(self, values: Any) -> Any:
        """Return the sum over the channels, (N, h, w)."""
        ...

    def relu(self, values: Any) -> Any:
        """Return the values where they are positive, else 0."""
        ...


MapRule: TypeAlias = Callable[[Any, Any, MapOps], Any]
"""From a layer's features and the logit's gradient there to signed maps (N, h, w)."""


class Site(Protocol):
    """A network cut open where neurons are set.

    `before` and an affine map lead from the site's activations to what the rest of it, behind
    `sums`, computes on from. Arrays are NumPy's.
    """

    @property
    def kernel(self) -> FloatArray:
        """(neurons, M), the first map that mixes the neurons; the identity where none is known."""
        ...

    @property
    def bias(self) -> FloatArray:
        """(M,), added behind the kernel."""
        ...

    def activations(self, images: Images, batch_size: int) -> Iterator[AnyArray]:
        """Yield the site's activations, (B, neurons), batch by batch."""
        ...

    def before(self, activations: AnyArray) -> AnyArray:
        """Return what enters the kernel, (N, neurons): each neuron on its own."""
        ...

    def sums(
        self, mixed: FloatArray, moved: FloatArray, kernel: FloatArray, factors: DoubleArray
    ) -> DoubleArray:
        """Return weighted sums of P(fake), (G, S, K), over N images.

        P(fake) is that of `mixed` (N, M) + `moved` (G, S, N) times the rows of `kernel` (G, M):
        neurons by values by images. `factors` (N, K) are the weights.
        """
        ...


@runtime_checkable
class Explainable(Scorer, Protocol):
    """What `interpret` and `causal` ask of a detector, and all that they know of it.

    `models.Detector` and what `models.as_detector` makes of a `torch.nn.Module` have it; a class
    of your own that has it, in whatever framework, has maps and causal effects too. A target is
    "fake" or "real", and its logit what the network's sigmoid or softmax gets for it.
    """

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels that images are brought to."""
        ...

    def weighted_maps(
        self,
        images: Images,
        rule: MapRule,
        *,
        target: str,
        layer: str | None,
        grid: tuple[int, int] | None,
        batch_size: int,
    ) -> tuple[FloatArray, str]:
        """Return a rule's signed maps at a layer, (N, h, w) float32, and the layer's name.

        Without `layer`, at the last one that still shows where; `grid` is the (h, w) of tokens.
        """
        ...

    def guided_gradient(self, images: Images, *, target: str, batch_size: int) -> FloatArray:
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
