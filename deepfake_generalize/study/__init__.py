"""The paper's tables and figures, and the benchmark that any detector can enter."""

from __future__ import annotations

from deepfake_generalize.study.benchmark import benchmark
from deepfake_generalize.study.config import StudyConfig
from deepfake_generalize.study.figures import figure_2, figure_3, figure_5, save_figure
from deepfake_generalize.study.paper import published
from deepfake_generalize.study.ranked_tables import table_iv, table_v, table_vi, table_vii
from deepfake_generalize.study.result import Benchmark
from deepfake_generalize.study.run import Study, publish, run
from deepfake_generalize.study.score_files import ScoreFile, read_scores, write_scores
from deepfake_generalize.study.settings import Analysis, Schedule, Sizes
from deepfake_generalize.study.standing import figure_standing

__all__ = [
    "Analysis",
    "Benchmark",
    "Schedule",
    "ScoreFile",
    "Sizes",
    "Study",
    "StudyConfig",
    "benchmark",
    "figure_2",
    "figure_3",
    "figure_5",
    "figure_standing",
    "publish",
    "published",
    "read_scores",
    "run",
    "save_figure",
    "table_iv",
    "table_v",
    "table_vi",
    "table_vii",
    "write_scores",
]
