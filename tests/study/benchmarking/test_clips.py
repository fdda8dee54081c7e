"""Detectors of clips: a score a video, from evenly spaced frames in order, or a status."""

import functools
import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize import causal, interpret, study
from deepfake_generalize.cli import main
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import as_detector

benchmark = functools.partial(study.benchmark, audit=False, resampling=None)
T = 3
ORDER = np.array([0.2, 0.3, 0.5])  # Each place weighs otherwise, so that order shows.
FAKE = (100, 160, 220, 250)
REAL = (90, 60, 30, 10)


def flicker(clips):
    """Weigh the mean of each frame by its place."""
    return clips.mean((2, 3, 4)) @ ORDER


DETECTOR = as_detector(flicker, name="flicker", size=4, frames=T)


def by_hand(levels, taken):
    return sum(w * levels[place] / 255 for w, place in zip(ORDER, taken, strict=True))


@pytest.fixture
def clips(tmp_path):
    """A function from (label, grey levels in order) a video to a table of its crops."""

    def make(*videos, name="set", unequal=False, equal=False):
        rows = []
        for number, (label, levels) in enumerate(videos):
            for at, level in enumerate(levels):
                path = tmp_path / f"{name}-{number}-{at}.png"
                picture = np.full((8 + at * unequal, 8 + number * (not equal), 3), level, np.uint8)
                assert cv2.imwrite(str(path), picture)
                rows.append((str(path), label, f"{name}-{number}", at * 20))
        return pd.DataFrame(rows, columns=["path", "label", "video", "frame"])

    return make


def test_a_video_has_one_score_of_evenly_spaced_frames_in_order(clips):
    home = clips((1, FAKE), (0, REAL), (1, FAKE[:3]))
    found = benchmark(DETECTOR, original=home, unseen={"A": home}).scores["original"]
    # Centres of three equal parts of four frames: 4/6, 12/6 and 20/6, rounded down.
    expected = [by_hand(FAKE, (0, 2, 3)), by_hand(REAL, (0, 2, 3)), by_hand(FAKE, (0, 1, 2))]
    np.testing.assert_allclose(found["score"], expected, atol=1e-6)
    assert found["label"].tolist() == [1, 0, 1]
    assert found["video"].tolist() == found["key"].tolist() == ["set-0", "set-1", "set-2"]
    assert found["n_frames"].tolist() == [3, 3, 3]
    assert "frame" not in found


def test_the_order_of_rows_and_the_sizes_of_crops_change_nothing(clips):
    home = clips((1, FAKE), (0, REAL))
    ordered = benchmark(DETECTOR, original=home, unseen={"A": home}).scores["A"]
    for other in (home.sample(frac=1, random_state=3), clips((1, FAKE), (0, REAL), unequal=True)):
        found = benchmark(DETECTOR, original=other, unseen={"A": other}).scores["A"]
        found = found.set_index("key").loc[ordered["key"]]
        np.testing.assert_allclose(found["score"], ordered["score"], atol=1e-6)


def test_of_a_long_video_the_path_is_that_of_the_first_frame_taken(clips):
    home = clips((1, range(100, 190, 10)), (0, REAL))
    found = benchmark(DETECTOR, original=home, unseen={"A": home}).scores["A"]
    assert [Path(path).name for path in found["path"]] == ["set-0-1.png", "set-1-0.png"]
    # Centres of three equal parts of nine frames: 9/6, 27/6 and 45/6, rounded down.
    assert found["score"][0] == pytest.approx(by_hand(range(100, 190, 10), (1, 4, 7)), abs=1e-6)


def test_frames_are_ordered_as_numbers_not_as_words(clips):
    home = clips((1, FAKE[:3]), (0, REAL[:3]))
    words = home.assign(frame=home["frame"].map({0: "2", 20: "10", 40: "100"}))
    found = benchmark(DETECTOR, original=words, unseen={"A": words}).scores["A"]
    assert found["score"][0] == pytest.approx(by_hand(FAKE, (0, 1, 2)), abs=1e-6)


def test_what_is_too_short_or_unreadable_is_counted_and_named_never_padded(clips, tmp_path):
    home = clips((1, FAKE), (0, REAL), (0, REAL[:1]), (1, FAKE))
    (tmp_path / "set-3-2.png").unlink()
    result = benchmark(DETECTOR, original=home, unseen={"A": home})
    found = result.scores["original"]
    assert found["status"].tolist() == ["ok", "ok", "too_short", "missing"]
    assert found["reason"][2] == "1 of the 3 frames that a clip needs"
    assert found["score"].isna().tolist() == [False, False, True, True]
    assert result.coverage["A"] == {"ok": 2, "total": 4}
    assert any("2 of 4 videos have no score" in note for note in result.notes)
    assert any("set-2: too_short (1 of the 3 frames" in note for note in result.notes)
    counted = benchmark(DETECTOR, original=home, unseen={"A": home}, policy="as-real")
    assert counted.row["original_accuracy"].item() == 75.0  # By hand: the second fake is missed.


