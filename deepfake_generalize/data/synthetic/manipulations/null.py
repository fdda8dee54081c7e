"""No manipulation: the whole path, nothing changed. No detector can do better than chance on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepfake_generalize.data.synthetic.renderer import Scene
    from deepfake_generalize.data.synthetic.shots import Shot
    from deepfake_generalize.types import FloatArray


def null(target: Scene, source: Shot) -> FloatArray:
    """Return the scene as it is.

    Args:
        target: The footage.
        source: Not used.

    Returns:
        A copy of its image.
    """
    del source
    return target.image.copy()
