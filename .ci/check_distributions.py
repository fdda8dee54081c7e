"""Check the built sdist and wheel: all that is tracked, nothing else, and one wheel both ways.

Run in the checkout, with two folders: of what `python -m build` made (the wheel from the sdist),
and of a wheel that was built from the checkout itself.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

# By name: what git might not hold either, were it ignored by mistake.
IN_THE_WHEEL = {
    "py.typed",
    "macros.html",
    "report.css",
    "report.html",
    "report.js",
    "table_iv_detectors.csv",
    "table_v_unseen.csv",
    "table_vi_same_method.csv",
    "table_vii_same_identity.csv",
}
FOLDERS_OF_THE_SDIST = ("deepfake_generalize", "tests", "docs", "examples", "benchmarks", ".ci")
MODELS_AND_FILMS = {".keras", ".h5", ".hdf5", ".tflite", ".onnx", ".pt", ".mp4", ".avi", ".mkv"}
LARGEST_MIB = 3


def main(built: Path, direct: Path) -> None:
    """Stop with the first thing that is wrong."""
    (sdist,), (wheel,), (again,) = built.glob("*.tar.gz"), built.glob("*.whl"), direct.glob("*.whl")
    listing = ["git", "ls-files"]
    listed = subprocess.run(listing, capture_output=True, text=True, check=True)  # noqa: S603
    tracked = set(listed.stdout.splitlines())
    package = {path for path in tracked if path.startswith("deepfake_generalize/")}
    shipped = {path for path in tracked if path.startswith(FOLDERS_OF_THE_SDIST)}
    shipped |= {path for path in tracked if "/" not in path and path[0] != "."}
    with zipfile.ZipFile(wheel) as archive:
        members = {name for name in archive.namelist() if ".dist-info/" not in name}
    same("the wheel", members, package)
    carried = {Path(name).name for name in members}
    same("what must be in a wheel", carried & IN_THE_WHEEL, IN_THE_WHEEL)
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    same("the sdist", names - {"PKG-INFO", ".gitignore"}, shipped)
    heavy = {name for name in names if Path(name).suffix.lower() in MODELS_AND_FILMS}
    same("models and films in the sdist", heavy, set())
    for file in (sdist, wheel):
        if file.stat().st_size > LARGEST_MIB * 2**20:
            raise SystemExit(f"{file.name} has grown over {LARGEST_MIB} MiB; what came in?")
    if wheel.read_bytes() != again.read_bytes():
        raise SystemExit("the wheel that the sdist builds is not the wheel of the checkout")
    print(f"{wheel.name}: {len(members)} files; {sdist.name}: {len(names)} files")


def same(what: str, found: set[str], expected: set[str]) -> None:
    """Stop unless both are the same, saying what is too much and what is missing."""
    if found != expected:
        surplus, missing = sorted(found - expected), sorted(expected - found)
        raise SystemExit(f"{what}: should not be there: {surplus}; is missing: {missing}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
