"""Damage is asked for: no picture is called ok that was invented, or predicted from such a one."""

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deepfake_generalize.data.video import decoding
from deepfake_generalize.data.video.containers import to_rgb
from deepfake_generalize.data.video.decoding import (
    Damage,
    Stamp,
    damaged_packets,
    first_packets,
    presentation_order,
)
from deepfake_generalize.data.video.sampling import probe, read_frames, sample_frames

N_FRAMES = 40


def rewrite(source: Path, target: Path, change: Callable[[int, bytes], bytes]) -> Path:
    """Write a video again, packet by packet, each with other content."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        for at, packet in enumerate(item for item in old.demux(stream) if item.size):
            changed = av.Packet(change(at, bytes(packet)))
            changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
            changed.is_keyframe = packet.is_keyframe
            if packet.duration:
                changed.duration = packet.duration
            changed.stream = copy
            new.mux(changed)
    return target


def holed(data: bytes) -> bytes:
    """Zeros behind the first third."""
    return data[: len(data) // 3] + bytes(len(data) - len(data) // 3)


def cut(data: bytes) -> bytes:
    """The first third."""
    return data[: len(data) // 3]


@pytest.fixture
def encode(
    tmp_path: Path,
    write_video: Callable[..., Path],
    moving_scene: Callable[..., list[np.ndarray]],
) -> Callable[..., Path]:
    """Return a function that writes a clip of 40 frames."""

    def write(name: str, codec: str, **choices: object) -> Path:
        return write_video(tmp_path / name, moving_scene(N_FRAMES), codec=codec, **choices)

    return write


def assert_ok_is_right(path: Path, whole: list[np.ndarray]) -> list[str]:
    """Compare what is called ok with the clip as it was; give the statuses of all frames."""
    batch = read_frames(path, list(range(N_FRAMES)))
    for index, image in enumerate(batch.images):
        if image is not None:
            np.testing.assert_array_equal(image, whole[index], err_msg=f"frame {index}")
    assert batch.note
    return list(batch.status)


@pytest.mark.parametrize("change", [holed, cut])
def test_pictures_of_motion_jpeg_that_end_early_are_corrupt(
    change: Callable[[bytes], bytes],
    tmp_path: Path,
    encode: Callable[..., Path],
    decode_all: Callable[[Path], list[np.ndarray]],
) -> None:
    clip = encode("a.avi", "mjpeg", pix_fmt="yuvj420p")
    some = rewrite(clip, tmp_path / "b.avi", lambda at, data: data if at % 4 else change(data))
    status = assert_ok_is_right(some, decode_all(clip))
    assert [at for at, word in enumerate(status) if word == "corrupt"] == list(range(0, 40, 4))
    assert set(status) == {"ok", "corrupt"}
    every = rewrite(clip, tmp_path / "c.avi", lambda _, data: change(data))
    assert set(sample_frames(every, 10).status) == {"corrupt"}


@pytest.mark.parametrize("bframes", ["0", "2"])
def test_all_is_corrupt_from_a_damaged_picture_to_the_next_clean_start(
    bframes: str,
    tmp_path: Path,
    encode: Callable[..., Path],
    decode_all: Callable[[Path], list[np.ndarray]],
) -> None:
    clip = encode("a.mp4", "libx264", options={"g": "10", "bf": bframes, "sc_threshold": "0"})
    path = rewrite(clip, tmp_path / "b.mp4", lambda at, data: holed(data) if at == 20 else data)
    whole = decode_all(clip)
    status = assert_ok_is_right(path, whole)
    assert status == ["ok"] * 20 + ["corrupt"] * 10 + ["ok"] * 10
    # Sampled frames only, none of which is the damaged one.
    batch = read_frames(path, [5, 25, 29, 30])
    assert batch.status == ["ok", "corrupt", "corrupt", "ok"]
    assert "2 corrupt" in batch.note
    assert read_frames(path, [5, 15]).note == ""


@pytest.mark.parametrize(
    ("name", "codec", "options", "change", "place"),
    [
        ("a.mkv", "libx265", {"x265-params": "log-level=none:keyint=100"}, cut, 20),
        ("a.avi", "mpeg4", {"g": "10"}, holed, 20),
        ("a.mkv", "mpeg2video", {"g": "10", "bf": "2"}, holed, 22),
        ("a.flv", "flv", {"g": "10"}, holed, 20),
    ],
)
def test_damage_is_found_in_codecs_that_can_tell(
    name: str,
    codec: str,
    options: dict[str, str],
    change: Callable[[bytes], bytes],
    place: int,
    tmp_path: Path,
    encode: Callable[..., Path],
    decode_all: Callable[[Path], list[np.ndarray]],
) -> None:
    clip = encode(name, codec, options=options)
    path = rewrite(
        clip, tmp_path / f"b{name}", lambda at, data: change(data) if at == place else data
    )
    status = assert_ok_is_right(path, decode_all(clip))
    assert "corrupt" in status
    assert status[:10] == ["ok"] * 10


def test_a_packet_of_which_the_container_lost_a_part_damages_its_group(
    tmp_path: Path, encode: Callable[..., Path]
) -> None:
    clip = encode("a.ts", "libx264", options={"g": "10", "bf": "2", "sc_threshold": "0"})
    data = clip.read_bytes()
    at = len(data) // 188 // 2 * 188
    (tmp_path / "b.ts").write_bytes(data[:at] + data[at + 3 * 188 :])
    n_frames = probe(tmp_path / "b.ts").n_frames
    batch = read_frames(tmp_path / "b.ts", list(range(n_frames)))
    assert batch.status[:10] == ["ok"] * 10
    assert "corrupt" in batch.status
    assert "damaged: 1 stretches could not be read" in batch.note


def test_an_oddity_of_the_whole_stream_is_no_damage(
    tmp_path: Path, encode: Callable[..., Path], decode_all: Callable[[Path], list[np.ndarray]]
) -> None:
    options = {"x265-params": "log-level=none:keyint=20"}
    clip = encode("a.mp4", "libx265", options=options)
    # Supplemental information that promises more bytes than it has, as some cameras write it.
    unit = bytes([39 << 1, 1, 137, 40, 1, 2])
    odd = len(unit).to_bytes(4, "big") + unit
    path = rewrite(clip, tmp_path / "b.mp4", lambda _, data: odd + data)
    batch = sample_frames(path, 10)
    assert (set(batch.status), batch.note) == ({"ok"}, "")
    whole = decode_all(clip)
    for index, image in zip(batch.indices, batch.images, strict=True):
        np.testing.assert_array_equal(image, whole[index])


def test_a_frame_that_cannot_be_converted_costs_no_other(
    tmp_path: Path, encode: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = encode("a.avi", "mjpeg", pix_fmt="yuvj420p")

    def convert(frame: av.VideoFrame, aspect: Fraction | None) -> np.ndarray:
        if frame.pts == 20:
            raise OSError("no such conversion")
        return to_rgb(frame, aspect)

    monkeypatch.setattr(decoding, "to_rgb", convert)
    batch = read_frames(clip, [4, 19, 20, 21])
    assert batch.status == ["ok", "ok", "corrupt", "ok"]
    assert "no such conversion" in batch.note


def test_titles_in_any_bytes_do_no_harm(tmp_path: Path, encode: Callable[..., Path]) -> None:
    clip = encode("a.mkv", "libx264")
    with av.open(str(clip)) as old, av.open(str(tmp_path / "b.mkv"), "w") as new:
        new.metadata["title"] = "TITLEXX"
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    data = (tmp_path / "b.mkv").read_bytes()
    (tmp_path / "c.mkv").write_bytes(data.replace(b"TITLEXX", b"T\xecTL\xe9XX"))
    assert set(sample_frames(tmp_path / "c.mkv", 5).status) == {"ok"}


def test_a_picture_that_vanishes_without_a_word_moves_no_other(
    tmp_path: Path, encode: Callable[..., Path], decode_all: Callable[[Path], list[np.ndarray]]
) -> None:
    clip = encode("a.mkv", "mpeg2video", options={"g": "10", "bf": "2"})
    # Of a picture that no other refers to, nothing but the header is left.
    path = rewrite(clip, tmp_path / "b.mkv", lambda at, data: holed(data) if at == 20 else data)
    status = assert_ok_is_right(path, decode_all(clip))
    assert [at for at, word in enumerate(status) if word != "ok"] == [19]
    assert status[19] == "missing"
    # What a whole pass gives without damage is all that there is.
    sampled = sample_frames(path, N_FRAMES)
    assert sampled.indices == tuple(range(N_FRAMES - 1))
    assert (set(sampled.status), sampled.note) == ({"ok"}, "")


# --- what is touched -----------------------------------------------------------------------------


def slow_first_packets(stamps: list[Stamp]) -> list[int]:
    """The last keyframe up to each packet that is not shown after it; 0 without."""
    starts = []
    for position, stamp in enumerate(stamps):
        fitting = [
            at
            for at, other in enumerate(stamps[: position + 1])
            if other.keyframe and (other.pts or 0) <= (stamp.pts or 0)
        ]
        starts.append(fitting[-1] if fitting else 0)
    return starts


@pytest.mark.parametrize("seed", range(20))
def test_the_first_packet_that_is_needed_is_the_last_keyframe_not_shown_later(seed: int) -> None:
    rng = random.Random(seed)
    times = rng.sample(range(100), 30)
    stamps = [Stamp(time, rng.random() < 0.3, rng.random() < 0.8) for time in times]
    order = presentation_order(stamps)
    assert order is not None
    expected = slow_first_packets(stamps)
    shown = [at for at, stamp in enumerate(stamps) if stamp.shown]
    starts = first_packets(stamps, order)
    assert [starts[at] for at in shown] == [expected[at] for at in shown]


def test_damage_reaches_to_the_next_clean_start() -> None:
    keyframes = {0, 4, 8}
    stamps = [Stamp(at, at in keyframes, True) for at in range(12)]
    # The two behind the last keyframe are shown before it, and need the group before.
    stamps[8:11] = [Stamp(10, True, True), Stamp(8, False, True), Stamp(9, False, True)]
    order = presentation_order(stamps)
    assert order is not None
    assert damaged_packets(stamps, order, Damage({5}, ["x"])) == [5, 6, 7, 9, 10]
