"""What every test begins with, the docstrings' examples included."""

import gc
import importlib.util
import os
import random

# Set before TensorFlow loads anywhere.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np
import pytest
from hypothesis import settings

# They load PyTorch, as nothing else does, and have no examples.
if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["deepfake_generalize/models/torch_*.py"]

# How long an example takes says more about the machine than about the code. All else is as in the
# profile that is loaded already, which whoever calls pytest from Python may have chosen. The number
# of examples that Hypothesis draws by itself is for .ci/nightly; fewer show what is plainly wrong.
settings.register_profile("nightly", deadline=None)
fewer = {"max_examples": 20} if settings().max_examples == 100 else {}
settings.register_profile("untimed", deadline=None, **fewer)
settings.load_profile("untimed")


# Examples that build or train a network whole, for seconds.
LONG_EXAMPLES = (
    *("applications.xception", "applications.efficientnet_b0", "train.train"),
    *("fine_tuning.transfer", "fine_tuning.merge", "grad_cam.guided_grad_cam"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave examples that take long to the slow suite."""
    for item in items:
        if isinstance(item, pytest.DoctestItem) and item.name.endswith(LONG_EXAMPLES):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over all that stays: TensorFlow, and thousands of tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Start the fixtures from one seed: Keras draws a fresh network's seed from `random`.

    A hook and not a fixture, because fixtures of a wider scope come before those of a test.
    """
    _seed()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """Start the test from the same seed again, whatever its fixtures drew.

    So what the test itself draws does not depend on what ran before it, in this process or another.
    What its fixtures draw may: one of a wider scope is made for the first test that asks for it.
    The seed of TensorFlow itself is not set.
    """
    _seed()


def _seed() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the global state is what is set
