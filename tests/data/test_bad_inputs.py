"""One list of bad inputs: videos, images, manifests, trees. Each ends as the list says, in words.

A case is made in an empty folder beside `good.mp4`, `good.png` and `crops/`, and goes through the
public function of its kind. Nothing may crash, hang, pass for good, or fail with bare words.
"""

import os
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import (
    CROP_COLUMNS,
    VIDEO_COLUMNS,
    Face,
    Splits,
    balanced_splits,
    crop_video,
    extract_faces,
    find_videos,
    pack,
    read_crops,
    read_failures,
    read_image,
    to_dataset,
)
from deepfake_generalize.errors import DataMismatchError, InputError, VideoError


class WholeFinder:
    """Takes the whole frame for a face, so that only the video decides."""

    name = "whole"

    def find(self, image):
        return [Face((0.0, 0.0, float(image.shape[1]), float(image.shape[0])), 0.9)]

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Case(NamedTuple):
    """A bad input.

    `make` gets the path to make it at. `status` is that of the whole video, or the exception's
    class; `text` a regular expression that its message holds. `frames`: for a partly damaged video
    the statuses that its frames have.
    """

    kind: str
    name: str
    make: Callable[[Path], object]
    status: object
    text: str
    file: str = ""
    frames: frozenset[str] = frozenset()


# --- what the cases are made of ----------------------------------------------------------------


def content(data):
    return lambda path: path.write_bytes(data if isinstance(data, bytes) else data.encode())


def part_of(name, share):
    def make(path):
        data = path.with_name(name).read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return make


def nothing(path):
    return path


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
    whole = path.with_name("early.mp4")
    with (
        av.open(str(path.with_name("good.mp4"))) as source,
        av.open(str(whole), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    part_of("early.mp4", 0.6)(path)


def image(suffix, array, **changes):
    def make(path):
        path.write_bytes(cv2.imencode(suffix, array)[1].tobytes())

    return make


def png_of_size(width, height):
    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))
    return data + chunk(b"IEND", b"")


def png_with_a_flipped_bit(path):
    data = bytearray(path.with_name("good.png").read_bytes())
    data[data.index(b"IDAT") + 10] ^= 1
    path.write_bytes(bytes(data))


def table(text):
    """A manifest of crops with other text, without the check beside it."""

    def make(path):
        path.mkdir()
        (path / "crops.csv").write_text(text)

    return make


def edited(old, new, file="crops.csv"):
    def make(path):
        text = (path.parent / "crops" / file).read_text()
        assert old in text
        path.mkdir()
        (path / file).write_text(text.replace(old, new, 1))

    return make


def changed_behind_its_check(path):
    file = path.parent / "crops" / "crops.csv"
    file.write_text(file.read_text().replace(",0,", ",1,", 1))
    path.symlink_to(file.parent)


def splits_of(path):
    crops = read_crops(path.parent / "crops")
    return balanced_splits(crops, train=2, val=2, test=2, by="video").save(path)


def splits_altered(path):
    text = splits_of(path).read_text()
    path.write_text(text.replace(",train,", ",test,", 1))


def splits_with_an_odd_subset(path):
    path.write_text(splits_of(path).read_text().replace(",train,", ",holdout,"))


def crops_with_a_cut_image(path):
    first = Path(read_crops(path.parent / "crops")["path"][0])
    first.write_bytes(first.read_bytes()[:-20])


def packed(path):
    return pack(read_crops(path.parent / "crops"), path)


def pack_cut(path):
    data = packed(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def tree(*names, **texts):
    def make(path):
        for name in names:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).touch()
        for name, text in texts.items():
            (path / name.replace("__", "/")).write_text(text)

    return make


def texts(files):
    def make(path):
        for name, text in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)

    return make


FF = "original_sequences/youtube/c23/videos"
HEADER = ",".join(CROP_COLUMNS)
RGB = np.full((16, 16, 3), 90, np.uint8)

# --- the list ------------------------------------------------------------------------------------

