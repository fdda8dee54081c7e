"""What every test begins with, the docstrings' examples included."""

import os
import random

# Set before TensorFlow loads anywhere.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Start from one seed: Keras draws a fresh network's seed from `random`.

    A hook and not a fixture, because fixtures of a wider scope come before those of a test. So a
    test sees the same networks whatever ran before it, in this process or another.
    """
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the global state is what is set
