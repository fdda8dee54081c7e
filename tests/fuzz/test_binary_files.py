"""Every parser of bytes: flipped, cut and hostile files end in a result or in our own words."""

import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from fractions import Fraction

import av
import cv2
import h5py
import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st
from PIL import Image

from deepfake_generalize.data import CROP_COLUMNS, pack, read_crops, read_image
from deepfake_generalize.data.crops.images import image_size
from deepfake_generalize.data.video.sampling import probe, sample_frames
from deepfake_generalize.errors import InputError, VideoError
from deepfake_generalize.models import Detector
from deepfake_generalize.models.training import checkpoints

SIDE = 16


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    """Three crops of noise."""
    folder = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(3):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
        row = dict.fromkeys(CROP_COLUMNS) | {"path": str(folder / f"{i}.png"), "label": i % 2}
        rows.append(row | {"video": "/v.mp4", "frame": i, "score": 0.5})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A small detector, saved."""
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(pooled))
    return Detector(model).save(tmp_path_factory.mktemp("detector") / "a.keras")


def test_a_pack_is_read_as_it_was_or_refused(fuzz, hostile, crops, tmp_path):
    file = pack(crops, tmp_path / "a.h5")
    whole, good = file.read_bytes(), read_crops(file)
    broken = tmp_path / "b.h5"
    pixels = [read_image(path) for path in read_crops(file)["path"]]

    @hostile.own_errors_only
    def read():
        found = read_crops(broken)
        pd.testing.assert_frame_equal(
            found.drop(columns=["path", "video"]), good.drop(columns=["path", "video"])
        )
        for path, image in zip(found["path"], pixels, strict=True):
            np.testing.assert_array_equal(read_image(path), image)

    def check(content):
        broken.write_bytes(content)
        read()

    fuzz(hostile.flipped(whole), check, examples=25)


# Zip's own tables, and the JSON of Keras and of ours: the weights between them have a checksum.
@pytest.mark.parametrize("part", ["tables", "all"])
def test_a_detector_is_loaded_or_refused(fuzz, hostile, detector, tmp_path, part):
    whole = detector.read_bytes()
    of = range(whole.index(b"PK\1\2"), len(whole)) if part == "tables" else None
    file = tmp_path / "a.keras"
    load = hostile.own_errors_only(Detector.load)

    def check(content):
        file.write_bytes(content)
        load(file)

    fuzz(hostile.flipped(whole, of=of), check, examples=25)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".apng"])
def test_an_image_is_read_or_refused(fuzz, hostile, tmp_path, suffix):
    image = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    if suffix == ".apng":
        grey = [Image.fromarray(image[..., number]) for number in range(3)]
        grey[0].save(tmp_path / "a.png", save_all=True, append_images=grey[1:])
        whole, suffix = (tmp_path / "a.png").read_bytes(), ".png"
    else:
        whole = cv2.imencode(suffix, image)[1].tobytes()
    file = tmp_path / f"a{suffix}"
    size = hostile.own_errors_only(image_size)
    read = hostile.own_errors_only(read_image)

    def mended(content):
        """With the checksums of its chunks right again, so that the decoder sees the damage."""
        at = 8
        while suffix == ".png" and at + 12 <= len(content):
            end = at + 8 + struct.unpack_from(">I", content, at)[0]
            if end + 4 > len(content):
                break
            check = struct.pack(">I", zlib.crc32(content[at + 4 : end]))
            content = content[:end] + check + content[end + 4 :]
            at = end + 4
        return content

    def check(content):
        for each in (content, mended(content)):
            file.write_bytes(each)
            declared, found = size(file), read(file)
            if found is not None:
                assert found.dtype == np.uint8
                assert found.shape == (*declared, 3)

    fuzz(hostile.flipped(whole), check, examples=40)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_video_gives_frames_or_is_refused(fuzz, hostile, tmp_path, write_video, suffix):
    rng = np.random.default_rng(2)
    frames = [rng.integers(0, 256, (32, 48, 3), np.uint8) for _ in range(6)]
    codec = "mpeg4" if suffix == ".avi" else "libx264"
    whole = write_video(tmp_path / f"good{suffix}", frames, codec=codec).read_bytes()
    file = tmp_path / f"a{suffix}"
    look = hostile.own_errors_only(probe)
    sample = hostile.own_errors_only(lambda path: sample_frames(path, 4))

    def check(content):
        file.write_bytes(content)
        look(file)
        batch = sample(file)
        if batch is not None:
            assert len(batch.images) == len(batch.indices) == len(batch.status)
            for image, status in zip(batch.images, batch.status, strict=True):
                assert (image is not None) == (status == "ok")

    start = max(len(whole) - 1200, 0)
    ranges = [None, range(start, len(whole)) if suffix == ".mp4" else range(min(600, len(whole)))]
    drawn = st.one_of(*(hostile.flipped(whole, of=of) for of in ranges))
    fuzz(drawn, check, examples=20)


def test_a_checkpoint_is_read_or_refused(fuzz, hostile, tmp_path):
    file = tmp_path / "a.npz"
    checkpoints.write(file, {"weights": [np.ones((3, 2))]}, {"epoch": 1})
    whole = file.read_bytes()
    read = hostile.own_errors_only(checkpoints.read)

    def check(content):
        file.write_bytes(content)
        read(file)

    fuzz(hostile.flipped(whole), check, examples=25)


# --- made to do harm -----------------------------------------------------------------------------


READ_ALONE = r"""
import pathlib
import re
import sys

