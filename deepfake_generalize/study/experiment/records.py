"""What a study has done, a line each: append-only; and beside it when and on what machine."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepfake_generalize._system.files import read_regular
from deepfake_generalize._system.processes import cpu_model, processors
from deepfake_generalize.errors import DataMismatchError, InputError

RECORDS = "records"
"""Their folder within a run folder."""
DETECTORS, SCORES, HEAT_MAPS = "detectors", "scores", "heat_maps"
"""The folders beside it, of the files that records point to."""
CHECKPOINTS = "checkpoints"
"""Where trainings keep what they would go on from; gone when the study is finished."""
TIMING = "seconds"
"""The one field of a record that differs between two runs of the same study."""
LOG = "log"
"""Its folder within a run folder."""


class Records:
    """A JSON Lines file of finished steps; one process writes it, any number may read it.

    A record is a mapping of plain values; its `kind` and `key` name the step. A line that a kill
    cut short is taken off before the next is written, so that its step is done again.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, made with its folder when the first record is appended."""
        self.path = path
        self._known = {(record["kind"], record["key"]): record for record in read_lines(path)}

    def find(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return the record of a step, or None where the step is still to be done."""
        return self._known.get((kind, key))

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record; it is on the disk when this returns.

        DataMismatchError: the step has a record. InputError: the system refuses to write.
        """
        name = record["kind"], record["key"]
        if name in self._known:
            raise DataMismatchError(
                f"expected {name[0]} {name[1]} to be recorded once in {str(self.path)!r}.",
                hint="Two studies may be writing into one folder: give each its own.",
            )
        line = json.dumps(record, allow_nan=False, sort_keys=True) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _drop_torn_line(self.path)
            with self.path.open("ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(
                f"expected to write the record of {name[0]} {name[1]} to {str(self.path)!r}, the "
                f"system refused: {error.strerror or error}.",
                hint="Make room on the disk, or mend the folder's permissions, and run it again.",
            ) from error
        self._known[name] = dict(record)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read the whole records of a file; a last line that was cut short is left out.

    A missing file has no records. A line before the last that is no record: DataMismatchError.
    """
    try:
        lines = read_regular(path).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(
            f"expected the records of a study at {str(path)!r}: {error.strerror}.",
            hint="Mend its permissions, or delete it, and its family is run again.",
        ) from error
    records = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            record = json.loads(line)
            hash((record["kind"], record["key"]))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise DataMismatchError(
                f"expected a record in line {number} of {str(path)!r}, received {line[:60]!r}.",
                hint="The file was altered: delete it, and its family is run again.",
            ) from error
        records.append(record)
    return records


def read_all(folder: Path) -> list[dict[str, Any]]:
    """Read the records of every file of a folder, in the order of the files' names."""
    return [record for path in sorted(folder.glob("*.jsonl")) for record in read_lines(path)]


def of_kind(records: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the records of one kind, in their order."""
    return [record for record in records if record["kind"] == kind]


def _drop_torn_line(path: Path) -> None:
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)


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
