"""Runs benchmarks one after the other, each in a process of its own, and collects what they say."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.catalogue import Benchmark

FORMAT, VERSION = "deepfake_generalize.benchmarks", 1
ROOT = Path(__file__).resolve().parents[1]


def run_all(
    benchmarks: Sequence[Benchmark],
    *,
    quick: bool = False,
    tell: Callable[[str], None] = print,
    keep: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Measure them in turn; one that fails says so, and the others go on.

    Args:
        benchmarks: Which.
        quick: Fewer rounds of less, to see that everything runs: no figures to rely on.
        tell: Called with a line about each.
        keep: Called with the document so far after each, so that what is broken off leaves it.

    Returns:
        The result document: format, version, quick, machine, benchmarks.
    """
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "quick": quick,
        "machine": machine.describe(),
        "benchmarks": [],
    }
    for number, benchmark in enumerate(benchmarks, 1):
        tell(f"[{number}/{len(benchmarks)}] {benchmark.name} ...")
        outcome = run_one(benchmark, quick=quick)
        tell(f"    {outcome['error'] or 'done'} after {outcome['seconds']:.0f} s")
        document["benchmarks"].append(outcome)
        if keep is not None:
            keep(document)
    return document


def run_one(benchmark: Benchmark, *, quick: bool = False) -> dict[str, Any]:
    """Measure one in a process of its own.

    Returns:
        name, seconds, error (empty where all went well) and the rows it made before that.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        rows, log = Path(folder) / "rows.jsonl", Path(folder) / "log"
        error = _run(_command(benchmark, rows, quick=quick), log, benchmark.limit_s)
        made = rows.read_text(encoding="utf-8").splitlines() if rows.is_file() else []
    return {
        "name": benchmark.name,
        "seconds": round(time.perf_counter() - started, 1),
        "error": error,
        "rows": [_with_verdict(json.loads(line)) for line in made if line.endswith("}")],
    }


def _command(benchmark: Benchmark, rows: Path, *, quick: bool) -> list[str]:
    return [
        sys.executable,
        "-m",
        "benchmarks.worker",
        benchmark.module,
        benchmark.function,
        str(rows),
        f"--options={json.dumps(benchmark.options)}",
        *(["--quick"] if quick else []),
    ]


def _run(command: list[str], log: Path, limit_s: float) -> str:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
    }
    # A session of its own, so that what a benchmark starts ends with it.
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True
        ) as process,
    ):
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if code == 0:
        return ""
    if code is None:
        return f"stopped after {limit_s:g} s"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"failed ({code}): {lines[-1] if lines else 'without a word'}"


def _with_verdict(row: dict[str, Any]) -> dict[str, Any]:
    if "reason" in row:
        return row | {"verdict": "skipped"}
    if row["target"] is None:
        return row | {"verdict": "no target"}
    return row | {"verdict": "pass" if row["ratio"] >= row["target"] else "miss"}
