"""The planned pass: that it really decodes less, and gives way when it cannot be exact."""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import av
import numpy as np
import pytest

from deepfake_generalize.data.video import decoding
from deepfake_generalize.data.video.decoding import (
    Damage,
    Found,
    Stamp,
    decode_planned,
    demuxed,
    presentation_order,
)


def planned(path: Path, indices: list[int]) -> tuple[Found, int, int]:
    """The planned pass alone, without the fallback, and the numbers of packets and of frames."""
    with av.open(str(path)) as container:
        stamps = [
            Stamp.of(packet, container.streams.video[0].codec_context.name)
            for packet in demuxed(container.streams.video[0], Damage())
        ]
    order = presentation_order(stamps)
    assert order is not None
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        with mock.patch.object(decoding, "_collect", wraps=decoding._collect) as collect:
            found = decode_planned(stream, stamps, order, indices)
        return found, len(stamps), collect.call_count


@pytest.fixture
def encode(tmp_path: Path, write_video: Callable[..., Path]) -> Callable[..., Path]:
    def write(name: str, codec: str, options: dict[str, str]) -> Path:
        ramp = np.tile(np.arange(96, dtype=np.uint8), (64, 1))[:, :, None].repeat(3, axis=2)
        frames = [np.roll(ramp, 2 * index, axis=1) for index in range(100)]
        return write_video(tmp_path / name, frames, codec=codec, options=options)

    return write


@pytest.mark.parametrize(
    ("name", "codec", "options", "at_most"),
    [
        ("a.mp4", "libx264", {"g": "10", "bf": "0"}, 20),
        ("a.ts", "libx264", {"g": "10", "bf": "0"}, 20),
        ("a.mp4", "libx264", {"g": "100", "bf": "2", "sc_threshold": "0"}, 70),
        ("a.mkv", "libx265", {"x265-params": "log-level=none:keyint=10:bframes=0"}, 20),
        ("a.avi", "mpeg4", {"g": "10"}, 20),
        ("a.webm", "libvpx-vp9", {"g": "10", "deadline": "realtime"}, 20),
    ],
)
def test_only_what_is_needed_is_decoded(
    name: str, codec: str, options: dict[str, str], at_most: int, encode: Callable[..., Path]
) -> None:
    found, n_packets, n_decoded = planned(encode(name, codec, options), [35, 88])
    assert n_packets == 100
    assert found.complete([35, 88])
    assert n_decoded <= at_most


def test_decoding_never_starts_in_a_gradual_refresh(encode: Callable[..., Path]) -> None:
    path = encode("a.mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=20"})
    with av.open(str(path)) as container:
        whole = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    found, _, _ = planned(path, [88])
    assert found.complete([88])
    np.testing.assert_array_equal(found.images[88], whole[88])


@pytest.mark.parametrize(
    ("times", "expected"),
    [([0, 30, 10, 20], {0: 0, 10: 1, 20: 2, 30: 3}), ([0, None], None), ([0, 5, 5], None)],
)
def test_presentation_order_is_by_time_or_not_at_all(
    times: list[int | None], expected: dict[int, int] | None
) -> None:
    assert presentation_order([Stamp(pts, True, True) for pts in times]) == expected


def test_hidden_packets_have_no_place_in_the_order() -> None:
    stamps = [Stamp(0, True, False), Stamp(10, False, True)]
    assert presentation_order(stamps) == {10: 0}


def test_an_absent_frame_or_any_damage_makes_a_pass_incomplete() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    assert Found({3: image}).complete([3])
    assert not Found({3: image}).complete([3, 4])
    assert not Found({3: image}, damage=Damage({9}, ["x"])).complete([3])
