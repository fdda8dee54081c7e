"""What every manipulation of synthetic faces must do alike."""

import numpy as np
import pytest

from deepfake_generalize.data.synthetic.canvas import View
from deepfake_generalize.data.synthetic.manipulations import MANIPULATIONS
from deepfake_generalize.data.synthetic.people import stream
from deepfake_generalize.data.synthetic.pictures import clip_of
from deepfake_generalize.data.synthetic.renderer import Scene, render
from deepfake_generalize.data.synthetic.sets import SETS
from deepfake_generalize.data.synthetic.shots import Shot


def forge(name: str, target: Scene, source: Shot, style: int = 0) -> np.ndarray:
    return MANIPULATIONS[name].forge(target, source, stream(0, style))


FORGING = sorted(set(MANIPULATIONS) - {"null"})
SIZES = [40, 72]


@pytest.fixture(params=range(3))
def number(request) -> int:
    return request.param


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", MANIPULATIONS)
def test_an_image_of_the_same_kind_comes_out_and_the_footage_stays(name, size, number) -> None:
    target = render(clip_of(f"target{number}", 1).shot(40), View.crop(size))
    before = target.image.copy()
    forged = forge(name, target, clip_of(f"source{number}", 1).shot(40))
    assert forged.shape == (size, size, 3)
    assert forged.dtype == np.float32
    assert forged.min() >= 0
    assert forged.max() <= 1
    assert not np.shares_memory(forged, target.image)
    np.testing.assert_array_equal(target.image, before)


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_only_the_visible_face_changes(name, number) -> None:
    target = render(clip_of(f"target{number}", 1).shot(40), View.crop(72))
    forged = forge(name, target, clip_of(f"source{number}", 1).shot(40))
    np.testing.assert_array_equal(forged[target.visible == 0], target.image[target.visible == 0])


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_the_same_twice(name, number) -> None:
    target = render(clip_of(f"target{number}", 1).shot(40), View.crop(72))
    source = clip_of(f"source{number}", 1).shot(40)
    np.testing.assert_array_equal(forge(name, target, source), forge(name, target, source))


@pytest.mark.parametrize("name", FORGING)
def test_the_face_does_change(name, number) -> None:
    target = render(clip_of(f"target{number}", 1).shot(40), View.crop(72))
    forged = forge(name, target, clip_of(f"source{number}", 1).shot(40))
    difference = np.abs(forged - target.image).max(axis=-1)
    assert (difference > 0.01).sum() > 150


@pytest.mark.parametrize("name", FORGING)
def test_something_is_left_to_find_when_the_source_is_the_target(name) -> None:
    # Without a trace of its own a method would be known by whose face was put in only.
    shot = clip_of("target0", 1).shot(40)
    target = render(shot, View.crop(72))
    assert np.abs(forge(name, target, shot) - target.image).max() > 0.03


@pytest.mark.parametrize("name", FORGING)
def test_strength_and_blend_vary(name) -> None:
    target = render(clip_of("target0", 1).shot(40), View.crop(72))
    source = clip_of("source0", 1).shot(40)
    assert np.abs(forge(name, target, source) - forge(name, target, source, 1)).max() > 0.005


def test_null_changes_nothing(number) -> None:
    target = render(clip_of(f"target{number}", 1).shot(40), View.crop(72))
    forged = forge("null", target, clip_of(f"source{number}", 1).shot(40))
    np.testing.assert_array_equal(forged, target.image)


def test_every_method_is_used_by_a_set() -> None:
    assert {plan.method for plan in SETS.values()} == set(MANIPULATIONS)
