"""Archives of crops: whole or not at all, and never outside their folder."""

import io
import tarfile

import cv2
import numpy as np
import pytest

from deepfake_generalize.data import LayoutWarning, read_crops, unpack_archives
from deepfake_generalize.data.layouts import scanning
from deepfake_generalize.errors import InputError

PNG = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()


def pack(file, names, kind=tarfile.REGTYPE):
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
            member.size = len(PNG) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(PNG))


@pytest.fixture
def wild(tmp_path):
    root = tmp_path / "deepfake_in_the_wild"
    for label in ("real", "fake"):
        for split in ("train", "test"):
            names = [f"./0/{label}/{sequence}/{n}.png" for sequence in (3, 4) for n in (0, 10)]
            pack(root / f"{label}_{split}" / "0.tar.gz", names)
    return root


@pytest.mark.parametrize("where", [".", "../unpacked"])
def test_wilddeepfake_is_unpacked_and_read_by_shard_and_sequence(wild, where):
    with pytest.raises(InputError, match=r"4 unknown.*unpack_archives"):
        read_crops(wild)
    out = unpack_archives(wild, wild / where)
    crops = read_crops(out)
    assert crops.attrs["layout"] == "wilddeepfake"
    assert crops.attrs["problems"] == []
    assert len(crops) == 16
    # Shards have the same numbers in all four folders: their sequences are not one video.
    assert crops["video"].nunique() == 8
    assert crops.groupby(["label", "split"]).size().to_dict() == {
        (label, split): 4 for label in (0, 1) for split in ("test", "train")
    }
    assert crops["frame"].tolist() == [0, 10] * 8
    kept = out / "real_train/0/0/real/3/0.png"
    kept.write_bytes(b"mine")
    unpack_archives(wild, out)
    assert kept.read_bytes() == b"mine"


def test_one_archive_that_is_not_unpacked_is_told(wild):
    unpack_archives(wild, wild)
    pack(wild / "real_test/1.tar.gz", ["./1/real/9/0.png"])
    with pytest.warns(LayoutWarning, match="1 unknown"):
        crops = read_crops(wild)
    assert crops.attrs["problems"][0]["path"] == str(wild / "real_test/1.tar.gz")


@pytest.mark.parametrize("name", ["../out.png", "/out.png", "a/../../out.png", "..\\out.png"])
def test_names_that_lead_out_are_refused_and_nothing_is_left(tmp_path, name):
    pack(tmp_path / "in/0.tar.gz", ["good.png", name])
    with pytest.raises(InputError, match="leads out of its folder"):
        unpack_archives(tmp_path / "in", tmp_path / "to")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "in/0.tar.gz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    pack(tmp_path / "0.tar.gz", ["link"], kind)
    with pytest.raises(InputError, match=r"expected an archive of files"):
        unpack_archives(tmp_path, tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())


def test_what_grows_beyond_measure_or_is_cut_is_refused(tmp_path, monkeypatch):
    pack(tmp_path / "0.tar.gz", ["a.png"])
    monkeypatch.setattr(scanning, "may_unpack_to", lambda _: 10)
    with pytest.raises(InputError, match="too large"):
        unpack_archives(tmp_path, tmp_path)
    monkeypatch.undo()
    content = (tmp_path / "0.tar.gz").read_bytes()
    (tmp_path / "0.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"0\.tar\.gz: .*Download it again"):
        unpack_archives(tmp_path, tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="received none"):
        unpack_archives(tmp_path / "none", tmp_path)
