"""Families in processes of their own: the same results, errors that arrive, one worker each."""

import dataclasses
import fcntl
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from deepfake_generalize import study
from deepfake_generalize.errors import InputError, PartialError
from deepfake_generalize.study.experiment import worker
from deepfake_generalize.study.experiment.detector_family import DetectorFamily, all_families
from deepfake_generalize.study.experiment.records import read_all
from deepfake_generalize.study.experiment.steps import run_family


def without_times_and_config(value):
    dropped = {"seconds", "config_sha256"}
    if isinstance(value, dict):
        return {
            key: without_times_and_config(each) for key, each in value.items() if key not in dropped
        }
    return [without_times_and_config(each) for each in value] if isinstance(value, list) else value


@pytest.mark.nightly  # A process for every step; that of two kills has one for each family.
def test_processes_give_what_one_process_gives(tiny_run, tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "_GROWN", 0)
    apart = study.run(dataclasses.replace(tiny_config, threads=1), tmp_path / "run")
    ours, theirs = (
        [
            (each["kind"], each["key"], each.get("frame_accuracy"))
            for each in read_all(done.folder / "records")
        ]
        for done in (apart, tiny_run)
    )
    assert ours == theirs


def test_work_is_broken_off_before_a_further_training_and_not_behind_it(
    tiny_run, tiny_config, tmp_path
):
    folder = tmp_path / "run"
    shutil.copytree(tiny_run.folder, folder, ignore=shutil.ignore_patterns("log"))
    family = all_families(tiny_config)[0]
    file = folder / "records" / f"{family.name}.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kinds = [json.loads(line)["kind"] for line in lines]
    controls = kinds.index("control")
    file.write_text("".join(lines[: controls - 2]), encoding="utf-8")

    def done():
        return [each["kind"] for each in map(json.loads, file.read_text("utf-8").splitlines())]

    assert run_family(tiny_config, family, folder, until=lambda: True) is False
    assert done() == kinds[:controls]
    # The first of them goes ahead: without that, nothing ever would.
    assert run_family(tiny_config, family, folder, until=lambda: True) is (
        controls + 1 == len(kinds)
    )
    assert done() == kinds[: controls + 1]


@pytest.mark.slow
def test_an_error_arrives_as_it_was_raised(tmp_path, monkeypatch):
    # Whatever lies in the working directory: another checkout, say.
    (tmp_path / "deepfake_generalize.py").write_text("another", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("seed = 'x'\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected seed to be int, received 'x'"):
        worker.work_apart(DetectorFamily("mesonet", "CELEB"), tmp_path)


def test_a_process_that_dies_is_said_to_have(tmp_path, monkeypatch):
    monkeypatch.setattr(worker.sys, "executable", "/bin/false")
    with pytest.raises(PartialError) as caught:
        worker.work_apart(DetectorFamily("mesonet", "CELEB"), tmp_path)
    assert "the process of mesonet-celeb to end by itself, it ended with code 1" in str(
        caught.value
    )
    assert "what is finished is kept" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "signal_number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)]
)
def test_a_worker_ends_with_the_process_that_started_it(
    tiny_run, tiny_config, tmp_path, signal_number
):
    folder = shutil.copytree(tiny_run.folder, tmp_path / "run")
    code = (
        "import sys; from pathlib import Path; "
        "from deepfake_generalize.study.experiment import DetectorFamily, worker; "
        "worker.work_apart(DetectorFamily('mesonet', 'CELEB'), Path(sys.argv[1]))"
    )
    with (folder / "records" / "mesonet-celeb.jsonl").open("ab") as held:
        # The worker waits for whoever has the family's records, so it is alive until it is ended.
        fcntl.flock(held, fcntl.LOCK_EX)
        parent = subprocess.Popen([sys.executable, "-c", code, str(folder)])
        try:
            (child,) = wait_for(lambda: children(parent.pid))
        finally:
            parent.send_signal(signal_number)
            parent.wait()
        wait_for(lambda: has_ended(child))


def children(parent):
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def has_ended(pid):
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


def wait_for(found, seconds=30):
    for _ in range(10 * seconds):
        if result := found():
            return result
        time.sleep(0.1)
    raise AssertionError(f"nothing came of {found} in {seconds} seconds")


def test_a_second_worker_of_a_family_waits_for_the_first(tiny_run, tiny_config):
    from deepfake_generalize.study.experiment import steps

    path = tiny_run.folder / "records" / "mesonet-celeb.jsonl"
    before = path.read_bytes()
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        arguments = (tiny_config, DetectorFamily("mesonet", "CELEB"), tiny_run.folder)
        second = threading.Thread(target=steps.run_family, args=arguments)
        second.start()
        time.sleep(0.3)
        assert second.is_alive()
        fcntl.flock(lock, fcntl.LOCK_UN)
        second.join(timeout=60)
    assert not second.is_alive()
    assert path.read_bytes() == before
    assert all(json.loads(line) for line in before.splitlines())
