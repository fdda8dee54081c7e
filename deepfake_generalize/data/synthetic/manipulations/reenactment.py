"""Face2Face and NeuralTextures: the target's face is redrawn with the source's expression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deepfake_generalize.data.synthetic.canvas import pattern
from deepfake_generalize.data.synthetic.manipulations.base import blend, face_ellipse, smooth
from deepfake_generalize.data.synthetic.renderer import Scene, render_face
from deepfake_generalize.data.synthetic.shots import Shot
from deepfake_generalize.types import FloatArray

_MODEL_BLUR, _TEXTURE_BLUR = 0.03, 0.022
_FLATTENING = 0.3
_TEXEL = 12.0
_STRENGTH = 0.035


def face2face(target: Scene, source: Shot) -> FloatArray:
    """Give the target's lower face the source's expression.

    The face is redrawn with the target's own texture, averaged over frames and therefore smooth,
    under light estimated by a few coefficients and therefore flatter (Thies et al., "Face2Face",
    sections 4 and 7).
    """
    fake = smooth(_reenact(target, source), target, _MODEL_BLUR)
    mean = smooth(fake, target, 0.35)
    fake = fake + np.float32(_FLATTENING) * (mean - fake)
    mask = face_ellipse(target.head, middle=0.45, width=0.58, height=0.5, feather=0.15)
    return blend(target, fake, mask)


def neural_textures(target: Scene, source: Shot) -> FloatArray:
    """Give the target's mouth the source's expression through a learned texture.

    Source: Thies et al., "Deferred Neural Rendering", section 4; the version of FaceForensics++
    that alters the region of the mouth only. The texture has few texels, the same for all videos
    of one renderer, whose interpolation shows as a faint coloured pattern that moves with the face.
    """
    fake = smooth(_reenact(target, source), target, _TEXTURE_BLUR)
    head = target.head
    texels = np.stack(
        [pattern(head.u, head.v, seed=31 + 5 * i, stretch=(_TEXEL, _TEXEL)) for i in range(3)],
        axis=-1,
    )
    mask = face_ellipse(head, middle=0.54, width=0.5, height=0.36, feather=0.12)
    return blend(target, fake * (1 + np.float32(_STRENGTH) * texels), mask)


def _reenact(target: Scene, source: Shot) -> FloatArray:
    """Render the target's face with the mouth of the source's expression."""
    own, other = target.shot.expression, source.expression
    expression = replace(own, mouth_open=other.mouth_open, smile=other.smile)
    return render_face(target.head, replace(target.shot, expression=expression), target.view.pixel)
