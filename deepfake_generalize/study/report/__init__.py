"""What a finished study says: results, findings, the report."""

from __future__ import annotations

from deepfake_generalize.study.report.findings import Finding
from deepfake_generalize.study.report.publish import publish_results
from deepfake_generalize.study.report.results import RunResults

__all__ = ["Finding", "RunResults", "publish_results"]
