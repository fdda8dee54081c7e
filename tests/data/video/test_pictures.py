"""A packet is not a picture: what is shown is what decoding the whole file gives, without flags."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deepfake_generalize.data.video.decoding import Stamp
from deepfake_generalize.data.video.sampling import probe, read_frames, sample_frames

Check = Callable[[Path], None]


@pytest.fixture
def assert_all_shown(decode_all: Callable[[Path], list[np.ndarray]]) -> Check:
    """Return a function that compares a file with what PyAV decodes of it in order."""

    def check(path: Path) -> None:
        expected = decode_all(path)
        info = probe(path)
        assert (info.n_frames, info.note) == (len(expected), "")
        batch = read_frames(path, list(range(len(expected))))
        assert set(batch.status) == {"ok"}
        for index, (image, wanted) in enumerate(zip(batch.images, expected, strict=True)):
            np.testing.assert_array_equal(image, wanted, err_msg=f"frame {index}")
        for index in range(1, len(expected), 13):
            np.testing.assert_array_equal(read_frames(path, [index]).images[0], expected[index])
        sampled = sample_frames(path, 5)
        assert (set(sampled.status), sampled.note) == ({"ok"}, "")
        for index, image in zip(sampled.indices, sampled.images, strict=True):
            np.testing.assert_array_equal(image, expected[index])

    return check


def mux(path: Path, codec: str, packets: Sequence[tuple[bytes, int, bool]], side: int) -> Path:
    """Write (content, time in 1/50 s, whether a keyframe) as they are."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=50)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for content, time, is_keyframe in packets:
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts = stream, time, time
            packet.time_base, packet.is_keyframe = Fraction(1, 50), is_keyframe
            container.mux(packet)
    return path


# --- edit lists ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [1, 7, 20, 33])
def test_the_end_that_an_edit_list_hides_is_not_lost(
    shown: int,
    tmp_path: Path,
    write_video: Callable[..., Path],
    moving_scene: Callable[..., list[np.ndarray]],
    assert_all_shown: Check,
) -> None:
    path = write_video(tmp_path / "a.mp4", moving_scene(40), options={"g": "10", "bf": "2"})
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12  # Behind version, flags and the number of entries.
    data[at : at + 4] = (shown * 40).to_bytes(4, "big")  # Milliseconds, at 25 frames a second.
    path.write_bytes(bytes(data))
    assert_all_shown(path)
    assert probe(path).n_frames < 40


# --- packets that are not shown ------------------------------------------------------------------


def test_reference_packets_of_vp8_are_no_frames(
    tmp_path: Path,
    write_video: Callable[..., Path],
    moving_scene: Callable[..., list[np.ndarray]],
    assert_all_shown: Check,
) -> None:
    options = {"g": "12", "deadline": "realtime"}
    path = write_video(tmp_path / "a.webm", moving_scene(30), codec="libvpx", options=options)
    with av.open(str(path)) as container:
        read = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    # The bit that says whether a frame is shown, taken away from every seventh.
    hidden = set(range(3, 30, 7))
    changed = [
        (bytes([data[0] & ~0x10]) + data[1:] if at in hidden else data, at, at % 12 == 0)
        for at, data in enumerate(read)
    ]
    file = mux(tmp_path / "b.webm", "libvpx", changed, 96)
    assert_all_shown(file)
    assert probe(file).n_frames == 30 - len(hidden)


@pytest.mark.parametrize(
    ("codec", "content", "shown"),
    [
        ("vp8", b"\x10", True),
        ("vp8", b"\x01", False),
        ("vp9", b"\x82\0", True),  # Profile 0, shown.
        ("vp9", b"\x84\0", False),
        ("vp9", b"\x88\0", True),  # An older frame shown again.
        ("vp9", b"\xb1\0", True),  # Profile 3.
        ("vp9", b"\xb2\0", False),
        ("vp9", b"\x84\0\xc0\1\xc0", True),  # Several frames in one packet.
        ("hevc", b"\0\0\0\1\2", True),
    ],
)
def test_vp8_and_vp9_say_what_is_shown(codec: str, content: bytes, shown: bool) -> None:
    packet: av.Packet = av.Packet(content)
    assert Stamp.of(packet, codec).shown is shown


# --- fields --------------------------------------------------------------------------------------


def bits(*values: tuple[int, int] | int) -> str:
    """Write (number of bits, value) as it is, and a number alone as an Exp-Golomb code."""
    text = ""
    for value in values:
        if isinstance(value, tuple):
            text += format(value[1], f"0{value[0]}b")
        else:
            code = format(value + 1, "b")
            text += "0" * (len(code) - 1) + code
    return text


