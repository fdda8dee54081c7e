"""A family of a study worked on in processes of its own, one after the other."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

from deepfake_generalize.errors import PartialError

if TYPE_CHECKING:
    from pathlib import Path

    from deepfake_generalize.study.experiment.detector_family import DetectorFamily

AGAIN = 75
"""Exit code of a process that has grown: steps are left, for a new one."""
_GROWN = 1_200_000
"""Kilobytes beyond which a process ends after a training: TensorFlow keeps the graphs and slots of
every network that it has trained, some 600 MB for Xception."""
_PROGRAM = "deepfake_generalize.study.experiment.family_process"


def work_apart(family: DetectorFamily, folder: Path) -> None:
    """Do every step of a family that has no record yet, in processes of its own.

    Args:
        family: The architecture and the source.
        folder: The run folder, with its configuration and splits in it.

    Raises:
        DeepfakeGeneralizeError: What the process raised.
        PartialError: It ended without a word, as when the system killed it.
    """
    about = [str(folder), family.architecture, family.source, str(_GROWN)]
    command = [sys.executable, "-m", _PROGRAM, *about]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    while True:
        ended = subprocess.run(  # noqa: S603  (our own program, our own arguments)
            command, stdout=subprocess.PIPE, check=False, env={**os.environ, "PYTHONPATH": path}
        )
        if ended.returncode == 0:
            return
        if ended.returncode != AGAIN:
            raise _error(ended, family)


def _error(ended: subprocess.CompletedProcess[bytes], family: DetectorFamily) -> BaseException:
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