CASES = [
    Case("video", "missing", nothing, "missing", "there is no file"),
    Case("video", "dangling link", dangling, "missing", "there is no file"),
    Case("video", "link to itself", itself, "error", "symbolic links"),
    Case("video", "folder", Path.mkdir, "error", "is a directory"),
    Case("video", "fifo", os.mkfifo, "error", "is not a regular file"),
    Case("video", "zero bytes", content(b""), "error", r"is empty \(0 bytes\)"),
    Case("video", "text", content("no video\n" * 50), "error", "it is text"),
    Case("video", "html", content("<!doctype html><html>404"), "error", "it is an HTML page"),
    Case("video", "lfs pointer", content("version https://git-lfs"), "error", "Git LFS pointer"),
    Case("video", "zip", content(b"PK\x03\x04" + bytes(99)), "error", "a ZIP archive"),
    Case("video", "gzip", content(b"\x1f\x8b" + bytes(99)), "error", "a gzip archive"),
    Case("video", "random", content(bytes(range(255, 0, -1))), "error", "of no known kind"),
    Case("video", "png", image(".png", RGB), "error", "a PNG picture"),
    Case("video", "jpeg", image(".jpg", RGB), "error", "a JPEG picture"),
    Case("video", "playlist", content("#EXTM3U\ngood.mp4\n"), "error", r"a playlist \(M3U\)"),
    Case("video", "ffconcat", content("ffconcat version 1.0\nfile good.mp4"), "error", "ffconcat"),
    Case("video", "audio only", audio, "no_frames", "a video stream, found audio"),
    Case("video", "no index", without_index, "error", "index .moov. is missing or damaged"),
    Case(
        "video",
        "index only",
        header_only,
        "corrupt",
        "promises 40 frames and holds",
        frames=frozenset({"missing"}),
    ),
    Case("video", "name with NUL", nothing, "error", "embedded null", "a\0b.mp4"),
    Case(
        "video",
        "cut off",
        early_index_cut,
        "ok",
        "truncated: the file promises 40 frames",
        frames=frozenset({"ok", "missing"}),
    ),
    Case(
        "video",
        "flipped bytes",
        flipped,
        "ok",
        "of 40 frames asked for, [0-9]+ missing",
        frames=frozenset({"ok", "corrupt", "missing"}),
    ),
    # Images.
    Case("image", "missing", nothing, InputError, "No such file"),
    Case("image", "folder", Path.mkdir, InputError, "Is a directory"),
    Case("image", "zero bytes", content(b""), InputError, "the file is empty"),
    Case("image", "text", content("hello"), InputError, "the content is none of these"),
    Case("image", "gif", content(b"GIF89a" + bytes(99)), InputError, "none of these"),
    Case("image", "tiff", image(".tiff", RGB), InputError, "none of these"),
    Case("image", "header only", content(b"\x89PNG\r\n\x1a\n"), InputError, "within its header"),
    Case("image", "cut png", part_of("good.png", 0.6), InputError, "the PNG is truncated"),
    Case("image", "flipped bit", png_with_a_flipped_bit, InputError, "checksum of its IDAT chunk"),
    Case("image", "bomb", content(png_of_size(60_000, 60_000)), InputError, "at most 100 megap"),
    Case("image", "no size", content(png_of_size(0, 5)), InputError, "its header gives no size"),
    Case("image", "16 bits", image(".png", RGB.astype(np.uint16)), InputError, "8 bits a channel"),
    Case("image", "alpha", image(".png", np.zeros((4, 4, 4), np.uint8)), InputError, "alpha"),
    Case("image", "name with NUL", nothing, InputError, "embedded null", "a\0.png"),
    # Manifests, splits and packs.
    Case("crops", "missing", nothing, InputError, "does not exist"),
    Case("crops", "empty folder", Path.mkdir, InputError, "expected crops in .*, found none"),
    Case("crops", "a file", content("x"), InputError, "received the file"),
    Case("crops", "empty table", table(""), InputError, "expected a CSV manifest"),
    Case("crops", "other columns", table("a,b\n1,2\n"), InputError, "missing: path, video"),
    Case("crops", "open quote", table(HEADER + '\n"a,b\n'), InputError, "EOF inside string"),
    Case("crops", "word for label", edited(",0,", ",no,"), InputError, "expected numbers"),
    Case("crops", "third label", edited(",0,", ",2,"), InputError, "labels 0 .real. and 1"),
    Case("crops", "altered table", changed_behind_its_check, InputError, "as it was written"),
    Case("failures", "missing", Path.mkdir, InputError, "a manifest at .*failures.csv.*none"),
    Case("failures", "other columns", texts({"failures.csv": "a\n1\n"}), InputError, "missing:"),
    Case("splits", "missing", nothing, InputError, "expected saved splits"),
    Case("splits", "not splits", content("path,label\n"), InputError, "holds no hash"),
    Case("splits", "bytes", content(b"\xff\xfe\x00"), InputError, "expected saved splits"),
    Case("splits", "altered", splits_altered, DataMismatchError, "to have the hash"),
    Case("splits", "odd subset", splits_with_an_odd_subset, DataMismatchError, "holdout"),
    Case("dataset", "cut image", crops_with_a_cut_image, InputError, "the PNG is truncated"),
    Case("pack", "missing", nothing, InputError, "expected a pack of crops|does not exist", "p.h5"),
    Case("pack", "text", content("hello"), InputError, "pack of crops", "p.h5"),
    Case("pack", "cut off", pack_cut, InputError, "pack of crops", "p.h5"),
    # Trees.
    Case("tree", "missing", nothing, InputError, "which does not exist"),
    Case("tree", "a video", content("x"), InputError, "received the file", "a.mp4"),
    Case("tree", "empty", Path.mkdir, InputError, "holds nothing"),
    Case("tree", "loose videos", tree("a.mp4"), InputError, "a known layout in .*holds a.mp4"),
    Case("tree", "no videos", tree("real/a.txt", "fake/b.txt"), InputError, "no file with a video"),
    Case("tree", "crops", tree("real/a.png", "fake/b.png"), InputError, "are for read_crops"),
    Case(
        "tree",
        "two layouts",
        tree("real/a.mp4", "fake/b.mp4", "Celeb-real/id0_0000.mp4"),
        InputError,
        "those of several",
    ),
    Case("tree", "odd names", tree(f"{FF}/holiday.mp4"), InputError, "could be placed, 1 unknown"),
    Case("tree", "no metadata", texts({"metadata.json": "{"}), InputError, "expected JSON in"),
    Case(
        "tree",
        "metadata alone",
        texts({"metadata.json": '{"a.mp4": {"label": "REAL"}}'}),
        InputError,
        "1 missing",
    ),
    Case(
        "tree",
        "third DFDC label",
        texts({"metadata.json": '{"a.mp4": {"label": "HALF"}}'}),
        InputError,
        "to be REAL or FAKE, received 'HALF'",
    ),
    Case(
        "tree",
        "overlapping splits",
        texts({f"{FF}/000.mp4": "", "train.json": '[["000","001"]]', "test.json": '[["000","2"]]'}),
        DataMismatchError,
        "000 in both train.json and test.json",
    ),
    Case(
        "tree",
        "splits of no pairs",
        texts({f"{FF}/000.mp4": "", "val.json": '["000"]'}),
        InputError,
        "to be a list of pairs",
    ),
    Case(
        "tree",
        "bad list line",
        texts({"Celeb-real/id0_0000.mp4": "", "List_of_testing_videos.txt": "real x"}),
        InputError,
        "line 1 of .*to be '<0.1> <folder>/<file>'",
    ),
    Case(
        "tree",
        "csv label",
        texts({"v.csv": "path,label\na.mp4,maybe\n"}),
        InputError,
        "a label .0 or real, 1 or fake. on line 2",
    ),
    Case(
        "tree",
        "csv twice",
        texts({"v.csv": "path,label\na.mp4,1\na.mp4,0\n"}),
        InputError,
        "on line 2 and on line 3",
    ),
    Case(
        "tree",
        "csv without videos",
        texts({"v.csv": "path,label\na.mp4,1\n"}),
        InputError,
        "1 missing .*line 2 of v.csv names it",
    ),
    Case(
        "tree",
        "csv of pictures",
        texts({"v.csv": "path,label\na.png,1\n", "a.png": ""}),
        InputError,
        "its suffix is not a video's",
    ),
    Case(
        "strict tree",
        "stray",
        tree("real/a.mp4", "fake/b.mp4", "c.mp4"),
        DataMismatchError,
        "1 unknown: .*c.mp4 is unknown: it is neither in real nor in fake",
    ),
]

