"""NeuralTextures: the region of the mouth comes out of a renderer that learned its texture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.data.synthetic.canvas import pattern, soft
from deepfake_generalize.data.synthetic.manipulations.base import blend, smooth
from deepfake_generalize.data.synthetic.manipulations.face2face import reenact

if TYPE_CHECKING:
    from deepfake_generalize.data.synthetic.head import Head
    from deepfake_generalize.data.synthetic.renderer import Scene
    from deepfake_generalize.data.synthetic.shots import Shot
    from deepfake_generalize.types import FloatArray

_BLUR = 0.022
_TEXEL = 12.0
_STRENGTH = 0.035


def neural_textures(target: Scene, source: Shot) -> FloatArray:
    """Give the target's mouth the source's expression through a learned texture.

    Source: Thies et al., "Deferred Neural Rendering", section 4; the version of FaceForensics++
    that alters the region of the mouth only. The texture has few texels, the same for all videos
    of one renderer, whose interpolation shows as a faint coloured pattern that moves with the face.

    Args:
        target: The footage.
        source: Whose expression is put in.

    Returns:
        The forged image.
    """
    fake = smooth(reenact(target, source), target, _BLUR)
    head = target.head
    texels = np.stack(
        [pattern(head.u, head.v, seed=31 + 5 * i, stretch=(_TEXEL, _TEXEL)) for i in range(3)],
        axis=-1,
    )
    return blend(target, fake * (1 + np.float32(_STRENGTH) * texels), _mouth(head))


def _mouth(head: Head) -> FloatArray:
    across, along = head.u / np.float32(0.5), (head.v - np.float32(0.54)) / np.float32(0.36)
    distance = (np.sqrt(across * across + along * along) - 1) * np.float32(0.36)
    return soft(distance, 0.12)
