"""From the scores of frames to one score for each video."""

from __future__ import annotations

import numpy as np
import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics.measures import check_pair
from deepfake_generalize.types import AnyArray
from deepfake_generalize.validation import check_choice, describe

_KEYS = ["dataset", "method", "video"]
_COLUMNS = [*_KEYS, "label", "score"]
_RULES = ("mean", "median", "max", "confident")


def to_videos(frame: pd.DataFrame, *, rule: str = "mean") -> pd.DataFrame:
    """Return one score for each video, from the scores of its frames.

    Args:
        frame: One row a frame, with the columns `dataset`, `method`, `video` (together they tell a
            video), `label` (1 is fake, 0 is real) and `score` (P(fake) in [0, 1]).
        rule: "mean", "median" or "max" of the frames' scores; or "confident", the rule of the
            winner of the Deepfake Detection Challenge: the mean of the scores above 0.8 where
            there are at least twelve of them and more than 40 % of the frames have one; else the
            mean of the scores below 0.2 where more than 90 % of the frames have one; else the
            mean of all. It was made for 32 frames a video.

    Returns:
        The columns above and `n_frames`, one row a video, in the order of their first frames.

    Raises:
        InputError: No DataFrame, a missing column, an empty key, an unknown rule, frames of one
            video with different labels, labels other than 0 and 1, or scores outside [0, 1].
        UndefinedMetricError: No frames.

    Reproduction notes:
        The paper scores frames only. "confident" is `confident_strategy` in `kernel_utils.py` of
        https://github.com/selimsef/dfdc_deepfake_challenge, where "more than 40 %" is
        `fakes > sz // 2.5`, the quotient rounded down; so it is here.

    Examples:
        >>> numbers = {"label": [0, 0, 1], "score": [0.25, 0.5, 0.75]}
        >>> names = {"method": ["real", "real", "FaceSwap"], "video": ["000", "000", "000_003"]}
        >>> frames = pd.DataFrame({"dataset": "FF++", **names, **numbers})
        >>> to_videos(frames)[["method", "video", "score", "n_frames"]]
             method    video  score  n_frames
        0      real      000  0.375         2
        1  FaceSwap  000_003  0.750         1
    """
    check_choice("rule", rule, _RULES, hint='The default is "mean".')
    _check_columns(frame)
    labels, scores = check_pair(frame["label"], frame["score"], metric="the score of a video")
    rows = pd.DataFrame({key: frame[key].to_numpy() for key in _KEYS})
    rows["label"], rows["score"] = labels, scores
    code = rows.groupby(_KEYS, sort=False).ngroup().to_numpy()
    videos = rows.loc[np.unique(code, return_index=True)[1]].reset_index(drop=True)
    by_video = rows.groupby(code)
    mixed = videos[(by_video["label"].max() != by_video["label"].min()).to_numpy()]
    if len(mixed):
        named = ", ".join(f"{key} {mixed[key].iloc[0]!r}" for key in _KEYS)
        raise InputError(
            f"expected one label for each video, received both labels for {len(mixed)} of "
            f"{len(videos)} videos, the first being {named}.",
            hint="Correct the labels, or tell the videos apart by dataset, method and video.",
        )
    pooled = _confident(rows["score"], code) if rule == "confident" else by_video["score"].agg(rule)
    # The mean of equal scores can come out one rounding step beyond them, and so beyond 1.
    videos["score"] = pooled.clip(0.0, 1.0).to_numpy()
    videos["n_frames"] = by_video.size().to_numpy()
    return videos


def _check_columns(frame: object) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"expected a DataFrame, received {describe(frame)}.",
            hint=f"Pass one row a frame with the columns {', '.join(_COLUMNS)}.",
        )
    missing = [column for column in _COLUMNS if column not in frame.columns]
    if missing:
        raise InputError(
            f"expected the columns {', '.join(_COLUMNS)}; {', '.join(missing)} not found.",
            hint="A video is known by dataset, method and video together.",
        )
    for key in _KEYS:
        empty = int(frame[key].isna().sum())
        if empty:
            raise InputError(
                f"expected {key} in every row, received {empty} of {len(frame)} without.",
                hint=f"Fill in {key}; frames without it belong to no video.",
            )


def _confident(scores: pd.Series[float], code: AnyArray) -> pd.Series[float]:
    high, low = scores > 0.8, scores < 0.2
    size = scores.groupby(code).size()
    n_high, n_low = high.groupby(code).sum(), low.groupby(code).sum()
    is_fake = (n_high > size // 2.5) & (n_high > 11)
    is_real = ~is_fake & (n_low > 0.9 * size)
    chosen = scores.groupby(code).mean()
    chosen = chosen.mask(is_fake, scores.where(high).groupby(code).mean())
    return chosen.mask(is_real, scores.where(low).groupby(code).mean())
