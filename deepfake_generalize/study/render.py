"""Tables as the paper prints them, in the formats that papers, pages and programs take."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeAlias

import pandas as pd

from deepfake_generalize._system.streams import visible
from deepfake_generalize.notebooks import html_table
from deepfake_generalize.validation import check_choice

Ends: TypeAlias = Mapping[str, tuple[Iterable[float], Iterable[float]]]
"""Column of a table to the low and the high ends of its intervals, a number a row."""

METRIC_TITLES = {
    "accuracy": "accuracy",
    "accuracy_real": "accuracy on reals",
    "accuracy_fake": "accuracy on fakes",
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
    "average_precision": "average precision",
    "eer": "EER",
}
TITLES = {
    "rank": "Rank",
    "detector": "Detector",
    "average": "Average",
    "degradation": "Degradation (% points)",
    "specialized_average": "Specialized average",
    "specialized_degradation": "Specialized degradation (% points)",
    "degradation_difference": "Degradation difference (% points)",
    "architecture": "Architecture",
    "training_dataset": "Training dataset",
    "fine_tuning": "Fine-tuning",
    "set": "Set",
    "families": "Families",
    "home_gained": "Home (% points)",
    "average_gained": "Average unseen (% points)",
    "auc_rank": "AUC rank",
    "auc": "AUC (%)",
    "accuracy": "Accuracy at 0.5 (%)",
    "validation_accuracy": "At the validation threshold (%)",
    "oracle_accuracy": "At the set's own best threshold (%, oracle)",
    "ranking_lost": "Ranking lost (% points)",
    "threshold_moved": "Threshold moved (% points)",
    **{
        f"{what}_{by}{metric}": f"{what.title()} {title}{' by video' if by else ''} (%)"
        for what in ("original", "average")
        for by in ("", "video_")
        for metric, title in METRIC_TITLES.items()
    },
    "trainings": "Trainings",
    "between_trainings": "SD between trainings",
    "over_videos": "SE over test videos",
    "over_people": "SE that people in several videos add",
    "perturbation": "Perturbation",
    "level": "Level",
    "value": "Value",
    "perturbed": "Perturbed",
    "n_real": "Reals",
    "n_fake": "Fakes",
    "swing": "Swing (% points)",
    "told": "Warned of",
}
_WORDS = (
    "set",
    "detector",
    "architecture",
    "training_dataset",
    "fine_tuning",
    "perturbation",
    "perturbed",
)
_MARKDOWN = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        **{character: f"\\{character}" for character in "\\`*_~[]|"},
    }
)
_FEWEST_FOLDED, _MOST_FOLDED = 4, 14
"""Columns with intervals from which a table is folded, and rows up to which it then fits a page."""
_NUMBER = re.compile(r"(-?[\d.]+)(?: (\[-?[\d.]+, -?[\d.]+\]))?")
_INTERVAL = re.compile(r"\\\[([-\d., ]+)\\\](?![(\[:])")
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "`": r"\textasciigrave{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)


def two_decimals(value: float) -> str:
    """Write a percentage as the paper does: two decimals, a half rounded away from zero.

    Examples:
        >>> two_decimals(69.025), two_decimals(-0.475), two_decimals(-1e-12)
        ('69.03', '-0.48', '0.00')
    """
    # Binary floats hold 69.025 as a little less; six decimals bring back what was meant.
    meant = Decimal(str(round(float(value), 6)))
    return str(meant.quantize(Decimal("0.01"), ROUND_HALF_UP) + 0)  # No minus before a zero.


def in_words(value: object) -> str:
    """Write a cell: a percentage, a dash where there is none, everything else as it is.

    Examples:
        >>> in_words(69.025), in_words(float("nan")), in_words("mine")
        ('69.03', '-', 'mine')
    """
    if value is pd.NA or value != value:
        return "-"
    return two_decimals(value) if isinstance(value, float) else str(value)


def render(
    frame: pd.DataFrame,
    table_format: str,
    *,
    intervals: Ends | None = None,
    empty: str = "",
    caption: str = "",
) -> str:
    """Write a table of percentages, two decimals each, names escaped as the format asks.

    Args:
        frame: Floats are percentages; everything else is written as it is.
        table_format: "markdown", "latex" (to be read in by input; booktabs and graphicx, no wider
            than the line), "html", "csv" (the columns under their own names, as in `published`) or
            "text" (aligned columns).
        intervals: Columns' intervals, "57.60 [55.10, 60.05]" in a cell; in latex the brackets are
            small, and below the numbers of a table wider than high, or in a column below 30 em,
            where four or more are set in two rows too; a csv has two more columns each,
            NAME_low and NAME_high.
        empty: What a table without rows says in place of them; a csv stays empty.
        caption: A line that belongs to the table; a csv has none.

    Returns:
        The table without a line break at its end.

    Examples:
        >>> print(render(pd.DataFrame({"detector": ["a"], "DFD": [51.75]}), "markdown"))
        | Detector | DFD |
        | :--- | ---: |
        | a | 51.75 |
    """
    check_choice("table_format", table_format, (*_WRITERS, "csv"))
    for name, (low, high) in (intervals or {}).items():
        if table_format == "csv":
            frame = frame.assign(**{f"{name}_low": [*low], f"{name}_high": [*high]})
        else:
            rows_of = zip(frame[name], low, high, strict=True)
            frame = frame.assign(**{name: [_with_ends(*row) for row in rows_of]})
    names = [str(column) for column in frame.columns]
    if table_format == "csv":
        return _csv(frame, names)
    cells = [[*map(in_words, row)] for row in frame.itertuples(index=False, name=None)]
    numeric = [name not in _WORDS for name in names]
    if not cells and empty:
        # In the column of names, which is as wide as it needs to be.
        cells = [[""] * len(names)]
        cells[0][numeric.index(False) if False in numeric else 0] = empty
    rows = [[TITLES.get(name, name) for name in names], *cells]
    rows = [[_one_line(cell) for cell in row] for row in rows]
    return _WRITERS[table_format](rows, numeric, _one_line(caption))


def _with_ends(value: object, low: float, high: float) -> str:
    ends = f" [{two_decimals(low)}, {two_decimals(high)}]" if low == low and high == high else ""
    return in_words(value) + ends


def _csv(frame: pd.DataFrame, names: list[str]) -> str:
    cells = [
        [two_decimals(cell) if isinstance(cell, float) else _no_formula(cell) for cell in row]
        for row in frame.itertuples(index=False, name=None)
    ]
    table = pd.DataFrame(cells, columns=[_no_formula(name) for name in names])
    written: str = table.to_csv(index=False, lineterminator="\n")
    return written.removesuffix("\n")


def _no_formula(cell: object) -> str:
    """Mark as text what programs for tables would compute: a name that begins like a formula."""
    text = "NaN" if cell is pd.NA else visible(str(cell))
    computed = isinstance(cell, str) and len(text) > 1 and text.lstrip()[:1] in {*"=+-@"}
    return f"'{text}" if computed else text


def _markdown(rows: list[list[str]], numeric: Sequence[bool], caption: str) -> str:
    title, *body = ([marked_down(cell) for cell in row] for row in rows)
    rule = ["---:" if right else ":---" for right in numeric]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in (title, rule, *body))
    return f"*{marked_down(caption)}*\n\n{lines}" if caption else lines


def marked_down(text: str) -> str:
    """Escape a text, but for the brackets of an interval: around numbers alone they are no link."""
    return _INTERVAL.sub(r"[\1]", text.translate(_MARKDOWN))


def _latex(rows: list[list[str]], numeric: Sequence[bool], caption: str) -> str:
    """Write a table no wider than the line nor higher than a page, and a caption below it.

    In a narrow column one with intervals is folded. The caption is the float's where the table is
    put into one, else a paragraph.
    """
    columns = "".join("r" if right else "l" for right in numeric)
    lines = [r"\noindent\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"]
    lines.append(
        r"\resizebox*{!}{\ifdim\totalheight>.75\textheight .75\textheight\else\totalheight\fi}{%"
    )
    lines.append(r"\setlength{\tabcolsep}{4pt}%")
    table = _tabular([rows], columns, below=len(rows) <= len(columns))
    if panels := _folded(rows):
        narrow = _tabular(panels, columns[: len(panels[0][0])], below=True)
        table = [r"\ifdim\linewidth<30em", *narrow, r"\else", *table, r"\fi"]
    lines += [*table[:-1], table[-1] + "}}"]
    if caption:
        said = _tex(caption)
        lines.append(rf"\ifcsname @captype\endcsname\caption{{{said}}}\else")
        lines.append(rf"\par\smallskip\noindent\parbox{{\linewidth}}{{\footnotesize {said}}}\fi")
    return "\n".join(lines)


def _tabular(panels: list[list[list[str]]], columns: str, *, below: bool) -> list[str]:
    """Write tables of one form above one another."""
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    for rows in panels:
        title = _guarded(" & ".join(map(_stacked, rows[0], columns))) + r" \\"
        lines += [title, r"\midrule"]
        lines += [line for row in rows[1:] for line in _latex_lines(row, below=below)]
        lines.append(r"\midrule")
    return [*lines[:-1], r"\bottomrule", r"\end{tabular}"]


def _folded(rows: list[list[str]]) -> list[list[list[str]]]:
    """Cut a wide table with intervals in two, its first columns in both, if they fit a page."""
    found = [[_NUMBER.fullmatch(cell) for cell in row] for row in rows[1:]]
    ends = [any(number and number[2] for number in column) for column in zip(*found, strict=True)]
    head, n = [*ends, True].index(True), len(ends)
    if n - head < _FEWEST_FOLDED:
        return []
    if len(rows) > _MOST_FOLDED:
        return [rows]
    half = (head + n + 1) // 2
    padding = [""] * (2 * half - head - n)
    return [[row[:half] for row in rows], [row[:head] + row[half:] + padding for row in rows]]


def _latex_lines(row: list[str], *, below: bool) -> list[str]:
    """Write a row, its intervals small: in a line below the numbers, or beside them."""
    found = [_NUMBER.fullmatch(cell) for cell in row]
    numbers = [number[1].replace("-", "$-$") if number else "" for number in found]
    ends = [number[2].replace("-", "$-$") if number and number[2] else "" for number in found]
    small = [rf"{{\scriptsize {end}}}" if end else "" for end in ends]
    cells = [number or _tex(cell) for number, cell in zip(numbers, row, strict=True)]
    if not below:
        cells = [f"{cell} {end}".rstrip() for cell, end in zip(cells, small, strict=True)]
    if below and any(ends):
        lines = [" & ".join(cells) + r" \\[-3pt]", " & ".join(small) + r" \\"]
        return [_guarded(lines[0]), lines[1], r"\addlinespace[2pt]"]
    return [_guarded(" & ".join(cells)) + r" \\"]


def _stacked(heading: str, align: str) -> str:
    """Break a heading into short lines, one above the other."""
    lines = textwrap.wrap(heading, 13, break_long_words=False, break_on_hyphens=False)
    text = r"\\".join(_guarded(_tex(line)) for line in lines)
    return rf"\shortstack[{align}]{{{text}}}" if len(lines) > 1 else text


def _tex(text: str) -> str:
    """Escape a text; two hyphens are no dash."""
    return re.sub("-(?=-)", "-{}", text.translate(_LATEX))


def _guarded(text: str) -> str:
    """Begin a line so that the rule or the end of line before it takes no argument."""
    return ("{}" if text[:1] in {"[", "*"} else "") + text


def _text(rows: list[list[str]], numeric: Sequence[bool], caption: str) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([caption, *lines] if caption else lines)


def _one_line(text: str) -> str:
    return visible(" ".join(text.split()))


_WRITERS: dict[str, Callable[[list[list[str]], Sequence[bool], str], str]] = {
    "markdown": _markdown,
    "latex": _latex,
    "html": html_table,
    "text": _text,
}
