"""Frames of a clip: those asked for, under any name, and the good ones of damaged files."""

import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_generalize.data.video.sampling import (
    probe,
    read_frames,
    sample_frames,
    sample_indices,
)
from deepfake_generalize.errors import VideoError


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


@pytest.fixture
def clip(
    tmp_path: Path,
    write_video: Callable[..., Path],
    moving_scene: Callable[..., list[np.ndarray]],
    index_in_front: Callable[[Path, Path], Path],
) -> Path:
    """A short, whole H.264 file with B-frames, its index before its data."""
    late = write_video(tmp_path / "late.mp4", moving_scene(60), options={"g": "60", "bf": "2"})
    return index_in_front(late, tmp_path / "clip.mp4")


def test_sampled_frames_are_those_of_the_sampled_indices(clip: Path) -> None:
    sampled, read = sample_frames(clip, 7), read_frames(clip, sample_indices(60, 7))
    assert sampled.indices == read.indices == tuple(sample_indices(60, 7))
    for one, other in zip(sampled.images, read.images, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sample_frames(clip, 100).indices == tuple(range(60))


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


def test_a_truncated_file_gives_its_good_frames_and_names_the_rest(
    clip: Path, decode_all: Callable[[Path], list[np.ndarray]]
) -> None:
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


def test_flipped_bytes_are_marked_corrupt_and_not_returned(
    clip: Path, decode_all: Callable[[Path], list[np.ndarray]]
) -> None:
    data = bytearray(clip.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    # Of some tens H.264 may make other pictures that are no less valid.
    data[middle : middle + 600] = bytes(byte ^ 0x5A for byte in data[middle : middle + 600])
    flipped = clip.with_name("flipped.mp4")
    flipped.write_bytes(bytes(data))
    batch = read_frames(flipped, list(range(60)))
    damaged = [index for index, status in enumerate(batch.status) if status != "ok"]
    assert 0 < len(damaged) < 60
    assert all(batch.images[index] is None for index in damaged)
    assert "corrupt" in batch.note
    np.testing.assert_array_equal(batch.images[0], decode_all(clip)[0])


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


def test_frames_outside_the_video_are_missing(clip: Path) -> None:
    batch = read_frames(clip, [60, 59, -1])
    assert batch.status == ["missing", "ok", "missing"]
    assert batch.note == "of 3 frames asked for, 2 missing, 0 corrupt"


def test_no_index_gives_no_frame(clip: Path) -> None:
    assert read_frames(clip, []).images == []
