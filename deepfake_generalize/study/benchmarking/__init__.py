"""How one detector does on unseen sets."""

from __future__ import annotations

from deepfake_generalize.study.benchmarking.benchmark import benchmark
from deepfake_generalize.study.benchmarking.breakdowns import breakdown, gaps
from deepfake_generalize.study.benchmarking.inputs import (
    ScoredSet,
    load_scored_set,
    score_images,
)
from deepfake_generalize.study.benchmarking.missing_scores import COVERAGE_WANTED
from deepfake_generalize.study.benchmarking.provenance import describe_detector, versions
from deepfake_generalize.study.benchmarking.result import Benchmark
from deepfake_generalize.study.benchmarking.several import Benchmarks, compare_scores

__all__ = [
    "COVERAGE_WANTED",
    "Benchmark",
    "Benchmarks",
    "ScoredSet",
    "benchmark",
    "breakdown",
    "compare_scores",
    "describe_detector",
    "gaps",
    "load_scored_set",
    "score_images",
    "versions",
]