from deepfake_generalize.errors import InputError
{}


def peak_memory():
    # getrusage would count what the parent held when it started this process.
    return int(re.findall(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[0])



read(sys.argv[1])
before = peak_memory()
try:
    read(sys.argv[2])
except InputError as error:
    print(error.message)
print(peak_memory() - before)
"""


def read_alone(how, good, bad):
    """Read a good file and then a bad one in a process of their own.

    Give what was said of the bad one, and by how many kilobytes it raised the most that was held:
    a process that has done other work has held more before, and would not show it.
    """
    code = READ_ALONE.format(how)
    command = [sys.executable, "-c", code, str(good), str(bad)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *said, kilobytes = done.stdout.splitlines()
    return "\n".join(said), int(kilobytes)


def rewritten(source, target, changes, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in dict.fromkeys([*old.namelist(), *changes]):
            new.writestr(name, changes.get(name) or old.read(name))
    return target


def test_a_detector_that_unpacks_to_far_more_than_its_size_is_refused_unread(detector, tmp_path):
    bomb = {"config.json": b" " * 150_000_000}
    file = rewritten(detector, tmp_path / "b.keras", bomb, zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 1_000_000
    with pytest.raises(InputError, match=r"unpack to at most 100,000,000 bytes, it declares 150,"):
        Detector.load(file)


def test_members_that_lead_outside_write_nothing(detector, tmp_path):
    (tmp_path / "in").mkdir()
    evil = {"../evil.txt": b"x", f"{tmp_path}/evil2.txt": b"x", "assets/../../evil3.txt": b"x"}
    file = rewritten(detector, tmp_path / "in" / "b.keras", evil)
    with contextlib.suppress(InputError):
        Detector.load(file)
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"module": "subprocess", "class_name": "Popen"}, "cannot build|carries code"),
        ({"module": "builtins", "class_name": "eval"}, "cannot build|carries code"),
        ({"registered_name": "mine>Own", "class_name": "Own"}, "cannot build|carries code"),
    ],
)
def test_a_network_of_unknown_classes_is_refused(detector, tmp_path, change, words):
    with zipfile.ZipFile(detector) as file:
        config = json.loads(file.read("config.json"))
    config["config"]["layers"][1] |= change
    other = rewritten(detector, tmp_path / "b.keras", {"config.json": json.dumps(config).encode()})
    with pytest.raises(InputError, match=words):
        Detector.load(other)


@pytest.mark.nightly
def test_weights_of_absurd_size_are_refused_without_their_memory(detector, tmp_path):
    shutil.copy(detector, tmp_path / "b.keras")
    with zipfile.ZipFile(detector) as file:
        (tmp_path / "w.h5").write_bytes(file.read("model.weights.h5"))
    with h5py.File(tmp_path / "w.h5", "r+") as weights:
        found = []
        weights.visititems(
            lambda name, item: found.append(name) if hasattr(item, "shape") else None
        )
        for name in found:
            del weights[name]
            weights.create_dataset(name, (10**6, 10**6), "f4", chunks=(1000, 1000))
    changes = {"model.weights.h5": (tmp_path / "w.h5").read_bytes()}
    file = rewritten(detector, tmp_path / "b.keras", changes)
    how = "from deepfake_generalize.models import Detector; read = Detector.load"
    said, kilobytes = read_alone(how, detector, file)
    assert "bytes of numbers in" in said
    assert kilobytes < 300_000


def test_pickles_in_a_checkpoint_are_not_opened(tmp_path):
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    array = np.empty(1, object)
    array[0] = Evil()
    np.savez(tmp_path / "a.npz", **{"facts": np.frombuffer(b"{}", np.uint8), "weights/0": array})
    with pytest.raises(InputError, match="expected a checkpoint at"):
        checkpoints.read(tmp_path / "a.npz")
    assert not marker.exists()


def test_a_png_that_inflates_to_more_than_its_size_takes_no_more(tmp_path):
    def chunk(kind, body):
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    for name, n_bytes in (("good.png", 8 * 25), ("bomb.png", 100_000_000)):
        body = chunk(b"IDAT", zlib.compress(bytes(n_bytes), 1))
        content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")
        (tmp_path / name).write_bytes(content)
    with contextlib.suppress(InputError):
        assert read_image(tmp_path / "bomb.png").shape == (8, 8, 3)
    how = "from deepfake_generalize.data import read_image as read"
    _, kilobytes = read_alone(how, tmp_path / "good.png", tmp_path / "bomb.png")
    assert kilobytes < 50_000


def test_a_video_that_declares_absurd_frames_is_refused(tmp_path, write_video):
    frames = [np.zeros((32, 48, 3), np.uint8)] * 3
    good = write_video(tmp_path / "a.avi", frames, codec="ffv1")
    content = good.read_bytes()
    sizes = struct.pack("<II", 48, 32), struct.pack("<II", 15_000, 15_000)
    (tmp_path / "b.avi").write_bytes(content.replace(*sizes))
    with pytest.raises(VideoError, match=r"at most 100 megapixels, .* declares 15000 x 15000"):
        sample_frames(tmp_path / "b.avi", 2)


def test_a_video_in_an_unknown_codec_is_refused(tmp_path, write_video):
    good = write_video(tmp_path / "a.mp4", [np.zeros((32, 48, 3), np.uint8)] * 3)
    (tmp_path / "b.mp4").write_bytes(good.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(VideoError, match="in a codec that FFmpeg decodes, found an unknown one"):
        probe(tmp_path / "b.mp4")


def test_frames_that_are_larger_than_the_header_says_are_not_decoded(tmp_path):
    large = np.zeros((10_400, 10_400), np.uint8)
    jpeg = cv2.imencode(".jpg", large)[1].tobytes()
    small = cv2.imencode(".jpg", large[:32, :48])[1].tobytes()
    file = tmp_path / "a.avi"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuvj420p"
        for number, content in enumerate((small, jpeg, small)):
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base = Fraction(1, 25)
            packet.is_keyframe = True
            container.mux(packet)
    batch = sample_frames(file, 3)
    assert list(batch.status).count("ok") == 2
    assert max(image.shape[0] for image in batch.images if image is not None) == 32
