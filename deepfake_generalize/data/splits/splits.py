"""The outcome of splitting: which crops are where, its hash, and the file that keeps it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import absolute, open_regular
from deepfake_generalize.data.crops import CROP_COLUMNS, before_number
from deepfake_generalize.data.manifests import crop_keys, read_manifest, text_sha256, write_manifest
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.notebooks import card, html_table

SUBSETS: tuple[str, ...] = ("train", "val", "test")
_PREFIX = "sha256: "
_FIRST_LINE = 200
_COLUMNS = (*CROP_COLUMNS, "subset", "reason")


@dataclass(frozen=True, eq=False, repr=False)
class Splits:
    """Four tables that together hold every crop of the input exactly once.

    Attributes:
        train: Rows of the crop manifest, half real (0), half fake (1).
        val: The same, for choosing among models.
        test: The same, for the final figures.
        dropped: The other rows, with a column `reason`.
        sha256: Hash of which crops are in which of the four, wherever the files lie.

    Examples:
        >>> from deepfake_generalize.data.splits import balanced_splits
        >>> rows = [{"path": f"/{i}.png", "video": f"/{i}.mp4", "label": i % 2} for i in range(8)]
        >>> crops = pd.DataFrame(rows, columns=list(CROP_COLUMNS))
        >>> splits = balanced_splits(crops, train=4, val=2, test=2, by="video")
        >>> print(splits.val["label"].tolist(), len(splits.dropped))
        [0, 1] 0
    """

    train: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame
    dropped: pd.DataFrame
    sha256: str

    def __repr__(self) -> str:
        """Say what each part holds, why crops were dropped, and what is not known of the videos."""
        lines = [
            f"  {name}: {len(part)} images ({int((part['label'] == 0).sum())} real, "
            f"{int((part['label'] == 1).sum())} fake) of {part['video'].nunique()} videos"
            for name, part in ((name, getattr(self, name)) for name in SUBSETS)
        ]
        reasons = self.dropped["reason"].value_counts().sort_index()
        lines.append(f"  dropped: {len(self.dropped)} images")
        lines += [f"    {count}: {reason}" for reason, count in reasons.items()]
        lines += [f"  {remark}" for remark in remarks(self)]
        return "\n".join(["Splits(", *lines, f"  sha256: {self.sha256}", ")"])

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        rows: list[tuple[object, ...]] = [("part", "images", "real", "fake", "videos", "")]
        for name in SUBSETS:
            part = getattr(self, name)
            fakes = int(part["label"].sum())
            rows.append((name, len(part), len(part) - fakes, fakes, part["video"].nunique(), ""))
        reasons = self.dropped.groupby("reason")
        rows += [("dropped", len(of), "", "", of["video"].nunique(), why) for why, of in reasons]
        table = html_table(rows, [False, True, True, True, True, False])
        return card("Splits", [table], [*remarks(self), f"sha256: {self.sha256}"])

    def save(self, path: str | Path) -> Path:
        """Write the splits to one CSV file, all of it or nothing, and return its path.

        Paths are relative to its folder. InputError where it cannot be written.
        """
        parts = [getattr(self, name).assign(subset=name) for name in (*SUBSETS, "dropped")]
        rows = pd.concat([part.astype({"frame": "Int64"}) for part in parts], ignore_index=True)
        comment = _PREFIX + self.sha256
        expected = f"expected a place where splits can be written, received {str(path)!r}"
        hint = "Choose another file, or mend the permissions of its folder."
        with telling(expected, hint=hint):
            paths = ("path", "video")
            return write_manifest(rows, absolute(path), _COLUMNS, paths, comment=comment)

    @staticmethod
    def load(path: str | Path) -> Splits:
        """Read what `save` wrote, with the paths as they are seen from here.

        InputError where there are no splits, DataMismatchError where the hash is of other rows.
        """
        file = absolute(path)
        try:
            with open_regular(file) as lines:
                first = lines.readline(_FIRST_LINE).decode("utf-8", "replace").strip()
        except OSError as error:
            raise InputError(
                f"expected saved splits at {str(file)!r}: {error}.", hint="Check the path."
            ) from error
        if not first.startswith(f"# {_PREFIX}"):
            raise InputError(
                f"expected saved splits at {str(file)!r}, its first line holds no hash.",
                hint="Pass a file that Splits.save wrote.",
            )
        stored = first.removeprefix(f"# {_PREFIX}")
        rows = read_manifest(file, _COLUMNS, ("path", "video"), skip=1)
        unknown = set(rows["subset"].fillna("")) - {*SUBSETS, "dropped"}
        if unknown:
            raise DataMismatchError(
                f"expected the subsets {', '.join(SUBSETS)} and dropped in {str(file)!r}, "
                f"received {sorted(unknown)}.",
                hint="Make the splits again.",
            )
        splits = assemble(rows.drop(columns=["subset", "reason"]), rows["subset"], rows["reason"])
        if splits.sha256 != stored:
            raise DataMismatchError(
                f"expected the rows of {str(file)!r} to have the hash {stored[:12]}... of its "
                f"first line, they have {splits.sha256[:12]}...",
                hint="The file was altered after it was saved: make the splits again.",
            )
        return splits


def assemble(rows: pd.DataFrame, subset: pd.Series[str], reason: pd.Series[str]) -> Splits:
    """Make `Splits` of crops, where each belongs, and why the dropped ones are dropped."""
    parts = {
        name: rows[(subset == name).to_numpy()].reset_index(drop=True)
        for name in (*SUBSETS, "dropped")
    }
    why = reason.astype("string")[(subset == "dropped").to_numpy()]
    parts["dropped"]["reason"] = why.reset_index(drop=True)
    keys = sorted(f"{name}\t{key}" for name, key in zip(subset, crop_keys(rows), strict=True))
    return Splits(**parts, sha256=text_sha256("\n".join(keys)))


def remarks(splits: Splits) -> list[str]:
    """Say what is not known of the videos, and which may be in several parts for that."""
    said = []
    parts = [getattr(splits, name) for name in (*SUBSETS, "dropped")]
    rows = pd.concat([part[["video", "target_identity", "source_identity"]] for part in parts])
    named = rows.loc[rows.drop(columns="video").notna().any(axis=1), "video"].nunique()
    if named < rows["video"].nunique():
        n_videos = rows["video"].nunique()
        said.append(
            f"people unknown for {n_videos - named} of {n_videos} videos: by='identity' counts "
            "each as a person of its own"
        )
    # What images of several parts have in common that are named like frames of a video.
    places: dict[str, set[str]] = {}
    for name, part in zip(SUBSETS, parts, strict=False):
        alone = part.loc[part["video"] == part["path"], "path"]
        for folder, file in (os.path.split(str(path)) for path in alone):
            if video := before_number(file):
                places.setdefault(f"{folder}/{video}", set()).add(name)
    if torn := [video for video, names in places.items() if len(names) > 1]:
        said.append(
            f"{len(torn)} videos may be torn apart: images that count as a video each are named "
            f"like frames of one, such as {min(torn)!r}; video_pattern= of read_crops, "
            "--video-pattern of `split`, names their videos"
        )
    return said
