"""Draw the table of data sets from `data.layouts()`, for docs/guides/data-sets.md.

`python docs/data_sets.py` prints it; `--write` puts it into the page. A test compares the two.
"""

import re
import sys
from pathlib import Path

from deepfake_generalize import data

PAGE = Path(__file__).parent / "guides" / "data-sets.md"
BLOCK = re.compile(r"(?<=<!-- layouts -->\n).*?(?=<!-- /layouts -->)", re.S)


def drawing() -> str:
    """Return a row a layout."""
    head = ["| `layout=` | data set | marks of its root | official split | from |"]
    rows = [
        f"| `{row.layout}` | {row.dataset} ({row.reads}) | {row.needs} | {row.splits or '-'} | "
        f"{row.source or '-'} |".replace("<", "&lt;")
        for row in data.layouts().itertuples()
    ]
    return "\n".join([*head, "| --- | --- | --- | --- | --- |", *rows, ""])


if __name__ == "__main__":
    if "--write" in sys.argv:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(BLOCK.sub(lambda _: drawing(), text), encoding="utf-8")
    else:
        print(drawing())
