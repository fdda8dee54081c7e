"""The one camera that films everything, real and forged alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from deepfake_generalize.types import FloatArray, UInt8Array


@dataclass(frozen=True)
class Camera:
    """The settings of one take.

    Attributes:
        blur: Standard deviation of the lens's blur, pixels.
        gain: Of red, green and blue: exposure and white balance.
        noise: Standard deviation of the sensor's noise, of full scale 1.
        quality: Of the JPEG compression, 1 to 100.
    """

    blur: float
    gain: tuple[float, float, float]
    noise: float
    quality: int

    @staticmethod
    def draw(rng: np.random.Generator) -> Camera:
        """Draw the settings of a take; the same distribution for every data set.

        Args:
            rng: Where the chance comes from.

        Returns:
            The camera.
        """
        red, green, blue = (
            float(value) for value in rng.normal(1.0, 0.06) * rng.normal(1.0, 0.025, 3)
        )
        return Camera(
            blur=float(rng.uniform(0.3, 0.5)),
            gain=(red, green, blue),
            noise=float(rng.uniform(0.004, 0.01)),
            quality=int(rng.integers(86, 97)),
        )

    def expose(self, image: FloatArray, rng: np.random.Generator) -> UInt8Array:
        """Film an image: blur, colour, noise, rounding.

        Args:
            image: (H, W, 3) float32, sRGB in [0, 1].
            rng: Of the noise.

        Returns:
            (H, W, 3) uint8 RGB, before any compression.
        """
        seen = cv2.GaussianBlur(image, (0, 0), self.blur) if self.blur > 0 else image
        seen = seen * np.asarray(self.gain, np.float32)
        seen += np.float32(self.noise) * rng.standard_normal(image.shape, dtype=np.float32)
        return np.rint(np.clip(seen, 0, 1) * 255).astype(np.uint8)

    def photograph(self, image: FloatArray, rng: np.random.Generator) -> UInt8Array:
        """Film an image and compress it as a JPEG.

        Args:
            image: (H, W, 3) float32, sRGB in [0, 1].
            rng: Of the noise.

        Returns:
            (H, W, 3) uint8 RGB.

        Examples:
            >>> camera = Camera(0.4, (1.0, 1.0, 1.0), 0.0, 90)
            >>> grey = np.full((8, 8, 3), 0.5, np.float32)
            >>> camera.photograph(grey, np.random.default_rng(0))[0, 0].tolist()
            [128, 128, 128]
        """
        pixels = cv2.cvtColor(self.expose(image, rng), cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        return cast("UInt8Array", cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))
