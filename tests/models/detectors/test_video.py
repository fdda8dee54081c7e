"""The score of a video is the mean over the frames that showed a face, and says how many did."""

import copy

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.data import faces
from deepfake_generalize.data.faces.crop_video import VideoCrops
from deepfake_generalize.errors import InputError, VideoError
from deepfake_generalize.models import Detector, VideoScore, as_detector

LEVELS = as_detector(lambda x: x.mean(axis=(1, 2, 3)), name="levels", size=8)


@pytest.fixture
def crops(monkeypatch):
    """Stand in for the extraction: a crop of the given level a frame, None for no face."""

    def give(levels, missing="no_face"):
        kept = [level for level in levels if level is not None]
        images = np.array(kept, np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, 8, 8, 3), np.uint8)
        frames = pd.DataFrame(
            {
                "frame": np.arange(len(levels)) * 7,
                "status": [missing if level is None else "ok" for level in levels],
                "reason": ["no face found" if level is None else pd.NA for level in levels],
                "score": [pd.NA if level is None else 0.9 for level in levels],
            }
        )
        calls = []

        def crop_video(path, **options):
            calls.append(options)
            return VideoCrops(images, frames)

        monkeypatch.setattr(faces, "crop_video", crop_video)
        return calls

    return give


def test_the_mean_over_scored_frames(crops):
    calls = crops([51, None, 102, 153])
    result = LEVELS.score_video("a.mp4", frames_per_video=4, margin=1.5)
    assert result.score == pytest.approx(0.4)
    assert result.coverage == 0.75
    np.testing.assert_allclose(result.frames["score"], [0.2, np.nan, 0.4, 0.6], atol=1e-6)
    assert list(result.frames["frame"]) == [0, 7, 14, 21]
    assert list(result.frames["status"]) == ["ok", "no_face", "ok", "ok"]
    assert list(result.frames["finder_score"].dropna()) == [0.9] * 3
    assert repr(result) == "VideoScore(score=0.400, coverage=0.75, 3 of 4 frames)"
    assert calls[0]["frames_per_video"] == 4
    assert calls[0]["margin"] == 1.5
    assert calls[0]["size"] == 256


def test_results_are_frozen(crops):
    crops([51])
    result = LEVELS.score_video("a.mp4")
    assert isinstance(result, VideoScore)
    with pytest.raises(AttributeError):
        result.score = 1.0


def test_no_face_at_all(crops):
    crops([None, None])
    with pytest.raises(
        VideoError, match=r"a face in a.mp4, .* 2 sampled frames \(2 no_face\)"
    ) as e:
        LEVELS.score_video("dir/a.mp4")
    assert e.value.status == "no_face"
    again = copy.copy(e.value)  # takes the way of pickling
    assert str(again) == str(e.value)
    assert list(again.frames["frame"]) == [0, 7]
    assert again.frames["score"].isna().all()
    crops([None, None], missing="corrupt")
    with pytest.raises(VideoError, match="2 corrupt") as e:
        LEVELS.score_video("dir/a.mp4")
    assert e.value.status == "error"


def test_the_detector_scores_its_own_videos(crops, constant_network):
    crops([10, None])
    result = Detector(constant_network([0.3]), fake_index=0).score_video("a.mp4")
    assert result.score == pytest.approx(0.7)
    assert result.coverage == 0.5


def test_what_a_scorer_raises_is_noted_with_the_video(crops):
    crops([51, 102])

    def broken(_):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError) as caught:
        as_detector(broken, name="b", size=8).score_video("a/b.mp4")
    assert caught.value.__notes__[-1] == "while b scored 2 faces of the video a/b.mp4"


def test_a_function_scores_its_own_videos(crops):
    calls = crops([51, None])
    result = LEVELS.score_video("a.mp4", frames_per_video=2, aligner="none")
    assert result.score == pytest.approx(0.2)
    assert result.coverage == 0.5
    assert calls[0]["frames_per_video"] == 2
    assert calls[0]["aligner"] == "none"


def test_a_real_video(shared_data, monkeypatch):
    models = shared_data("mediapipe")
    video = shared_data("videos/short_clip.mp4")
    for variable, name in [
        ("FACE_MODEL", "face_detection_full_range_sparse.tflite"),
        ("LANDMARK_MODEL", "face_landmark.tflite"),
    ]:
        monkeypatch.setenv(f"DEEPFAKE_GENERALIZE_{variable}", str(models / name))
    result = LEVELS.score_video(video, frames_per_video=3)
    assert len(result.frames) == 3
    assert result.coverage > 0
    crops = faces.crop_video(video, frames_per_video=3)
    assert result.score == pytest.approx(LEVELS.scores(crops.images).mean(), abs=1e-6)


@pytest.fixture
def clips():
    """A detector of clips of two frames, the later of which counts three times."""
    return as_detector(
        lambda x: x.mean(axis=(2, 3, 4)) @ [0.25, 0.75], name="clips", size=8, frames=2
    )


def test_a_clip_gives_its_one_score_to_every_frame_with_a_face(crops, clips):
    calls = crops([51, None, 102, 153, 204])
    result = clips.score_video("a.mp4", frames_per_video=1)
    assert calls[0]["frames_per_video"] == 2
    # Of four faces, the centres of two halves: the second and the fourth.
    assert result.score == pytest.approx(0.25 * 0.4 + 0.75 * 0.8)
    assert result.coverage == 0.8
    expected = [0.7, np.nan, 0.7, 0.7, 0.7]
    np.testing.assert_allclose(result.frames["score"], expected, atol=1e-6)
    clips.score_video("a.mp4", frames_per_video=5)
    assert calls[1]["frames_per_video"] == 5


def test_too_few_faces_for_a_clip_are_a_status_with_every_frame(crops, clips):
    crops([51, None, None])
    with pytest.raises(
        VideoError, match=r"faces in 2 frames in a\.mp4, found 1 in the 3"
    ) as caught:
        clips.score_video("a.mp4")
    assert caught.value.status == "too_short"
    assert caught.value.frames["status"].tolist() == ["ok", "no_face", "no_face"]
    assert caught.value.frames["score"].isna().all()
    assert copy.copy(caught.value).status == "too_short"
    crops([None])
    with pytest.raises(VideoError, match="found none") as caught:
        clips.score_video("a.mp4")
    assert caught.value.status == "no_face"


def test_how_many_frames_a_clip_samples_is_checked(crops, clips):
    with pytest.raises(InputError, match="frames_per_video"):
        clips.score_video("a.mp4", frames_per_video="many")
