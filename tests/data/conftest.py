"""What the tests of the data share."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import CROP_COLUMNS, extract_faces, find_videos
from deepfake_generalize.data.manifests import restore_types

# Processes that a test starts get this path too, and import by it what they are given by name.
sys.path.append(str(Path(__file__).with_name("modules")))


@pytest.fixture(scope="session")
def moving_scene() -> Callable[..., list[np.ndarray]]:
    """Return a function that draws frames that all differ, and move enough for B-frames."""

    def draw(n_frames: int, height: int = 64, width: int = 96) -> list[np.ndarray]:
        noise = np.random.default_rng(0).integers(0, 255, (height // 8, width // 4, 3), np.uint8)
        scene = np.kron(noise, np.ones((8, 8, 1), np.uint8))
        return [np.roll(scene, 3 * index, axis=1)[:, :width] for index in range(n_frames)]

    return draw


@pytest.fixture(scope="session")
def decode_all() -> Callable[[Path], list[np.ndarray]]:
    """Return a function that gives every frame in the order PyAV gives them: the oracle."""

    def decode(path: Path) -> list[np.ndarray]:
        with av.open(str(path)) as container:
            # Threads of their own wait for each other longer than so few frames take.
            container.streams.video[0].codec_context.thread_count = 1
            return [
                np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
                for frame in container.decode(video=0)
            ]

    return decode


@pytest.fixture(scope="session")
def index_in_front() -> Callable[[Path, Path], Path]:
    """Return a function that writes a video again with its index in front, as the web has them."""

    def write(late: Path, path: Path) -> Path:
        with (
            av.open(str(late)) as source,
            av.open(str(path), "w", options={"movflags": "faststart"}) as target,
        ):
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        return path

    return write


@pytest.fixture(scope="session")
def good_files(tmp_path_factory, write_video, index_in_front, part_finder):
    """The good files, made once: a video, its index behind or in front, a picture, and crops."""
    folder = tmp_path_factory.mktemp("good")
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 96, 3), np.uint8)
    write_video(folder / "good.mp4", list(noise), options={"g": "40"})
    index_in_front(folder / "good.mp4", folder / "early.mp4")
    (folder / "good.png").write_bytes(cv2.imencode(".png", noise[0])[1].tobytes())
    for name in (f"{kind}/{name}.mp4" for kind in ("real", "fake") for name in "abc"):
        (folder / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "good.mp4", folder / "set" / name)
    choices = {"frames_per_video": 1, "size": 16, "finder": part_finder(), "aligner": "finder"}
    extract_faces(find_videos(folder / "set"), folder / "crops", **choices)
    return folder


@pytest.fixture
def make_bad(tmp_path, good_files):
    """Return a function that makes a bad input beside good files, and returns its path.

    It gets the bytes to write there, or a function that gets the path, or None for nothing.
    """

    def build(make, file="bad", *, crops=True):
        for good in good_files.iterdir():
            if good.is_file():
                shutil.copy(good, tmp_path)
        if crops:
            shutil.copytree(good_files / "crops", tmp_path / "crops")
        path = Path(f"{tmp_path}/{file}")
        if isinstance(make, bytes):
            path.write_bytes(make)
        elif make is not None:
            make(path)
        return path

    return build


@pytest.fixture(scope="session")
def crop_manifest():
    """Return a function that makes the manifest of crops at these paths, three of each video."""

    def make(paths):
        rows = [
            {
                "path": str(path),
                "video": str(path.parents[1] / "videos" / f"{i // 3}.mp4"),
                "frame": i % 3,
                "dataset": "FF++",
                "method": "Deepfakes" if i % 6 < 3 else "real",
                "label": int(i % 6 < 3),
                "target_identity": f"{i // 3:03d}",
                "source_identity": None,
                "compression": "c23",
                "split": None,
                "box": "1.00,2.50,30.00,40.25",
                "score": 0.1 + i / 30,
                "aligner": "landmarks",
                "flag": "low_score" if i % 5 == 0 else None,
            }
            for i, path in enumerate(paths)
        ]
        types = {"frame": "Int64", "label": "int64", "score": "float64"}
        frame = pd.DataFrame(rows, columns=list(CROP_COLUMNS))
        return frame.astype({name: types.get(name, "string") for name in CROP_COLUMNS})

    return make


@pytest.fixture
def noise_crops(tmp_path, crop_manifest):
    """Return the manifest of 24 PNGs of noise, 10 x 14, in folders named by their video."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / "crops" / f"v{i // 3}" / f"frame_{i % 3:05d}.png" for i in range(24)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (10, 14, 3), np.uint8))
    return crop_manifest(paths)


@pytest.fixture(scope="session")
def read_pixels():
    """Return a function that reads the crops of a manifest by OpenCV alone, as (N, H, W, 3) RGB."""

    def read(crops):
        return np.stack([cv2.imread(path)[..., ::-1] for path in crops["path"]])

    return read


@pytest.fixture(scope="session")
def crops_of_videos():
    """Return a function that makes crops of (label, target, source, frames, split) videos."""

    def make(videos, root="/data"):
        rows = [
            {
                "path": f"{root}/crops/{number}/{frame}.png",
                "video": f"{root}/videos/{number}.mp4",
                "frame": frame,
                "dataset": "FF++",
                "method": "Deepfakes" if label else "real",
                "label": label,
                "target_identity": target,
                "source_identity": source,
                "split": split,
            }
            for number, (label, target, source, frames, split) in enumerate(videos)
            for frame in range(frames)
        ]
        return restore_types(pd.DataFrame(rows, columns=list(CROP_COLUMNS)), CROP_COLUMNS)

    return make


@pytest.fixture(scope="session")
def crops_of_pairs(crops_of_videos):
    """Return a function that makes crops of FaceForensics++: of a pair two reals and two fakes."""

    def make(n_pairs, frames=2, split=None, labels=(0, 1)):
        videos = []
        for i in range(n_pairs):
            a, b = f"{2 * i:03d}", f"{2 * i + 1:03d}"
            videos += [(0, a, None, frames, split), (0, b, None, frames, split)]
            videos += [(1, a, b, frames, split), (1, b, a, frames, split)]
        return crops_of_videos([video for video in videos if video[0] in labels])

    return make
