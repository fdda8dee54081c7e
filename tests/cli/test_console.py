"""What goes to stdout: JSON that any reader takes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.cli import console


def test_plain_leaves_nothing_that_json_lacks() -> None:
    frame = pd.DataFrame({"frame": [1, 2], "score": [0.25, np.nan], "note": [pd.NA, "x"]})
    value = {"path": Path("a"), "frames": frame, "n": np.int64(3), "x": np.float32(np.inf)}
    document = json.loads(json.dumps(console.plain(value), allow_nan=False))
    assert document == {
        "path": "a",
        "frames": [
            {"frame": 1, "score": 0.25, "note": None},
            {"frame": 2, "score": None, "note": "x"},
        ],
        "n": 3,
        "x": None,
    }


def test_stages_tell_the_time_so_far_and_what_the_pace_leaves(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 30.0, 50.0, 110.0, 111.0, 5030.0, 12000.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with console.stages("demo", shown=True) as say:
        say("drawing", 0.0)
        say("3 of 9 steps", 0.2)  # It goes on with what was there before.
        say("4 of 9 steps", 0.5)  # 0.3 in 60 s leave 100 s for 0.5.
        say("5 of 9 steps", 0.51)  # Told with the next tenth.
        say("6 of 9 steps", 0.6)
        say("report", 1.0)
    assert capsys.readouterr().err.splitlines() == [
        "demo: 0%, drawing, 30 s so far",
        "demo: 20%, 3 of 9 steps, 50 s so far",
        "demo: 50%, 4 of 9 steps, 2 min so far, about 2 min left",
        "demo: 60%, 6 of 9 steps, 84 min so far, about 83 min left",
        "demo: 100%, report, 3 h 20 min so far",
    ]


@pytest.mark.parametrize(
    ("asked", "there", "opened"),
    [
        (None, {"DISPLAY": ":0"}, True),
        (None, {}, False),
        (None, {"DISPLAY": ":0", "CI": "true"}, False),
        (None, {"WAYLAND_DISPLAY": "w", "SSH_CONNECTION": "1"}, False),
        (False, {"DISPLAY": ":0"}, False),
        (True, {"CI": "true"}, True),
    ],
)
def test_a_page_is_opened_where_somebody_can_see_it(
    asked: bool | None, there: dict[str, str], opened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[str] = []
    monkeypatch.setattr(console.webbrowser, "open", pages.append)
    monkeypatch.setattr(console.os, "environ", there)
    monkeypatch.setattr(console.sys, "platform", "linux")
    monkeypatch.setattr(console.sys.stdout, "isatty", lambda: True, raising=False)
    console.show_page(Path("/runs/a b/report.html"), asked=asked)
    assert pages == ["file:///runs/a%20b/report.html"] * opened
