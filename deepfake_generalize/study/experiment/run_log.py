"""When and on what machine a study was run: kept beside its records, which no clock may change."""

from __future__ import annotations

import datetime as dt
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepfake_generalize._system.processes import cpu_model, processors
from deepfake_generalize.study.experiment.records import Records, read_all

LOG = "log"
"""Its folder within a run folder."""


def now() -> dt.datetime:
    """Return the time, in UTC."""
    return dt.datetime.now(dt.UTC)


def note(folder: Path, name: str, step: tuple[str, str], began: dt.datetime) -> None:
    """Write down that a step, kind and key, was done just now and on this machine.

    `name` is that of the file of records that the step is in, without its ending.
    """
    kind, key = step
    Records(folder / LOG / f"{name}.jsonl").append(
        {
            "kind": kind,
            "key": key,
            "began": began.isoformat(timespec="seconds"),
            "finished": now().isoformat(timespec="seconds"),
            "machine": {
                "cpu": cpu_model(),
                "cores": processors(),
                "gpus": _gpus(),
                "system": _operating_system(),
            },
        }
    )


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Read what was noted in a run folder; nothing where nothing was."""
    return read_all(folder / LOG)


def when_and_where(notes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Say when a study was run and on what, from what was noted.

    Examples:
        >>> machine = {"cpu": "A processor", "cores": 2, "gpus": [], "system": "Linux 6.1 x86_64"}
        >>> times = {"began": "2026-03-01T09:58:30+00:00", "finished": "2026-03-01T10:04:10+00:00"}
        >>> when_and_where([{"machine": machine, **times}])
        {'Run': '2026-03-01 09:58 to 10:04 UTC',
         'Machine': 'A processor, 2 cores, no GPU; Linux 6.1 x86_64'}
    """
    if not notes:
        return {"Run": "when and on what machine was not noted"}
    began = min(dt.datetime.fromisoformat(entry["began"]) for entry in notes)
    finished = max(dt.datetime.fromisoformat(entry["finished"]) for entry in notes)
    until = f"{finished:%H:%M}" if began.date() == finished.date() else f"{finished:%Y-%m-%d %H:%M}"
    machines = _machines(entry["machine"] for entry in notes)
    return {
        "Run": f"{began:%Y-%m-%d %H:%M} to {until} UTC",
        "Machine" if len(machines) == 1 else "Machines": " | ".join(machines),
    }


def _machines(found: Iterable[Mapping[str, Any]]) -> list[str]:
    # Only a process that has loaded TensorFlow knows its GPUs.
    gpus: dict[tuple[str, int, str], list[str]] = {}
    for machine in found:
        known = gpus.setdefault((machine["cpu"], machine["cores"], machine["system"]), [])
        known.extend(machine["gpus"] if not known else [])
    return [
        f"{cpu}, {cores} core{'s' if cores != 1 else ''}, {', '.join(cards) or 'no GPU'}; {system}"
        for (cpu, cores, system), cards in gpus.items()
    ]


def _gpus() -> list[str]:
    tf = sys.modules.get("tensorflow")
    if tf is None:
        return []
    details = tf.config.experimental.get_device_details
    return [
        str(details(device).get("device_name", "GPU"))
        for device in tf.config.list_physical_devices("GPU")
    ]


def _operating_system() -> str:
    kernel = f"{platform.system()} {platform.release()} {platform.machine()}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except (OSError, KeyError):
        return kernel
