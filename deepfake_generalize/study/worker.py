"""A process that works on one family of a study, replaced by a new one when it has grown.

`python -m deepfake_generalize.study.worker FOLDER ARCHITECTURE SOURCE`; started by `run`.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake_generalize.errors import PartialError
from deepfake_generalize.study.family import Family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deepfake_generalize.study.config import StudyConfig

AGAIN = 75
"""Exit code: steps are left, for a new process."""
_GROWN = 1_200_000
"""Kilobytes beyond which a process ends after a training: TensorFlow keeps the graphs and slots of
every network that it has trained, some 600 MB for Xception."""


def work_apart(family: Family, folder: Path) -> None:
    """Do every step of a family that has no record yet, in processes of its own.

    Args:
        family: The architecture and the source.
        folder: The run folder, with its configuration and splits in it.

    Raises:
        DeepfakeGeneralizeError: What the process raised.
        PartialError: It ended without a word, as when the system killed it.
    """
    command = [sys.executable, "-m", __name__, str(folder), family.architecture, family.source]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    while True:
        ended = subprocess.run(  # noqa: S603  (our own program, our own arguments)
            command, stdout=subprocess.PIPE, check=False, env={**os.environ, "PYTHONPATH": path}
        )
        if ended.returncode == 0:
            return
        if ended.returncode != AGAIN:
            raise _error(ended, family)


def _error(ended: subprocess.CompletedProcess[bytes], family: Family) -> BaseException:
    try:
        error = pickle.loads(ended.stdout)  # noqa: S301  (written by our own process)
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError):
        error = None
    if isinstance(error, BaseException):
        return error
    return PartialError(
        f"expected the process of {family.name} to end by itself, it ended with code "
        f"{ended.returncode}.",
        hint="A negative code is a signal; -9 often means too little memory. Run the study again: "
        "what is finished is kept.",
    )


def main(arguments: Sequence[str]) -> int:
    """Work on a family; what is raised goes to stdout, pickled.

    Args:
        arguments: The run folder, the architecture, the source.

    Returns:
        0 when nothing is left, `AGAIN` when a new process should go on, 1 after an error.
    """
    folder, architecture, source = arguments
    out = sys.stdout.buffer
    try:
        return _work(Path(folder), Family(architecture, source))
    except Exception as error:
        out.write(pickle.dumps(error))
        return 1


def _work(folder: Path, family: Family) -> int:
    import tensorflow as tf

    from deepfake_generalize.study import stages
    from deepfake_generalize.study.config import CONFIG, StudyConfig

    config: StudyConfig = StudyConfig.from_toml(folder / CONFIG)
    if config.threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(config.threads)
        tf.config.threading.set_inter_op_parallelism_threads(config.threads)
    return 0 if stages.run_family(config, family, folder, until=_has_grown) else AGAIN


def _has_grown() -> bool:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > _GROWN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
