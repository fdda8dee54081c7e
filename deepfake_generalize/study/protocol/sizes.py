"""How many images each of the study's sets holds."""

from __future__ import annotations

from dataclasses import dataclass, fields

from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import describe, is_whole


@dataclass(frozen=True)
class StudySizes:
    """Sizes of the study's sets, in images, half of them real; the defaults are the paper's.

    Source: section III-C of "How Generalizable are Deepfake Detectors? An Empirical Study" gives
    16,000 images for training, 2,000 of FS and NT for fine-tuning and 2,000 for each test.

    Attributes:
        train: Training set of an original detector (CELEB, F2F).
        val: Its validation set.
        test: Every test set.
        few_shot: Of FS and of NT each, for fine-tuning.
        few_shot_val: Of FS and of NT each, to choose among fine-tuned detectors.

    Raises:
        InputError: A size that is odd, under 2 or no whole number.

    Reproduction notes:
        The paper gives no size of a validation set. 2,000 is that of a test; 250 of each unseen set
        keep about the same share of the images that are fine-tuned on.

    Examples:
        >>> StudySizes().train, StudySizes(train=800).train
        (16000, 800)
    """

    train: int = 16_000
    val: int = 2_000
    test: int = 2_000
    few_shot: int = 1_000
    few_shot_val: int = 250

    def __post_init__(self) -> None:
        """Check every size."""
        for field in fields(self):
            size = getattr(self, field.name)
            if not is_whole(size, least=2) or size % 2:
                raise InputError(
                    f"expected {field.name} to be an even number of images from 2 on, received "
                    f"{size if is_whole(size) else describe(size)}.",
                    hint="Half of the images are real.",
                )
