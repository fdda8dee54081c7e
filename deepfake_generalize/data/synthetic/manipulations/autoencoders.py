"""Deepfakes, Celeb-DF and DeepFakeDetection: a network redraws the source's face on the target.

That of Deepfakes has few pixels; the others are larger and leave the grids of their upsampling.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deepfake_generalize.data.synthetic.manipulations.base import (
    blend,
    inner_face,
    match_colours,
    smooth,
    upsampling_grid,
)
from deepfake_generalize.data.synthetic.renderer import Scene, render_face
from deepfake_generalize.data.synthetic.shots import Shot
from deepfake_generalize.types import FloatArray

# The network's output, some 20 pixels across the inner face, enlarged.
_DEEPFAKES_BLUR, _DEEPFAKES_FEATHER = 0.036, 0.22
# Three and five pixels of a crop of 72.
_CELEB_PERIOD, _DFD_PERIOD = 3 / 34, 5 / 34
_CELEB_GRID, _DFD_GRID = 0.13, 0.08
_CELEB_HALO, _HALO_WIDTH = 0.5, 0.07
_DFD_BLUR = 0.014


def deepfakes(target: Scene, source: Shot) -> FloatArray:
    """Put the source's face, as a small autoencoder draws it, into the target's footage.

    Expression, pose and light are the target's; pores are lost; the colours are matched and the
    edge is feathered, as in the method of Rössler et al., "FaceForensics++", section 3.1.
    """
    fake = smooth(_redraw(target, source), target, _DEEPFAKES_BLUR)
    mask = inner_face(target.head, feather=_DEEPFAKES_FEATHER)
    return blend(target, match_colours(fake, target, mask), mask)


def celeb_synthesis(target: Scene, source: Shot) -> FloatArray:
    """Swap a face as Celeb-DF does: colours matched, oversharp, a fine upsampling grid.

    Source: Li et al., "Celeb-DF", section 3.2: a larger autoencoder, colour transfer, smooth masks;
    the exaggerated local contrast and the grid are those of adversarially trained generators.
    """
    mask = inner_face(target.head, feather=0.3)
    fake = match_colours(_redraw(target, source), target, mask)
    fake = fake + np.float32(_CELEB_HALO) * (fake - smooth(fake, target, _HALO_WIDTH))
    grid = np.float32(_CELEB_GRID) * upsampling_grid(target.head, period=_CELEB_PERIOD)
    return blend(target, fake * (1 + grid[..., None]), mask)


def deepfake_detection(target: Scene, source: Shot) -> FloatArray:
    """Swap a face as DeepFakeDetection does: a little soft, a wider grid turned by 45 degrees."""
    mask = inner_face(target.head, feather=0.2)
    fake = smooth(match_colours(_redraw(target, source), target, mask), target, _DFD_BLUR)
    grid = np.float32(_DFD_GRID) * upsampling_grid(target.head, period=_DFD_PERIOD, angle=np.pi / 4)
    return blend(target, fake * (1 + grid[..., None]), mask)


def _redraw(target: Scene, source: Shot) -> FloatArray:
    """Render the source's features and skin on the target's head, held and lit as the target."""
    person = replace(target.shot.person, features=source.person.features, skin=source.person.skin)
    return render_face(target.head, replace(target.shot, person=person), target.view.pixel)
