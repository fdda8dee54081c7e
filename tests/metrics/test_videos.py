"""Video scores against the rules written out one video at a time, and what must be refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_generalize.errors import InputError, UndefinedMetricError
from deepfake_generalize.metrics import to_videos


def frames_of(scores, *, video="v", label=1, dataset="D", method="M"):
    return pd.DataFrame(
        {"dataset": dataset, "method": method, "video": video, "label": label, "score": scores}
    )


def confident(scores):
    """The challenge winner's rule for one video, from its description."""
    high = [score for score in scores if score > 0.8]
    low = [score for score in scores if score < 0.2]
    if len(high) >= 12 and len(high) > int(len(scores) / 2.5):
        return np.mean(high)
    if len(low) > 0.9 * len(scores):
        return np.mean(low)
    return np.mean(scores)


ORACLES = {"mean": np.mean, "median": np.median, "max": np.max, "confident": confident}


@st.composite
def many_videos(draw):
    tables = []
    for number in range(draw(st.integers(1, 4))):
        scores = st.sampled_from([0.0, 0.1, 0.19, 0.2, 0.5, 0.8, 0.81, 0.95, 1.0])
        sure = draw(st.sampled_from([[], [0.9] * 14, [0.05] * 30]))
        chosen = sure + draw(st.lists(scores, min_size=1, max_size=20))
        tables.append(frames_of(chosen, video=f"v{number}", label=draw(st.integers(0, 1))))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize("rule", sorted(ORACLES))
@given(frames=many_videos(), seed=st.integers(0, 99))
def test_every_rule_is_what_it_says_one_video_at_a_time(rule, frames, seed) -> None:
    shuffled = frames.sample(frac=1.0, random_state=seed)
    videos = to_videos(shuffled, rule=rule)
    assert list(videos["video"]) == list(dict.fromkeys(shuffled["video"]))
    for row in videos.itertuples():
        own = frames[frames["video"] == row.video]
        assert row.score == pytest.approx(ORACLES[rule](own["score"].tolist()))
        assert (row.label, row.n_frames) == (own["label"].iloc[0], len(own))
        assert 0.0 <= row.score <= 1.0


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.9] * 12 + [0.3] * 18, 0.54),  # twelve of thirty is not more than 40 %
        ([0.9] * 12 + [0.3] * 17, 0.9),  # twelve of twenty-nine is
        ([0.9] * 11 + [0.3] * 4, 0.74),  # eleven are too few
        ([0.1] * 19 + [0.7], 0.1),
        ([0.1] * 9 + [0.7], 0.16),  # nine of ten are not more than 90 %
    ],
)
def test_confident_changes_its_mind_where_its_source_does(scores, expected) -> None:
    assert to_videos(frames_of(scores), rule="confident")["score"].item() == pytest.approx(expected)


def test_one_file_name_under_two_methods_or_datasets_is_two_videos() -> None:
    frames = pd.concat(
        [
            frames_of([0.1, 0.3], label=0, method="real"),
            frames_of([0.8], method="FaceSwap"),
            frames_of([0.6], method="FaceSwap", dataset="E"),
        ]
    )
    videos = to_videos(frames)
    assert videos["score"].tolist() == pytest.approx([0.2, 0.8, 0.6])
    assert list(videos.columns) == ["dataset", "method", "video", "label", "score", "n_frames"]


def test_categories_that_do_not_occur_make_no_videos() -> None:
    frames = frames_of([0.1, 0.3]).astype({"method": "category", "dataset": "category"})
    frames["method"] = frames["method"].cat.add_categories(["unused"])
    assert len(to_videos(frames)) == 1


def test_the_frames_given_are_not_changed() -> None:
    frames = frames_of([0.1, 0.3])
    before = frames.copy()
    to_videos(frames, rule="confident")
    pd.testing.assert_frame_equal(frames, before)


def test_two_labels_in_one_video_are_refused_by_name() -> None:
    frames = pd.concat([frames_of([0.5], video="ok"), frames_of([0.1, 0.3], label=[0, 1])])
    with pytest.raises(InputError, match=r"both labels for 1 of 2 videos.*video 'v'\..*Correct"):
        to_videos(frames)
    frames = pd.concat([frames, frames_of([0.1, 0.3], label=[0, 1], video="w")])
    with pytest.raises(InputError, match=r"both labels for 2 of 3 videos, the first .*video 'v'\."):
        to_videos(frames)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([1, 2], "expected a DataFrame, received"),
        (frames_of([0.1]).drop(columns=["method", "score"]), "method, score not found"),
        (frames_of([0.1, 0.2], video=["v", None]), "expected video in every row, received 1 of 2"),
        (frames_of([0.1, np.nan]), "finite scores, received NaN or infinity in 1 of 2"),
        (frames_of([1.5]), r"scores in \[0, 1\]"),
        (frames_of([0.5], label=2), "labels 0 or 1, received 2"),
    ],
)
def test_what_has_no_video_score_is_refused(frames, message) -> None:
    with pytest.raises(InputError, match=message):
        to_videos(frames)


def test_an_unknown_rule_and_an_empty_table_are_refused() -> None:
    with pytest.raises(InputError, match="mean, median, max, confident, received 'vote'"):
        to_videos(frames_of([0.1]), rule="vote")
    with pytest.raises(UndefinedMetricError, match="no images at all"):
        to_videos(frames_of([]))
