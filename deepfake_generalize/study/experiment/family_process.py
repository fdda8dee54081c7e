"""The process that works on one family of a study, until it has grown too large.

`python -m deepfake_generalize.study.family_process FOLDER ARCHITECTURE SOURCE KILOBYTES`;
`worker` starts it.
"""

from __future__ import annotations

import pickle
import re
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake_generalize.study.experiment.detector_family import DetectorFamily
from deepfake_generalize.study.experiment.worker import AGAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deepfake_generalize.study.experiment.config import StudyConfig


def main(arguments: Sequence[str]) -> int:
    """Work on a family; what is raised goes to stdout, pickled.

    Args:
        arguments: The run folder, the architecture, the source, and the kilobytes of memory beyond
            which it ends after a training.

    Returns:
        0 when nothing is left, `AGAIN` when a new process should go on, 1 after an error.
    """
    folder, architecture, source, most = arguments
    out = sys.stdout.buffer
    try:
        return _work(Path(folder), DetectorFamily(architecture, source), int(most))
    except Exception as error:
        out.write(pickle.dumps(error))
        return 1


def _work(folder: Path, family: DetectorFamily, most: int) -> int:
    import tensorflow as tf

    from deepfake_generalize.study.experiment.config import CONFIG, StudyConfig
    from deepfake_generalize.study.experiment.steps import run_family

    config: StudyConfig = StudyConfig.from_toml(folder / CONFIG)
    if config.threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(config.threads)
        tf.config.threading.set_inter_op_parallelism_threads(config.threads)
    done = run_family(config, family, folder, until=lambda: peak_memory() > most)
    return 0 if done else AGAIN


def peak_memory(status: Path = Path("/proc/self/status")) -> int:
    """Return the most memory in kilobytes that this process has held at a time.

    Args:
        status: The system's file about this process.
    """
    if status.exists():
        # getrusage would count what the parent held when it started this process.
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
