"""The result document as a table to look at and as the Markdown page of the docs."""

from __future__ import annotations

from typing import Any

_INTRODUCTION = """\
# Benchmarks

Each row is a ratio: the seconds of what a user would do instead, divided by ours, both measured in
turns in one run. It is the median of the rounds, with the lowest and highest round beside it. Each
benchmark runs in a process of its own. `python -m benchmarks --docs` in a checkout with the extra
`benchmarks` measures all of it again and writes this page; `--help` says more."""
_QUICK = """\
!!! warning "A quick run"
    Few rounds of little work, to see that everything runs: the figures are no measurement."""
_BUSY = """\
!!! warning "A busy machine"
    Other work was running when this was measured: the ratios are less certain."""


def misses(document: dict[str, Any]) -> bool:
    """Return whether a target was missed or a benchmark failed."""
    return any(
        outcome["error"] or any(row["verdict"] == "miss" for row in outcome["rows"])
        for outcome in document["benchmarks"]
    )


def table(document: dict[str, Any]) -> str:
    """Return the result as lines for a terminal."""
    lines = [*_header(document["machine"]), ""]
    for outcome in document["benchmarks"]:
        lines.append(f"{outcome['name']} ({outcome['seconds']:.0f} s)")
        for row in outcome["rows"]:
            lines += [f"  {row['job']}", f"    against {row['against']}"]
            if row["verdict"] == "skipped":
                lines.append(f"    skipped: {row['reason']}")
                continue
            lines.append(
                f"    {_ratio(row)} ({_spread(row)}); {_seconds(row['ours_s'])} against "
                f"{_seconds(row['theirs_s'])}; target {_target(row)}: {row['verdict']}"
            )
            lines += [f"    {text}" for text in (_limit(row), row["note"]) if text]
        if outcome["error"]:
            lines.append(f"  {outcome['error']}")
    return "\n".join(lines)


def page(document: dict[str, Any]) -> str:
    """Return the result as a page of the docs."""
    machine = document["machine"]
    parts = [_INTRODUCTION]
    if document["quick"]:
        parts.append(_QUICK)
    if machine["load_at_start"] > machine["cores"] / 4:
        parts.append(_BUSY)
    parts += ["\n".join(f"- {line}" for line in _header(machine)), _markdown_table(document)]
    parts += _section("Limits", _limits(document))
    if not document["quick"]:
        parts += _section("Why a target is missed", _shortfalls(document))
    parts += _section("What a figure needs to be read", _notes(document))
    parts += _section("Not measured", _not_measured(document))
    return "\n\n".join(parts) + "\n"


def _header(machine: dict[str, Any]) -> list[str]:
    threads = [f"{name}={value}" for name, value in machine["threads"].items()]
    return [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}",
        f"{machine['date']}, load average at the start {machine['load_at_start']:g}",
        "threads: " + (", ".join(threads) or "as the libraries choose"),
        ", ".join(f"{name} {version}" for name, version in machine["versions"].items()),
    ]


def _markdown_table(document: dict[str, Any]) -> str:
    lines = [
        "| job | against | ratio | low to high | seconds | target | |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in _measured(document):
        cells = [
            row["job"],
            row["against"],
            _ratio(row),
            _spread(row),
            f"{_seconds(row['ours_s'])}, {_seconds(row['theirs_s'])}",
            _target(row),
            "" if row["verdict"] == "no target" else row["verdict"],
        ]
        lines.append("| " + " | ".join(_cell(each) for each in cells) + " |")
    return "\n".join(lines)


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"## {title}", "\n".join(f"- {line}" for line in lines)] if lines else []


def _limits(document: dict[str, Any]) -> list[str]:
    return [f"{row['job']}: {_limit(row)}." for row in _measured(document) if row["limit"]]


def _shortfalls(document: dict[str, Any]) -> list[str]:
    return [
        f"{row['job']}, against {row['against']} ({_ratio(row)} of {_target(row)}): "
        + (row["why_missed"] or "no reason is known.")
        for row in _measured(document)
        if row["verdict"] == "miss"
    ]


def _notes(document: dict[str, Any]) -> list[str]:
    return [
        f"{row['job']}, against {row['against']}: {row['note']}."
        for row in _measured(document)
        if row["note"]
    ]


def _not_measured(document: dict[str, Any]) -> list[str]:
    lines = []
    for outcome in document["benchmarks"]:
        if outcome["error"]:
            lines.append(f"{outcome['name']}: {_cell(outcome['error'])}.")
        lines += [
            f"{row['job']}, against {row['against']}: {row['reason']}."
            for row in outcome["rows"]
            if row["verdict"] == "skipped"
        ]
    return lines


def _measured(document: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [row for outcome in document["benchmarks"] for row in outcome["rows"]]
    return [row for row in rows if row["verdict"] != "skipped"]


def _limit(row: dict[str, Any]) -> str:
    if not row["limit"]:
        return ""
    times = row["ours_s"] / row["limit_s"]
    return f"{_number(times)} times the seconds of {row['limit']} ({_seconds(row['limit_s'])})"


def _ratio(row: dict[str, Any]) -> str:
    return f"{_number(row['ratio'])}x"


def _spread(row: dict[str, Any]) -> str:
    return f"{_number(row['low'])} to {_number(row['high'])}"


def _target(row: dict[str, Any]) -> str:
    return "none" if row["target"] is None else f"{_number(row['target'])}x"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _seconds(value: float) -> str:
    return f"{_number(value)} s" if value >= 1 else f"{value:.3f} s"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
