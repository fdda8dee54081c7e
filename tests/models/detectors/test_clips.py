"""What a function of clips is given, and what is no clip."""

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import as_detector
from deepfake_generalize.types import Scorer

T, SIZE = 3, (6, 4)
CLIPS = np.random.default_rng(0).integers(0, 256, (5, T, *SIZE, 3), np.uint8)
WEIGHTS = np.array([0.2, 0.3, 0.5])
EXPECTED = (CLIPS / 255).mean((2, 3, 4)) @ WEIGHTS


def ordered(clips):
    """Weigh the mean of each frame by its place."""
    return clips.reshape(len(clips), T, -1).mean(2) @ WEIGHTS


def ordered_in_torch():
    torch = pytest.importorskip("torch")

    class Ordered(torch.nn.Module):
        def forward(self, clips):
            assert clips.shape[1:] == (T, 3, *SIZE)
            return clips.mean((2, 3, 4)) @ torch.tensor(WEIGHTS, dtype=torch.float32)

    return as_detector(Ordered(), name="ordered", size=SIZE, frames=T)


@pytest.fixture(
    params=[
        {},
        {"channels": "first"},
        {"batch_size": 2},
        {"scale": "uint8"},
        {"returns": "real"},
        {"torch": True},
    ],
    ids=str,
)
def scorer(request):
    options = dict(request.param)
    if options.pop("torch", False):
        return ordered_in_torch()

    def function(clips):
        shape = (T, 3, *SIZE) if options.get("channels") else (T, *SIZE, 3)
        assert clips.shape[1:] == shape
        found = ordered(clips / (255 if options.get("scale") else 1))
        return 1 - found if options.get("returns") else found

    return as_detector(function, name="ordered", size=SIZE, frames=T, **options)


def test_every_setting_gives_one_score_a_clip(scorer):
    assert isinstance(scorer, Scorer)
    assert scorer.frames == T
    for batch_size in (1, 2, 32):
        np.testing.assert_allclose(scorer.scores(CLIPS, batch_size=batch_size), EXPECTED, atol=1e-6)
    np.testing.assert_allclose(scorer(CLIPS / 255), EXPECTED, atol=1e-6)
    assert scorer.scores([]).shape == (0,)


def test_videos_of_any_length_and_size_score_as_each_alone(scorer, tmp_path):
    rng = np.random.default_rng(1)
    video = [rng.integers(0, 256, (9 + n, 12, 3), np.uint8) for n in range(8)]
    # Centres of three equal parts of eight frames: 8/6, 24/6, 40/6, rounded down.
    taken = scorer.scores([[video[1], video[4], video[6]]])
    np.testing.assert_array_equal(scorer.scores([video, video[::-1]])[:1], taken)
    paths = [tmp_path / f"{n}.png" for n in range(8)]
    for path, image in zip(paths, video, strict=True):
        assert cv2.imwrite(str(path), image[..., ::-1])
    np.testing.assert_array_equal(scorer.scores([paths]), taken)
    table = pd.DataFrame({"path": map(str, paths)})
    np.testing.assert_array_equal(scorer.scores([table]), taken)


def test_a_wrong_order_gives_another_score(scorer):
    assert abs(scorer.scores(CLIPS[:, ::-1]) - EXPECTED).max() > 1e-3


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (CLIPS[:, 0], r"received an array of shape \(6, 4, 3\) .* as clip 0"),
        (list(CLIPS[0]), "as clip 0"),
        (CLIPS[0, 0], "as clip 0"),
        (["a.png", "b.png"], "as clip 0"),
        (pd.DataFrame({"path": ["a.png"]}), "received DataFrame"),
        (None, "received None"),
        ("a.mp4", "received str"),
        ([CLIPS[0], CLIPS[1, :2]], "expected 3 frames or more in clip 1, received 2"),
        (CLIPS.astype(np.int32), "dtype uint8 or float"),
        (CLIPS[..., :1], "shape"),
    ],
)
def test_what_is_no_clip_is_refused(bad, words):
    with pytest.raises(InputError, match=words):
        as_detector(ordered, name="ordered", size=SIZE, frames=T).scores(bad)


def test_frames_and_batch_sizes_are_whole_numbers_from_one():
    for frames in (0, 1.5, "8"):
        with pytest.raises(InputError, match="frames"):
            as_detector(ordered, name="ordered", size=SIZE, frames=frames)
    with pytest.raises(InputError, match="batch_size"):
        as_detector(ordered, name="ordered", size=SIZE, frames=T).scores(CLIPS, batch_size=0)
