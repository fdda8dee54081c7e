"""How drawn faces are forged: one file a method, each by the mechanism of the real one."""

from deepfake_generalize.data.synthetic.manipulations.base import Manipulation
from deepfake_generalize.data.synthetic.manipulations.deepfakes import deepfakes
from deepfake_generalize.data.synthetic.manipulations.face2face import face2face
from deepfake_generalize.data.synthetic.manipulations.faceswap import faceswap
from deepfake_generalize.data.synthetic.manipulations.faceswap_gan import (
    celeb_synthesis,
    deepfake_detection,
)
from deepfake_generalize.data.synthetic.manipulations.neural_textures import neural_textures
from deepfake_generalize.data.synthetic.manipulations.null import null

MANIPULATIONS: dict[str, Manipulation] = {
    "Celeb-synthesis": celeb_synthesis,
    "DeepFakeDetection": deepfake_detection,
    "Deepfakes": deepfakes,
    "Face2Face": face2face,
    "FaceSwap": faceswap,
    "NeuralTextures": neural_textures,
    "null": null,
}
"""The layouts' names of the methods, to what forges a scene."""

__all__ = ["MANIPULATIONS", "Manipulation"]
