"""What a notebook shows of an object: HTML written in one place, escaped, in the page's colours."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from deepfake_generalize._system.streams import visible


def html_table(
    rows: Sequence[Sequence[object]], numeric: Sequence[bool] | None = None, caption: str = ""
) -> str:
    """Write rows as a table, the first as its headings; numeric columns are set to the right."""
    right = [' style="text-align: right"' if of else "" for of in numeric or [False] * len(rows[0])]

    def line(cells: Sequence[object], tag: str) -> str:
        pairs = zip(cells, right, strict=True)
        return f"<tr>{''.join(f'<{tag}{how}>{_safe(of)}</{tag}>' for of, how in pairs)}</tr>"

    said = f"<caption>{_safe(caption)}</caption>\n" if caption else ""
    body = "\n".join(line(row, "td") for row in rows[1:])
    head = f"<thead>\n{line(rows[0], 'th')}\n</thead>"
    return f"<table>\n{said}{head}\n<tbody>\n{body}\n</tbody>\n</table>"


def card(title: str, tables: Iterable[str] = (), lines: Iterable[str] = ()) -> str:
    """Return what `_repr_html_` gives: a title, tables as `html_table` writes them, and lines."""
    said = "".join(f"<li>{_safe(line)}</li>" for line in lines)
    parts = [f"<div><strong>{_safe(title)}</strong>", *tables, f"<ul>{said}</ul>" if said else ""]
    return "\n".join([*filter(None, parts), "</div>"])


def _safe(value: object) -> str:
    return html.escape(visible(" ".join(str(value).split())))
