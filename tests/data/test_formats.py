"""Videos as cameras, phones and file systems make them, from the file to the crops."""

import os
import shutil
from fractions import Fraction

import av
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import VIDEO_COLUMNS, Face, extract_faces, find_videos, read_image

SIDE = 40  # of the square that is taken for a face, at 60, 30 in frames of 160 x 96


class SquareFinder:
    """Takes what is bright for a face."""

    name = "square"

    def find(self, image):
        rows, columns = np.nonzero(image.min(axis=2) > 150)
        if rows.size == 0:
            return []
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        return [Face(tuple(map(float, box)), 0.9)]

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def scene(n_frames, scale=1):
    frame = np.full((96 * scale, 160 * scale, 3), 30, np.uint8)
    frame[30 * scale : (30 + SIDE) * scale, 60 * scale : (60 + SIDE) * scale] = 220
    return [frame] * n_frames


def turned(path, write_video):
    """A phone's video: stored lying on its side, with the turn in its header."""
    write_video(path, scene(12))
    data = path.read_bytes()
    one, minus = (1 << 16).to_bytes(4, "big"), (-(1 << 16) & 0xFFFFFFFF).to_bytes(4, "big")
    zero, last = bytes(4), (1 << 30).to_bytes(4, "big")
    identity = one + zero * 3 + one + zero * 3 + last
    quarter = zero + one + zero + minus + zero * 4 + last
    start = data.index(identity, data.index(b"tkhd"))
    path.write_bytes(data[:start] + quarter + data[start + len(quarter) :])


def variable(path, write_video):
    """Frames that come in bursts, with a pause of three seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        for number, image in enumerate(scene(12)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = 4 * number + (300 if number > 5 else 0)
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def plain(**choices):
    n_frames, scale = choices.pop("n_frames", 12), choices.pop("scale", 1)
    return lambda path, write_video: write_video(path, scene(n_frames, scale), **choices)


# name of the file, how it is made, crops of ten frames asked for, box of the face
FORMATS = {
    "turned": ("a.mp4", turned, 10, (26, 60, 66, 100)),
    "one frame": ("a.mp4", plain(n_frames=1), 1, None),
    "three frames": ("a.mp4", plain(n_frames=3), 3, None),
    "variable rate": ("a.mp4", variable, 10, None),
    "grey": ("a.mp4", plain(pix_fmt="gray"), 10, None),
    "10 bits": ("a.mp4", plain(pix_fmt="yuv420p10le"), 10, None),
    "4:4:4": ("a.mp4", plain(pix_fmt="yuv444p"), 10, None),
    "4K": ("a.mp4", plain(scale=24, n_frames=3, options={"preset": "ultrafast"}), 3,
           (1440, 720, 2400, 1680)),
    "unicode": ("gesicht ä 顔 %03d #?.mp4", plain(), 10, None),
    "undecodable bytes": (os.fsdecode(b"\xff\xfe.mp4"), plain(), 10, None),
}  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.nightly if kind == "4K" else ()) for kind in FORMATS],
)
def test_every_kind_of_video_gives_its_crops(kind, tmp_path, write_video):
    name, make, count, box = FORMATS[kind]
    made = tmp_path / "made.mp4"
    make(made, write_video)
    folder = tmp_path / "set" / "real"
    folder.mkdir(parents=True)
    shutil.move(made, folder / name)
    videos = find_videos(tmp_path / "set", layout="folders")
    done = extract_faces(
        videos, tmp_path / "out", size=64, margin=2.0, finder=SquareFinder(), aligner="finder"
    )
    assert done.counts == {"ok": count}
    assert set(done.crops["video"]) == {str(folder / name)}
    left, top, right, bottom = box or (60, 30, 60 + SIDE, 30 + SIDE)
    for text, path in zip(done.crops["box"], done.crops["path"], strict=True):
        np.testing.assert_allclose(
            [float(value) for value in text.split(",")], (left, top, right, bottom), atol=2
        )
        image = read_image(path)
        # The square fills the middle half, in grey, and nothing else is bright. The encoder stores
        # grey at full range without saying so, which spreads it a little.
        np.testing.assert_allclose(image[20:44, 20:44], 220, atol=20)
        np.testing.assert_allclose(image[:12], 30, atol=20)
        assert np.ptp(image[20:44, 20:44].astype(int), axis=2).max() <= 3


def test_paths_of_any_bytes_survive_the_manifest(tmp_path, write_video):
    video = tmp_path / os.fsdecode(b"\xff\xfe.mp4")
    shutil.move(write_video(tmp_path / "a.mp4", scene(3)), video)
    row = dict.fromkeys(VIDEO_COLUMNS, "x") | {"path": str(video), "label": 1}
    choices = {"finder": SquareFinder(), "aligner": "finder", "size": 32}
    first = extract_faces(pd.DataFrame([row]), tmp_path / "out", **choices)
    again = extract_faces(pd.DataFrame([row]), tmp_path / "out", **choices)
    assert again.n_done == 0
    pd.testing.assert_frame_equal(again.crops, first.crops)
