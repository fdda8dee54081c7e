"""Face2Face: the target's face redrawn with the source's expression, relit from a smooth model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.data.synthetic.manipulations.base import blend, lower_face, smooth
from deepfake_generalize.data.synthetic.renderer import draw_face

if TYPE_CHECKING:
    from deepfake_generalize.data.synthetic.renderer import Scene
    from deepfake_generalize.data.synthetic.shots import Shot
    from deepfake_generalize.types import FloatArray

_BLUR = 0.03
_FLATTENING = 0.3


def face2face(target: Scene, source: Shot) -> FloatArray:
    """Give the target's lower face the source's expression.

    The face is redrawn with the target's own texture, averaged over frames and therefore smooth,
    under light estimated by a few coefficients and therefore flatter (Thies et al., "Face2Face",
    sections 4 and 7).

    Args:
        target: The footage.
        source: Whose expression is put in.

    Returns:
        The forged image.
    """
    fake = smooth(reenact(target, source), target, _BLUR)
    mean = smooth(fake, target, 0.35)
    fake = fake + np.float32(_FLATTENING) * (mean - fake)
    return blend(target, fake, lower_face(target.head, feather=0.15))


def reenact(target: Scene, source: Shot) -> FloatArray:
    """Draw the target's face with the mouth of the source's expression.

    Args:
        target: The footage.
        source: Whose expression is put in.

    Returns:
        (H, W, 3) float32, sharp.
    """
    own, other = target.shot.expression, source.expression
    expression = replace(own, mouth_open=other.mouth_open, smile=other.smile)
    return draw_face(target.head, replace(target.shot, expression=expression), target.view.pixel)
