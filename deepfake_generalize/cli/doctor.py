"""The `doctor` command: what is installed and found.

Nothing heavy is imported to find it: versions come from the installed metadata.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from deepfake_generalize._system.keras_settings import keras_backend, other_backend
from deepfake_generalize._system.processes import memory_gib, processors
from deepfake_generalize._version import __version__
from deepfake_generalize.cli import console
from deepfake_generalize.cli.arguments import Json
from deepfake_generalize.cli.failures import PROGRAM
from deepfake_generalize.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deepfake_generalize.data.assets import AssetStatus

_SHOWN = 3
"""Problems of a data set that are shown."""
_EXTRAS = ("dask", "gpu", "torch")
"""The extras for users; the others are for developers."""
_OPENCV_WHEELS = [
    f"opencv{kind}-python{end}" for end in ("", "-headless") for kind in ("", "-contrib")
]


@dataclass(frozen=True)
class Package:
    """One distribution that the library needs, or that one of its extras brings."""

    name: str
    version: str | None
    required: str
    extra: str | None

    @property
    def status(self) -> str:
        """One of "ok", "missing" and "too old"; a release candidate counts as its release."""
        if self.version is None:
            return "missing"
        release = Version(Version(self.version).base_version)
        old = any(
            bound.operator == ">=" and release < Version(bound.version)
            for bound in SpecifierSet(self.required)
        )
        return "too old" if old else "ok"


@dataclass(frozen=True)
class Diagnosis:
    """All facts of one look at the machine."""

    versions: dict[str, str]
    packages: tuple[Package, ...]
    opencv: dict[str, Any]
    assets: tuple[AssetStatus, ...]
    cpus: int
    memory_gib: float | None

    @property
    def missing(self) -> list[str]:
        """What is required and not usable, one line each; empty when all is well."""
        packages = [f"{one.name}{one.required} is {one.status}" for one in self.unusable]
        assets = [
            asset.problem
            for asset in self.assets
            if asset.found is None and os.environ.get(asset.variable)
        ]
        return [*packages, *assets, *filter(None, [other_backend()])]

    @property
    def unusable(self) -> list[Package]:
        """The packages that are required, and are missing or too old."""
        return [one for one in self.packages if one.extra is None and one.status != "ok"]

    @property
    def missing_extras(self) -> dict[str, list[str]]:
        """The packages that each extra for users would still install."""
        extras: dict[str, list[str]] = {}
        for package in self.packages:
            if package.extra is not None:
                missing = extras.setdefault(package.extra, [])
                missing += [package.name] * (package.status != "ok")
        return extras

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of `doctor --json`."""
        return {
            "ok": not self.missing,
            "missing": self.missing,
            **asdict(self),
            "packages": [
                {**asdict(package), "status": package.status}
                for package in self.packages
                if package.extra is None
            ],
            "extras": {
                extra: {"complete": not names, "missing": names}
                for extra, names in self.missing_extras.items()
            },
        }


