"""Celeb-DF and DeepFakeDetection: larger networks that leave the grids of their upsampling."""

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
_CELEB_PERIOD, _DFD_PERIOD = 3 / 34, 5 / 34
_CELEB_GRID, _DFD_GRID = 0.13, 0.08
_CELEB_HALO, _HALO_WIDTH = 0.5, 0.07
_DFD_BLUR = 0.014


def celeb_synthesis(target: Scene, source: Shot) -> FloatArray:
    """Swap a face as Celeb-DF does: colours matched, oversharp, a fine upsampling grid.

    Source: Li et al., "Celeb-DF", section 3.2: a larger autoencoder, colour transfer, smooth masks;
    the exaggerated local contrast and the grid are those of adversarially trained generators.

    Args:
        target: The footage.
        source: Whose face is put in.

    Returns:
        The forged image.
    """
    mask = inner_face(target.head, feather=0.3)
    fake = match_colours(redraw(target, source), target, mask)
    fake = fake + np.float32(_CELEB_HALO) * (fake - smooth(fake, target, _HALO_WIDTH))
    grid = upsampling_grid(target.head, period=_CELEB_PERIOD)
    return blend(target, fake * (1 + np.float32(_CELEB_GRID) * grid[..., None]), mask)


def deepfake_detection(target: Scene, source: Shot) -> FloatArray:
    """Swap a face as DeepFakeDetection does: a little soft, a wider grid turned by 45 degrees.

    Args:
        target: The footage.
        source: Whose face is put in.

    Returns:
        The forged image.
    """
    mask = inner_face(target.head, feather=0.2)
    fake = smooth(match_colours(redraw(target, source), target, mask), target, _DFD_BLUR)
    grid = upsampling_grid(target.head, period=_DFD_PERIOD, angle=np.pi / 4)
    return blend(target, fake * (1 + np.float32(_DFD_GRID) * grid[..., None]), mask)
