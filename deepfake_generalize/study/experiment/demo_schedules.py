"""How the demo trains: recipes that fit thirty detectors into minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepfake_generalize.study.experiment.schedules import Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

# Shorter than the paper's by far: larger steps, and statistics that follow quickly, without which a
# deep network answers at random for longer than the whole training lasts.
DEMO_SCHEDULES: Mapping[str, Schedule] = {
    "mesonet": Schedule(
        epochs=16,
        batch_size=16,
        fine_tuning_epochs=40,
        merge_epochs=24,
        fine_tuning_batch_size=16,
        patience=24,
        restarts=3,
        norm_momentum=0.9,
    ),
    "mesoinception": Schedule(
        epochs=16,
        batch_size=16,
        fine_tuning_epochs=20,
        merge_epochs=14,
        fine_tuning_batch_size=16,
        patience=16,
        restarts=3,
        norm_momentum=0.9,
    ),
    "shallownet": Schedule(
        epochs=6,
        learning_rate=3e-4,
        batch_size=16,
        fine_tuning_epochs=6,
        merge_epochs=4,
        fine_tuning_rate=1e-4,
        fine_tuning_batch_size=16,
        patience=6,
        norm_momentum=0.9,
        dropout=0.0,
    ),
    "xception": Schedule(
        epochs=4,
        learning_rate=1e-3,
        batch_size=16,
        fine_tuning_epochs=8,
        merge_epochs=2,
        fine_tuning_rate=5e-4,
        fine_tuning_batch_size=16,
        patience=4,
        precision="bfloat16",
        norm_momentum=0.9,
    ),
    "efficientnet_b0": Schedule(
        epochs=8,
        learning_rate=1e-3,
        batch_size=16,
        fine_tuning_epochs=8,
        merge_epochs=4,
        fine_tuning_rate=5e-4,
        fine_tuning_batch_size=16,
        patience=8,
        norm_momentum=0.9,
        dropout=0.0,
    ),
}
