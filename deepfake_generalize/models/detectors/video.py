"""The score of a video: the mean over its sampled frames, with every frame accounted for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from deepfake_generalize._system.exception_notes import noted
from deepfake_generalize.data.faces import FaceFinder
from deepfake_generalize.errors import VideoError
from deepfake_generalize.types import Scorer

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
        scored = int(self.frames["score"].notna().sum())
        return (
            f"VideoScore(score={self.score:.3f}, coverage={self.coverage:.2f}, "
            f"{scored} of {len(self.frames)} frames)"
        )


class NoScoredFrameError(VideoError):
    """Not one sampled frame of a video could be scored.

    Attributes:
        frames: The rows that `VideoScore.frames` would have held, their scores all NaN.
    """

    def __init__(self, name: str, frames: pd.DataFrame) -> None:
        """Say what became of the frames of the video of that name."""
        counts = frames["status"].value_counts()
        told = ", ".join(f"{count} {status}" for status, count in counts.items()) or "no frames"
        super().__init__(
            f"expected a face in {name}, found none in the {len(frames)} sampled frames ({told}).",
            hint="Sample more frames, or look at the video: the face may be small or turned away.",
            status="no_face" if (frames["status"] == "no_face").any() else "error",
        )
        self.name, self.frames = name, frames

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling with the frames."""
        return type(self), (self.name, self.frames)


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
                `scores` takes pictures that are cut to the face already.
            frames_per_video: How many frames to sample, evenly.
            margin: The crop's side over the face box's.
            finder: A face finder; MediaPipe's full-range model by default.
            aligner: Who finds the eyes to turn the crop upright by; see `data.crop_video`.

        Returns:
            The mean P(fake), the fraction of the sampled frames that were scored, a row a frame.

        Raises:
            VideoError: The file cannot be read, or no sampled frame shows a face (status
                `no_face`; `error` where not one frame could be read; either way its `frames` has
                a row a sampled frame).

        Examples:
            >>> detector.score_video("interview.mp4").score  # doctest: +SKIP
            0.031
        """
        # Decoding and face finding are heavy to load, and scoring images needs neither.
        from deepfake_generalize.data.faces import crop_video

        crops = crop_video(
            Path(path),
            frames_per_video=frames_per_video,
            size=_CROP_SIDE,
            margin=margin,
            finder=finder,
            aligner=aligner,
        )
        frames = crops.frames.reset_index(drop=True)
        scored = (frames["status"] == "ok").to_numpy()
        scores = np.full(len(frames), np.nan)
        if scored.any():
            with noted(f"while {self.name} scored {len(crops.images)} faces of the video {path}"):
                scores[scored] = self.scores(crops.images)
        if "score" in frames.columns:
            frames = frames.rename(columns={"score": "finder_score"})
        frames.insert(list(frames.columns).index("frame") + 1, "score", scores)
        if not scored.any():
            raise NoScoredFrameError(Path(path).name, frames)
        return VideoScore(
            score=float(scores[scored].mean()), coverage=float(scored.mean()), frames=frames
        )
