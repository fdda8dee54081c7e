"""Results as tables for people, and as documents for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deepfake_generalize.cli import console

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from deepfake_generalize.cli.doctor import Diagnosis
    from deepfake_generalize.cli.scoring import ScoredVideo
    from deepfake_generalize.data.assets import AssetStatus
    from deepfake_generalize.study import Benchmark


DRAWN = "This detector was trained on drawn faces: it says nothing about real videos."
_PROBLEMS_SHOWN = 10
_LOW_COVERAGE = 0.5


def extraction_summary(
    out: Path, videos: pd.DataFrame, crops: pd.DataFrame, failures: pd.DataFrame
) -> dict[str, Any]:
    """Return the document of `extract --json`: what came of the videos, in counts."""
    cropped = set(crops["video"])
    return {
        "folder": out,
        "layout": videos.attrs["layout"],
        "recognised_by": videos.attrs["recognised_by"],
        "videos": len(videos),
        "videos_failed": sum(path not in cropped for path in videos["path"]),
        "crops": len(crops),
        "failures": failures["status"].value_counts().to_dict(),
        "problems": videos.attrs["problems"],
    }


def extraction(summary: Mapping[str, Any]) -> None:
    """Draw the summary of an extraction."""
    rows = [
        ("videos", summary["videos"]),
        ("videos without a crop", summary["videos_failed"]),
        ("crops", summary["crops"]),
        *((f"failures: {status}", count) for status, count in summary["failures"].items()),
    ]
    console.write_table(f"crops in {summary['folder']}", ("what", "count"), rows)
    console.write_text(f"layout {summary['layout']}: {summary['recognised_by']}")
    problems = summary["problems"]
    if problems:
        columns = ("path", "status", "reason")
        shown = [[problem[column] for column in columns] for problem in problems[:_PROBLEMS_SHOWN]]
        console.write_table(f"not among the videos: {len(problems)}", columns, shown)
        more = len(problems) - len(shown)
        if more:
            console.write_text(f"and {more} more; --json lists all")


def failed_videos(failures: pd.DataFrame, out: Path) -> None:
    """Draw why videos gave no crop, or fewer than they should, the worst first."""
    if failures.empty:
        return
    rows = []
    for path, of_video in failures.groupby("path", sort=False):
        whole = bool(of_video["frame"].isna().any())
        statuses = ", ".join(of_video["status"].unique())
        reasons = of_video["reason"].dropna().unique()
        left = len(reasons) - 1
        more = f" (and {left} more reason{'s' * (left > 1)})" if left else ""
        frames = "all" if whole else str(len(of_video))
        rows.append((not whole, -len(of_video), [path, frames, statuses, reasons[0] + more]))
    rows.sort(key=lambda row: row[:2])
    shown = [row[-1] for row in rows[:_PROBLEMS_SHOWN]]
    columns = ("video", "frames without a crop", "status", "reason")
    console.write_table(f"videos with failures: {len(rows)}", columns, shown)
    more = f"and {len(rows) - len(shown)} more; " if len(rows) > len(shown) else ""
    console.write_text(f"{more}{out / 'failures.csv'} gives the reason for each frame or video")


def splits(document: Mapping[str, Any], nameless: tuple[int, int]) -> None:
    """Draw what is in each set and what was dropped, from the document of `split --json`."""
    rows = [
        (name, one["images"], one["videos"], one["folder"])
        for name, one in document["sets"].items()
    ]
    console.write_table(
        f"sets by {document['by']}, half of each real", ("set", "images", "videos", "folder"), rows
    )
    for reason, count in document["dropped"].items():
        console.write_text(f"dropped: {count} image{'s' * (count > 1)}, {reason}")
    unknown, n_videos = nameless
    if document["by"] == "identity" and unknown:
        console.write_text(
            f"persons unknown for {unknown} of {n_videos} videos: each counts as a person of its "
            "own"
        )
    console.write_text(f"sha256: {document['sha256']}")


def training(document: Mapping[str, Any]) -> None:
    """Draw what came of a training, from the document of `train --json`."""
    record = document["training"]
    best = record["best_epoch"]
    history = record["history"]
    rows = [
        ("file", document["out"]),
        ("recipe", record["recipe"]["name"]),
        ("seed", record["seed"]),
        ("images", f"{record['data']['train']['images']} + {record['data']['val']['images']}"),
        ("epochs", f"{len(history['loss'])} ({record['ended']})"),
        ("best epoch", best),
        ("its validation accuracy", _number(history["val_accuracy"][best - 1])),
        ("chosen by", record["selection"]),
    ]
    console.write_table(f"trained {document['detector']}", ("what", "value"), rows)


def scores(name: str, scored: Sequence[ScoredVideo]) -> None:
    """Draw one table of videos, then each video's frames, and why it has no score."""
    console.write_table(
        f"P(fake) by {name}",
        ("video", "score", "verdict", "frames scored", "status"),
        [
            (one.path, _number(one.score), one.verdict, f"{one.coverage:.0%}", one.status)
            for one in scored
        ],
    )
    for one in scored:
        if one.error is not None:
            if len(scored) > 1:  # The error of a single video ends the command anyway.
                console.write_text(f"{one.path}: {one.error.message}")
            if not one.frames:
                continue
        columns = ["frame", "score", "status"]
        if any(frame.get("reason") for frame in one.frames):
            columns.append("reason")
        rows = [
            [
                _number(frame.get(name)) if name == "score" else _text(frame.get(name))
                for name in columns
            ]
            for frame in one.frames
        ]
        console.write_table(str(one.path), columns, rows)


