"""A family of detectors worked on in processes of its own, one after the other."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

from deepfake_generalize._system.processes import acting_before_interruption, peak_memory
from deepfake_generalize.errors import PartialError
from deepfake_generalize.study.experiment.config import StudyConfig
from deepfake_generalize.study.experiment.detector_family import DetectorFamily, all_families

_LEFT = 75
"""Exit code of a process that has grown: steps are left, for a new one."""
_GROWN = 1_300_000
"""Kilobytes beyond which a process ends before a further training: TensorFlow keeps the graphs and
slots of every network that it has trained, some 600 MB for Xception."""
# Not `multiprocessing`: its processes import the caller's script again, which would then have to
# guard its call of `study.run`.
_PROGRAM = f"from {__name__} import main; main()"
# Nothing with a lock: a signal's handler changes it, and a second signal may come meanwhile.
_WORKERS = SimpleNamespace(running=set(), ending=False)
"""The processes that this one waits for, in any of its threads, and whether others may begin."""


@contextmanager
def _begun(command: Sequence[str | Path]) -> Iterator[subprocess.Popen[bytes]]:
    """Begin a process and wait for it behind the block; it is known while it runs."""
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    with subprocess.Popen(  # noqa: S603  (our own program, our own arguments)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        _WORKERS.running.add(process)
        try:
            if _WORKERS.ending:  # Asked behind `add`: `_end` has seen it, or is seen here.
                process.kill()
            yield process
        finally:
            _WORKERS.running.discard(process)


def _end() -> None:
    """End all processes at once, and let no other begin."""
    _WORKERS.ending = True
    for process in list(_WORKERS.running):
        process.kill()


@contextmanager
def workers_ended_by_signals() -> Iterator[None]:
    """Within the block, let a signal that is about to interrupt it end the workers before."""
    _WORKERS.ending = False
    with acting_before_interruption(_end):
        yield


def work_on(config: StudyConfig, family: DetectorFamily, folder: Path) -> None:
    """Do every step of a family that has no record yet, in this process or in its own."""
    if config.threads is not None:
        work_apart(family, folder)
    else:
        # Imported here: the process that only waits for the others needs no TensorFlow.
        from deepfake_generalize.study.experiment.steps import run_family

        run_family(config, family, folder)


def work_apart(family: DetectorFamily, folder: Path) -> None:
    """Do every step of a family that has no record yet, in processes that end with this one.

    Raises what they raised, or PartialError where one ended without a word, as when it was killed.
    """
    # Of the package that this process has, not of one that lies in the working directory: -P.
    command = [sys.executable, "-P", "-c", _PROGRAM, str(folder), family.name, str(_GROWN)]
    code = _LEFT
    while code == _LEFT:
        with _begun(command) as process:
            said = b"" if process.stdout is None else process.stdout.read()
        code = process.returncode
    if code:
        try:
            error = pickle.loads(said)  # noqa: S301  (written by our own process)
        except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError):
            error = None
        if isinstance(error, BaseException):
            raise error
        raise PartialError(
            f"expected the process of {family.name} to end by itself, it ended with code {code}.",
            hint="A negative code is a signal; -9 often means too little memory. Run the study "
            "again: what is finished is kept.",
        )


def main() -> NoReturn:
    """Be the process: work on the family of the arguments until it is done or memory has grown."""
    folder, name, most = sys.argv[1:]
    # Ctrl+C reaches every process of a terminal; the parent ends this one, and speaks for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        done = _work(Path(folder), name, int(most))
    except Exception as error:
        sys.stdout.buffer.write(pickle.dumps(error))
        sys.exit(1)
    sys.exit(0 if done else _LEFT)


def _end_with_parent() -> None:
    # The other end of standard input is the parent's alone: it closes when the parent dies.
    os.read(0, 1)
    os._exit(1)


def _work(folder: Path, name: str, most: int) -> bool:
    import deepfake_generalize._system.keras_backend  # noqa: F401, I001 - it comes first
    import tensorflow as tf

    from deepfake_generalize.study.experiment import toml
    from deepfake_generalize.study.experiment.config import CONFIG, StudyConfig
    from deepfake_generalize.study.experiment.steps import run_family

    # Before the configuration is read, which may build somebody's own network.
    if threads := toml.load(folder / CONFIG).get("threads"):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    config = StudyConfig.from_toml(folder / CONFIG)
    family = next(family for family in all_families(config) if family.name == name)
    return run_family(config, family, folder, until=lambda: peak_memory() > most)
