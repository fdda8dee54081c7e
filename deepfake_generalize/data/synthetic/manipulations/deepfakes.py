"""Deepfakes: an autoencoder of few pixels redraws the source's face in the target's pose."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from deepfake_generalize.data.synthetic.manipulations.base import (
    blend,
    inner_face,
    match_colours,
    smooth,
)
from deepfake_generalize.data.synthetic.renderer import draw_face

if TYPE_CHECKING:
    from deepfake_generalize.data.synthetic.renderer import Scene
    from deepfake_generalize.data.synthetic.shots import Shot
    from deepfake_generalize.types import FloatArray

# The network's output, some 20 pixels across the inner face, enlarged.
_BLUR = 0.036
_FEATHER = 0.22


def deepfakes(target: Scene, source: Shot) -> FloatArray:
    """Put the source's face, as a small autoencoder draws it, into the target's footage.

    Expression, pose and light are the target's; pores are lost; the colours are matched and the
    edge is feathered, as in the method of Rössler et al., "FaceForensics++", section 3.1.

    Args:
        target: The footage.
        source: Whose face is put in.

    Returns:
        The forged image.
    """
    fake = smooth(redraw(target, source), target, _BLUR)
    mask = inner_face(target.head, feather=_FEATHER)
    return blend(target, match_colours(fake, target, mask), mask)


def redraw(target: Scene, source: Shot) -> FloatArray:
    """Draw the source's features and skin on the target's head, held and lit as the target.

    Args:
        target: The footage.
        source: Whose face is put in.

    Returns:
        (H, W, 3) float32, sharp.
    """
    person = replace(target.shot.person, features=source.person.features, skin=source.person.skin)
    return draw_face(target.head, replace(target.shot, person=person), target.view.pixel)
