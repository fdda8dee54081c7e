"""Walking a folder of videos or pictures, alike on every machine, and unpacking archives."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tarfile
from bisect import bisect_left
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple, TypeAlias

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import absolute, may_unpack_to, read_regular
from deepfake_generalize.errors import InputError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VIDEO_SUFFIXES: frozenset[str] = _words(
    """
    .3g2 .3gp .3gpp .amv .asf .avi .avs2 .divx .dv .f4v .flv .gif .gxf .h261 .h263 .h264 .264
    .h265 .265 .hevc .ismv .ivf .m1v .m2p .m2t .m2ts .m2v .m4v .mj2 .mjpeg .mjpg .mk3d .mkv .mod
    .mov .mp2v .mp4 .mp4v .mpe .mpeg .mpg .mpg4 .mpv .mts .mxf .nut .obu .ogg .ogm .ogv .ogx .qt
    .rm .rmvb .roq .swf .tod .trp .ts .vob .vp8 .vp9 .webm .wmv .wtv .xvid .y4m
    """
)
"""What names of videos end in that FFmpeg decodes, whatever it is called."""

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".bmp", ".dib", ".webp"}
)
"""What names of pictures end in that `read_image` reads."""

_OTHER_PICTURES = _words(
    """
    .arw .avif .bpg .cr2 .cr3 .dng .exr .gif .hdr .heic .heif .ico .j2k .jp2 .jpx .jxl .nef .orf
    .pbm .pcx .pgm .pnm .ppm .psd .raf .ras .rw2 .sgi .tga .tif .tiff .xpm
    """
)
# What surely is neither, so that millions of them beside the videos are not opened.
_NEITHER = _words(
    """
    .aac .bz2 .cfg .csv .db .doc .docx .flac .gz .h5 .hdf5 .html .ini .ipynb .json .jsonl .keras
    .lock .log .m4a .mat .md .mp3 .npy .npz .odt .opus .pdf .pickle .pkl .pt .pth .py .rar .rst
    .sh .srt .tar .tfrecord .toml .tsv .txt .vtt .wav .xls .xlsx .xml .yaml .yml .zip .7z
    """
)
Kind: TypeAlias = Literal["video", "picture", "other picture", "unknown"]

_STARTS: dict[Kind, tuple[tuple[int, bytes], ...]] = {
    "picture": ((0, b"\x89PNG\r\n\x1a\n"), (0, b"\xff\xd8\xff"), (8, b"WEBP")),
    "other picture": (
        *((0, b"II*\0"), (0, b"MM\0*"), (0, b"GIF8"), (4, b"ftypheic"), (4, b"ftypavif")),
        (4, b"ftypmif1"),
    ),
    "video": (
        *((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (8, b"AVI "), (0, b"\x1a\x45\xdf\xa3")),
        *((0, b"FLV\x01"), (0, b"OggS"), (0, b"\0\0\x01\xba"), (0, b"\0\0\x01\xb3")),
        *((0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), (0, b"DKIF"), (0, b"\x06\x0e\x2b\x34")),
    ),
}
_START_BYTES = 400
# What archives made there hold beside the files: a copy of their tree, of hidden files only.
_OF_MACOS = "__MACOSX"
_SYNC, _PACKETS = b"G", ((0, 188), (4, 192))
# Links may lead from folder to folder in ever new ways; no data set of ours comes near.
_MOST_DETOURS = 1000


class Found(NamedTuple):
    """A file, by its parts below the root, that may be a video or a picture by all one can tell."""

    parts: tuple[str, ...]
    kind: Kind


def is_video_name(name: str) -> bool:
    """Say by its suffix, in either case, whether a file name is that of a video."""
    return _suffix(name) in VIDEO_SUFFIXES


def looks_like(path: str | os.PathLike[str], *, still: bool = False) -> Kind | None:
    """Say what a file is by its name, or by its first bytes where the name does not tell."""
    suffix = _suffix(os.fspath(path))
    if suffix in VIDEO_SUFFIXES and not (still and suffix in _OTHER_PICTURES):
        return "video"
    if suffix in IMAGE_SUFFIXES:
        return "picture"
    if suffix in _OTHER_PICTURES:
        return "other picture"
    return None if suffix in _NEITHER else _by_content(path, named=bool(suffix))


def _by_content(path: str | os.PathLike[str], *, named: bool) -> Kind | None:
    try:
        # Asked first: to open a pipe waits for whoever writes into it.
        regular = stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - of a str, once a file
        start = b""
        if regular:
            with open(path, "rb") as file:  # noqa: PTH123 - of a str, once a file
                start = file.read(_START_BYTES)
    except (OSError, ValueError):
        return None
    for kind, marks in _STARTS.items():
        if any(start[at : at + len(mark)] == mark for at, mark in marks):
            return kind
    if any(start[a : a + 1] == start[b : b + 1] == _SYNC for a, b in _PACKETS):
        return "video"
    return None if start or named else "unknown"


class Disk:
    """Folders as they were at the first look: each is listed once, whoever asks."""

    def __init__(self) -> None:
        """Begin with none."""
        self._listed: dict[str, tuple[list[str], list[str]]] = {}
        self.closed: set[str] = set()

    def entries(self, folder: str | os.PathLike[str]) -> tuple[list[str], list[str]]:
        """Return the names of the visible folders and of the other visible entries, sorted."""
        key = os.fspath(folder)
        if key not in self._listed:
            folders, others = list[str](), list[str]()
            with os.scandir(key) as entries:
                for entry in entries:
                    if not entry.name.startswith(".") and entry.name != _OF_MACOS:
                        (folders if _is_folder(entry) else others).append(entry.name)
            self._listed[key] = sorted(folders), sorted(others)
        return self._listed[key]

    def subfolders(self, folder: Path) -> dict[str, Path]:
        """Return the visible folders directly in a folder by their names, sorted."""
        return {name: folder / name for name in self.entries(folder)[0]}

    def has(self, path: str) -> bool:
        """Say whether a visible file is there; nothing but its folder is looked at."""
        folder, name = os.path.split(path)
        try:
            others = self.entries(folder)[1]
        except (OSError, ValueError):
            return False
        at = bisect_left(others, name)
        return at < len(others) and others[at] == name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link to itself: one of them must not hide all the others.
        return False


def walk_files(
    root: Path,
    *,
    skip: frozenset[str] = frozenset(),
    still: bool = False,
    disk: Disk | None = None,
) -> list[Found]:
    """List what may be a video or a picture at any depth under a root, sorted.

    Linked folders are followed, but for those that lead back to a folder above them. Folders whose
    names, in lower case, are in `skip` are not entered; `still` is as in `looks_like`.
    """
    disk = disk or Disk()
    found: list[Found] = []
    entered: set[str] = set()
    detours = 0
    waiting: list[tuple[tuple[str, ...], tuple[str, ...]]] = [((), ())]
    while waiting:
        parts, above = waiting.pop()
        folder = root.joinpath(*parts)
        real = os.path.realpath(folder)
        if real in above:
            continue
        detours += real in entered
        if detours > _MOST_DETOURS:
            raise InputError(
                f"expected links to folders under {root} to end, received more than "
                f"{_MOST_DETOURS} that lead to folders that others lead to.",
                hint="Remove links between the folders.",
            )
        entered.add(real)
        folders, others = disk.entries(folder)
        waiting += [
            ((*parts, name), (*above, real))
            for name in folders
            if name.lower() not in skip and f"{folder}/{name}" not in disk.closed
        ]
        kinds = ((name, looks_like(f"{folder}/{name}", still=still)) for name in others)
        found += [Found((*parts, name), kind) for name, kind in kinds if kind]
    return sorted(found)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122


def read_json(path: Path) -> object:
    """Read a JSON file; what is none raises `InputError`, which names the file and the place."""
    with telling(f"expected to read {path}", hint="Check its permissions."):
        content = read_regular(path)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"expected JSON in {path}, received something else: {error}.",
            hint="Download or unpack this file again.",
        ) from error


ENDS = (".tar.gz", ".tgz", ".tar")


def unpack_archives(root: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Unpack all tar archives under a folder, each into a folder of its name, as WildDeepfake's.

    Safe to stop and to call again: an archive's folder appears whole, and what is there is kept.

    Args:
        root: The folder with the archives, at any depth.
        out: Where their folders go, below the folders that they have under `root`; may be `root`.

    Returns:
        The absolute path of `out`.

    Raises:
        InputError: No archive, one that is damaged, holds links, devices or names that lead out of
            its folder, or unpacks to more than 20 times its size. Nothing of that one is left.
    """
    disk, place, target = Disk(), absolute(root), absolute(out)
    waiting, archives = [place], list[Path]()
    for folder in waiting:
        folders, others = disk.entries(folder)
        waiting += [folder / name for name in folders]
        archives += [folder / name for name in others if name.endswith(ENDS)]
    if not archives:
        raise InputError(
            f"expected archives ({', '.join(ENDS)}) under {place}, received none.",
            hint="Pass the folder that was downloaded.",
        )
    for archive in archives:
        stem = archive.name.removesuffix(".gz").removesuffix(".tgz").removesuffix(".tar")
        into = target / archive.parent.relative_to(place) / stem
        if not into.exists():
            _unpack(archive, into)
    return target


def _unpack(archive: Path, into: Path) -> None:
    partial = into.with_name(f".{into.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    left = may_unpack_to(archive.stat().st_size)
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                left -= member.size
                name = _checked(member, left)
                if (content := opened.extractfile(member)) is not None:
                    (partial / name).parent.mkdir(parents=True, exist_ok=True)
                    with (partial / name).open("xb") as file:
                        shutil.copyfileobj(content, file)
        partial.rename(into)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise InputError(
            f"expected an archive of files that can be unpacked, received {archive}: {error}.",
            hint="Download it again.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _checked(member: tarfile.TarInfo, left: int) -> PurePosixPath:
    name = PurePosixPath(member.name.replace("\\", "/"))
    if not (member.isfile() or member.isdir()):
        raise ValueError(f"{member.name!r} is neither file nor folder")
    if ".." in name.parts or name.is_absolute() or ":" in member.name or left < 0:
        raise ValueError(f"{member.name!r} leads out of its folder, or is too large")
    return name
