"""The extraction job under what happens to long jobs: kills, clusters, rivals, many videos."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from bright_finder import BrightFinder, Halts, Tells, memory_of

from deepfake_generalize._system.files import lock_file
from deepfake_generalize.data import VIDEO_COLUMNS, extract_faces, read_crops
from deepfake_generalize.errors import DataMismatchError


@pytest.fixture
def make_videos(tmp_path, write_video):
    def make(count, n_frames=12, size=(96, 128)):
        rows = []
        for number in range(count):
            frames = np.full((n_frames, *size, 3), 16, np.uint8)
            for at in range(n_frames):
                frames[at, 30:62, 10 + number % 50 + at : 42 + number % 50 + at] = 200
            path = write_video(tmp_path / "videos" / f"{number:03}.mp4", list(frames))
            rows.append(dict.fromkeys(VIDEO_COLUMNS, "x") | {"path": str(path), "label": 1})
        rows.append(rows[0] | {"path": str(tmp_path / "videos" / "gone.mp4")})
        return pd.DataFrame(rows)

    return make


@pytest.fixture
def processes():
    """Children that start in milliseconds: what they need is imported once, by their server."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["deepfake_generalize.data", "deepfake_generalize.data.extraction"]
    )
    return context


def count_finished(folder):
    return len(list(folder.glob("x/*/*/*/record.json")))


def wait_until(told, child, within_s=1200):
    """Wait for what a child does: no longer than it lives, and not for ever."""
    deadline = time.monotonic() + within_s
    while not told():
        if not child.is_alive() and not told():
            pytest.fail(f"the child ended too early, with exit code {child.exitcode}")
        if time.monotonic() > deadline:
            child.kill()
            pytest.fail(f"the child did nothing within {within_s} s")
        time.sleep(0.01)


@pytest.mark.nightly  # Slow is one kill.
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_killed_twenty_times_and_finished_equals_undisturbed(
    make_videos, processes, tmp_path, n_jobs, tree
):
    videos = make_videos(120)
    # Large crops and a quick finder: half of the time goes into writing, where kills could hurt.
    choices = {"aligner": "finder", "size": 384, "n_jobs": n_jobs}
    # Workers that outlive a kill finish what they were given: with two there must be more to do.
    pause = 0.004 if n_jobs == 1 else 0.03
    slow, quick = (choices | {"finder": BrightFinder(each)} for each in (pause, 0.0))
    out = tmp_path / "out"
    randomly = random.Random(n_jobs)
    grown = set()
    for attempt in range(20):
        begun = processes.Event()
        told = slow | {"progress": Tells(begun)}
        child = processes.Process(target=extract_faces, args=(videos, out), kwargs=told)
        child.start()
        assert begun.wait(60)
        # Some kills come before the first video of the attempt is done, however slow the machine.
        wanted = count_finished(out) + randomly.randint(0, 2)
        while count_finished(out) < wanted and child.is_alive():
            time.sleep(0.005)
        time.sleep(randomly.uniform(0.0, 0.2))
        child.kill()
        child.join()
        assert child.exitcode == -9, f"attempt {attempt} was not killed at work"
        grown.add(count_finished(out))
    assert len(grown) > 5, f"the kills all came too early: {grown}"

    done = extract_faces(videos, out, **quick)
    assert done.n_done > 1, "all was done before the last kill"
    whole = extract_faces(videos, tmp_path / "whole", **quick | {"n_jobs": 1})
    assert done.counts == {"ok": 1200, "missing": 1} == whole.counts
    time.sleep(1.0)  # Workers of killed jobs that live a moment longer must change nothing.
    assert tree(out) == tree(tmp_path / "whole")
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)]
)
def test_workers_end_with_the_process_whose_work_they_do(make_videos, processes, tmp_path, how):
    choices = {"finder": BrightFinder(3600.0, marks=tmp_path), "aligner": "finder", "n_jobs": 2}
    child = processes.Process(
        target=extract_faces, args=(make_videos(4), tmp_path / "out"), kwargs=choices
    )
    child.start()
    try:
        wait_until(lambda: len(list(tmp_path.glob("pid-*"))) == 2, child, 120)
    finally:
        os.kill(child.pid, how)
        child.join()
    workers = [int(mark.name[4:]) for mark in tmp_path.glob("pid-*")]
    deadline = time.monotonic() + 60
    while living := [pid for pid in workers if is_alive(pid)]:
        for pid in living if time.monotonic() > deadline else ():
            os.kill(pid, signal.SIGKILL)
            pytest.fail(f"{living} work on, though nobody waits for them")
        time.sleep(0.05)
    with lock_file(tmp_path / "out" / ".lock"):
        pass


