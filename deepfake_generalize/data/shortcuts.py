"""What tells real from fake without looking at the face: cues, and how well each alone does."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from deepfake_generalize.data.crops import read_image, read_set, split_packed
from deepfake_generalize.data.manifests import check_crops, video_names
from deepfake_generalize.data.video import probe
from deepfake_generalize.errors import InputError, VideoError
from deepfake_generalize.metrics import Resampling, bootstrap_interval
from deepfake_generalize.types import AnyArray, UInt8Array
from deepfake_generalize.validation import check_mapping

_LOUD = 0.7
_SMOOTH = [place for place in range(1, 64) if sum(divmod(place, 8)) <= 4]
_FEWEST, _TRACE = 20, 6.0
"""A trace of JPEG is in more coefficients than that, and that many standard errors from chance."""


class ShortcutWarning(UserWarning):
    """Real and fake can be told apart without looking at the face."""


def audit_shortcuts(
    crops: pd.DataFrame | str | Path | Mapping[str, pd.DataFrame | str | Path],
    *,
    resampling: Resampling = Resampling(),  # noqa: B008  (it is frozen)
) -> pd.DataFrame:
    """Look for what tells real from fake without looking at the face.

    Where a cue such as the codec tells the labels, a detector may have learnt it and nothing of
    forgery, and a test set of the same make cannot show that. (`audit_leakage` is about what two
    sets share.) `study.shortcut_test` asks a detector whether it reads such cues.

    Args:
        crops: Crops with path and label (1 is fake), as a table or a place that `read_set` reads;
            or name of a set to its crops. Cues of videos need the column `video` and the files
            themselves, those of the face's size the column `box`.
        resampling: How the intervals are made: videos are drawn where they are named.

    Returns:
        One row a set and cue, the largest AUC of a set first: `set`, `cue`, `auc` (of the cue
        alone, in the direction that gives at least 0.5), `auc_low`, `auc_high`, `higher_in`
        ("fake", "real" or "neither"), `real` and `fake` (medians; of words such as "codec: h264"
        shares), `n_real` and `n_fake` (crops for which it is known), `told`: whether it was warned
        of.
        `.attrs["notes"]` says what could not be looked at.

    Raises:
        InputError: No crops, labels other than 0 and 1, or a set without both classes.

    Warns:
        ShortcutWarning: An AUC is above 0.7.

    Reproduction notes:
        Not in the paper. Cues: file format; JPEG quality, from the quantisation table, of other
        files from the steps that their coefficients keep to (100 for no trace); pixels of the
        picture; sharpness (variance of the Laplacian); blockiness; the spectrum's share at periods
        of 2, 3, 4 and 8 pixels; container, codec, frames and bits a second, pixels of the frame;
        the face's pixels and share of the frame. The AUC of a cue that tells nothing lies a little
        above 0.5, since its direction is chance.

    Examples:
        >>> import tempfile
        >>> rng, rows = np.random.default_rng(0), []
        >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     for number in range(12):
        ...         path = f"{folder}/{number}.{'jpg' if number % 2 else 'png'}"
        ...         _ = cv2.imwrite(path, rng.integers(0, 256, (32, 32, 3), np.uint8))
        ...         rows.append({"path": path, "label": number % 2})
        ...     found = audit_shortcuts(pd.DataFrame(rows)).set_index("cue")
        >>> found["auc"]["file format: JPEG"].round(2), found["higher_in"]["file format: JPEG"]
        (np.float64(1.0), 'fake')
    """
    sets = {"crops": crops} if isinstance(crops, pd.DataFrame | str | Path) else crops
    check_mapping("crops", sets, of="the name of a set to its crops")
    found: list[dict[str, Any]] = []
    notes: list[str] = []
    for name, given in sets.items():
        rows = given if isinstance(given, pd.DataFrame) else read_set(given)
        check_crops(rows, ("path", "label"))
        if rows["label"].nunique() < 2:
            raise InputError(
                f"expected real and fake crops in the set {name}, received one class.",
                hint="A cue is measured by how well it tells one from the other.",
            )
        own = list(_audit(name, rows.reset_index(drop=True), resampling, notes))
        found += sorted(own, key=lambda row: -float(row["auc"]))
        told = [f"{row['cue']} (AUC {row['auc']:.2f})" for row in own if row["told"]]
        if told:
            warnings.warn(
                f"real and fake of the set {name} can be told apart without looking at the face, "
                f"by {', '.join(told)}: a detector trained on it may have learnt no more than "
                "that. Save both classes the same way.",
                ShortcutWarning,
                stacklevel=2,
            )
    table = pd.DataFrame(found)
    table.attrs["notes"] = notes
    return table


def _audit(
    name: str, rows: pd.DataFrame, resampling: Resampling, notes: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one set; what could not be looked at is added to the notes."""
    labels, videos = rows["label"].astype("int64"), video_names(rows)
    found: set[str] = set()
    for cue, of in _cues(name, rows, notes):
        own = labels[of.index]
        if own.nunique() < 2:
            notes.append(f"{name}: {cue} is known of one class only, and was not measured")
            continue
        groups = None if videos is None else videos[of.index]
        how = asdict(resampling)
        drawn = bootstrap_interval(["auc"], own, of.rank(pct=True), groups=groups, **how)["auc"]
        higher, ends = drawn.estimate >= 0.5, (drawn.low, drawn.high)
        side = "neither" if drawn.estimate == 0.5 else "fake" if higher else "real"
        middles = of.groupby(own).agg("mean" if ": " in cue else "median")
        auc = drawn.estimate if higher else 1.0 - drawn.estimate
        low, high = ends if higher else (1.0 - drawn.high, 1.0 - drawn.low)
        found.add(drawn.note)
        yield {
            "set": name,
            "cue": cue,
            "auc": auc,
            "auc_low": low,
            "auc_high": high,
            "higher_in": side,
            "real": middles[0],
            "fake": middles[1],
            "n_real": int((own == 0).sum()),
            "n_fake": int((own == 1).sum()),
            "told": auc > _LOUD,
        }
    notes += [f"{name}: {note}" for note in found if note]


