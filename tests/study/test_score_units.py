"""Which rows of a table of scores are drawn together: videos, people, or images alone."""

import numpy as np
import pandas as pd

from deepfake_generalize.metrics import Resampling
from deepfake_generalize.metrics.resampling import find_units, resample
from deepfake_generalize.study.scores import as_scored, clean_scores


def table(folder="/data", people=True):
    """Ten pairs of FaceForensics++ as the study holds them: three frames of each video."""
    rows = []
    for number in range(20):
        partner = number + 1 - 2 * (number % 2)
        for frame in range(3):
            for label, name in ((0, f"{number:03d}"), (1, f"{number:03d}_{partner:03d}")):
                rows.append(
                    {
                        "label": label,
                        "score": (7 * number + frame + 3 * label) % 10 / 10,
                        "dataset": "FF++",
                        "method": "FaceSwap" if label else "real",
                        "target_identity": f"{number:03d}" if people else None,
                        "source_identity": f"{partner:03d}" if label and people else None,
                        "video": f"{folder}/videos/{name}.mp4",
                        "frame": frame,
                    }
                )
    return clean_scores("FS", pd.DataFrame(rows))


def interval(rows):
    found = resample({"FS": {"": as_scored(rows)}}, ["accuracy"], Resampling(n_resamples=50))
    return found.interval(found["", "FS"])


def test_where_the_files_lie_changes_no_interval():
    for people in (True, False):
        here, there = (interval(table(folder, people)) for folder in ("/data", "/mnt/other/data"))
        assert here == there
        assert (here.n, here.unit) == (20, "people" if people else "videos")


def test_videos_of_one_name_in_other_folders_stay_apart():
    rows = table(people=False)
    deep = [
        path.replace("/data/", f"/data/{frame}/")
        for path, frame in zip(rows["video"], rows["frame"], strict=True)
    ]
    assert find_units(as_scored(rows.assign(video=deep))).n == 60


def test_people_are_known_where_every_row_names_who_is_seen():
    rows = table()
    assert find_units(as_scored(rows)).unit == "people"
    rows.loc[3, "target_identity"] = pd.NA
    assert find_units(as_scored(rows)).unit == "videos"
    both = as_scored(table())
    assert both.people[0].tolist() == ["FF++ 000", ""]
    assert both.people[1].tolist() == ["FF++ 000", "FF++ 001"]


def test_without_videos_images_are_drawn():
    rows = pd.DataFrame({"label": [0, 1] * 6, "score": np.linspace(0, 1, 12)})
    units = find_units(as_scored(clean_scores("mine", rows)))
    assert (units.n, units.unit) == (6, "images")
