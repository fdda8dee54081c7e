"""Frames of any file that is whole are those of sequential decoding, bit by bit, in any order."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deepfake_generalize.data.video.sampling import probe, read_frames, sample_indices


@pytest.fixture
def assert_equal_to_sequential(
    decode_all: Callable[[Path], list[np.ndarray]],
) -> Callable[..., None]:
    """Return a function that compares the frames of these indices with those of PyAV."""

    def check(path: Path, *samples: list[int]) -> None:
        expected = decode_all(path)
        assert probe(path).n_frames == len(expected)
        for indices in samples:
            batch = read_frames(path, indices)
            assert batch.status == ["ok"] * len(indices)
            assert batch.note == ""
            for index, image in zip(indices, batch.images, strict=True):
                assert image is not None
                assert image.dtype == np.uint8
                assert image.flags["C_CONTIGUOUS"]
                np.testing.assert_array_equal(image, expected[index], err_msg=f"frame {index}")

    return check


@pytest.mark.parametrize(
    "relative",
    [
        "videos/short_clip.mp4",
        pytest.param("videos/people.mp4", marks=pytest.mark.nightly),
        pytest.param("dfdc/dfdc_train_part_10/yhffcuhhjy.mp4", marks=pytest.mark.nightly),
        pytest.param("dfdc/dfdc_train_part_0/abofeumbvv.mp4", marks=pytest.mark.nightly),
    ],
)
def test_every_frame_of_a_real_video_is_bit_identical_in_samples_of_any_density(
    shared_data: Callable[[str], Path], relative: str
) -> None:
    path = shared_data(relative)
    n_frames = probe(path).n_frames
    with av.open(str(path)) as container:
        expected = [
            hash(frame.to_ndarray(format="rgb24").tobytes()) for frame in container.decode(video=0)
        ]
    assert n_frames == len(expected)
    samples = [list(range(n_frames)), sample_indices(n_frames, 10)[::-1], [n_frames - 1], [0, 0]]
    samples += [list(range(first, n_frames, 7)) for first in range(2)]
    for indices in samples:
        for start in range(0, len(indices), 40):
            part = indices[start : start + 40]
            batch = read_frames(path, part)
            assert batch.status == ["ok"] * len(part)
            assert [hash(image.tobytes()) for image in batch.images if image is not None] == [
                expected[index] for index in part
            ]


# One of each way to order frames, and of each codec of data sets and telephones.
COMMON = (
    *("h264 with B-frames", "h264 open groups", "h264 intra refresh", "h264 fragmented mov"),
    *("hevc", "mpeg-ts", "mpeg-4 avi with B-frames", "mpeg-2", "av1"),
)
ENCODINGS = {
    "h264 with B-frames": ("a.mp4", "libx264", "yuv420p", {"bf": "3", "g": "12"}),
    "h264 open groups": (
        "a.mp4",
        "libx264",
        "yuv420p",
        {"x264-params": "open-gop=1:keyint=10:bframes=3"},
    ),
    "h264 intra refresh": (
        "a.mp4",
        "libx264",
        "yuv420p",
        {"x264-params": "intra-refresh=1:keyint=10"},
    ),
    "h264 long refresh": (
        "a.mp4",
        "libx264",
        "yuv420p",
        {"x264-params": "intra-refresh=1:keyint=20"},
    ),
    "h264 4:4:4": ("a.mp4", "libx264", "yuv444p", {"g": "20"}),
    "h264 grey": ("a.mp4", "libx264", "gray", {}),
    "h264 10-bit": ("a.mp4", "libx264", "yuv420p10le", {"g": "20"}),
    "h264 grey 10-bit": ("a.mp4", "libx264", "gray10le", {}),
    "hevc 10-bit": ("a.mp4", "libx265", "yuv420p10le", {"x265-params": "log-level=none:keyint=10"}),
    "h264 fragmented mov": ("a.mov", "libx264", "yuv420p", {"g": "9"}),
    "hevc": ("a.mkv", "libx265", "yuv420p", {"x265-params": "log-level=none:keyint=10"}),
    "mpeg-ts": ("a.ts", "libx264", "yuv420p", {"g": "10"}),
    "mpeg-4 avi": ("a.avi", "mpeg4", "yuv420p", {"g": "10"}),
    "mpeg-4 avi with B-frames": ("a.avi", "mpeg4", "yuv420p", {"g": "10", "bf": "2"}),
    "mpeg-2": ("a.mpg", "mpeg2video", "yuv420p", {"g": "10", "bf": "2"}),
    "vp9 webm": ("a.webm", "libvpx-vp9", "yuv420p", {"g": "10", "deadline": "realtime"}),
    "vp8 webm": ("a.webm", "libvpx", "yuv420p", {"g": "10", "deadline": "realtime"}),
    "av1": ("a.mp4", "libsvtav1", "yuv420p", {"preset": "12"}),
}


@pytest.mark.parametrize(
    "encoding",
    [pytest.param(name, marks=() if name in COMMON else pytest.mark.nightly) for name in ENCODINGS],
)
def test_every_encoding_gives_the_frames_of_sequential_decoding(
    encoding: str,
    tmp_path: Path,
    write_video: Callable[..., Path],
    moving_scene: Callable[..., list[np.ndarray]],
    assert_equal_to_sequential: Callable[..., None],
) -> None:
    name, codec, pix_fmt, options = ENCODINGS[encoding]
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no encoder {codec}")
    path = write_video(
        tmp_path / name, moving_scene(45), codec=codec, pix_fmt=pix_fmt, options=options
    )
    samples = ([0], [44], [31, 30, 9, 10, 11], [22], [28], [5, 40], list(range(45)))
    assert_equal_to_sequential(path, *samples)


def write_timed(path: Path, images: list[np.ndarray], times: list[int]) -> Path:
    """A video whose square frames are shown at `times` (in 1/100 s)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "8", "bf": "2"})
        stream.width = stream.height = len(images[0])
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        for image, pts in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = pts, stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_variable_frame_rate_counts_frames_and_not_time(
    tmp_path: Path,
    moving_scene: Callable[..., list[np.ndarray]],
    assert_equal_to_sequential: Callable[..., None],
) -> None:
    times = [
        4 * index + (60 if index > 10 else 0) + (300 if index > 20 else 0) for index in range(30)
    ]
    path = write_timed(tmp_path / "vfr.mp4", moving_scene(30, 64, 64), times)
    assert_equal_to_sequential(path, [10, 11, 12], [29], [21, 20], list(range(30)))


def test_one_frame_is_a_video(
    tmp_path: Path,
    write_video: Callable[..., Path],
    moving_scene: Callable[..., list[np.ndarray]],
    assert_equal_to_sequential: Callable[..., None],
) -> None:
    path = write_video(tmp_path / "one.mp4", moving_scene(1))
    assert sample_indices(probe(path).n_frames, 10) == [0]
    assert_equal_to_sequential(path, [0])
