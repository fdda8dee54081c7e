"""The process of one benchmark: a line of JSON for each row, as soon as it is measured."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
from pathlib import Path


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("function")
    parser.add_argument("rows", type=Path, help="file that the rows are written to")
    parser.add_argument("--options", type=json.loads, default={}, help="a JSON object")
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    function = getattr(importlib.import_module(chosen.module), chosen.function)
    with chosen.rows.open("w", encoding="utf-8") as file:
        for row in function(quick=chosen.quick, **chosen.options):
            print(json.dumps(dataclasses.asdict(row)), file=file, flush=True)


if __name__ == "__main__":
    main()
