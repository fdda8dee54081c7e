"""What the machine gives a process, and processes that end together."""

import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from deepfake_generalize._system.processes import (
    acting_before_interruption,
    cpu_model,
    interrupted_by_termination,
    peak_memory,
)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Other\n",
            "Some CPU @ 2 GHz",
        ),
        ("processor\t: 0\nCPU part\t: 0xd0c\n", platform.processor() or "unknown processor"),
    ],
)
def test_the_processor_is_named_as_the_system_names_it(tmp_path, table, expected):
    file = tmp_path / "cpuinfo"
    file.write_text(table, encoding="utf-8")
    assert cpu_model(file) == expected


def test_what_a_parent_holds_is_not_counted_as_a_childs_memory():
    held = np.ones(75_000_000)  # 600 MB
    code = f"from {peak_memory.__module__} import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert peak_memory() * 1024 > held.nbytes
    assert 4_000 < int(done.stdout) < 400_000


def test_without_proc_the_system_is_asked(tmp_path, monkeypatch):
    told = peak_memory(tmp_path / "none")
    assert told >= 0.9 * peak_memory()
    monkeypatch.setattr(sys, "platform", "darwin")  # Where getrusage counts bytes.
    assert peak_memory(tmp_path / "none") == pytest.approx(told / 1024, rel=0.1)


CHILD = """
import os, sys, time
from deepfake_generalize._system.processes import end_with_parent
end_with_parent(int(sys.argv[1]))
open(sys.argv[2], "w").write(str(os.getpid()))
time.sleep(60)
"""
PARENT = f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {CHILD!r}, str(os.getpid()), sys.argv[1]])
time.sleep(60)
"""
POOL = """
import os, sys, time
import joblib
from deepfake_generalize._system.processes import ending_with_parent
def work(place):
    open(f"{place}/{os.getpid()}", "w").close()
    time.sleep(60)
if __name__ == "__main__":
    task = joblib.delayed(ending_with_parent(work))
    joblib.Parallel(2)(task(sys.argv[1]) for _ in range(2))
"""


def is_alive(process):
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def until(holds, seconds=30.0):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


@pytest.mark.slow
def test_workers_of_joblib_end_with_who_began_them_and_say_nothing(tmp_path):
    file, workers = tmp_path / "pool.py", tmp_path / "workers"
    file.write_text(POOL)
    workers.mkdir()
    command = [sys.executable, str(file), str(workers)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as pool:
        assert until(lambda: len([*workers.iterdir()]) == 2)
        time.sleep(0.2)
        assert all(is_alive(worker.name) for worker in workers.iterdir())
        pool.kill()
        assert until(lambda: not any(is_alive(worker.name) for worker in workers.iterdir()))
        assert "Traceback" not in pool.stderr.read()


@pytest.fixture
def usual_signals():
    """Undo what `nohup` or a shell's `&` has decided for this process: that some are ignored."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number, wait=5.0):
    """Send a signal to this process, and give it time to arrive."""
    os.kill(os.getpid(), number)
    time.sleep(wait)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)]
)
def test_a_worker_ends_with_its_parent(tmp_path, number):
    file = tmp_path / "child"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(file)])
    assert until(lambda: file.exists() and file.read_text())
    child = int(file.read_text())
    parent.send_signal(number)
    parent.wait()
    try:
        assert until(lambda: not is_alive(child))
    finally:
        if is_alive(child):
            os.kill(child, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "made"),
    [
        ("make_datasets", "*.png"),
        pytest.param("make_videos", "*.mp4", marks=pytest.mark.nightly),
    ],
)
def test_the_workers_that_make_synthetic_data_end_with_who_began_them(tmp_path, make, made):
    call = f"synthetic.{make}({str(tmp_path / 'out')!r}, per_split=4000, n_jobs=2)"
    code = f"from deepfake_generalize.data import synthetic; {call}"
    parent = subprocess.Popen([sys.executable, "-c", code])
    tasks = Path(f"/proc/{parent.pid}/task")

    def workers():
        children = " ".join(file.read_text() for file in tasks.glob("*/children")).split()
        lines = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
        return [child for child, line in lines.items() if b"popen_loky" in line]

    try:
        # As early as can be: workers take seconds to begin, and one may find its parent gone.
        assert until(lambda: list((tmp_path / "out").rglob(made)), seconds=120)
        begun = workers()
        assert len(begun) == 2
    finally:
        parent.kill()
        parent.wait()
    assert until(lambda: not any(map(is_alive, begun)), seconds=60)


def test_what_must_end_first_ends_before_the_interrupt_is_raised(usual_signals):
    done = []
    before = signal.getsignal(signal.SIGINT)

    def work():
        with acting_before_interruption(lambda: done.append("ended")):
            try:
                send(signal.SIGINT)
            finally:
                done.append("left")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["ended", "left"]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_is_an_interrupt_that_is_known(number, usual_signals):
    with interrupted_by_termination() as came, pytest.raises(KeyboardInterrupt):
        send(number)
    assert came == [number]
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupted_by_termination() as came:
            send(signal.SIGHUP, wait=0.05)
        assert came == []
    finally:
        signal.signal(signal.SIGHUP, before)
