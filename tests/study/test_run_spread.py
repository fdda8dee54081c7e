"""A study is the same whatever it is spread over and however often it is killed."""

import contextlib
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import pytest

from deepfake_generalize import study
from deepfake_generalize._system.files import lock_file

KILLS = 4
CODE = """
import sys
from deepfake_generalize import study
if __name__ == "__main__":
    study.run(study.StudyConfig.from_toml(sys.argv[1]), sys.argv[2], n_jobs=2)
"""


@pytest.fixture(scope="module")
def two_config(tiny_config) -> study.StudyConfig:
    """Two families, each in a process of its own, as in the demo."""
    return dataclasses.replace(
        tiny_config,
        sources=("CELEB", "F2F"),
        image_size=48,
        protocol=dataclasses.replace(
            tiny_config.protocol,
            sizes=study.Sizes(
                train=16, val=8, test=8, few_shot_original=8, few_shot_unseen=8, few_shot_val=8
            ),
        ),
        analysis=study.Analysis(
            heat_map_fakes=2, causal_images=4, resamples=20, controls=1, shuffled_controls=0
        ),
        threads=1,
    )


@pytest.fixture(scope="module")
def undisturbed(two_config, tmp_path_factory) -> study.Study:
    """The same, run in one go, one family at a time."""
    return study.run(two_config, tmp_path_factory.mktemp("undisturbed") / "run")


@pytest.mark.nightly
def test_a_seed_gives_its_own_numbers_and_always_the_same(
    tiny_run, tiny_config, untimed_records, shown, tmp_path
):
    again = study.run(tiny_config, tmp_path / "again")
    assert untimed_records(again.folder) == untimed_records(tiny_run.folder)
    assert shown(again.folder) == shown(tiny_run.folder)
    other = study.run(dataclasses.replace(tiny_config, seed=6), tmp_path / "other")
    ours, theirs = (untimed_records(each.folder) for each in (other, tiny_run))
    assert [each["key"] for each in ours] == [each["key"] for each in theirs]
    scores = "scores/MesoNet1-CELEB.csv"
    assert (other.folder / scores).read_bytes() != (tiny_run.folder / scores).read_bytes()
    for mine, its in zip(ours, theirs, strict=True):
        if mine["kind"] == "causal":
            assert mine["contribution"] != its["contribution"], mine["key"]
    # The same people's names, and other faces.
    for picture in sorted((other.folder / "data").rglob("*.png"))[:20]:
        same = tiny_run.folder / picture.relative_to(other.folder)
        assert picture.read_bytes() != same.read_bytes(), picture.name


@pytest.mark.nightly
def test_a_cluster_gives_what_one_process_gives(
    undisturbed, two_config, untimed_records, shown, tmp_path
):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
    ):
        spread = study.run(two_config, tmp_path / "run")
        worked = client.run(lambda: "deepfake_generalize.study.run" in sys.modules)
    assert list(worked.values()) == [True, True]
    assert untimed_records(spread.folder) == untimed_records(undisturbed.folder)
    assert shown(spread.folder) == shown(undisturbed.folder)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the whole lines of every file of records."""
    files = (folder / "records").glob("*.jsonl")
    return {path.name: path.read_bytes().rpartition(b"\n")[0] for path in files}


def count(folder: Path) -> int:
    return sum(len(each.splitlines()) for each in contents(folder).values())


@pytest.mark.nightly  # One of a user's own is killed in test_own_study.
def test_two_jobs_that_are_killed_give_what_one_gives(
    undisturbed, two_config, untimed_records, shown, tmp_path
):
    config, folder = tmp_path / "study.toml", tmp_path / "run"
    config.write_text(two_config.to_toml(), encoding="utf-8")
    command = [sys.executable, "-c", CODE, str(config), str(folder)]
    dice, total, started = random.Random(11), count(undisturbed.folder), []
    kept: list[dict[str, bytes]] = []
    try:
        for kill in range(KILLS):
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
            started.append(process)
            # Each kill comes after a step of its own, at any moment of the following one.
            goal = max(count(folder) + 1, kill * total // (2 * KILLS))
            while process.poll() is None and count(folder) < goal:
                time.sleep(0.01)
            time.sleep(dice.uniform(0.0, 0.5))
            assert process.poll() is None, "the study was done before it could be killed"
            if kill % 2:
                # The parent alone: its workers end with it.
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kept.append(contents(folder))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    final = contents(folder)
    for before in kept:
        # Nothing finished was done again: the lines are the very same, times and all.
        for name, lines in before.items():
            assert final[name].startswith(lines), name
    ours = untimed_records(folder)
    assert len({(each["kind"], each["key"]) for each in ours}) == len(ours)
    assert json.dumps(ours, indent=1) == json.dumps(untimed_records(undisturbed.folder), indent=1)
    assert shown(folder) == shown(undisturbed.folder)
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not [name for name in names if "partial" in name or name.endswith(".tmp")]


PROGRAM = "import sys; from deepfake_generalize.cli import main; sys.exit(main())"


def processes_of(session: int) -> list[str]:
    """Return the commands of the processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append((stat.parent / "cmdline").read_bytes().decode())
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "threads"),
    [
        (signal.SIGTERM, 1),
        pytest.param(signal.SIGINT, 1, marks=pytest.mark.nightly),
        pytest.param(signal.SIGTERM, None, marks=pytest.mark.nightly),
        pytest.param(signal.SIGKILL, None, marks=pytest.mark.nightly),
    ],
)
def test_a_signal_to_the_study_alone_leaves_no_worker_and_no_lock(
    two_config, tmp_path, number, threads
):
    config, folder = tmp_path / "study.toml", tmp_path / "run"
    config.write_text(dataclasses.replace(two_config, threads=threads).to_toml(), encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, "study", "--config", config, "--out", folder]
    process = subprocess.Popen(
        [*map(str, command), "--jobs", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        while process.poll() is None and count(folder) < 3:
            time.sleep(0.05)
        assert process.poll() is None
        assert len(processes_of(process.pid)) > 2
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        end = time.monotonic() + 20
        while processes_of(process.pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert processes_of(process.pid) == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 128 + number
        assert ("terminated by SIGTERM" in said) is (number == signal.SIGTERM)
        assert not (folder / ".lock").exists()
    with lock_file(folder / ".lock"):
        pass
