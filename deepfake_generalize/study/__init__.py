"""The paper's tables and figures, and the benchmark that any detector can enter."""

from __future__ import annotations

from deepfake_generalize.study.benchmarking import Benchmark, Benchmarks, benchmark, breakdown, gaps
from deepfake_generalize.study.experiment import Analysis, Schedule, StudyConfig
from deepfake_generalize.study.figures import (
    figure_2,
    figure_3,
    figure_5,
    figure_rank,
    figure_robustness,
    figure_what_helps,
    save_figure,
)
from deepfake_generalize.study.perturbed import Perturbed, robustness, shortcut_test
from deepfake_generalize.study.protocol import (
    PROTOCOLS,
    Protocol,
    Sizes,
    Source,
    shared_by_design,
    study_sets,
)
from deepfake_generalize.study.run import Study, publish, run
from deepfake_generalize.study.scores import ScoreFile, read_scores, write_scores
from deepfake_generalize.study.tables import published, table

__all__ = [
    "PROTOCOLS",
    "Analysis",
    "Benchmark",
    "Benchmarks",
    "Perturbed",
    "Protocol",
    "Schedule",
    "ScoreFile",
    "Sizes",
    "Source",
    "Study",
    "StudyConfig",
    "benchmark",
    "breakdown",
    "figure_2",
    "figure_3",
    "figure_5",
    "figure_rank",
    "figure_robustness",
    "figure_what_helps",
    "gaps",
    "publish",
    "published",
    "read_scores",
    "robustness",
    "run",
    "save_figure",
    "shared_by_design",
    "shortcut_test",
    "study_sets",
    "table",
    "write_scores",
]


def __dir__() -> list[str]:
    return sorted(__all__)
