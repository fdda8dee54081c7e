"""Score files of Deepfake Workbench (dfwb.scores/1): a row a video, with a .meta.json beside it.

Fields and rules as that project's docs/concepts/score-files.md has them. Columns that it does not
know begin with x_ there, and are taken by their own names here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from deepfake_generalize._system.files import MAX_TEXT_BYTES, read_regular
from deepfake_generalize._version import __version__
from deepfake_generalize.data.manifests import short_name, text_column
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.study.scores.tables import by_video, data_hash

SCHEMA = "dfwb.scores/1"
_COLUMNS = ("dataset", "key", "compression", "label", "score", "status", "method", "n_frames")
_OF_FRAMES = ("path", "frame", "video")
_SHA256 = ("sha256", "checkpoint_sha256")


def read_meta(file: Path) -> dict[str, Any]:
    """Return what a .meta.json says as facts of a score file, or raise `DataMismatchError`."""
    try:
        meta = json.loads(read_regular(file, most=MAX_TEXT_BYTES))
        detector = {key: meta["detector"][of] for key, of in (("name", "name"), _SHA256)}
        facts = {"set": str(meta["protocol"]["id"]), "detector": detector, "meta": meta}
        if meta["schema"] != SCHEMA or not isinstance(detector["name"], str):
            raise ValueError(f"schema {meta['schema']!r}")  # noqa: TRY301
        return facts | {"polarity": "fake-high", "coverage": dict(meta["coverage"])}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise DataMismatchError(
            f"expected {file} to be of the schema {SCHEMA}: {type(error).__name__}: {error}.",
            hint="Write it again, or delete it and say which way the scores point.",
        ) from error


def from_dfwb(table: pd.DataFrame, facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return a table of dfwb's as one of ours: its keys name the videos."""
    if coverage(table["status"]) != facts["coverage"]:
        raise DataMismatchError(
            f"expected the coverage that the .meta.json says, {facts['coverage']}, received "
            f"{coverage(table['status'])}.",
            hint="The CSV was altered or cut short: write both again.",
        )
    return table.rename(columns=lambda name: name.removeprefix("x_")).assign(video=table["key"])


def to_dfwb(
    name: str, rows: pd.DataFrame, facts: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a row a video, the mean over its scored frames, and what stands in the .meta.json."""
    videos = by_video(rows)
    if videos is None:
        raise InputError(
            f"expected every row of the set {name} to name its video: dfwb has a row a video.",
            hint='Fill in the column video, or leave style="dfwb" out.',
        )
    videos["reason"] = videos["reason"].where(videos["status"] != "ok", "")
    videos["key"] = [short_name(video, suffix=False) for video in videos["video"]]
    videos["dataset"] = text_column(videos, "dataset").replace("", name)
    others = [of for of in videos if of not in (*_COLUMNS, *_OF_FRAMES)]
    videos = videos.reindex(columns=[*_COLUMNS, *others])
    if videos.duplicated(["dataset", "key", "compression"]).any():
        videos["key"] = text_column(videos, "method") + "/" + videos["key"]
    detector = facts.get("detector") or {}
    detector = {"name": detector} if isinstance(detector, str) else detector
    meta = {
        "schema": SCHEMA,
        "detector": {
            "name": detector.get("name") or "unknown",
            "version": __version__,
            "source": "deepfake_generalize",
            "checkpoint_sha256": detector.get("sha256"),
            "contract_version": [1, 0],
        },
        "protocol": {
            "id": f"deepfake_generalize/{name}",
            "split": "test",
            "pack": "deepfake_generalize",
            "pack_version": __version__,
            "scheme_sha256": data_hash(videos),
        },
        "labels": "binary",
        "coverage": coverage(videos["status"]),
        "created": datetime.now(UTC).isoformat(),
    }
    return videos.rename(columns={of: f"x_{of}" for of in others}), meta


def coverage(statuses: pd.Series[str]) -> dict[str, int]:
    """Return how many rows have each of dfwb's statuses, and how many there are."""
    words = ("ok", "missing", "error")
    return {"expected": len(statuses)} | {word: int((statuses == word).sum()) for word in words}
