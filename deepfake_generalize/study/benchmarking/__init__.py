"""How one detector does on unseen sets."""

from __future__ import annotations

from deepfake_generalize.study.benchmarking.benchmark import benchmark
from deepfake_generalize.study.benchmarking.inputs import (
    ScoredSet,
    describe_detector,
    load_scored_set,
    score_images,
    versions,
)
from deepfake_generalize.study.benchmarking.measure import COVERAGE_WANTED, breakdown, gaps
from deepfake_generalize.study.benchmarking.result import Benchmark, Benchmarks, compare_scores

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
