"""Frames as players show them: turned, mirrored, their pixels square, and never too large."""

import shutil
import struct
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deepfake_generalize.data.video.containers import shown_width, to_rgb
from deepfake_generalize.data.video.sampling import read_frames, sample_frames
from deepfake_generalize.errors import VideoError

# The four numbers of a display matrix that turn and mirror, and what they do.
MATRICES = {
    "as it is": ((1, 0, 0, 1), lambda image: image),
    "mirrored": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda image: image[::-1]),
    "half a turn": ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
    "a quarter clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "a quarter back": ((0, -1, 1, 0), np.rot90),
    "transposed": ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
    "transposed the other way": ((0, -1, -1, 0), lambda image: np.rot90(image, 2).swapaxes(0, 1)),
    "scaled": ((2, 0, 0, 2), lambda image: image),
    "nothing": ((0, 0, 0, 0), lambda image: image),
    "a little off": ((-1, 0.004, 0.004, 1), lambda image: image[:, ::-1]),
}


@pytest.fixture(scope="module")
def clip(
    tmp_path_factory: pytest.TempPathFactory,
    write_video: Callable[..., Path],
    moving_scene: Callable[..., list[np.ndarray]],
) -> Path:
    """Ten frames of 96 x 64."""
    return write_video(tmp_path_factory.mktemp("clip") / "a.mp4", moving_scene(10))


def with_matrix(clip: Path, target: Path, four: tuple[float, ...]) -> Path:
    """Copy an MP4 file with another display matrix."""
    data = bytearray(clip.read_bytes())
    a, b, c, d = (struct.pack(">i", round(65536 * value)) for value in four)
    matrix = a + b + bytes(4) + c + d + bytes(12) + struct.pack(">i", 1 << 30)
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = matrix
    target.write_bytes(bytes(data))
    return target


@pytest.mark.parametrize("kind", MATRICES)
def test_display_matrices_turn_and_mirror(kind: str, clip: Path, tmp_path: Path) -> None:
    four, turn = MATRICES[kind]
    path = with_matrix(clip, tmp_path / "b.mp4", four)
    stored, shown = read_frames(clip, [7]).images[0], read_frames(path, [7]).images[0]
    assert stored is not None
    assert shown is not None
    assert shown.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(shown, turn(stored))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="FFmpeg's program is not there")
@pytest.mark.parametrize("kind", MATRICES)
def test_display_matrices_do_what_they_do_in_ffmpegs_program(
    kind: str, clip: Path, tmp_path: Path
) -> None:
    path = with_matrix(clip, tmp_path / "b.mp4", MATRICES[kind][0])
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-vf", "select=eq(n\\,7)"]
    command += ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    shown = read_frames(path, [7]).images[0]
    assert shown is not None
    oracle = np.frombuffer(done.stdout, np.uint8).reshape(shown.shape)
    np.testing.assert_array_equal(shown, oracle)


def write_aspect(path: Path, aspect: Fraction, images: list[np.ndarray]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.parametrize(
    ("aspect", "width"), [(Fraction(2), 192), (Fraction(8, 9), 85), (Fraction(4, 3), 128)]
)
def test_pixels_that_are_not_square_are_made_square(
    name: str, aspect: Fraction, width: int, tmp_path: Path
) -> None:
    dark = np.full((64, 96, 3), 20, np.uint8)
    dark[16:48, 24:72] = 230
    batch = sample_frames(write_aspect(tmp_path / name, aspect, [dark] * 4), 2)
    image = batch.images[0]
    assert image is not None
    assert image.shape == (64, width, 3)
    bright = np.flatnonzero(image[32, :, 0] > 125)
    assert abs(bright[0] - width / 4) <= 1
    assert abs(bright[-1] + 1 - width * 3 / 4) <= 1


def test_pixels_are_made_square_before_the_frame_is_turned(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    path = write_aspect(tmp_path / "a.mp4", Fraction(2), [noise] * 3)
    turned = with_matrix(path, tmp_path / "b.mp4", (0, 1, -1, 0))
    wide, high = read_frames(path, [1]).images[0], read_frames(turned, [1]).images[0]
    assert wide is not None
    assert wide.shape == (64, 192, 3)
    np.testing.assert_array_equal(high, np.rot90(wide, -1))


@pytest.mark.parametrize("aspect", [Fraction(5), Fraction(1, 1000), Fraction(10**9), None])
def test_absurd_pixels_are_not_believed(aspect: Fraction | None) -> None:
    assert shown_width(100, aspect) == 100


@pytest.mark.parametrize(("aspect", "width"), [(Fraction(4), 400), (Fraction(5399, 5400), 100)])
def test_the_width_shown_is_rounded(aspect: Fraction, width: int) -> None:
    assert shown_width(100, aspect) == width


@pytest.mark.parametrize(
    ("width", "height"), [(32_767, 2), (2, 32_767), (60_000, 2)], ids=["wide", "high", "wider"]
)
def test_frames_whose_sides_end_the_process_are_refused(
    width: int, height: int, tmp_path: Path, write_video: Callable[..., Path]
) -> None:
    frames = [np.zeros((height, width, 3), np.uint8)] * 2
    path = write_video(tmp_path / "a.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    with pytest.raises(VideoError, match=rf"32,766 pixels a side, .* {width} x {height}"):
        sample_frames(path, 2)
    with pytest.raises(ValueError, match="is too large"):
        to_rgb(av.VideoFrame(width, height, "rgb24"))


def test_the_largest_side_is_read(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    frames = [np.zeros((2, 32_766, 3), np.uint8)] * 2
    path = write_video(tmp_path / "a.mkv", frames, codec="ffv1", pix_fmt="bgr0")
    image = sample_frames(path, 1).images[0]
    assert image is not None
    assert image.shape == (2, 32_766, 3)
