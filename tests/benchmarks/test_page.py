"""The page of the benchmarks: what it says of a result, and that it is that of the last one."""

import json
from typing import Any

import pytest

from benchmarks.__main__ import PAGE, RESULTS
from benchmarks.page import misses, page, table


def row(**changes: Any) -> dict[str, Any]:
    return {
        "job": "SSIM", "against": "scikit-image", "ours_s": 0.5, "theirs_s": 2000.0,
        "ratio": 4000.0, "low": 3.21, "high": 45.67, "target": 6.0, "note": "", "limit": "",
        "limit_s": None, "why_missed": "", "verdict": "pass",
    } | changes  # fmt: skip


def document(*rows: dict[str, Any], error: str = "", quick: bool = False, load: float = 0.1):
    return {
        "format": "deepfake_generalize.benchmarks",
        "version": 1,
        "quick": quick,
        "machine": {
            "date": "2026-01-02T03:04+00:00", "cpu": "Some CPU", "cores": 2, "load_at_start": load,
            "system": "Linux x86_64", "threads": {"OMP_NUM_THREADS": "1"},
            "versions": {"python": "3.12.1", "numpy": "2.0.0"},
        },
        "benchmarks": [{"name": "ssim", "seconds": 3.0, "error": error, "rows": list(rows)}],
    }  # fmt: skip


def test_the_table_holds_ratio_spread_seconds_target_and_verdict() -> None:
    text = page(document(row()))
    assert (
        "| SSIM | scikit-image | 4,000x | 3.21 to 45.7 | 0.500 s, 2,000 s | 6.00x | pass |" in text
    )
    for header in ("Some CPU, 2 cores", "2026-01-02", "python 3.12.1, numpy 2.0.0", "load average"):
        assert header in text
        assert header in table(document(row()))
    assert "OMP_NUM_THREADS=1" in text
    assert "##" not in text


def test_a_missed_target_is_explained_and_one_that_is_met_is_not() -> None:
    missed = page(document(row(verdict="miss", why_missed="the disk is slow")))
    section = "## Why a target is missed\n\n- SSIM, against scikit-image (4,000x of 6.00x): "
    assert section + "the disk is slow\n" in missed
    assert section + "no reason is known.\n" in page(document(row(verdict="miss")))
    assert "the disk is slow" not in page(document(row(why_missed="the disk is slow")))
    assert "Why a target" not in page(document(row(verdict="miss"), quick=True))


def test_limits_notes_and_what_was_not_measured_have_sections() -> None:
    skipped = {"job": "maps", "against": "other", "reason": "not installed", "verdict": "skipped"}
    limited = row(limit="one copy", limit_s=0.25, note="three pairs")
    text = page(document(limited, skipped, error="stopped after 9 s"))
    assert "- SSIM: 2.00 times the seconds of one copy (0.250 s)." in text
    assert "- SSIM, against scikit-image: three pairs." in text
    assert "- ssim: stopped after 9 s." in text
    assert "- maps, against other: not installed." in text
    assert "| maps |" not in text


def test_quick_runs_and_busy_machines_are_named() -> None:
    assert "quick run" not in page(document(row()))
    assert "quick run" in page(document(row(), quick=True))
    assert "busy machine" not in page(document(row(), load=0.5))
    assert "busy machine" in page(document(row(), load=0.6))


@pytest.mark.parametrize(
    ("verdict", "error", "missed"),
    [
        ("pass", "", False),
        ("no target", "", False),
        ("miss", "", True),
        ("pass", "failed (1): no", True),
    ],
)
def test_misses(verdict: str, error: str, missed: bool) -> None:
    assert misses(document(row(verdict=verdict), error=error)) is missed


def test_the_page_of_the_docs_is_that_of_the_last_result() -> None:
    last = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == page(last)
