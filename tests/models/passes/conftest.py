"""PyTorch networks with random weights, small and well-known ones."""

import importlib

import pytest


@pytest.fixture(scope="session")
def needed():
    """Return a function that imports a package, or skips where it cannot be imported."""

    def load(name):
        try:
            return importlib.import_module(name)
        except (ImportError, RuntimeError) as error:  # torchvision of another PyTorch raises that.
            pytest.skip(f"{name} cannot be imported here: {error}")

    return load


@pytest.fixture
def torch():
    module = pytest.importorskip("torch")
    module.manual_seed(0)
    return module