def is_alive(pid):
    """Say whether a process runs, and is not only kept in the list until somebody asks of it."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"


@pytest.mark.slow
def test_a_second_extraction_is_turned_away_and_the_first_unharmed(
    make_videos, processes, tmp_path, tree
):
    videos = make_videos(6)
    choices = {"finder": BrightFinder(), "aligner": "finder", "size": 32}
    out = tmp_path / "out"
    halted, go_on = processes.Event(), processes.Event()
    halting = choices | {"progress": Halts(halted, go_on)}
    first = processes.Process(target=extract_faces, args=(videos, out), kwargs=halting)
    first.start()
    try:
        wait_until(halted.is_set, first)
        assert count_finished(out) == 1
        with pytest.raises(DataMismatchError, match="no extraction is running"):
            extract_faces(videos, out, **choices)
    finally:
        go_on.set()
    wait_until(lambda: first.exitcode is not None, first)
    assert first.exitcode == 0
    assert extract_faces(videos, out, **choices).n_done == 1  # the one that is gone is tried again
    extract_faces(videos, tmp_path / "alone", **choices)
    assert tree(out) == tree(tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bright", pytest.param("mediapipe", marks=pytest.mark.nightly)])
def test_the_same_call_on_a_cluster_of_two_processes_gives_the_same_folder(
    make_videos, tmp_path, shared_data, monkeypatch, kind, tree
):
    distributed = pytest.importorskip("distributed")
    if kind == "mediapipe":
        model = shared_data("mediapipe/face_detection_full_range_sparse.tflite")
        monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", str(model))
        clips = [shared_data("videos/short_clip.mp4"), tmp_path / "gone.mp4"]
        row = dict.fromkeys(VIDEO_COLUMNS, "x") | {"label": 0}
        videos, finder = pd.DataFrame([row | {"path": str(clip)} for clip in clips]), None
    else:
        videos, finder = make_videos(24), BrightFinder(marks=tmp_path)
    choices = {"finder": finder, "aligner": "finder", "size": 32}
    alone = extract_faces(videos, tmp_path / "alone", **choices)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
    ):
        pids = set(client.run(os.getpid).values())
        for name, more in (("two", {"n_jobs": 2}), ("configured", {})):
            spread = extract_faces(videos, tmp_path / name, **choices, **more)
            assert spread.counts == alone.counts
            pd.testing.assert_frame_equal(
                spread.crops.drop(columns="path"), alone.crops.drop(columns="path")
            )
            assert tree(tmp_path / name) == tree(tmp_path / "alone")
    assert len(pids) == 2
    assert os.getpid() not in pids
    if kind == "bright":
        workers = {int(mark.name[4:]) for mark in tmp_path.glob("pid-*")}
        assert pids <= workers
    assert alone.counts["ok"] > 0


@pytest.mark.parametrize("n_jobs", [2, pytest.param(3, marks=pytest.mark.nightly)])
def test_any_number_of_jobs_writes_the_same_bytes(make_videos, tmp_path, n_jobs, tree):
    videos = make_videos(9)
    choices = {"finder": BrightFinder(), "aligner": "finder", "size": 32}
    extract_faces(videos, tmp_path / "one", **choices)
    extract_faces(videos, tmp_path / "many", n_jobs=n_jobs, **choices)
    assert tree(tmp_path / "one") == tree(tmp_path / "many")
    assert len(read_crops(tmp_path / "many")) == 90


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bright", pytest.param("mediapipe", marks=pytest.mark.nightly)])
def test_memory_is_flat_over_two_hundred_videos(
    make_videos, processes, tmp_path, shared_data, kind
):
    choices, environment = {"finder": BrightFinder(), "aligner": "finder"}, {}
    if kind == "mediapipe":
        choices = {}
        environment = {
            f"DEEPFAKE_GENERALIZE_{name}": str(shared_data(f"mediapipe/{file}.tflite"))
            for name, file in (
                ("FACE_MODEL", "face_detection_full_range_sparse"),
                ("LANDMARK_MODEL", "face_landmark"),
            )
        }
    videos = make_videos(200, size=(360, 640))
    report = processes.SimpleQueue()
    child = processes.Process(
        target=memory_of, args=(videos, tmp_path / "out", choices, environment, report)
    )
    child.start()
    wait_until(lambda: not report.empty(), child)
    megabytes = report.get()
    child.join()
    if isinstance(megabytes, Exception):
        raise megabytes
    assert len(megabytes) == 202
    # The allocator's level rises by some 25 MB over the first 250 videos, and no further up to 800.
    # A frame of 640 x 360 is .7 MB: a third of one, left behind by each video, would show.
    assert np.median(megabytes[-60:]) - np.median(megabytes[1:61]) < 32.0, megabytes[::20]
