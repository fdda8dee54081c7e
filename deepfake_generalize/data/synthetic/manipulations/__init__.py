"""How synthetic faces are forged, each by the mechanism of a real method."""

from deepfake_generalize.data.synthetic.manipulations.autoencoders import (
    celeb_synthesis,
    deepfake_detection,
    deepfakes,
)
from deepfake_generalize.data.synthetic.manipulations.base import Manipulation, null
from deepfake_generalize.data.synthetic.manipulations.faceswap import faceswap
from deepfake_generalize.data.synthetic.manipulations.reenactment import face2face, neural_textures

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

__all__ = ["MANIPULATIONS"]
