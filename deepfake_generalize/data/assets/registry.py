"""The model files that the wheel does not carry: names, addresses, checksums, variables."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deepfake_generalize.validation import check_choice

_MESONET_VARIABLE = "DEEPFAKE_GENERALIZE_MESONET_WEIGHTS"


@dataclass(frozen=True)
class Asset:
    """A file that can be pointed at or downloaded."""

    name: str
    url: str
    sha256: str
    variable: str
    """Environment variable that may name the file, or a folder that holds it."""
    most_bytes: int = 10_000_000
    """Its size where that is known; a server that sends more sends something else."""

    @property
    def file_name(self) -> str:
        """Its name in the cache, and in a folder that a user points at."""
        return self.url.rpartition("/")[2]

    @property
    def host(self) -> str:
        """The host of its address."""
        return urlsplit(self.url).hostname or self.url


ASSETS: tuple[Asset, ...] = tuple(
    Asset(name, **entry)
    for name, entry in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")).items()
)

DETECTORS = tuple(asset.name for asset in ASSETS if asset.variable == _MESONET_VARIABLE)
"""Those that are the weights of a public detector."""


def find_asset(name: str) -> Asset:
    """Return the asset of that name, or refuse it with InputError."""
    by_name = {asset.name: asset for asset in ASSETS}
    return by_name[check_choice("the name of an asset", name, by_name)]


def face_assets(aligner: str, *, finds: bool) -> list[str]:
    """Return the model files that cutting out faces takes; `finds` if `MediaPipeFinder` does."""
    of = {"landmarks": ["face-landmarks"], "short-range": ["face-short-range"], "finder": []}
    check_choice("aligner", aligner, of, hint="The default is landmarks.")
    return (["face-full-range"] if finds else []) + of[aligner]
