"""Ten frames of a video: the planned pass against reading every frame.

Run it on videos of your own: `python -m benchmarks.decoding VIDEO [VIDEO ...]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.clips import CLIPS_VARIABLE, find_clips
from benchmarks.timing import Row, Skipped, compare, line


def measure(*, quick: bool = False, videos: list[Path] | None = None) -> list[Row]:
    """Time each video on both sides; no row without videos."""
    import av

    from deepfake_generalize.data.video import sample_frames

    videos = videos or find_clips()
    if not videos:
        reason = f"no clips; name videos in ${CLIPS_VARIABLE}"
        return [Skipped("10 frames of a video", "PyAV, every frame to RGB", reason)]

    def ours(path: Path) -> object:
        return sample_frames(path, 10)

    def theirs(path: Path) -> int:
        with av.open(str(path)) as container:
            return sum(len(f.to_ndarray(format="rgb24")) for f in container.decode(video=0))

    return [
        compare(
            f"10 frames of {path.name}",
            "PyAV, every frame to RGB",
            ours=lambda path=path: ours(path),  # type: ignore[misc]
            theirs=lambda path=path: theirs(path),  # type: ignore[misc]
            rounds=2 if quick else 3,
            note="opening and planning included",
        )
        for path in videos[: 1 if quick else None]
    ]


if __name__ == "__main__":
    for row in measure(videos=[Path(name) for name in sys.argv[1:]] or None):
        print(line(row))
