"""One small set of synthetic faces for all of this folder's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deepfake_generalize.data.splits import Splits
from deepfake_generalize.data.synthetic import make_datasets

SETTINGS = {"size": 24, "per_split": {"train": 24, "val": 16, "test": 16}, "seed": 100}


@pytest.fixture(scope="package")
def make_small() -> Callable[..., dict[str, Splits]]:
    """Return `make_datasets` with small settings, each of which can be replaced."""

    def make(folder: Path, **changes: object) -> dict[str, Splits]:
        return make_datasets(folder, **{**SETTINGS, **changes})

    return make


@pytest.fixture(scope="package")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawn") / "sets"


@pytest.fixture(scope="package")
def sets(root: Path, make_small: Callable[..., dict[str, Splits]]) -> dict[str, Splits]:
    return make_small(root)
