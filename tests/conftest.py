"""Fixtures that every room's tests share."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

# Set before TensorFlow loads anywhere: quiet logs, and no more threads than two test jobs can use.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def _shared_root() -> Path | None:
    named = os.environ.get("DEEPFAKE_GENERALIZE_TEST_DATA")
    candidates = [Path(named)] if named else [REPOSITORY.parent / "shared" / "data"]
    return next((path for path in candidates if path.is_dir()), None)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return a function from a path inside the shared test data to that path, or skip by name."""
    root = _shared_root()

    def locate(relative: str) -> Path:
        if root is None or not (root / relative).exists():
            pytest.skip(
                f"needs {relative} from the shared test data ($DEEPFAKE_GENERALIZE_TEST_DATA)"
            )
        return root / relative

    return locate


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """Return a function that writes (H, W, 3) uint8 RGB frames to a real video file by PyAV."""
    import av

    def write(
        path: Path,
        frames: Sequence[np.ndarray],
        *,
        fps: int = 25,
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        options: dict[str, str] | None = None,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = frames[0].shape[:2]
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=fps, options=options or {})
            stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
            for array in frames:
                for packet in stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        return path

    return write
