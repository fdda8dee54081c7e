"""The paper's tables and figures, and the benchmark that any detector can enter."""

from __future__ import annotations

from deepfake_generalize.study.benchmark import Benchmark, benchmark
from deepfake_generalize.study.paper import published

__all__ = ["Benchmark", "benchmark", "published"]
