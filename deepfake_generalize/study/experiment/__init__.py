"""A whole study as steps: its configuration, its data sets, its records."""

from __future__ import annotations

from deepfake_generalize.study.experiment.config import CONFIG, ROOTS, StudyConfig
from deepfake_generalize.study.experiment.datasets import SPLITS, check_data, prepare, read_facts
from deepfake_generalize.study.experiment.detector_family import (
    DetectorFamily,
    Step,
    all_families,
    derived_seed,
    plan_steps,
)
from deepfake_generalize.study.experiment.records import (
    CHECKPOINTS,
    HEAT_MAPS,
    RECORDS,
    of_kind,
    read_all,
    read_lines,
    read_log,
    when_and_where,
)
from deepfake_generalize.study.experiment.schedules import Analysis, Schedule
from deepfake_generalize.study.experiment.worker import work_on, workers_ended_by_signals

__all__ = [
    "CHECKPOINTS",
    "CONFIG",
    "HEAT_MAPS",
    "RECORDS",
    "ROOTS",
    "SPLITS",
    "Analysis",
    "DetectorFamily",
    "Schedule",
    "Step",
    "StudyConfig",
    "all_families",
    "check_data",
    "derived_seed",
    "of_kind",
    "plan_steps",
    "prepare",
    "read_all",
    "read_facts",
    "read_lines",
    "read_log",
    "when_and_where",
    "work_on",
    "workers_ended_by_signals",
]
