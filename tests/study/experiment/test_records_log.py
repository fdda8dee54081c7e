"""When and where a study was run: noted beside its records, and told in its report alone."""

import datetime as dt
import json
import platform
import re

from deepfake_generalize.study.experiment.records import now, read_all, read_log, when_and_where

MACHINE = {"cpu": "A processor", "cores": 2, "gpus": [], "system": "Linux 6.1 x86_64"}


def noted(began, finished, **machine):
    return {"began": began, "finished": finished, "machine": MACHINE | machine}


def test_a_run_over_days_and_machines_is_told_whole():
    notes = [
        noted("2026-03-02T08:00:00+00:00", "2026-03-02T09:30:59+00:00", cpu="B", cores=1),
        noted("2026-03-01T23:10:00+00:00", "2026-03-01T23:20:00+00:00"),
        noted("2026-03-01T23:20:00+00:00", "2026-03-01T23:30:00+00:00", gpus=["Card"]),
    ]
    assert when_and_where(notes) == {
        "Run": "2026-03-01 23:10 to 2026-03-02 09:30 UTC",
        "Machines": "B, 1 core, no GPU; Linux 6.1 x86_64"
        " | A processor, 2 cores, Card; Linux 6.1 x86_64",
    }


def test_a_run_of_which_nothing_was_noted_says_so():
    assert when_and_where([]) == {"Run": "when and on what machine was not noted"}


def test_every_step_is_noted_once_with_its_time_and_machine(tiny_run):
    notes, records = read_log(tiny_run.folder), read_all(tiny_run.folder / "records")
    assert [(each["kind"], each["key"]) for each in notes] == [
        (each["kind"], each["key"]) for each in records
    ]
    for each in notes:
        began, finished = (dt.datetime.fromisoformat(each[name]) for name in ("began", "finished"))
        assert began <= finished <= now()
        assert finished - began < dt.timedelta(minutes=10)
        assert set(each["machine"]) == {"cpu", "cores", "gpus", "system"}
    (machine,) = {json.dumps(each["machine"]) for each in notes}
    assert platform.machine() in machine


def test_the_report_tells_it_and_nothing_else_does(tiny_run):
    text = tiny_run.report.read_text(encoding="utf-8")
    (told,) = re.findall(r'<dl id="when-and-where">.*?</dl>', text, re.DOTALL)
    machine = read_log(tiny_run.folder)[0]["machine"]
    day = min(each["began"] for each in read_log(tiny_run.folder))[:10]
    for words in (f"{machine['cores']} core", platform.release(), day, "all that the machine has"):
        assert words in told
    others = [tiny_run.folder / "config.toml", *(tiny_run.folder / "records").iterdir()]
    others += (tiny_run.folder / "tables").iterdir()
    rest = text.replace(told, "") + "".join(path.read_text(encoding="utf-8") for path in others)
    assert day not in rest
    assert platform.release() not in rest