FUNCTIONS = {
    "image": read_image,
    "crops": read_crops,
    "failures": read_failures,
    "splits": Splits.load,
    "dataset": lambda path: to_dataset(read_crops(path.parent / "crops")),
    "pack": read_crops,
    "tree": find_videos,
    "strict tree": lambda path: find_videos(path, strict=True),
}


def cases(*, video):
    chosen = [case for case in CASES if (case.kind == "video") == video]
    return [pytest.param(case, id=f"{case.kind}: {case.name}") for case in chosen]


@pytest.fixture(scope="module")
def material(tmp_path_factory, write_video):
    """The good files, made once: a video, a picture, and crops of six videos."""
    folder = tmp_path_factory.mktemp("material")
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 96, 3), np.uint8)
    write_video(folder / "good.mp4", list(noise), options={"g": "40"})
    (folder / "good.png").write_bytes(cv2.imencode(".png", noise[0])[1].tobytes())
    for name in (f"{kind}/{name}.mp4" for kind in ("real", "fake") for name in "abc"):
        (folder / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "good.mp4", folder / "set" / name)
    choices = {"frames_per_video": 1, "size": 16, "finder": WholeFinder(), "aligner": "finder"}
    extract_faces(find_videos(folder / "set"), folder / "crops", **choices)
    return folder


@pytest.fixture
def make(tmp_path, material):
    """Return a function that makes a case beside good files, and returns its path."""
    shutil.copytree(material, tmp_path, dirs_exist_ok=True)

    def build(case):
        path = Path(f"{tmp_path}/{case.file or 'bad'}")
        case.make(path)
        return path

    return build


def test_there_are_many_and_each_is_another():
    assert len(CASES) >= 40
    assert len({(case.kind, case.name) for case in CASES}) == len(CASES)
    assert {case.kind for case in CASES} == {"video", *FUNCTIONS}


@pytest.mark.parametrize("case", cases(video=True))
def test_bad_videos_have_a_status_and_a_reason(case, make, tmp_path, capfd):
    path = make(case)
    choices = {"size": 16, "finder": WholeFinder(), "aligner": "finder", "frames_per_video": 40}
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


@pytest.mark.parametrize("case", cases(video=False))
def test_bad_files_and_trees_are_refused_in_words(case, make):
    path = make(case)
    with pytest.raises(case.status, match=case.text) as caught:
        FUNCTIONS[case.kind](path)
    assert type(caught.value) is case.status
    assert caught.value.message.startswith("expected ")
    assert caught.value.hint