def doctor(
    data: Annotated[
        Path | None, typer.Argument(help="A folder of data sets: say what of them is there.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what is installed and found, or what is in a folder of data sets. Downloads nothing.

    JSON keys: ok, missing, versions, packages, extras, opencv, assets, cpus, memory_gib; with DATA
    also data: of each data set place, layout, reads (videos or crops), the numbers of files real,
    fake, missing, unknown and mismatch, notes, and problems with path, status and reason. Exits
    with 5 when something required is missing.
    """
    found = diagnose()
    sets = [] if data is None else _sets(data.absolute())
    if json:
        console.write_json(found.to_dict() | ({} if data is None else {"data": sets}))
    elif data is None:
        _show(found)
    else:
        _show_data(data, sets)
    if found.missing:
        wanted = " ".join(f"'{one.name}{one.required}'" for one in found.unusable)
        install = f"Run pip install {wanted}; " if wanted else ""
        raise MissingDependencyError(
            f"not everything required is there: {'; '.join(found.missing).rstrip('.')}.",
            hint=f"{install}mend what else is named above: a variable, a file.",
        )


def _sets(data: Path) -> list[dict[str, Any]]:
    """Return what is in a folder: data sets as they are had, and crops with their own table."""
    from deepfake_generalize.data import read_crops
    from deepfake_generalize.data.crops import CROPS_FILE
    from deepfake_generalize.data.layouts import survey

    files = [file for above in ("", "*/", "*/*/") for file in sorted(data.glob(above + CROPS_FILE))]
    cut: list[dict[str, Any]] = []
    for folder in (file.parent for file in files):
        crops = read_crops(folder)
        gone = [path for path in crops["path"] if not Path(path).exists()]
        reason = f"{CROPS_FILE} names it, and it is not on disk"
        cut.append(
            {"place": str(folder), "layout": CROPS_FILE, "reads": "crops"}
            | {name: int((crops["label"] == at).sum()) for at, name in enumerate(("real", "fake"))}
            | {"missing": len(gone), "unknown": int(crops["label"].isna().sum()), "mismatch": 0}
            | {"notes": []}
            | {"problems": [{"path": p, "status": "missing", "reason": reason} for p in gone]}
        )
    own = {found["place"] for found in cut}
    return [found for found in survey(data) if found["place"] not in own] + cut


def _show_data(data: Path, sets: list[dict[str, Any]]) -> None:
    """Show the data sets of a folder, then what they lack, then what is none of them."""
    names = ("real", "fake", "missing", "unknown", "mismatch")
    rows = [
        (Path(found["place"]).name, found["layout"], found["reads"], *(found[n] for n in names))
        for found in sets
    ]
    console.write_table(str(data), ("folder", "layout", "reads", *names), rows)
    for note in (note for found in sets for note in found["notes"]):
        console.write_text(note)
    for found in sets:
        for problem in found["problems"][:_SHOWN]:
            console.write_text("{status}: {path}: {reason}".format_map(problem))
        if more := len(found["problems"][_SHOWN:]):
            console.write_text(f"and {more} more in {found['place']}: --json lists all")
    read = [Path(found["place"]) for found in sets]
    for folder in sorted(path for path in data.absolute().iterdir() if path.is_dir()):
        if folder.name.startswith((".", "__MACOSX")):
            continue
        if not any(place.is_relative_to(folder) or folder.is_relative_to(place) for place in read):
            console.write_text(
                f"{folder.name}: not recognised as a data set; data.layouts() says what is"
            )


def diagnose() -> Diagnosis:
    """Look at the installed packages, the model files and the machine; downloads nothing."""
    return Diagnosis(
        versions={
            "deepfake_generalize": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "keras_backend": keras_backend()[0],
        },
        packages=tuple(
            package
            for extra in (None, *_EXTRAS)
            for package in sorted(packages_of(PROGRAM, extra), key=lambda package: package.name)
        ),
        opencv=_opencv(),
        assets=_assets(),
        cpus=processors(),
        memory_gib=memory_gib(),
    )


def packages_of(distribution: str, extra: str | None = None) -> Iterator[Package]:
    """Yield what a distribution always needs, or what one of its extras adds."""
    for requirement in map(Requirement, metadata.requires(distribution) or []):
        always, given = (
            requirement.marker is None or requirement.marker.evaluate({"extra": name})
            for name in ("", extra or "")
        )
        if not given or (extra and always):
            continue
        name, version = requirement.name, _version(requirement.name)
        yield Package(name, version, str(requirement.specifier), extra)
        for nested in sorted(requirement.extras) if version else ():
            yield from (replace(inner, extra=extra) for inner in packages_of(name, nested))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _opencv() -> dict[str, Any]:
    wheels = {name: version for name in _OPENCV_WHEELS if (version := _version(name))}
    found = importlib.util.find_spec("cv2")
    file = Path(found.origin).with_name("version.py") if found and found.origin else None
    owner = _wheel_of(file.read_text("utf-8")) if file and file.is_file() else None
    return {"wheels": wheels, "owner": owner}


def _wheel_of(version_module: str) -> str:
    """Name the wheel that wrote cv2/version.py: the file says how it was built."""
    contrib = "-contrib" if re.search(r"^contrib\s*=\s*True", version_module, re.MULTILINE) else ""
    headless = re.search(r"^headless\s*=\s*True", version_module, re.MULTILINE)
    return f"opencv{contrib}-python{'-headless' if headless else ''}"


def _assets() -> tuple[AssetStatus, ...]:
    try:
        from deepfake_generalize.data.assets import ASSETS, asset_status
    except ImportError:  # A required package is missing, which the list of packages says.
        return ()
    return tuple(asset_status(asset.name) for asset in ASSETS)


def _show(found: Diagnosis) -> None:
    memory = "unknown" if found.memory_gib is None else f"{found.memory_gib} GiB"
    machine = {**found.versions, "processors": found.cpus, "memory": memory}
    console.write_table("machine", ("what", "value"), machine.items())
    console.write_table(
        "packages",
        ("package", "installed", "required", "status"),
        [
            (package.name, package.version or "-", package.required, package.status)
            for package in found.packages
            if package.extra is None
        ],
    )
    wheels = ", ".join(f"{name} {version}" for name, version in found.opencv["wheels"].items())
    console.write_text(f"cv2: from {found.opencv['owner'] or 'no wheel'} (installed: {wheels})")
    for extra, names in found.missing_extras.items():
        console.write_text(f"extra {extra}: {'missing ' + ', '.join(names) if names else 'ok'}")
    show_assets(found.assets)


def show_assets(assets: tuple[AssetStatus, ...]) -> None:
    """Show which model files are there, and how to bring the others without a network."""
    rows = [(asset.name, asset.how or "not found", asset.found or "-") for asset in assets]
    console.write_table("model files", ("file", "found by", "path"), rows)
    for asset in assets:
        if asset.problem:
            console.write_text(f"{asset.name}: {asset.problem}")
    absent = [asset for asset in assets if asset.found is None]
    if absent:
        console.write_text(
            "What is not found is downloaded when it is first used. Without a network: name a "
            "copy as an argument, name it in the variable below, or put it into the cache."
        )
    for asset in absent:
        console.write_text(f"{asset.name}: ${asset.variable}, or {asset.address}")
