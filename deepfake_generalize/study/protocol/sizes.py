"""How many images each of the study's sets holds."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from deepfake_generalize.validation import check_whole


@dataclass(frozen=True)
class Sizes:
    """Sizes of the study's sets, in images, half of them real; the defaults are the paper's.

    Source: section III-C of "How Generalizable are Deepfake Detectors? An Empirical Study" gives
    16,000 images for training, 2,000 of FS and NT for fine-tuning and 2,000 for each test.

    Attributes:
        train: Training set of an original detector (CELEB, F2F).
        val: Its validation set.
        test: Every test set.
        few_shot_original: Images of the source's training set in the few-shot mix.
        few_shot_unseen: Images of FS and NT together in it.
        few_shot_val: Images of the source, and of FS and NT together, that choose among the epochs
            of fine-tuning: so many each.

    Raises:
        InputError: A size that is odd, under 2 or no whole number.

    Reproduction notes:
        The paper gives no size of a validation set. 2,000 is that of a test; 500 keep about the
        same share of the images that are fine-tuned on.

    Examples:
        >>> Sizes().train, Sizes(train=800).train
        (16000, 800)
    """

    train: int = 16_000
    val: int = 2_000
    test: int = 2_000
    few_shot_original: int = 2_000
    few_shot_unseen: int = 2_000
    few_shot_val: int = 500

    def __post_init__(self) -> None:
        """Check every size."""
        for name, size in dataclasses.asdict(self).items():
            check_whole(name, size, least=2, even=True, hint="Half of the images are real.")


def share_of_each(size: int) -> int:
    """Return how many images FS and NT each give to so many of both: an even number.

    Examples:
        >>> share_of_each(2_000), share_of_each(10)
        (1000, 6)
    """
    return 2 * math.ceil(size / 4)
