"""Where the videos of drawn takes lie in the layouts of the real data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepfake_generalize.data.synthetic.sets import Take

_COMPRESSION = "c23"


def video_path(take: Take) -> str:
    """Return the path of a take's video below the root of its data set.

    Args:
        take: The take.

    Returns:
        A relative path with forward slashes.

    Examples:
        >>> from deepfake_generalize.data.synthetic.sets import Take
        >>> video_path(Take("FS", "test", "FF++", "FaceSwap", "800", "801", 1))
        'manipulated_sequences/FaceSwap/c23/videos/800_801.mp4'
    """
    if take.dataset in ("FF++", "DFD"):
        originals = "youtube" if take.dataset == "FF++" else "actors"
        folder = (
            f"manipulated_sequences/{take.method}"
            if take.label
            else f"original_sequences/{originals}"
        )
        return f"{folder}/{_COMPRESSION}/videos/{take.stem}.mp4"
    if take.dataset.startswith("Celeb-DF"):
        folder = "Celeb-synthesis" if take.label else "Celeb-real"
        return f"{take.dataset}/{folder}/{take.stem}.mp4"
    return f"{take.dataset}/{'fake' if take.label else 'real'}/{take.stem}.mp4"
