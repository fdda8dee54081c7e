"""A worker of an extraction that is killed: said in words, nothing lost, the next call goes on."""

import os
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import get_reusable_executor

from deepfake_generalize.data import VIDEO_COLUMNS, extract_faces, read_crops
from deepfake_generalize.errors import PartialError

FINDER = '''
import os
import signal
from pathlib import Path

from deepfake_generalize.data import Face

HERE = Path(__file__).parent


class Mortal:
    """Takes the whole frame for a face; whoever finds `die` after some frames is killed."""

    name = "mortal"
    frames = 0

    def find(self, image):
        Mortal.frames += 1
        if Mortal.frames > 15 and (HERE / "die").exists():
            (HERE / "die").unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return [Face((0.0, 0.0, float(image.shape[1]), float(image.shape[0])), 0.9)]

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
'''


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """The folder of a module with such a finder, which child processes find too."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "mortal_finder.py").write_text(FINDER)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    # Workers that another test left waiting were started without this folder on their path.
    get_reusable_executor().shutdown(wait=True)
    sys.modules.pop("mortal_finder", None)
    return folder


def make_videos(write_video, folder):
    rows = []
    for number in range(8):
        frames = np.full((12, 48, 64, 3), 10 * number, np.uint8)
        path = write_video(folder / f"{number}.mp4", list(frames))
        rows.append(dict.fromkeys(VIDEO_COLUMNS, "x") | {"path": str(path), "label": 1})
    return pd.DataFrame(rows)


@pytest.mark.slow
def test_a_killed_worker_is_told_of_and_its_videos_are_done_by_the_next_call(
    modules, tmp_path, write_video, tree
):
    import mortal_finder

    videos, out = make_videos(write_video, tmp_path / "videos"), tmp_path / "out"
    choices = {"finder": mortal_finder.Mortal(), "aligner": "finder", "size": 32}
    (modules / "die").touch()
    with pytest.raises(PartialError, match=rf"extraction into {out} .*one was killed") as caught:
        extract_faces(videos, out, n_jobs=2, **choices)
    assert caught.value.exit_code == 3
    assert not (modules / "die").exists()
    assert not (out / ".partial").exists()
    kept = len(list(out.glob("x/x/x/*/record.json")))
    again = extract_faces(videos, out, n_jobs=2, **choices)
    assert again.n_done == 8 - kept
    assert kept > 0
    extract_faces(videos, tmp_path / "alone", **choices)
    assert tree(out) == tree(tmp_path / "alone")
    assert len(read_crops(out)) == 80


@pytest.mark.nightly  # A cluster is in test_runs, a killed worker above.
def test_what_a_killed_worker_of_a_cluster_had_is_done_by_the_others(
    modules, tmp_path, write_video, tree
):
    distributed = pytest.importorskip("distributed")
    import mortal_finder

    videos, out = make_videos(write_video, tmp_path / "videos"), tmp_path / "out"
    choices = {"finder": mortal_finder.Mortal(), "aligner": "finder", "size": 32}
    (modules / "die").touch()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        extract_faces(videos, out, **choices)
    assert not (modules / "die").exists()
    extract_faces(videos, tmp_path / "alone", **choices)
    assert tree(out) == tree(tmp_path / "alone")
