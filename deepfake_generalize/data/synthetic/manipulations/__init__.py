"""How synthetic faces are forged, each by the mechanism of a real method."""

from deepfake_generalize.data.synthetic.manipulations.autoencoders import (
    CELEB_SYNTHESIS,
    DEEPFAKE_DETECTION,
    DEEPFAKES,
)
from deepfake_generalize.data.synthetic.manipulations.base import NULL, Manipulation
from deepfake_generalize.data.synthetic.manipulations.faceswap import FACESWAP
from deepfake_generalize.data.synthetic.manipulations.reenactment import FACE2FACE, NEURAL_TEXTURES

MANIPULATIONS: dict[str, Manipulation] = {
    "Celeb-synthesis": CELEB_SYNTHESIS,
    "DeepFakeDetection": DEEPFAKE_DETECTION,
    "Deepfakes": DEEPFAKES,
    "Face2Face": FACE2FACE,
    "FaceSwap": FACESWAP,
    "NeuralTextures": NEURAL_TEXTURES,
    "null": NULL,
}
"""The layouts' names of the methods, to what forges a scene."""

__all__ = ["MANIPULATIONS"]
