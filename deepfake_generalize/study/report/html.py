"""One self-contained page that tells what a study found, and what it was made of."""

from __future__ import annotations

import base64
import html
import math
from importlib import resources
from typing import TYPE_CHECKING

from deepfake_generalize.study.tables import TITLES, two_decimals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from deepfake_generalize.metrics import Interval
    from deepfake_generalize.study.report.findings import Finding

_CLASSES = {"holds": "holds", "does not hold": "fails", "cannot be told": "unknown"}
_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


def page(title: str, lead: str, *, mark: str, sections: Iterable[tuple[str, str]]) -> str:
    """Return a whole HTML page that needs nothing but itself.

    Args:
        title: Plain text.
        lead: A sentence below it, plain text.
        mark: What every reader must know first, such as that the data are synthetic; or nothing.
        sections: Heading (plain text) and content (HTML) of each.
    """
    parts = list(sections)
    links = "".join(f'<a href="#{_anchor(name)}">{_text(name)}</a>' for name, _ in parts)
    body = "".join(
        f'<section id="{_anchor(name)}"><h2>{_text(name)}</h2>{content}</section>'
        for name, content in parts
    )
    marked = f'<p class="mark">{_text(mark)}</p>' if mark else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{_text(title)}</title>'
        f"<style>{_resource('report.css')}</style></head><body>"
        f'<header><h1>{_text(title)}</h1><p class="lead">{_text(lead)}</p>{marked}'
        f"<nav>{links}</nav></header><main>{body}</main>"
        f"<script>{_resource('report.js')}</script></body></html>\n"
    )


def finding_cards(findings: Sequence[Finding]) -> str:
    """Return a card for each finding: claim, verdict, numbers and the rule it was judged by."""
    return f'<div class="cards">{"".join(map(_card, findings))}</div>'


def _card(finding: Finding) -> str:
    facts = "".join(
        f"<li>{_text(fact.what)}: <b>{_text(with_interval(fact.value))}</b></li>"
        for fact in finding.facts
    )
    return (
        f'<article class="card"><h3>Finding {finding.number}: '
        f'<span class="verdict {_CLASSES[finding.verdict]}">{_text(finding.verdict)}</span></h3>'
        f"<p>{_text(finding.claim)}</p><p>{_text(finding.why)}</p>"
        f'<ul class="facts">{facts}</ul>'
        f'<p class="rule">Counts as holding when: {_text(finding.rule)}</p></article>'
    )


def with_interval(value: Interval) -> str:
    """Write a number and its interval.

    Examples:
        >>> from deepfake_generalize.metrics import Interval
        >>> with_interval(Interval(12.345, 10.0, 14.0))
        '12.35 [10.00, 14.00]'
        >>> with_interval(Interval(3.0, math.nan, math.nan))
        '3'
        >>> with_interval(Interval(0.0001, math.nan, math.nan))
        'below 0.01'
    """
    if math.isnan(value.low):
        if float(value.estimate).is_integer():
            return f"{value.estimate:.0f}"
        return "below 0.01" if 0 < value.estimate < 0.005 else two_decimals(value.estimate)
    low, high = two_decimals(value.low), two_decimals(value.high)
    return f"{two_decimals(value.estimate)} [{low}, {high}]"


def sortable_table(frame: pd.DataFrame, caption: str, *, empty: str = "") -> str:
    """Return a table whose columns sort when their heading is clicked.

    Args:
        frame: Floats are percentages and get two decimals; columns named as in `published`.
        caption: Plain text.
        empty: What is said instead where the table has no rows.
    """
    if frame.empty:
        return f"<p>{_text(caption)} <strong>{_text(empty)}</strong></p>"
    numeric = {name: frame[name].dtype.kind in "if" for name in frame.columns}
    heads = "".join(
        f'<th scope="col"{"" if numeric[name] else _LEFT}>'
        f'<button type="button">{_text(TITLES.get(name, name))}</button></th>'
        for name in frame.columns
    )
    rows = "".join(
        "<tr>" + "".join(_cell(value) for value in row) + "</tr>"
        for row in frame.itertuples(index=False)
    )
    return (
        f'<div class="wide"><table class="sortable"><caption>{_text(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


_LEFT = ' class="text"'


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'<td data-value="{value!r}">{two_decimals(value)}</td>'
    if isinstance(value, str):
        return f"<td{_LEFT}>{_text(value)}</td>"
    return f"<td>{_text(str(value))}</td>"


def figure(file: Path, caption: str, description: str) -> str:
    """Return a picture, embedded, with its caption and words for those who cannot see it."""
    content = base64.b64encode(file.read_bytes()).decode()
    return (
        f'<figure><img alt="{_text(description)}" '
        f'src="data:{_TYPES[file.suffix]};base64,{content}">'
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


def facts(values: Mapping[str, object], *, name: str = "") -> str:
    """Return names and values as a list of definitions, which may have a name in the page."""
    rows = "".join(
        f"<dt>{_text(name)}</dt><dd>{_text(str(value))}</dd>" for name, value in values.items()
    )
    known = f' id="{name}"' if name else ""
    return f"<dl{known}>{rows}</dl>"


def folded(summary: str, text: str) -> str:
    """Return text, such as a configuration, that opens when its summary is clicked."""
    return f"<details><summary>{_text(summary)}</summary><pre>{_text(text)}</pre></details>"


def paragraph(text: str) -> str:
    """Return a paragraph of plain text."""
    return f"<p>{_text(text)}</p>"


def screen_note(text: str) -> str:
    """Return a paragraph of plain text that paper does without."""
    return f'<p class="screen">{_text(text)}</p>'


def _text(value: str) -> str:
    return html.escape(value)


def _anchor(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def _resource(name: str) -> str:
    package = resources.files("deepfake_generalize.study.report")
    return (package / "page" / name).read_text(encoding="utf-8")
