"""Measure everything that is said to be fast, side by side with what a user would do instead.

All of it takes about half an hour on two quiet cores, `--quick` about five minutes; nothing else
should run meanwhile. For every row, real clips (those of the shared test data, or what
$DEEPFAKE_GENERALIZE_BENCHMARK_VIDEOS names) and the extra `benchmarks` are needed; what is missing
is skipped by name.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.catalogue import BENCHMARKS
from benchmarks.page import misses, page, table
from benchmarks.running import ROOT, run_all

RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "development" / "benchmarks.md"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.list:
        print("\n".join(benchmark.name for benchmark in BENCHMARKS))
        return 0
    if chosen.docs and chosen.only:
        parser.error("--docs wants all of them: leave out --only")
    chosen.out.mkdir(parents=True, exist_ok=True)
    kept = functools.partial(
        _write, result=chosen.out / "benchmarks.json", markdown=chosen.out / "benchmarks.md"
    )
    if chosen.earlier:
        document = json.loads(chosen.earlier.read_text(encoding="utf-8"))
    else:
        wanted = [each for each in BENCHMARKS if not chosen.only or each.name in chosen.only]
        document = run_all(wanted, quick=chosen.quick, tell=_tell, keep=kept)
    kept(document)
    print(f"{table(document)}\n\nwrote benchmarks.json and benchmarks.md into {chosen.out}")
    if chosen.docs:
        _write(document, RESULTS, PAGE)
        print(f"wrote {RESULTS} and {PAGE}")
    return int(chosen.strict and misses(document))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser.add_argument("--quick", action="store_true", help="little of each, to see that it runs")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help="some of them")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/benchmarks"),
        help="folder for benchmarks.json and benchmarks.md (build/benchmarks)",
    )
    parser.add_argument(
        "--docs",
        action="store_true",
        help="write benchmarks/results.json and the page of the docs as well",
    )
    parser.add_argument(
        "--from",
        dest="earlier",
        type=Path,
        metavar="JSON",
        help="measure nothing: table and page of an earlier result",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 where a target is missed or one failed"
    )
    return parser


def _tell(line: str) -> None:
    print(line, flush=True)


def _write(document: dict[str, Any], result: Path, markdown: Path) -> None:
    result.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    markdown.write_text(page(document), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
