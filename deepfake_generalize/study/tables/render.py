"""Tables as the paper prints them, in the formats that papers, pages and programs take."""

from __future__ import annotations

import csv
import html
import io
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

TABLE_FORMATS = ("markdown", "latex", "html", "csv", "text")

TITLES = {
    "rank": "Rank",
    "detector": "Detector",
    "original_accuracy": "Original accuracy (%)",
    "average": "Average",
    "degradation": "Degradation (% points)",
    "specialized_average": "Specialized average",
    "specialized_degradation": "Specialized degradation (% points)",
    "degradation_difference": "Degradation difference (% points)",
    "architecture": "Architecture",
    "training_dataset": "Training dataset",
    "fine_tuning": "Fine-tuning",
    "average_accuracy": "Average accuracy (%)",
    "lowest": "Lowest",
    "highest": "Highest",
}
_WORDS = frozenset({"detector", "architecture", "training_dataset", "fine_tuning"})
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)


def two_decimals(value: float) -> str:
    """Write a percentage as the paper does: two decimals, a half rounded away from zero.

    Examples:
        >>> two_decimals(69.025), two_decimals(-0.475)
        ('69.03', '-0.48')
    """
    # Binary floats hold 69.025 as a little less; six decimals bring back what was meant.
    meant = Decimal(str(round(float(value), 6)))
    return str(meant.quantize(Decimal("0.01"), ROUND_HALF_UP))


def render(frame: pd.DataFrame, table_format: str, *, empty: str = "", caption: str = "") -> str:
    """Write a table of percentages, two decimals each.

    Args:
        frame: Floats are percentages; everything else is written as it is.
        table_format: "markdown", "latex" (booktabs), "html", "csv" (the columns under their own
            names, as in `published`) or "text" (aligned columns).
        empty: What a table without rows says in place of them; a csv stays empty.
        caption: A line that belongs to the table, such as that its faces are drawn; a csv has
            none.

    Returns:
        The table without a line break at its end. Names are escaped as the format asks.

    Raises:
        InputError: There is no such format.

    Examples:
        >>> import pandas as pd
        >>> print(render(pd.DataFrame({"detector": ["a"], "DFD": [51.75]}), "markdown"))
        | Detector | DFD |
        | :--- | ---: |
        | a | 51.75 |
    """
    writers = {
        "markdown": _markdown,
        "latex": _latex,
        "html": _html,
        "text": _text,
    }
    rows = [
        [two_decimals(cell) if isinstance(cell, float) else str(cell) for cell in row]
        for row in frame.itertuples(index=False, name=None)
    ]
    if table_format == "csv":
        return _csv([str(column) for column in frame.columns], rows)
    if table_format not in writers:
        raise InputError(
            f"expected a table format of {', '.join(TABLE_FORMATS)}, received {table_format!r}.",
            hint="Choose one of these.",
        )
    titles = [TITLES.get(str(column), str(column)) for column in frame.columns]
    numeric = [str(column) not in _WORDS for column in frame.columns]
    if not rows and empty:
        # In the column of names, which is as wide as it needs to be.
        place = numeric.index(False) if False in numeric else 0
        rows = [["" if column != place else empty for column in range(len(titles))]]
    written = writers[table_format](titles, rows, numeric)
    return _with_caption(written, table_format, caption, len(titles)) if caption else written


def _with_caption(table: str, table_format: str, caption: str, n_columns: int) -> str:
    line = _one_line(caption)
    if table_format == "latex":
        end = r"\end{tabular}"
        last = rf"\multicolumn{{{n_columns}}}{{l}}{{\footnotesize {line.translate(_LATEX)}}} \\"
        return table.replace(end, f"{last}\n{end}")
    if table_format == "html":
        return table.replace("<table>", f"<table>\n<caption>{html.escape(line)}</caption>", 1)
    return f"*{line}*\n\n{table}" if table_format == "markdown" else f"{line}\n{table}"


def _markdown(titles: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    rule = ["---:" if right else ":---" for right in numeric]
    escaped = [[_one_line(cell).replace("|", r"\|") for cell in row] for row in (titles, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (escaped[0], rule, *escaped[1:]))


def _latex(titles: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    lines = [
        " & ".join(_one_line(cell).translate(_LATEX) for cell in row) + r" \\"
        for row in (titles, *rows)
    ]
    columns = "".join("r" if right else "l" for right in numeric)
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _html(titles: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        styles = [' style="text-align: right"' if right else "" for right in numeric]
        inner = (
            f"<{tag}{style}>{html.escape(cell)}</{tag}>"
            for cell, style in zip(cells, styles, strict=True)
        )
        return f"<tr>{''.join(inner)}</tr>"

    body = "\n".join(line(row, "td") for row in rows)
    return f"<table>\n<thead>\n{line(titles, 'th')}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _csv(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([names, *rows])
    return buffer.getvalue().removesuffix("\n")


def _text(titles: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    lines = [[_one_line(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in lines
    )


def _one_line(cell: str) -> str:
    return " ".join(cell.split())