def test_numbers_and_intervals_are_of_videos(clips):
    home = clips(*[(1, FAKE), (0, REAL)] * 6)
    result = study.benchmark(DETECTOR, original=home, unseen={"A": home}, audit=False)
    assert any(note.startswith("original, A: each score is of a video") for note in result.notes)
    row = result.metrics.iloc[0]
    assert (row["n_videos"], row["n_frames"]) == (12, 36)
    assert row["video_auc"] == row["frame_auc"] == 1.0
    assert row["video_accuracy_low"] == row["frame_accuracy_low"]
    with pytest.raises(InputError, match='expected unit="video" of scores that are of videos'):
        result.beside("deepfakebench")


def test_clips_of_several_sets_are_scored_once_and_score_files_give_the_same_row(clips, tmp_path):
    seen = []
    counting = as_detector(
        lambda clip: seen.append(len(clip)) or flicker(clip), name="flicker", size=4, frames=T
    )
    home = clips((1, FAKE), (0, REAL), (0, REAL[:2]))
    result = benchmark(counting, original=home, unseen={"A": home})
    assert sum(seen) == 2
    for style, written in (("own", "A.csv"), ("dfwb", "A.scores.csv")):
        result.save_scores(tmp_path / style, style=style)
        file = tmp_path / style / written
        again = benchmark("flicker", original=file, unseen={"A": file})
        assert again.row["A"].item() == result.row["A"].item()
        assert again.coverage["A"] == {"ok": 2, "total": 3}
        pd.testing.assert_frame_equal(again.metrics, result.metrics.assign(set=["original", "A"]))


@pytest.mark.parametrize("spoilt", [{"video": pd.NA}, {"frame": pd.NA}, {"frame": 7}])
def test_crops_that_do_not_name_video_and_frame_are_refused(clips, spoilt):
    home = clips((1, FAKE), (0, REAL)).assign(**spoilt)
    with pytest.raises(InputError, match="set original to name video and frame of each crop"):
        benchmark(DETECTOR, original=home, unseen={"A": home})


def test_a_scorer_of_ones_own_with_frames_gets_clips(clips):
    class Own:
        name, frames = "own", T

        def scores(self, given):
            assert given.shape == (2, T, 8, 8, 3)
            assert given.dtype == np.uint8
            return flicker(given / 255)

    home = clips((1, FAKE), (0, REAL), equal=True)
    found = benchmark(Own(), original=home, unseen={"A": home}).scores["A"]["score"]
    np.testing.assert_allclose(found, [by_hand(FAKE, (0, 2, 3)), by_hand(REAL, (0, 2, 3))])


def test_maps_and_effects_of_clips_in_torch_are_refused_in_words():
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(T * 48, 1))
    detector = as_detector(network, name="net", size=4, frames=T, logits=True)
    clip = np.zeros((2, T, 4, 4, 3), np.uint8)
    assert detector.scores(clip).shape == (2,)
    for explain in (interpret.grad_cam, interpret.guided_grad_cam, interpret.hires_cam):
        with pytest.raises(InputError, match="clips have no maps"):
            explain(detector, clip)
    with pytest.raises(InputError, match="clips have no maps and no causal effects"):
        causal.average_causal_effect(detector, clip, outcome="score")


def test_the_commands_take_clips_by_a_text(clips, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(
        "def flicker(clips):\n    return clips.mean((2, 3, 4)) @ [0.2, 0.3, 0.5]\n"
    )
    home = clips((1, FAKE), (0, REAL), (0, REAL[:2]))
    home.sample(frac=1, random_state=1).to_csv(tmp_path / "crops.csv", index=False)
    reference = "net.py:flicker[frames=3,size=4]"
    assert main(["score", "crops.csv", "--detector", reference, "--json"]) == 3
    videos = {Path(v["path"]).name: v for v in json.loads(capsys.readouterr().out)["videos"]}
    assert videos["set-0"]["score"] == pytest.approx(by_hand(FAKE, (0, 2, 3)), abs=1e-6)
    assert videos["set-2"]["status"] == "too_short"
    sets = ["--original", "crops.csv", "--unseen", "A=crops.csv", "--no-audit", "--json"]
    main(["benchmark", "--detector", reference, *sets])
    shown = json.loads(capsys.readouterr().out)
    assert shown["coverage"]["A"] == {"ok": 2, "total": 3}
