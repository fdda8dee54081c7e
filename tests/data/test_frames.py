"""Reading frames: equal to sequential decoding on good files, and plain words about bad ones."""

import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_generalize.data.frames import probe, read_frames, sample_frames, sample_indices
from deepfake_generalize.errors import InputError, VideoError


def moving_scene(n_frames: int, height: int = 64, width: int = 96) -> list[np.ndarray]:
    """Frames that all differ, and move enough for an encoder to use B-frames."""
    noise = np.random.default_rng(0).integers(0, 255, (height // 8, width // 4, 3), np.uint8)
    scene = np.kron(noise, np.ones((8, 8, 1), np.uint8))
    return [np.roll(scene, 3 * index, axis=1)[:, :width] for index in range(n_frames)]


def decode_all(path: Path) -> list[np.ndarray]:
    """Every frame in the order PyAV gives them: the oracle."""
    with av.open(str(path)) as container:
        return [
            np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            for frame in container.decode(video=0)
        ]


def assert_equal_to_sequential(path: Path, indices: list[int]) -> None:
    expected = decode_all(path)
    assert probe(path).n_frames == len(expected)
    batch = read_frames(path, indices)
    assert batch.status == ["ok"] * len(indices)
    assert batch.note == ""
    for index, image in zip(indices, batch.images, strict=True):
        assert image is not None
        assert image.dtype == np.uint8
        assert image.flags["C_CONTIGUOUS"]
        np.testing.assert_array_equal(image, expected[index], err_msg=f"frame {index}")


@given(n_frames=st.integers(0, 5000), k=st.integers(1, 200))
def test_sampled_indices_are_distinct_and_spread_over_the_whole_video(
    n_frames: int, k: int
) -> None:
    indices = sample_indices(n_frames, k)
    assert len(indices) == min(n_frames, k)
    assert indices == sorted(set(indices))
    if indices:
        for order, index in enumerate(indices):
            centre = Fraction(2 * order + 1, 2) * Fraction(n_frames, len(indices))
            assert index <= centre < index + 1


@pytest.mark.parametrize(("n_frames", "k"), [(-1, 5), (10, 0), (10, -3)])
def test_sampling_refuses_impossible_counts(n_frames: int, k: int) -> None:
    with pytest.raises(InputError, match="expected n_frames >= 0 and k >= 1, received"):
        sample_indices(n_frames, k)


@pytest.mark.parametrize(
    "relative",
    [
        "videos/short_clip.mp4",
        pytest.param("videos/people.mp4", marks=pytest.mark.slow),
        pytest.param("dfdc/dfdc_train_part_10/yhffcuhhjy.mp4", marks=pytest.mark.slow),
        pytest.param("dfdc/dfdc_train_part_0/abofeumbvv.mp4", marks=pytest.mark.slow),
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


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_gives_the_frames_of_sequential_decoding(
    encoding: str, tmp_path: Path, write_video: Callable[..., Path]
) -> None:
    name, codec, pix_fmt, options = ENCODINGS[encoding]
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no encoder {codec}")
    path = write_video(
        tmp_path / name, moving_scene(45), codec=codec, pix_fmt=pix_fmt, options=options
    )
    for indices in ([0], [44], [31, 30, 9, 10, 11], [22], [28], [5, 40], list(range(45))):
        assert_equal_to_sequential(path, indices)


def write_timed(path: Path, times: list[int], size: int = 64) -> Path:
    """A video whose frames are shown at `times` (in 1/100 s)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "8", "bf": "2"})
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        for image, pts in zip(moving_scene(len(times), size, size), times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = pts, stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_variable_frame_rate_counts_frames_and_not_time(tmp_path: Path) -> None:
    times = [
        4 * index + (60 if index > 10 else 0) + (300 if index > 20 else 0) for index in range(30)
    ]
    path = write_timed(tmp_path / "vfr.mp4", times)
    for indices in ([10, 11, 12], [29], [21, 20], list(range(30))):
        assert_equal_to_sequential(path, indices)


@pytest.fixture
def clip(tmp_path: Path, write_video: Callable[..., Path]) -> Path:
    """A short, whole H.264 file with B-frames, its index before its data."""
    late = write_video(tmp_path / "late.mp4", moving_scene(60), options={"g": "60", "bf": "2"})
    path = tmp_path / "clip.mp4"
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


def test_sampled_frames_are_those_of_the_sampled_indices(clip: Path) -> None:
    sampled, read = sample_frames(clip, 7), read_frames(clip, sample_indices(60, 7))
    assert sampled.indices == read.indices == tuple(sample_indices(60, 7))
    for one, other in zip(sampled.images, read.images, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sample_frames(clip, 100).indices == tuple(range(60))
    with pytest.raises(InputError, match="k >= 1, received n_frames=60 and k=0"):
        sample_frames(clip, 0)


def test_one_frame_is_a_video(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    path = write_video(tmp_path / "one.mp4", moving_scene(1))
    assert sample_indices(probe(path).n_frames, 10) == [0]
    assert_equal_to_sequential(path, [0])


def test_rotation_is_applied_as_players_do(clip: Path) -> None:
    data = clip.read_bytes()
    # The display matrix of a track header: identity, and its turn by 90 degrees clockwise.
    one, minus = (1 << 16).to_bytes(4, "big"), (-(1 << 16) & 0xFFFFFFFF).to_bytes(4, "big")
    zero, last = bytes(4), (1 << 30).to_bytes(4, "big")
    identity = one + zero * 3 + one + zero * 3 + last
    turned = zero + one + zero + minus + zero * 4 + last
    at = data.index(b"tkhd")
    start = data.index(identity, at)
    rotated = clip.with_name("turned.mp4")
    rotated.write_bytes(data[:start] + turned + data[start + len(turned) :])
    upright, image = read_frames(clip, [7]).images[0], read_frames(rotated, [7]).images[0]
    assert upright is not None
    assert image is not None
    assert image.shape == (96, 64, 3)
    np.testing.assert_array_equal(image, np.rot90(upright, -1))


@pytest.mark.parametrize(
    "name",
    [
        "gesicht ä 顔.mp4",
        "a b'#?%03d.mp4",
        "http:clip.mp4",
        "concat:a|b.mp4",
        os.fsdecode(b"\xff\xfe.mp4"),
    ],
)
def test_any_file_name_is_read(name: str, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(clip, clip.with_name(name))
    monkeypatch.chdir(clip.parent)
    expected = read_frames(clip, [3]).images[0]
    for path in (Path(name), clip.with_name(name)):
        np.testing.assert_array_equal(read_frames(path, [3]).images[0], expected)


def test_a_truncated_file_gives_its_good_frames_and_names_the_rest(clip: Path) -> None:
    whole = decode_all(clip)
    data = clip.read_bytes()
    cut = clip.with_name("cut.mp4")
    cut.write_bytes(data[: len(data) * 6 // 10])
    assert probe(cut).n_frames == 60
    batch = read_frames(cut, list(range(60)))
    good = [index for index, status in enumerate(batch.status) if status == "ok"]
    assert 3 < len(good) < 50
    assert set(batch.status) <= {"ok", "missing", "corrupt"}
    assert batch.status[-1] == "missing"
    assert batch.note.startswith("truncated: the file promises 60 frames and holds")
    for index, image in enumerate(batch.images):
        assert (image is None) == (batch.status[index] != "ok")
    for index in good[: len(good) - 4]:
        np.testing.assert_array_equal(batch.images[index], whole[index])


def test_flipped_bytes_are_marked_corrupt_and_not_returned(clip: Path) -> None:
    data = bytearray(clip.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 60] = bytes(byte ^ 0x5A for byte in data[middle : middle + 60])
    flipped = clip.with_name("flipped.mp4")
    flipped.write_bytes(bytes(data))
    batch = read_frames(flipped, list(range(60)))
    damaged = [index for index, status in enumerate(batch.status) if status != "ok"]
    assert 0 < len(damaged) < 60
    assert all(batch.images[index] is None for index in damaged)
    assert "corrupt" in batch.note
    np.testing.assert_array_equal(batch.images[0], decode_all(clip)[0])


def audio_only(path: Path, clip: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def png_renamed(path: Path, clip: Path) -> None:
    import cv2

    path.write_bytes(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes())


def jpeg_renamed(path: Path, clip: Path) -> None:
    import cv2

    path.write_bytes(cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes())


def without_index(path: Path, clip: Path) -> None:
    data = clip.with_name("late.mp4").read_bytes()
    path.write_bytes(data[: data.rindex(b"moov") - 4])


def dangling_link(path: Path, clip: Path) -> None:
    path.symlink_to(clip.with_name("gone.mp4"))


def text(content: bytes) -> Callable[[Path, Path], None]:
    def make(path: Path, clip: Path) -> None:
        path.write_bytes(content)

    return make


def nothing(path: Path, clip: Path) -> None:
    """The path stays free."""


def directory(path: Path, clip: Path) -> None:
    path.mkdir()


def fifo(path: Path, clip: Path) -> None:
    os.mkfifo(path)


BAD: dict[str, tuple[Callable[[Path, Path], object], str, str]] = {
    "missing": (nothing, "missing", "there is no file"),
    "dangling link": (dangling_link, "missing", "there is no file"),
    "directory": (directory, "error", "is a directory"),
    "fifo": (fifo, "error", "is not a regular file"),
    "zero bytes": (text(b""), "error", "is empty"),
    "text": (text(b"hello, this is no video\n" * 20), "error", "it is text"),
    "html": (text(b"<!DOCTYPE html><html><body>404</body></html>"), "error", "an HTML page"),
    "lfs pointer": (text(b"version https://git-lfs.github.com/spec/v1\n"), "error", "Git LFS"),
    "zip": (text(b"PK\x03\x04" + bytes(500)), "error", "a ZIP archive"),
    "random": (text(np.random.default_rng(1).bytes(4000)), "error", "of no known kind"),
    "png": (png_renamed, "error", "a PNG picture"),
    "jpeg": (jpeg_renamed, "error", "a JPEG picture"),
    "ffconcat": (text(b"ffconcat version 1.0\nfile clip.mp4\n"), "error", "a list of other files"),
    "no index": (without_index, "error", "index (moov) is missing"),
    "audio only": (audio_only, "no_frames", "hold a video stream, found audio"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("call", [probe, partial(read_frames, indices=[0])], ids=["probe", "read"])
def test_bad_files_are_refused_in_words(
    case: str, call: Callable[[Path], object], clip: Path
) -> None:
    make, status, fragment = BAD[case]
    path = clip.with_name("bad.mp4")
    make(path, clip)
    with pytest.raises(VideoError) as caught:
        call(path)
    assert caught.value.status == status
    assert fragment in caught.value.message
    assert "expected" in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"cannot be reached: .*embedded null"):
        probe(f"{tmp_path}/clip.mp4\0.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(clip: Path) -> None:
    clip.chmod(0)
    with pytest.raises(VideoError, match="Permission denied"):
        probe(clip)


def test_a_hole_of_zeros_gives_what_lies_around_it(clip: Path) -> None:
    data = bytearray(clip.read_bytes())
    start = data.index(b"mdat") + 4 + (len(data) - data.index(b"mdat")) // 3
    data[start : start + 400] = bytes(400)
    holed = clip.with_name("holed.mp4")
    holed.write_bytes(bytes(data))
    batch = read_frames(holed, list(range(60)))
    assert batch.status[0] == "ok"
    assert 0 < batch.status.count("ok") < 60
    assert batch.note


@pytest.mark.parametrize(
    ("indices", "fragment"),
    [([60], "from 0 to 59"), ([-1], "received -1"), ([1.5], "integers"), (["a"], "integers")],
)
def test_indices_outside_the_video_are_refused(
    indices: list[object], fragment: str, clip: Path
) -> None:
    with pytest.raises(InputError, match=fragment):
        read_frames(clip, indices)  # type: ignore[arg-type]


def test_no_index_gives_no_frame(clip: Path) -> None:
    assert read_frames(clip, []).images == []