def unit(header: int, payload: bytes, text: str) -> bytes:
    text += "1"
    text += "0" * (-len(text) % 8)
    return b"\0\0\0\1" + bytes([header]) + payload + int(text, 2).to_bytes(len(text) // 8, "big")


def field_of(number: int, *, bottom: bool) -> bytes:
    """One field, of 32 x 16 pixels without compression, of a picture of H.264."""
    header = bits(0, 7, 0, (4, 0), (1, 1), (1, bottom))
    header += bits((1, 0)) if bottom else bits(number % 2, (2, 0))
    text = header + bits(0)
    for _ in range(2):
        text += bits(25)
        text += "0" * (-len(text) % 8) + format(40 + 10 * number, "08b") * 384
    return unit(0x41 if bottom else 0x65, b"", text)


PARAMETERS = unit(
    0x67,
    bytes([77, 0, 30]),
    bits(0, 0, 2, 1, (1, 0), 1, 0, (1, 0), (1, 0), (1, 1), (1, 0), (1, 0)),
) + unit(0x68, b"", bits(0, 0, (2, 0), 0, 0, 0, (3, 0), 0, 0, 0, (3, 0)))


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.mp4", "a.avi"])
@pytest.mark.parametrize("together", [False, True])
def test_two_fields_are_one_picture(
    name: str, together: bool, tmp_path: Path, assert_all_shown: Check
) -> None:
    packets = []
    for number in range(9):
        top = PARAMETERS + field_of(number, bottom=False)
        bottom = field_of(number, bottom=True)
        if together:
            packets.append((top + bottom, 2 * number, True))
        else:
            packets += [(top, 2 * number, True), (bottom, 2 * number + 1, False)]
    path = mux(tmp_path / name, "libx264", packets, 32)
    assert_all_shown(path)
    assert probe(path).n_frames == 9


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.avi", "libx264", {"bf": "3", "g": "12"}),
        ("a.avi", "libx264", {"bf": "0"}),
        ("a.avi", "mpeg4", {"bf": "2"}),
        ("a.wmv", "wmv2", {"g": "10"}),
        ("a.flv", "flv", {"g": "10"}),
        ("a.avi", "snow", {"strict": "-2"}),
    ],
)
def test_frames_are_numbered_as_they_are_shown_where_times_do_not_tell(
    name: str,
    codec: str,
    options: dict[str, str],
    tmp_path: Path,
    write_video: Callable[..., Path],
    moving_scene: Callable[..., list[np.ndarray]],
    assert_all_shown: Check,
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no encoder {codec}")
    path = write_video(tmp_path / name, moving_scene(40), codec=codec, options=options)
    assert_all_shown(path)


def test_pictures_before_the_first_clean_start_are_no_frames(
    tmp_path: Path,
    write_video: Callable[..., Path],
    moving_scene: Callable[..., list[np.ndarray]],
    assert_all_shown: Check,
) -> None:
    options = {"x265-params": "log-level=none:keyint=10:min-keyint=10:bframes=3:open-gop=1"}
    path = write_video(tmp_path / "a.mkv", moving_scene(40), codec="libx265", options=options)
    cut = tmp_path / "cut.mkv"
    with av.open(str(path)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        n_keyframes = 0
        for packet in source.demux(video=0):
            n_keyframes += packet.is_keyframe
            if packet.size and n_keyframes > 1:
                packet.stream = stream
                target.mux(packet)
    assert_all_shown(cut)


# --- streams -------------------------------------------------------------------------------------


def write_two(path: Path, sizes: Sequence[int], default: int | None) -> Path:
    """Two video streams, squares of these sides; one may be the default."""
    with av.open(str(path), "w") as container:
        streams = []
        for at, side in enumerate(sizes):
            stream = container.add_stream("libx264", rate=25)
            stream.width = stream.height = side
            stream.pix_fmt = "yuv420p"
            if default is not None:
                stream.disposition = int(at == default)
            streams.append(stream)
        for stream in streams:
            frame = av.VideoFrame(stream.width, stream.height, "yuv420p")
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("sizes", "default", "read", "words"),
    [
        ((32, 64), 1, 64, "2 video streams: number 2 is read, the default (64 x 64)"),
        ((32, 64), 0, 32, "2 video streams: number 1 is read, the default (32 x 32)"),
        ((32, 64), None, 64, "2 video streams: number 2 is read, "),
        ((64, 64), None, 64, "2 video streams: number 1 is read, "),
    ],
)
def test_of_several_streams_the_default_or_the_largest_is_read_and_told(
    sizes: tuple[int, int], default: int | None, read: int, words: str, tmp_path: Path
) -> None:
    path = write_two(tmp_path / "a.mkv", sizes, default)
    batch = sample_frames(path, 3)
    assert batch.images[0] is not None
    assert batch.images[0].shape == (read, read, 3)
    assert set(batch.status) == {"ok"}
    assert batch.note.startswith(words)
    assert probe(path).note == batch.note
