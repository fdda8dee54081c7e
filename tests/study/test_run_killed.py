"""A study that is killed ten times ends as one that nobody disturbed."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 10
CODE = """
import sys
from deepfake_generalize import study
study.run(study.StudyConfig.from_toml(sys.argv[1]), sys.argv[2])
"""


def lines(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in (folder / "records").glob("*.jsonl"))


@pytest.mark.nightly
def test_ten_kills_change_nothing(tiny_run, tiny_config, untimed_records, shown, tmp_path):
    config, folder = tmp_path / "study.toml", tmp_path / "run"
    config.write_text(tiny_config.to_toml(), encoding="utf-8")
    command = [sys.executable, "-c", CODE, str(config), str(folder)]
    dice = random.Random(7)
    total, finished = lines(tiny_run.folder), 0
    for kill in range(KILLS):
        # Each kill comes a little after a step that was finished since the last one, so that all
        # of them fall into the work and none before it.
        goal = max(finished, kill * total // (2 * KILLS)) + (kill > 0)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and lines(folder) < goal:
            time.sleep(0.01)
        # The first kill may come anywhere before the first record, later ones within a training
        # or, once these are done, among quick steps.
        time.sleep(dice.uniform(2.0, 6.0) if not kill else dice.uniform(0.0, 2.0 / kill))
        assert process.poll() is None, "the study was done before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lines(folder) >= finished
        finished = lines(folder)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ours, theirs = (untimed_records(each) for each in (folder, tiny_run.folder))
    assert json.dumps(ours, indent=1) == json.dumps(theirs, indent=1)
    assert shown(folder) == shown(tiny_run.folder)
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not [name for name in names if "partial" in name or name.endswith(".tmp")]
