"""Training a detector by a recipe, with checkpoints and progress."""

from __future__ import annotations

from deepfake_generalize.models.training.augmentation import AUGMENTATIONS
from deepfake_generalize.models.training.data import (
    LabelledImages,
    TrainingData,
    data_of_arrays,
    open_data,
    refusals,
    refuse_overlap,
)
from deepfake_generalize.models.training.fitting import (
    Fit,
    RecipeSettings,
    TrainOptions,
    TrainSettings,
    fit,
    own_random_numbers,
)
from deepfake_generalize.models.training.progress import SILENT, Progress, Reporter, make_reporter
from deepfake_generalize.models.training.recipes import (
    LAST_LAYERS,
    RECIPES,
    Recipe,
    recipe_or_default,
)
from deepfake_generalize.models.training.train import train, training_record

__all__ = [
    "AUGMENTATIONS",
    "LAST_LAYERS",
    "RECIPES",
    "SILENT",
    "Fit",
    "LabelledImages",
    "Progress",
    "Recipe",
    "RecipeSettings",
    "Reporter",
    "TrainOptions",
    "TrainSettings",
    "TrainingData",
    "data_of_arrays",
    "fit",
    "make_reporter",
    "open_data",
    "own_random_numbers",
    "recipe_or_default",
    "refusals",
    "refuse_overlap",
    "train",
    "training_record",
]