def _cues(name: str, rows: pd.DataFrame, notes: list[str]) -> Iterator[tuple[str, pd.Series[Any]]]:
    """Yield the cues that are numbers, and of those that are words whether it is this one."""
    found, unread, of_video = [], [], functools.cache(_of_video)
    for row in rows.to_dict("records"):
        own: dict[str, Any] = {}
        try:
            own |= _of_picture(str(row["path"]))
        except InputError as error:
            unread.append(error.message)
        if isinstance(row.get("video"), str):
            own |= of_video(row["video"])
        if isinstance(row.get("box"), str):
            left, top, right, bottom = map(float, row["box"].split(","))
            own["face pixels"] = area = (right - left) * (bottom - top)
            own["face share of frame"] = area / own.get("frame pixels", float("nan"))
        found.append(own)
    if unread:
        notes.append(f"{name}: {len(unread)} pictures could not be read, the first: {unread[0]}")
    for cue, column in pd.DataFrame(found).items():
        known = column.dropna()
        if pd.api.types.is_numeric_dtype(column):
            yield str(cue), known
            continue
        for word in known.unique():
            yield f"{cue}: {word}", (known == word).astype("float64")


def _of_picture(path: str) -> dict[str, Any]:
    picture = read_image(path)
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    found: dict[str, Any] = {
        "picture pixels": grey.size,
        "JPEG quality": _last_quality(picture),
        "sharpness": float(np.log1p(cv2.Laplacian(grey, cv2.CV_64F).var())),
        "blockiness": _blockiness(grey),
        **{f"spectrum at period {period}": _spectrum(grey, period) for period in (2, 3, 4, 8)},
    }
    if split_packed(path) is None:
        with Image.open(path) as image:
            found["file format"] = image.format
            if tables := getattr(image, "quantization", None):
                apart = np.abs(_tables().sum(axis=1) - sum(tables[min(tables)]))
                found["JPEG quality"] = float(1 + np.argmin(apart))
    return found


def _of_video(path: str) -> dict[str, Any]:
    """Return the cues of a video file; nothing where it is not there, or no video."""
    try:
        info = probe(path)
    except VideoError:
        return {}
    fps = info.kind["frames a second"]
    seconds = info.n_frames / float(fps) if fps else float("nan")
    return info.kind | {"bits a second": 8.0 * info.path.stat().st_size / seconds}


@functools.cache
def _tables() -> AnyArray:
    """Return the luminance table of libjpeg at every quality from 1, (100, 64)."""
    found = []
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        found.append(Image.open(file).quantization[0])  # type: ignore[attr-defined]
    return np.array(found)


def _last_quality(picture: UInt8Array) -> float:
    """Return the JPEG quality whose steps the picture's coefficients keep to; 100 for no trace.

    The steps stay in other formats too, until a picture is resized or cropped off the grid of 8 x 8
    blocks. Those of low frequency are looked at: from quality 97 on they are too small to be seen.
    """
    rows, columns = (side // 8 for side in picture.shape[:2])
    luma = picture[: rows * 8, : columns * 8] @ np.array([0.299, 0.587, 0.114], np.float32)
    blocks = luma.reshape(rows, 8, columns, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    blocks = blocks[:: max(1, len(blocks) // 144)]
    found = np.array([cv2.dct(block).ravel()[_SMOOTH] for block in blocks])
    found = np.abs(found).reshape(-1, len(_SMOOTH))
    steps = _tables()[:, np.newaxis, _SMOOTH]
    # What was rounded to zero is a multiple of everything.
    tells = (found > 0.6 * steps) & (steps > 1)
    n = tells.sum(axis=(1, 2))
    kept = np.where(tells, np.cos(2 * np.pi * (found / steps)), 0.0).sum(axis=(1, 2))
    trace = np.where(n > _FEWEST, kept / np.sqrt(np.maximum(n, 1)), 0.0)
    return float(1 + np.argmax(trace)) if trace.max() >= _TRACE else 100.0


def _blockiness(grey: UInt8Array) -> float:
    """Return how much larger steps are at the borders of 8 x 8 blocks, wherever these begin."""
    found = []
    for lines in (grey, grey.T):
        steps = np.abs(np.diff(lines.astype(np.float64))).mean(axis=0)
        borders = [steps[at::8].mean() for at in range(min(8, len(steps)))]
        found.append(max(borders, default=0.0) / max(steps.sum() / max(len(steps), 1), 1e-9))
    return float(np.mean(found))


def _spectrum(grey: UInt8Array, period: int) -> float:
    """Return the power at a period in pixels, along rows and columns, as logarithm of its share."""
    shares = []
    for lines in (grey, grey.T):
        centred = (lines - lines.mean(axis=1, keepdims=True)) * np.hanning(lines.shape[1])
        power = (np.abs(np.fft.rfft(centred)) ** 2).mean(axis=0)
        near = np.abs(np.linspace(0.0, 0.5, len(power)) - 1.0 / period) <= 1 / 32
        shares.append(power[near].sum() / max(power.sum(), 1e-9))
    return float(np.log10(np.mean(shares) + 1e-9))
