"""What the two rooms of networks show of themselves."""

import pytest

from deepfake_generalize import augment, models


@pytest.mark.parametrize("room", [models, augment])
def test_dir_shows_public_names_only(room):
    assert dir(room) == sorted(room.__all__)
    assert all(hasattr(room, name) for name in dir(room))
