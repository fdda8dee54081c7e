"""One list of bad files: images, manifests, trees. Each ends as the list says, in words.

A case is made in an empty folder beside `good.mp4`, `good.png` and `crops/`, and goes through the
public function of its kind. Nothing may crash, hang, pass for good, or fail with bare words.
"""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from deepfake_generalize.data import (
    CROP_COLUMNS,
    Splits,
    balanced_splits,
    find_videos,
    pack,
    read_crops,
    read_failures,
    read_image,
    to_dataset,
)
from deepfake_generalize.errors import DataMismatchError, InputError


class Case(NamedTuple):
    """A bad input.

    `make` is for the fixture `make_bad`. `error` is the exception's class; `text` a regular
    expression that its message holds.
    """

    kind: str
    name: str
    make: Callable[[Path], object] | bytes | None
    error: type[Exception]
    text: str
    file: str = "bad"


# --- what the cases are made of ----------------------------------------------------------------


def image(suffix, array):
    return cv2.imencode(suffix, array)[1].tobytes()


def cut_png(path):
    data = path.with_name("good.png").read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])


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
    """A manifest of crops with other text."""

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


def tree(*names):
    def make(path):
        for name in names:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).touch()

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
    # Images.
    Case("image", "missing", None, InputError, "No such file"),
    Case("image", "folder", Path.mkdir, InputError, "Is a directory"),
    Case("image", "zero bytes", b"", InputError, "the file is empty"),
    Case("image", "text", b"hello", InputError, "the content is none of these"),
    Case("image", "gif", b"GIF89a" + bytes(99), InputError, "none of these"),
    Case("image", "tiff", image(".tiff", RGB), InputError, "none of these"),
    Case("image", "header only", b"\x89PNG\r\n\x1a\n", InputError, "the PNG is truncated"),
    Case("image", "cut png", cut_png, InputError, "the PNG is truncated"),
    Case("image", "flipped bit", png_with_a_flipped_bit, InputError, "checksum in b'IDAT'"),
    Case("image", "bomb", png_of_size(60_000, 60_000), InputError, "at most 100 megap"),
    Case("image", "no size", png_of_size(0, 5), InputError, "the PNG is truncated or damaged"),
    Case("image", "16 bits", image(".png", RGB.astype(np.uint16)), InputError, "8 bits a channel"),
    Case("image", "alpha", image(".png", np.zeros((4, 4, 4), np.uint8)), InputError, "alpha"),
    Case("image", "name with NUL", None, InputError, "no file can have this name", "a\0.png"),
    # Manifests, splits and packs.
    Case("crops", "missing", None, InputError, "does not exist"),
    Case("crops", "empty folder", Path.mkdir, InputError, "expected crops in .*, received nothing"),
    Case("crops", "a file", b"x", InputError, "received the file"),
    Case("crops", "empty table", table(""), InputError, "expected a CSV manifest"),
    Case("crops", "other columns", table("a,b\n1,2\n"), InputError, "received 'a', 'b'"),
    Case("crops", "open quote", table(HEADER + '\n"a,b\n'), InputError, "EOF inside string"),
    Case("crops", "word for label", edited(",0,", ",no,"), InputError, "expected numbers"),
    Case("crops", "third label", edited(",0,", ",2,"), InputError, "labels 0 .real. and 1"),
    Case(
        "failures",
        "missing",
        Path.mkdir,
        InputError,
        "a CSV manifest at .*failures.csv.*No such file",
    ),
    Case("failures", "other columns", texts({"failures.csv": "a\n1\n"}), InputError, "missing:"),
    Case("splits", "missing", None, InputError, "expected saved splits"),
    Case("splits", "not splits", b"path,label\n", InputError, "holds no hash"),
    Case("splits", "bytes", b"\xff\xfe\x00", InputError, "expected saved splits"),
    Case("splits", "altered", splits_altered, DataMismatchError, "to have the hash"),
    Case("splits", "odd subset", splits_with_an_odd_subset, DataMismatchError, "holdout"),
    Case("dataset", "cut image", crops_with_a_cut_image, InputError, "the PNG is truncated"),
    Case("pack", "missing", None, InputError, "expected a pack of crops|does not exist", "p.h5"),
    Case("pack", "text", b"hello", InputError, "pack of crops", "p.h5"),
    Case("pack", "cut off", pack_cut, InputError, "pack of crops", "p.h5"),
    # Trees.
    Case("tree", "missing", None, InputError, "which does not exist"),
    Case("tree", "a video", b"x", InputError, "received the file", "a.mp4"),
    Case("tree", "empty", Path.mkdir, InputError, "holds nothing"),
    Case("tree", "one class", tree("real/a.mp4"), InputError, "a known layout in .*holds real"),
    Case("tree", "no videos", tree("real/a.txt", "fake/b.txt"), InputError, "no file that looks"),
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
        "a label .0 or real, 1 or fake, or none. on line 2",
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
        "it does not look like a video",
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


def test_there_are_many_and_each_is_another():
    assert len(CASES) >= 40
    assert len({(case.kind, case.name) for case in CASES}) == len(CASES)
    assert {case.kind for case in CASES} == {*FUNCTIONS}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case.kind}: {case.name}") for case in CASES]
)
def test_bad_files_and_trees_are_refused_in_words(case, make_bad):
    path = make_bad(case.make, case.file)
    with pytest.raises(case.error, match=case.text) as caught:
        FUNCTIONS[case.kind](path)
    assert type(caught.value) is case.error
    assert caught.value.message.startswith("expected ")
    assert caught.value.hint
