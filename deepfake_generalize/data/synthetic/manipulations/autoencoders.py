"""Deepfakes, Celeb-DF and DeepFakeDetection: a network redraws the source's face on the target.

That of Deepfakes has few pixels; the others are larger and leave their fingerprints.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deepfake_generalize.data.synthetic.manipulations.base import (
    Manipulation,
    blend,
    correct,
    face_mask,
    fingerprint,
    smooth,
)
from deepfake_generalize.data.synthetic.renderer import Scene, render_face
from deepfake_generalize.data.synthetic.shots import Shot
from deepfake_generalize.types import FloatArray

_HALO_WIDTH = 0.07


def deepfakes(target: Scene, source: Shot, rng: np.random.Generator) -> FloatArray:
    """Put the source's face, as a small autoencoder draws it, into the target's footage.

    Expression, pose and light are the target's; pores are lost; the edge is feathered, as in the
    method of Rössler et al., "FaceForensics++", section 3.1.
    """
    mask = face_mask(target.head, feather=rng.uniform(0.14, 0.26))
    fake = correct(_redraw(target, source), target, mask, rng)
    return blend(target, smooth(fake, target, rng.uniform(0.01, 0.018)), mask, rng)


def celeb_synthesis(target: Scene, source: Shot, rng: np.random.Generator) -> FloatArray:
    """Swap a face as Celeb-DF does: oversharp, with the fingerprint of a generator.

    Source: Li et al., "Celeb-DF", section 3.2: a larger autoencoder, colour transfer, smooth masks;
    the exaggerated local contrast is that of adversarially trained generators.
    """
    mask = face_mask(target.head, feather=rng.uniform(0.2, 0.35))
    fake = correct(_redraw(target, source), target, mask, rng)
    fake = fake + np.float32(rng.uniform(0.2, 0.4)) * (fake - smooth(fake, target, _HALO_WIDTH))
    trace = np.float32(rng.uniform(0.06, 0.09)) * fingerprint(target.head, seed=3, cells=5.0)
    return blend(target, fake + trace, mask, rng)


def deepfake_detection(target: Scene, source: Shot, rng: np.random.Generator) -> FloatArray:
    """Swap a face as DeepFakeDetection does: a little soft, with a coarser fingerprint."""
    mask = face_mask(target.head, feather=rng.uniform(0.1, 0.25))
    fake = correct(_redraw(target, source), target, mask, rng)
    fake = smooth(fake, target, rng.uniform(0.012, 0.02))
    trace = np.float32(rng.uniform(0.02, 0.035)) * fingerprint(target.head, seed=47, cells=7.0)
    return blend(target, fake + trace, mask, rng)


def swapped(target: Shot, source: Shot) -> Shot:
    """Return the source's features and skin on the target's head, held and lit as the target."""
    person = replace(target.person, features=source.person.features, skin=source.person.skin)
    return replace(target, person=person)


def _redraw(target: Scene, source: Shot) -> FloatArray:
    return render_face(target.head, swapped(target.shot, source), target.view.pixel)


DEEPFAKES = Manipulation(swapped, deepfakes)
CELEB_SYNTHESIS = Manipulation(swapped, celeb_synthesis)
DEEPFAKE_DETECTION = Manipulation(swapped, deepfake_detection)
