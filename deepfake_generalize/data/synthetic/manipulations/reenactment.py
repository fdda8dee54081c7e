"""Face2Face and NeuralTextures: the target's face is redrawn with the source's expression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deepfake_generalize.data.synthetic.manipulations.base import (
    Manipulation,
    blend,
    face_mask,
    fingerprint,
    smooth,
)
from deepfake_generalize.data.synthetic.renderer import Scene, render_face
from deepfake_generalize.data.synthetic.shots import Shot
from deepfake_generalize.types import FloatArray


def face2face(target: Scene, source: Shot, rng: np.random.Generator) -> FloatArray:
    """Give the target's lower face the source's expression.

    The face is redrawn with the target's own texture, averaged over frames and therefore smooth,
    under light estimated by a few coefficients and therefore flatter (Thies et al., "Face2Face",
    sections 4 and 7).
    """
    fake = smooth(_redraw(target, source), target, rng.uniform(0.02, 0.031))
    mean = smooth(fake, target, 0.35)
    fake = fake + np.float32(rng.uniform(0.16, 0.32)) * (mean - fake)
    feather = rng.uniform(0.1, 0.2)
    mask = face_mask(target.head, middle=0.45, width=0.58, height=0.5, feather=feather)
    return blend(target, fake, mask, rng)


def neural_textures(target: Scene, source: Shot, rng: np.random.Generator) -> FloatArray:
    """Give the target's mouth the source's expression through a learned texture.

    Source: Thies et al., "Deferred Neural Rendering", section 4; the version of FaceForensics++
    that alters the region of the mouth only. The texture has few texels, the same for all videos
    of one renderer, whose interpolation shows as a faint coloured pattern that moves with the face.
    """
    fake = smooth(_redraw(target, source), target, rng.uniform(0.018, 0.028))
    trace = np.float32(rng.uniform(0.025, 0.04)) * fingerprint(target.head, seed=31, cells=12.0)
    feather = rng.uniform(0.08, 0.16)
    mask = face_mask(target.head, middle=0.54, width=0.5, height=0.36, feather=feather)
    return blend(target, fake + trace, mask, rng)


def reenacted(target: Shot, source: Shot) -> Shot:
    """Return the target with the mouth of the source's expression."""
    own, other = target.expression, source.expression
    expression = replace(own, mouth_open=other.mouth_open, smile=other.smile)
    return replace(target, expression=expression)


def _redraw(target: Scene, source: Shot) -> FloatArray:
    return render_face(target.head, reenacted(target.shot, source), target.view.pixel)


FACE2FACE = Manipulation(reenacted, face2face)
NEURAL_TEXTURES = Manipulation(reenacted, neural_textures)
