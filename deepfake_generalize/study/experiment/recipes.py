"""The recipe of each training of a study: the paper's, with the changes that the study makes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from deepfake_generalize import models

if TYPE_CHECKING:
    from deepfake_generalize.models import Recipe
    from deepfake_generalize.study.experiment.config import StudyConfig
    from deepfake_generalize.study.experiment.schedules import Schedule

_STUCK = 0.6
"""Training accuracy under which a network has not got off the ground after a few epochs."""


def recipe_for(config: StudyConfig, architecture: str, fine_tuning: str) -> Recipe:
    """Return the paper's recipe of a stage with the changes that the study makes to it.

    Args:
        config: The study.
        architecture: Whose recipe.
        fine_tuning: "none" for the original training.

    Examples:
        >>> from deepfake_generalize.study import Schedule, StudyConfig
        >>> config = StudyConfig(schedules={"mesonet": Schedule(epochs=3)})
        >>> recipe_for(config, "mesonet", "none").epochs
        3
        >>> recipe_for(config, "mesonet", "merge") == models.RECIPES["mesonet"].fine_tuning
        True
    """
    paper = models.RECIPES[architecture]
    schedule = config.schedules.get(architecture)
    if fine_tuning != "none":
        paper = paper.fine_tuning
    changes = {} if schedule is None else _changes(schedule, fine_tuning)
    if not changes:
        return paper
    return dataclasses.replace(paper, **changes, name=f"{paper.name}, as in {config.name}")


def _changes(schedule: Schedule, fine_tuning: str) -> dict[str, Any]:
    if fine_tuning == "none":
        changes: dict[str, Any] = {
            "epochs": schedule.epochs,
            "learning_rate": schedule.learning_rate,
            "batch_size": schedule.batch_size,
        }
        if schedule.restarts:
            changes |= {"restart_below": _STUCK, "max_restarts": schedule.restarts}
    else:
        epochs = schedule.fine_tuning_epochs
        if fine_tuning == "merge" and schedule.merge_epochs is not None:
            epochs = schedule.merge_epochs
        changes = {
            "epochs": epochs,
            "learning_rate": schedule.fine_tuning_rate,
            "batch_size": schedule.fine_tuning_batch_size,
        }
    changes |= {"norm_momentum": schedule.norm_momentum, "dropout": schedule.dropout}
    return {name: value for name, value in changes.items() if value is not None}
