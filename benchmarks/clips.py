"""The real clips that the benchmarks of `data` run on."""

from __future__ import annotations

import os
from pathlib import Path

CLIPS_VARIABLE = "DEEPFAKE_GENERALIZE_BENCHMARK_VIDEOS"
DATA_VARIABLE = "DEEPFAKE_GENERALIZE_TEST_DATA"


def find_clips() -> list[Path]:
    """Return the videos named in `$DEEPFAKE_GENERALIZE_BENCHMARK_VIDEOS`, smallest file first.

    Without that variable: all MP4 files of the test data (`$DEEPFAKE_GENERALIZE_TEST_DATA`, else
    the folder `shared/data` beside the repository); none where there is no such folder.
    """
    named = [Path(name) for name in os.environ.get(CLIPS_VARIABLE, "").split(os.pathsep) if name]
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    data = Path(os.environ.get(DATA_VARIABLE) or beside)
    clips = named or ([*data.rglob("*.mp4")] if data.is_dir() else [])
    return sorted(clips, key=lambda path: (path.stat().st_size, path))


def use_models_beside(clips: list[Path]) -> None:
    """Point to the model files of the test data where nothing else says where they are."""
    for name, file in (
        ("FACE_MODEL", "face_detection_full_range_sparse.tflite"),
        ("LANDMARK_MODEL", "face_landmark.tflite"),
    ):
        found = [
            folder / "mediapipe" / file
            for clip in clips
            for folder in clip.resolve().parents
            if (folder / "mediapipe" / file).is_file()
        ]
        if found:
            os.environ.setdefault(f"DEEPFAKE_GENERALIZE_{name}", str(found[0]))
