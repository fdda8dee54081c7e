"""Celeb-DF and DeepFakeDetection: larger networks, sharp faces, the grids of their upsampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.data.synthetic.manipulations.base import (
    blend,
    inner_face,
    match_colours,
    smooth,
    upsampling_grid,
)
from deepfake_generalize.data.synthetic.manipulations.deepfakes import redraw

if TYPE_CHECKING:
    from deepfake_generalize.data.synthetic.renderer import Scene
    from deepfake_generalize.data.synthetic.shots import Shot
    from deepfake_generalize.types import FloatArray

# Three and five pixels of a crop of 72.
_CELEB_PERIOD, _DFD_PERIOD = 3 / 26, 5 / 26
_CELEB_GRID, _DFD_GRID = 0.05, 0.04
_DFD_HALO = 0.6


def celeb_synthesis(target: Scene, source: Shot) -> FloatArray:
    """Swap a face as Celeb-DF does: sharp, colours matched, a fine upsampling grid.

    Source: Li et al., "Celeb-DF", section 3.2: a larger autoencoder, colour transfer, smooth masks.

    Args:
        target: The footage.
        source: Whose face is put in.

    Returns:
        The forged image.
    """
    mask = inner_face(target.head, feather=0.3)
    fake = match_colours(redraw(target, source), target, mask)
    grid = upsampling_grid(target.head, period=_CELEB_PERIOD)
    return blend(target, fake * (1 + np.float32(_CELEB_GRID) * grid[..., None]), mask)


def deepfake_detection(target: Scene, source: Shot) -> FloatArray:
    """Swap a face as DeepFakeDetection does: sharpened, with a wider grid turned by 45 degrees.

    Args:
        target: The footage.
        source: Whose face is put in.

    Returns:
        The forged image.
    """
    mask = inner_face(target.head, feather=0.2)
    fake = match_colours(redraw(target, source), target, mask)
    fake = fake + np.float32(_DFD_HALO) * (fake - smooth(fake, target, 0.08))
    grid = upsampling_grid(target.head, period=_DFD_PERIOD, angle=np.pi / 4)
    return blend(target, fake * (1 + np.float32(_DFD_GRID) * grid[..., None]), mask)
