"""Errors carry a hint and an exit code, and survive the way back from another process."""

import pickle

import pytest

from deepfake_generalize import errors


@pytest.mark.parametrize(
    ("kind", "builtin", "code"),
    [
        (errors.InputError, ValueError, 2),
        (errors.UndefinedMetricError, ValueError, 2),
        (errors.PartialError, RuntimeError, 3),
        (errors.DataMismatchError, ValueError, 4),
        (errors.MissingAssetError, FileNotFoundError, 5),
        (errors.MissingDependencyError, ImportError, 5),
        (errors.VideoError, ValueError, 2),
    ],
)
def test_each_error_is_also_the_builtin_a_caller_expects(
    kind: type[errors.DeepfakeGeneralizeError], builtin: type[Exception], code: int
) -> None:
    error = kind("expected a, received b.", hint="Do c.")
    error.add_note("while counting")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    for raised in (error, again):
        assert isinstance(raised, builtin)
        assert raised.exit_code == code
        assert str(raised) == "expected a, received b. Do c."
        assert raised.__notes__ == ["while counting"]
        assert (raised.message, raised.hint) == ("expected a, received b.", "Do c.")


def test_a_video_error_keeps_its_status_through_pickling() -> None:
    error = errors.VideoError("no such file.", hint="Look again.", status="missing")
    assert pickle.loads(pickle.dumps(error)).status == "missing"  # noqa: S301
