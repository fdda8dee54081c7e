"""The score of a video: the mean over its sampled frames, with every frame accounted for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepfake_generalize._system.exception_notes import noted
from deepfake_generalize.data.faces import FaceFinder
from deepfake_generalize.errors import VideoError
from deepfake_generalize.types import AnyArray, Scorer
from deepfake_generalize.validation import check_whole

_CROP_SIDE = 256


@dataclass(frozen=True)
class VideoScore:
    """What a detector says of one video.

    Attributes:
        score: Mean P(fake) over the frames that were scored, in [0, 1].
        coverage: Fraction of the sampled frames that were scored, in (0, 1].
        frames: One row a sampled frame: `frame`, `score` (NaN where there is none), `status` (ok,
            no_face, corrupt, missing), `reason`, `finder_score`, and what else
            `data.crop_video` says of it.

    Examples:
        >>> import pandas as pd
        >>> frames = pd.DataFrame({"frame": [5], "score": [0.9], "status": ["ok"], "reason": [""]})
        >>> VideoScore(score=0.9, coverage=1.0, frames=frames)
        VideoScore(score=0.900, coverage=1.00, 1 of 1 frames)
    """

    score: float
    coverage: float
    frames: pd.DataFrame = field(compare=False)

    def __repr__(self) -> str:
        """Say score and coverage in one line."""
        part = f"{int(self.frames['score'].notna().sum())} of {len(self.frames)} frames"
        return f"VideoScore(score={self.score:.3f}, coverage={self.coverage:.2f}, {part})"


class NoScoredFrameError(VideoError):
    """Not one sampled frame of a video could be scored, or too few; `frames` says why of each."""

    def __init__(self, name: str, frames: pd.DataFrame, needed: int = 1) -> None:
        """Say what became of the frames of the video of that name, and how many are needed."""
        counts = frames["status"].value_counts()
        told = ", ".join(f"{count} {status}" for status, count in counts.items()) or "no frames"
        found = int((frames["status"] == "ok").sum())
        unread = "no_face" if (frames["status"] == "no_face").any() else "error"
        super().__init__(
            f"expected {'a face' if needed == 1 else f'faces in {needed} frames'} in {name}, found "
            f"{found or 'none'} in the {len(frames)} sampled frames ({told}).",
            hint="The face may be small or turned away; sample more, as by frames_per_video="
            f"{2 * len(frames) or 20} (docs: guides/one-video).",
            status="too_short" if found else unread,
        )
        self.name, self.frames, self.needed = name, frames, needed

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling with the frames."""
        return type(self), (self.name, self.frames, self.needed)


def face_scores(scorer: Scorer, faces: Any, video: str, frames: Any) -> AnyArray:
    """Return the score of each of a video's faces, in order: of a clip, its one for all of them."""
    taken = getattr(scorer, "frames", None)
    if len(faces) < (taken or 1):
        raise NoScoredFrameError(video, pd.DataFrame(frames), taken or 1)
    found = np.asarray(scorer.scores(faces if taken is None else [faces]), np.float64)
    return found if taken is None else np.repeat(found, len(faces))


class ScoresVideos:
    """The `score_video` that every scorer of this library has, made of its `scores`."""

    def score_video(
        self: Scorer,
        path: str | Path,
        *,
        frames_per_video: int = 10,
        margin: float = 1.3,
        finder: FaceFinder | None = None,
        aligner: str = "landmarks",
    ) -> VideoScore:
        """Score one video: sample frames, crop the subject's face, average P(fake).

        Args:
            path: A video file; or a picture that `data.read_image` reads, as a video of one frame.
            frames_per_video: How many frames to sample, evenly; at least a clip's `frames`.
            margin: The crop's side over the face box's.
            finder: A face finder; MediaPipe's full-range model by default.
            aligner: Who finds the eyes to turn the crop upright by; see `data.crop_video`.

        Returns:
            The mean P(fake), the fraction of the sampled frames that were scored, a row a frame. A
            detector of clips gives one score, which stands at every frame with a face.

        Raises:
            VideoError: The file cannot be read, or no sampled frame shows a face (status
                `no_face`; `error` where not one frame could be read; `too_short` where faces are
                fewer than a clip's frames; each way its `frames` has a row a sampled frame).

        Examples:
            >>> detector.score_video("interview.mp4").score  # doctest: +SKIP
            0.031
        """
        # Decoding and face finding are heavy to load, and scoring images needs neither.
        from deepfake_generalize.data.faces import crop_video

        if (taken := getattr(self, "frames", None)) is not None:
            frames_per_video = max(check_whole("frames_per_video", frames_per_video), taken)
        crops = crop_video(
            Path(path),
            frames_per_video=frames_per_video,
            size=_CROP_SIDE,
            margin=margin,
            finder=finder,
            aligner=aligner,
        )
        frames = crops.frames.reset_index(drop=True)
        if "score" in frames.columns:
            frames = frames.rename(columns={"score": "finder_score"})
        frames.insert(list(frames.columns).index("frame") + 1, "score", np.nan)
        scored = (frames["status"] == "ok").to_numpy()
        with noted(f"while {self.name} scored {len(crops.images)} faces of the video {path}"):
            scores = face_scores(self, crops.images, Path(path).name, frames)
        frames.loc[scored, "score"] = scores
        return VideoScore(score=float(scores.mean()), coverage=float(scored.mean()), frames=frames)
