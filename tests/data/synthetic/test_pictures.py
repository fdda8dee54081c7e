"""From a take to its pixels: one camera, after the manipulation, for real and fake alike."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepfake_generalize.data.synthetic.canvas import View
from deepfake_generalize.data.synthetic.people import stream
from deepfake_generalize.data.synthetic.pictures import Camera, clip_of, forge, picture
from deepfake_generalize.data.synthetic.renderer import render
from deepfake_generalize.data.synthetic.sets import SETS, Take, check_sizes, plan_takes

SEED = 100
REAL = Take("NULL", "test", "null", "real", "id600", None, 8)


def test_before_the_camera_the_null_path_is_the_real_path() -> None:
    fake = replace(REAL, method="null", source="id601")
    view = View.crop(48)
    np.testing.assert_array_equal(forge(fake, view, SEED), forge(REAL, view, SEED))


@pytest.mark.parametrize("name", SETS)
def test_real_and_fake_go_through_the_same_camera_last(name, monkeypatch) -> None:
    real, fake = plan_takes(name, check_sizes(4))[-2:]
    seen: list[tuple[Camera, np.ndarray]] = []

    def photograph(self: Camera, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        seen.append((self, image))
        return np.full((1, 1, 3), len(seen), np.uint8)

    monkeypatch.setattr(Camera, "photograph", photograph)
    # Whatever the camera returns comes out: nothing happens after it.
    assert picture(real, 32, SEED).item(0) == 1
    assert picture(fake, 32, SEED).item(0) == 2
    assert seen[0][0] == seen[1][0]
    assert np.array_equal(seen[0][1], seen[1][1]) == (name == "NULL")


def test_all_sets_draw_their_cameras_alike() -> None:
    blur = [Camera.sample(stream(SEED, "camera", f"id{n}")).blur for n in range(400)]
    assert np.mean(blur[:200]) == pytest.approx(np.mean(blur[200:]), abs=0.02)


def test_the_camera_keeps_grey_and_adds_its_noise() -> None:
    grey = np.full((64, 64, 3), 0.5, np.float32)
    quiet = Camera(0.4, (1.0, 1.0, 1.0), 0.0, 95)
    assert quiet.photograph(grey, stream(0, "x")).tolist() == np.full((64, 64, 3), 128).tolist()
    noisy = replace(quiet, noise=0.02)
    exposed = noisy.expose(grey, stream(0, "x"))
    assert exposed.std() == pytest.approx(0.02 * 255, rel=0.05)
    warm = replace(quiet, gain=(1.1, 1.0, 0.9)).expose(grey, stream(0, "x"))
    assert warm[0, 0].tolist() == [140, 128, 115]


def test_faces_are_of_every_tone_and_of_the_same_place() -> None:
    view = View.crop(48)
    scenes = [render(clip_of(f"{n:03d}", SEED).shot(0), view) for n in range(60)]
    tones = np.array([scene.image[scene.visible > 0.9].mean() for scene in scenes])
    assert tones.min() < 0.35
    assert tones.max() > 0.7
    assert all(scene.visible[20:28, 20:28].mean() > 0.8 for scene in scenes)


def test_landmarks_lie_on_the_features() -> None:
    view = View.crop(144)
    for number in range(8):
        shot = clip_of(f"{number:03d}", SEED).shot(0)
        scene = render(replace(shot, expression=replace(shot.expression, eyelids=1.0)), view)
        marks = scene.landmarks()
        x, y = np.rint(marks[:2].mean(axis=0)).astype(int)
        # Between the inner corners of the eyes is the bridge of the nose: u = 0, v = eye_y.
        assert abs(scene.head.u[y, x]) < 0.03
        assert scene.head.v[y, x] == pytest.approx(shot.person.features.eye_y, abs=0.03)


def _told_apart(name: str, *, roughness: bool) -> float:
    """Accuracy of a linear model on mean colours, and on contrast and roughness if asked."""
    takes = plan_takes(name, check_sizes({"train": 0, "val": 0, "test": 240}))
    images = np.stack([picture(take, 48, SEED) for take in takes]).astype(np.float32)
    middle = images[:, 12:36, 12:36]
    parts = [images.mean((1, 2)), middle.mean((1, 2))]
    if roughness:
        parts += [images.std((1, 2)), middle.std((1, 2))]
        parts += [np.abs(np.diff(images, axis=axis)).mean((1, 2)) for axis in (1, 2)]
    labels = np.array([take.label for take in takes])
    model = make_pipeline(StandardScaler(), LogisticRegression())
    # A pair of the same footage stays in one fold.
    folds = GroupKFold(5).split(labels, groups=np.arange(240) // 2)
    scores = cross_val_score(model, np.concatenate(parts, axis=1), labels, cv=list(folds))
    return float(scores.mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("CELEB", "NULL") else pytest.mark.nightly)
        for name in SETS
    ],
)
def test_colours_do_not_tell_real_from_fake(name) -> None:
    # 240 images: 0.60 is three standard errors from chance.
    assert _told_apart(name, roughness=False) < 0.60


@pytest.mark.slow
def test_roughness_tells_nothing_in_the_null_set() -> None:
    assert _told_apart("NULL", roughness=True) < 0.60
