"""Images whose video nobody named are in no group that could be drawn."""

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.causal import Bootstrap
from deepfake_generalize.errors import InputError


@pytest.mark.parametrize(
    "groups",
    [
        ["a", None, "b", float("nan")],
        ("a", np.nan, "b", pd.NA),
        np.array([1.0, np.nan, 2.0, np.nan]),
        np.array(["a", None, "b", None], dtype=object),
        pd.Series(["a", None, "b", pd.NA]),
        pd.Series(["a", None, "b", None], dtype="string"),
    ],
)
def test_a_missing_group_is_refused_and_not_named_nan(groups):
    with pytest.raises(InputError, match="a group for every image, received 2 without") as caught:
        Bootstrap(groups=groups).multiplicities(4)
    assert caught.value.hint == "Name the video of every image, or leave these images out."


def test_a_video_may_be_called_nan():
    assert Bootstrap(groups=["nan", "a", "b"], n_resamples=3).multiplicities(3).shape == (3, 3)
