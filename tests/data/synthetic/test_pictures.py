"""From a take to its pixels: one camera a set, the same for real and fake."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepfake_generalize.data.synthetic.canvas import View
from deepfake_generalize.data.synthetic.people import stream
from deepfake_generalize.data.synthetic.pictures import camera_of, clip_of, landmarks, picture
from deepfake_generalize.data.synthetic.renderer import render
from deepfake_generalize.data.synthetic.sets import SETS, Take, check_sizes, plan_takes
from deepfake_generalize.data.synthetic.shots import STUDIOS, Camera

SEED = 100
REAL = Take("NULL", "test", "null", "real", "id600", None, 8)


@pytest.mark.parametrize("name", SETS)
def test_real_and_fake_go_through_the_same_camera(name, monkeypatch) -> None:
    real, fake = plan_takes(name, check_sizes(4))[-2:]
    passed: dict[str, list[tuple[Camera, np.ndarray]]] = {"film": [], "develop": [], "compress": []}
    for step, seen in passed.items():

        def run(
            self: Camera, image: np.ndarray, *_rng: np.random.Generator, seen=seen
        ) -> np.ndarray:
            seen.append((self, image.copy()))
            return image

        monkeypatch.setattr(Camera, step, run)
    # Whatever the codec returns comes out: nothing happens after it.
    out = picture(real, 32, SEED), picture(fake, 32, SEED)
    for (camera, _), (other, _) in passed.values():
        assert camera == other
    np.testing.assert_array_equal(*(image for _, image in passed["film"]))
    # Noise is left out here: the forgery is all that differs, and in NULL there is none.
    assert np.array_equal(*out) == (name == "NULL")


def test_data_sets_differ_in_their_cameras_and_clips_of_one_too() -> None:
    def cameras(dataset: str) -> list[Camera]:
        return [Camera.sample(stream(SEED, n), STUDIOS[dataset]) for n in range(40)]

    found = {dataset: cameras(dataset) for dataset in STUDIOS}
    assert {plan.dataset for plan in SETS.values()} == set(STUDIOS)
    settings = {
        name: (camera[0].codec, *np.mean([[c.blur, c.noise, c.sharpening] for c in camera], 0))
        for name, camera in found.items()
    }
    assert len({tuple(np.round(of[1:], 3)) for of in settings.values()}) == len(STUDIOS)
    assert {of[0] for of in settings.values()} == {"vp8", "jpeg"}
    assert all(len({c.quality for c in camera}) > 5 for camera in found.values())
    # An original and its fake are of one clip; the sets of FaceForensics++ share people's cameras.
    real, fake = plan_takes("FS", check_sizes(4))[-2:]
    assert camera_of(real, SEED) == camera_of(fake, SEED)
    assert camera_of(plan_takes("DF", check_sizes(4))[-1], SEED) == camera_of(fake, SEED)


def test_the_camera_keeps_grey_and_adds_its_noise() -> None:
    grey = np.full((64, 64, 3), 0.5, np.float32)
    camera = Camera(0.4, 0.0, 0.0, 1.0, 0.9, 0.3, 0.75, (1.0, 1.0, 1.0), "vp8", 95, (3, 5))
    quiet = camera.compress(camera.develop(camera.film(grey, stream(0, "x")), stream(0, "y")))
    assert np.abs(quiet.astype(int) - 128).max() <= 1
    noisy = replace(camera, noise=0.02).film(grey, stream(0, "x"))
    assert noisy.std() == pytest.approx(0.02, rel=0.05)
    warm = replace(camera, gain=(1.1, 1.0, 0.9), saturation=1.0).develop(grey, stream(0, "y"))
    assert warm[0, 0].tolist() == [140, 128, 115]
    # 0.5 squared is a quarter of full scale.
    dark = replace(camera, contrast=2.0).develop(grey, stream(0, "y"))
    assert dark[0, 0].tolist() == [64, 64, 64]
    # Blotches are of colour alone, and as wide as the traces of generators.
    spotted = replace(camera, blotches=0.03).develop(grey, stream(0, "y"))
    luma, red, blue = (cv2.cvtColor(spotted, cv2.COLOR_RGB2YCrCb)[..., of] for of in range(3))
    assert np.abs(luma.astype(int) - 128).max() <= 1
    for colour in (red.astype(float), blue.astype(float)):
        assert 3.0 < colour.std() < 8.0
        assert np.corrcoef(colour[:, 2:].ravel(), colour[:, :-2].ravel())[0, 1] > 0.5


@pytest.mark.parametrize("codec", ["vp8", "jpeg"])
def test_a_codec_moves_nothing_and_costs_more_at_low_quality(codec) -> None:
    take = replace(REAL, set="F2F", dataset="FF++", target="000")
    image = picture(take, 72, SEED)
    camera = replace(camera_of(take, SEED), codec=codec, resolution=1.0)

    def loss(quality: int) -> float:
        apart = replace(camera, quality=quality).compress(image).astype(float) - image
        return float(np.sqrt(np.square(apart).mean()))

    assert loss(95) < loss(60) < loss(20)
    moved = replace(camera, quality=90, resolution=0.7).compress(image).astype(np.float32)
    (x, y), _ = cv2.phaseCorrelate(moved.mean(2), image.astype(np.float32).mean(2))
    assert abs(x) < 0.1
    assert abs(y) < 0.1


def test_faces_are_of_every_tone_and_of_the_same_place() -> None:
    view = View.crop(48)
    scenes = [render(clip_of(f"{n:03d}", SEED).shot(0), view) for n in range(60)]
    tones = np.array([scene.image[scene.visible > 0.9].mean() for scene in scenes])
    assert tones.min() < 0.35
    assert tones.max() > 0.7
    assert all(scene.visible[20:28, 20:28].mean() > 0.8 for scene in scenes)


@pytest.mark.parametrize("method", ["real", "Deepfakes"])
def test_landmarks_lie_on_what_is_drawn(method) -> None:
    for number in range(0, 8, 2):
        take = Take("DF", "test", "FF++", method, f"{number:03d}", None, 8)
        take = take if method == "real" else replace(take, source=f"{number + 1:03d}")
        points = landmarks(take, 144, SEED)
        assert points.shape == (68, 2)
        assert points.dtype == np.float32
        left, right = points[36:42].mean(0), points[42:48].mean(0)
        assert left[0] + 20 < points[30, 0] + 10 < right[0]
        # Jaw, brows, ridge and mouth run from left to right, or down.
        # (Beside the ears the jaw is upright.)
        for row, axis in ((points[3:14], 0), (points[17:27], 0), (points[27:31], 1)):
            assert (np.diff(row[:, axis]) > 0).all()
        assert (np.diff(points[48:55, 0]) > 0).all()
        assert (np.diff(points[54:60, 0]) < 0).all()
        assert abs(points[:17, 1].argmax() - 8) <= 1
        assert points[:17, 1].max() == points[:, 1].max()
        # In the picture: pupils are the darkest of an eye, and the point between the lips is
        # darker than the skin above and below them.
        grey = cv2.GaussianBlur(
            cv2.cvtColor(picture(take, 144, SEED), cv2.COLOR_RGB2GRAY), (0, 0), 1
        )
        for eye in (points[36:42], points[42:48]):
            (x0, y0), (x1, y1) = np.floor(eye.min(0)).astype(int), np.ceil(eye.max(0)).astype(int)
            x = int(grey[y0 : y1 + 1, x0 : x1 + 1].argmin()) % (x1 + 1 - x0)
            assert abs(x0 + x - eye[:, 0].mean()) < 5
        x, top, bottom = (round(float(v)) for v in (points[62, 0], points[51, 1], points[57, 1]))
        lips = grey[top : bottom + 1, x]
        assert lips.min() < min(grey[top - 4, x], grey[bottom + 4, x])


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
