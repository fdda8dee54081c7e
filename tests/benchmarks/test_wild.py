"""The clips with known truth: how they are judged, and that the bar is met on some of each kind."""

from types import SimpleNamespace

import pandas as pd
import pytest

from benchmarks.wild import TARGET, judge, measure, summary
from benchmarks.wild_clips import FRAMES, Clip
from deepfake_generalize.data import MediaPipeFinder


def test_a_clip_is_judged_by_who_is_cropped():
    left, right = (0.0, 0.0, 10.0, 10.0), (50.0, 0.0, 60.0, 10.0)
    clip = Clip("two", "test", ("ann",))
    clip.faces = [{"ann": left, "bob": right}] * 4 + [{"bob": right}] * 2
    texts = [",".join(map(str, box)) for box in (left, right, (20.0, 0.0, 30.0, 10.0))]
    boxes = pd.Series([texts[0], texts[1], texts[2], pd.NA, pd.NA, texts[1]], dtype="string")

    verdict = judge(clip, SimpleNamespace(frames=pd.DataFrame({"box": boxes})))

    assert verdict.told == ".xnm.x"
    assert (verdict.right, verdict.strangers) == (2, 3)
    assert summary([verdict]) == (2 / FRAMES, 3)


@pytest.mark.nightly
def test_the_first_clips_of_each_kind_meet_the_bar(shared_data, monkeypatch):
    model = shared_data("mediapipe/face_detection_full_range_sparse.tflite")
    monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(model))
    data = shared_data("photos/obama.jpg").parents[1]
    with MediaPipeFinder() as finder:
        verdicts = list(measure(data, finder, quick=True))
    assert len(verdicts) == 12
    share, strangers = summary(verdicts)
    assert share >= TARGET
    assert strangers == 0