def low_coverage(scored: Sequence[ScoredVideo]) -> None:
    """Say on stderr which scores rest on few of the sampled frames."""
    for one in scored:
        if one.error is None and one.coverage <= _LOW_COVERAGE:
            done = round(one.coverage * len(one.frames))
            console.write_note(
                f"note: {one.path}: only {done} of {len(one.frames)} sampled frames have a score, "
                "the table says why; more --frames give it a firmer base."
            )


def benchmark_document(result: Benchmark) -> dict[str, Any]:
    """Return the document of `benchmark --json`."""
    return {
        "detector": result.detector,
        "row": result.row.iloc[0].to_dict(),
        "intervals": {name: [one.low, one.high] for name, one in result.intervals.items()},
        "rank": result.rank,
        "rank_interval": result.rank_interval,
        "rank_reason": result.rank_reason or None,
        "metrics": result.metrics,
        "auc": result.auc,
        "coverage": result.coverage,
        "policy": result.policy,
        "leakage": result.leakage,
        "notes": list(result.notes),
        "provenance": result.provenance,
    }


def remarks(result: Benchmark) -> list[str]:
    """Return the lines below a row: its rank or why there is none, coverage, notes."""
    rank = f"rank: {result.rank}" if result.rank is not None else f"no rank: {result.rank_reason}"
    lost = result.intervals.get("degradation")
    between = (
        [] if lost is None else [f"degradation: 95 % interval {lost.low:.2f} to {lost.high:.2f}"]
    )
    hashes = ", ".join(
        f"{name} {value[:12]}" for name, value in result.provenance["data_sha256"].items()
    )
    scored = (
        f"{name} {count['ok']} of {count['total']}" for name, count in result.coverage.items()
    )
    return [
        rank,
        *between,
        f"images scored: {', '.join(scored)} (policy {result.policy})",
        f"data: {hashes}",
        *(f"note: {n}" for n in result.notes),
    ]


def diagnosis(found: Diagnosis) -> None:
    """Draw what the doctor found."""
    memory = "unknown" if found.memory_gib is None else f"{found.memory_gib} GiB"
    machine = {**found.versions, "processors": found.cpus, "memory": memory}
    console.write_table("machine", ("what", "value"), machine.items())
    console.write_table(
        "packages",
        ("package", "installed", "required", "status"),
        [
            (package.name, package.version or "-", package.required, package.status)
            for package in found.packages
            if package.extra is None
        ],
    )
    wheels = ", ".join(f"{name} {version}" for name, version in found.opencv.wheels.items())
    console.write_text(f"cv2: from {found.opencv.owner or 'no wheel'} (installed: {wheels})")
    for extra, names in found.missing_extras.items():
        console.write_text(f"extra {extra}: {'missing ' + ', '.join(names) if names else 'ok'}")
    _assets(found.assets)


def _assets(assets: Sequence[AssetStatus]) -> None:
    rows = [(asset.name, asset.how or "not found", asset.found or "-") for asset in assets]
    console.write_table("model files", ("file", "found by", "path"), rows)
    for asset in assets:
        if asset.problem:
            console.write_text(f"{asset.name}: {asset.problem}")
    absent = [asset for asset in assets if asset.found is None]
    if not absent:
        return
    console.write_text(
        "What is not found is downloaded when it is first used. Without a network: name a copy as "
        "an argument, name it in the variable below, or put it into the cache."
    )
    for asset in absent:
        console.write_text(f"{asset.name}: ${asset.variable}, or {asset.address}")


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"
