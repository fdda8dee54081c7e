"""Archives of crops, unpacked so that nothing lands outside the folder or is half there."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from deepfake_generalize._system.files import absolute
from deepfake_generalize.data.layouts.scanning import Disk
from deepfake_generalize.errors import InputError

ENDS = (".tar.gz", ".tgz", ".tar")
_MOST_TIMES, _SMALL_BYTES = 20, 100_000_000


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
    left = max(_MOST_TIMES * archive.stat().st_size, _SMALL_BYTES)
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
