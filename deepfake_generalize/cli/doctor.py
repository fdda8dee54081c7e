"""What is installed and found: the facts that `deepfake-generalize doctor` shows.

Nothing heavy is imported to find them: versions come from the installed metadata.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake_generalize._system.machine import processors

if TYPE_CHECKING:
    from deepfake_generalize.data.assets import AssetStatus

DISTRIBUTION = "deepfake-generalize"
_OPENCV_WHEELS = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)


@dataclass(frozen=True)
class Package:
    """One distribution that the library needs, or that one of its extras brings.

    Attributes:
        name: The distribution's name.
        version: What is installed, or None.
        required: The version range that the library asks for, such as ">=2.20"; may be empty.
        extra: The extra it belongs to, or None for what is always needed.
    """

    name: str
    version: str | None
    required: str
    extra: str | None

    @property
    def status(self) -> str:
        """One of "ok", "missing" and "too old"."""
        if self.version is None:
            return "missing"
        lowest = re.search(r">=\s*([\d.]+)", self.required)
        old = lowest is not None and _release(self.version) < _release(lowest.group(1))
        return "too old" if old else "ok"


@dataclass(frozen=True)
class OpenCV:
    """Which wheels claim the module `cv2`, and which one its files come from.

    Attributes:
        wheels: Installed OpenCV wheels and their versions; more than one overwrite each other.
        owner: The wheel whose files are in place, as far as the module itself says, or None.
    """

    wheels: dict[str, str]
    owner: str | None


@dataclass(frozen=True)
class Diagnosis:
    """All facts of one look at the machine.

    Attributes:
        versions: Library, Python and platform.
        packages: Required distributions first, then those of the extras.
        opencv: The wheels behind `cv2`.
        assets: The model files.
        cpus: Processors this process may use.
        memory_gib: Physical memory in GiB, or None where the system does not say.
    """

    versions: dict[str, str]
    packages: tuple[Package, ...]
    opencv: OpenCV
    assets: tuple[AssetStatus, ...]
    cpus: int
    memory_gib: float | None

    @property
    def missing(self) -> list[str]:
        """What is required and not usable, one line each; empty when all is well.

        A model file that is not there yet is downloaded when it is needed, so it does not count;
        a variable that leads nowhere does, because it forbids the download.
        """
        return [
            f"{package.name}{package.required} is {package.status}"
            for package in self.packages
            if package.extra is None and package.status != "ok"
        ] + [asset.problem for asset in self.assets if _is_misled(asset)]

    @property
    def missing_extras(self) -> dict[str, list[str]]:
        """The packages that each extra would still install."""
        extras: dict[str, list[str]] = {}
        for package in self.packages:
            if package.extra is not None:
                names = extras.setdefault(package.extra, [])
                if package.status != "ok":
                    names.append(package.name)
        return extras

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document of `doctor --json`."""
        packages = [
            {**asdict(package), "status": package.status}
            for package in self.packages
            if package.extra is None
        ]
        return {
            "ok": not self.missing,
            "missing": self.missing,
            "versions": self.versions,
            "packages": packages,
            "extras": {
                extra: {"complete": not names, "missing": names}
                for extra, names in self.missing_extras.items()
            },
            "opencv": asdict(self.opencv),
            "assets": [asdict(asset) for asset in self.assets],
            "cpus": self.cpus,
            "memory_gib": self.memory_gib,
        }


def diagnose() -> Diagnosis:
    """Look at the installed packages, the model files and the machine; downloads nothing."""
    import deepfake_generalize

    return Diagnosis(
        versions={
            "deepfake_generalize": deepfake_generalize.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
        packages=_packages(metadata.requires(DISTRIBUTION) or []),
        opencv=_opencv(),
        assets=_assets(),
        cpus=processors(),
        memory_gib=_memory_gib(),
    )


def _packages(requirements: list[str]) -> tuple[Package, ...]:
    packages = [package for requirement in requirements for package in _read(requirement)]
    return tuple(sorted(packages, key=lambda package: (package.extra or "", package.name)))


def _read(requirement: str) -> list[Package]:
    """Read one requirement of the metadata: `name[extras]range; extra == "..."`.

    Extras that it asks of another distribution (`tensorflow[and-cuda]`) bring that one's packages.
    """
    specification, _, marker = requirement.partition(";")
    parsed = re.match(r"\s*([\w.-]+)\s*(?:\[([^\]]*)\])?\s*(.*?)\s*$", specification)
    name, nested, required = parsed.groups() if parsed else (specification.strip(), None, "")
    extra = _extra_of(marker)
    packages = [Package(name, _version(name), required, extra)]
    wanted = {part.strip() for part in (nested or "").split(",") if part.strip()}
    if wanted and packages[0].version is not None:
        for inner in metadata.requires(name) or []:
            if _extra_of(inner.partition(";")[2]) in wanted:
                packages += [replace(package, extra=extra) for package in _read(inner)]
    return packages


def _extra_of(marker: str) -> str | None:
    found = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", marker)
    return found.group(1) if found else None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[^\d.]", version)[0]))


def _opencv() -> OpenCV:
    wheels = {name: version for name in _OPENCV_WHEELS if (version := _version(name))}
    found = importlib.util.find_spec("cv2")
    if found is None or found.origin is None:
        return OpenCV(wheels, None)
    said = Path(found.origin).with_name("version.py")
    return OpenCV(wheels, _wheel_of(said.read_text("utf-8")) if said.is_file() else None)


def _wheel_of(version_module: str) -> str:
    """Name the wheel that wrote cv2/version.py: the file says how it was built."""
    contrib = "-contrib" if re.search(r"^contrib\s*=\s*True", version_module, re.MULTILINE) else ""
    headless = re.search(r"^headless\s*=\s*True", version_module, re.MULTILINE)
    return f"opencv{contrib}-python{'-headless' if headless else ''}"


def _assets() -> tuple[AssetStatus, ...]:
    try:
        from deepfake_generalize.data.assets import ASSETS, asset_status
    except ImportError:
        # A required package is missing, which the list of packages says.
        return ()
    return tuple(asset_status(asset.name) for asset in ASSETS)


def _is_misled(asset: AssetStatus) -> bool:
    return asset.found is None and bool(os.environ.get(asset.variable))


def _memory_gib() -> float | None:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    return round(size / 2**30, 1)
