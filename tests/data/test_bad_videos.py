"""Bad videos, from the file to the crops: each ends as its list says, in words, and none crashes.

A case is made in an empty folder beside `good.mp4`, and goes through the public functions. Nothing
may crash, hang, pass for good, or fail with bare words.
"""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import VIDEO_COLUMNS, crop_video, extract_faces
from deepfake_generalize.data.video.sampling import probe, read_frames
from deepfake_generalize.errors import VideoError


class Case(NamedTuple):
    """A bad video.

    `make` is for the fixture `make_bad`. `status` is that of the whole video; `text` a regular
    expression that its message holds. `frames`: for a partly damaged video the statuses that its
    frames have.
    """

    make: Callable[[Path], object] | bytes | None
    status: str
    text: str
    file: str = "bad"
    frames: frozenset[str] = frozenset()


# --- what the cases are made of ----------------------------------------------------------------


def dangling(path):
    path.symlink_to(path.with_name("nowhere"))


def itself(path):
    path.symlink_to(path)


def audio(path):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def without_index(path):
    data = path.with_name("good.mp4").read_bytes()
    path.write_bytes(data[: data.rindex(b"moov") - 4])


def header_only(path):
    data = path.with_name("good.mp4").read_bytes()
    path.write_bytes(data[: data.index(b"mdat") - 4] + data[data.rindex(b"moov") - 4 :])


def flipped(path):
    data = bytearray(path.with_name("good.mp4").read_bytes())
    middle = data.index(b"mdat") + (data.rindex(b"moov") - data.index(b"mdat")) // 2
    data[middle : middle + 6000] = bytes(byte ^ 0x5A for byte in data[middle : middle + 6000])
    path.write_bytes(bytes(data))


def early_index_cut(path):
    """A file with its index in front, as the web has them, cut off in its data."""
    data = path.with_name("early.mp4").read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])


def very_wide(path):
    """Frames of a width at which the native code of face finders ends the process."""
    frame = av.VideoFrame.from_ndarray(np.zeros((2, 32_767, 3), np.uint8), format="rgb24")
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32_767, 2, "bgr0"
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


RGB = np.full((16, 16, 3), 90, np.uint8)
PNG, JPEG = (cv2.imencode(suffix, RGB)[1].tobytes() for suffix in (".png", ".jpg"))

# --- the list ------------------------------------------------------------------------------------

VIDEOS = {
    "missing": Case(None, "missing", "there is no file"),
    "dangling link": Case(dangling, "missing", "there is no file"),
    "link to itself": Case(itself, "error", "symbolic links"),
    "folder": Case(Path.mkdir, "error", "is a directory"),
    "fifo": Case(os.mkfifo, "error", "is not a regular file"),
    "zero bytes": Case(b"", "error", r"is empty \(0 bytes\)"),
    "text": Case(b"no video\n" * 50, "error", "it is text"),
    "html": Case(b"<!doctype html><html>404", "error", "it is an HTML page"),
    "lfs pointer": Case(b"version https://git-lfs", "error", "Git LFS pointer"),
    "zip": Case(b"PK\x03\x04" + bytes(99), "error", "a ZIP archive"),
    "gzip": Case(b"\x1f\x8b" + bytes(99), "error", "a gzip archive"),
    "random": Case(bytes(range(255, 0, -1)), "error", "of no known kind"),
    "png": Case(PNG, "error", "a PNG picture", "bad.mp4"),
    "jpeg": Case(JPEG, "error", "a JPEG picture", "bad.avi"),
    "playlist": Case(b"#EXTM3U\ngood.mp4\n", "error", r"a playlist \(M3U\)"),
    "ffconcat": Case(
        b"ffconcat version 1.0\nfile good.mp4", "error", r"a list of other files \(ffconcat\)"
    ),
    "audio only": Case(audio, "no_frames", "hold a video stream, found audio"),
    "no index": Case(without_index, "error", "index .moov. is missing or damaged"),
    "index only": Case(
        header_only,
        "corrupt",
        "promises 40 frames and holds",
        frames=frozenset({"missing"}),
    ),
    "very wide": Case(very_wide, "error", "32,766 pixels a side"),
    "name with NUL": Case(None, "error", "cannot be reached: .*embedded null", "a\0b.mp4"),
    "cut off": Case(
        early_index_cut,
        "ok",
        "truncated: the file promises 40 frames",
        frames=frozenset({"ok", "missing"}),
    ),
    "flipped bytes": Case(
        flipped,
        "ok",
        "of 40 frames asked for, [0-9]+ missing",
        frames=frozenset({"ok", "corrupt", "missing"}),
    ),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"video: {name}") for name, case in VIDEOS.items()]
)
def test_bad_videos_have_a_status_and_a_reason(case, make_bad, part_finder, tmp_path, capfd):
    path = make_bad(case.make, case.file, crops=False)
    choices = {"size": 16, "finder": part_finder(), "aligner": "finder", "frames_per_video": 40}
    row = dict.fromkeys(VIDEO_COLUMNS, "x") | {"path": str(path), "label": 1}
    done = extract_faces(pd.DataFrame([row]), tmp_path / "out", **choices)
    if case.frames:
        alone = crop_video(path, **choices)
        found = set(alone.frames["status"])
        assert found <= case.frames
        assert found > {"ok"} or case.status != "ok"
        assert re.search(case.text, alone.note)
    else:
        with pytest.raises(VideoError, match=case.text) as caught:
            crop_video(path, **choices)
        assert caught.value.status == case.status
        assert caught.value.message.startswith("expected ")
        assert caught.value.hint
    assert set(done.failures["path"]) == {str(path)}
    assert done.failures["reason"].str.contains(case.text).all()
    if case.status == "ok":
        assert set(done.failures["status"]) == found - {"ok"}
        assert set(done.crops["flag"]) == {"damaged_video"}
    else:
        assert done.failures["status"].tolist() == [case.status]
        assert done.failures["frame"].isna().all()
        assert done.crops.empty
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=name) for name, case in VIDEOS.items() if not case.frames],
)
@pytest.mark.parametrize("call", [probe, partial(read_frames, indices=[0])], ids=["probe", "read"])
def test_bad_files_are_refused_in_words(
    case: Case, call: Callable[[Path], object], make_bad: Callable[..., Path]
) -> None:
    path = make_bad(case.make, f"{case.file}.mp4", crops=False)
    with pytest.raises(VideoError, match=case.text) as caught:
        call(path)
    assert caught.value.status == case.status
    assert caught.value.message.startswith("expected ")
    assert str(path).replace("\0", r"\x00") in caught.value.message
    assert caught.value.hint
