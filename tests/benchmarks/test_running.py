"""The benchmarks' runner: processes of their own, rows kept, failures told; nothing is timed."""

import fcntl
import json
import os
import time
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.catalogue import BENCHMARKS, Benchmark
from benchmarks.running import run_all, run_one
from benchmarks.timing import Ratio, Skipped, compare, summarise

MODULE = """
import fcntl, os, sys, time
from benchmarks.timing import Skipped, summarise

def fine(*, quick, name="job"):
    yield summarise(name, "by hand", [1.0, 2.0, 4.0], [4.0, 4.0, 4.0], target=1.5, note=f"{quick}")
    yield summarise("slow", "by hand", [4.0], [1.0], target=1.0)
    yield summarise("free", "by hand", [4.0], [1.0])
    yield Skipped("other", "a library", "the library is not installed")

def broken(*, quick):
    yield summarise("first", "by hand", [1.0], [2.0])
    raise ValueError("out of luck")

def endless(*, quick, held):
    yield summarise("first", "by hand", [1.0], [2.0])
    if not os.fork():
        file = open(held, "w")
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("held")
        file.flush()
        time.sleep(60)
    time.sleep(60)

def process(*, quick):
    yield Skipped(str(os.getpid()), "", "tensorflow" if "tensorflow" in sys.modules else "light")
"""


@pytest.fixture(autouse=True)
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "drawn_benchmarks.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def drawn_benchmark(function: str, **choices) -> Benchmark:
    return Benchmark(function, "drawn_benchmarks", function, **choices)


def test_rows_have_verdicts_and_options_reach_the_function() -> None:
    outcome = run_one(drawn_benchmark("fine", options={"name": "named"}), quick=True)
    assert outcome["name"] == "fine"
    assert outcome["error"] == ""
    assert [row["verdict"] for row in outcome["rows"]] == ["pass", "miss", "no target", "skipped"]
    first = outcome["rows"][0]
    assert (first["job"], first["note"]) == ("named", "True")
    assert (first["ratio"], first["low"], first["high"]) == (2.0, 1.0, 4.0)
    assert (first["ours_s"], first["theirs_s"]) == (2.0, 4.0)
    assert outcome["rows"][3]["reason"] == "the library is not installed"


def test_one_that_fails_says_so_and_the_others_go_on() -> None:
    said: list[str] = []
    kept: list[int] = []
    document = run_all(
        [drawn_benchmark("broken"), drawn_benchmark("fine")],
        tell=said.append,
        keep=lambda so_far: kept.append(len(so_far["benchmarks"])),
    )
    broken, fine = document["benchmarks"]
    assert broken["error"] == "failed (1): ValueError: out of luck"
    assert [row["job"] for row in broken["rows"]] == ["first"]
    assert fine["error"] == ""
    assert "out of luck" in said[1]
    assert kept == [1, 2]


@pytest.mark.slow
def test_one_that_takes_too_long_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    held = tmp_path / "held"
    # The limit counts from the start of a process, and how long that takes is the machine's affair.
    for limit_s in (4.0, 12.0, 50.0):
        options = {"held": str(held)}
        outcome = run_one(drawn_benchmark("endless", options=options, limit_s=limit_s))
        assert outcome["error"] == f"stopped after {limit_s:g} s"
        if held.is_file() and held.read_text() == "held":
            break
    assert [row["job"] for row in outcome["rows"]] == ["first"]
    with held.open() as file:
        assert file.read() == "held"
        deadline = time.monotonic() + 20
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_each_has_a_process_of_its_own() -> None:
    one, other = (run_one(drawn_benchmark("process"))["rows"][0] for _ in range(2))
    assert len({one["job"], other["job"], str(os.getpid())}) == 3
    assert one["reason"] == "light"


def test_the_document_says_what_it_was_measured_on() -> None:
    document = run_all([], quick=True)
    assert json.loads(json.dumps(document)) == document
    assert set(document) == {"format", "version", "quick", "machine", "benchmarks"}
    found = document["machine"]
    assert set(found) == {
        "date", "cpu", "cores", "load_at_start", "system", "threads", "versions"
    }  # fmt: skip
    assert found["cores"] >= 1
    assert {"python", "numpy", "tensorflow", "keras", "scikit-image"} <= set(found["versions"])


def test_every_benchmark_has_its_function_and_names_are_single() -> None:
    names = [benchmark.name for benchmark in BENCHMARKS]
    assert len(set(names)) == len(names)
    root = Path(command.__file__).parents[1]
    for benchmark in BENCHMARKS:
        source = (root / f"{benchmark.module.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert f"def {benchmark.function}(*, quick: bool = False" in source


def test_sides_and_limit_run_in_turns() -> None:
    turns: list[str] = []
    row = compare(
        "job",
        "by hand",
        ours=lambda: turns.append("ours"),
        theirs=lambda: turns.append("theirs"),
        limit=("the least", lambda: turns.append("limit")),
        rounds=2,
        scale_theirs=1e6,
    )
    assert turns == ["ours", "theirs", "limit"] * 2
    assert row.limit == "the least"
    assert row.limit_s is not None
    assert row.ratio > 1
    assert row.passed is None


def test_a_target_is_met_where_it_is_reached() -> None:
    exact = summarise("job", "by hand", [1.0], [3.0], target=3.0)
    assert exact.passed is True
    assert summarise("job", "by hand", [1.0], [2.9], target=3.0).passed is False
    assert exact.explained("because").why_missed == "because"


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "BENCHMARKS", (drawn_benchmark("fine"), drawn_benchmark("broken")))


@pytest.mark.usefixtures("catalogue")
def test_the_command_writes_json_and_page_and_prints_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--out", str(tmp_path / "out")]) == 0
    document = json.loads((tmp_path / "out/benchmarks.json").read_text(encoding="utf-8"))
    page = (tmp_path / "out/benchmarks.md").read_text(encoding="utf-8")
    assert [outcome["name"] for outcome in document["benchmarks"]] == ["fine", "broken"]
    assert page == command.page(document)
    printed = capsys.readouterr().out
    assert "2.00x (1.00 to 4.00); 2.00 s against 4.00 s; target 1.50x: pass" in printed
    assert "skipped: the library is not installed" in printed
    assert "failed (1): ValueError: out of luck" in printed


@pytest.mark.usefixtures("catalogue")
def test_only_some_and_strict(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert command.main(["--only", "broken", "--out", out, "--strict"]) == 1
    document = json.loads((tmp_path / "out/benchmarks.json").read_text(encoding="utf-8"))
    assert [outcome["name"] for outcome in document["benchmarks"]] == ["broken"]
    document["benchmarks"] = []
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(document), encoding="utf-8")
    assert command.main(["--from", str(earlier), "--out", out, "--strict"]) == 0


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--docs", "--only", "fine"]])
def test_what_makes_no_sense_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        command.main(arguments)
    assert refusal.value.code == 2


def test_the_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    assert {"grad_cam", "ssim", "batches", "import"} <= set(capsys.readouterr().out.split())


def test_rows_are_told_in_a_line() -> None:
    from benchmarks.timing import line

    row = summarise("job", "by hand", [1.0], [2.0])
    assert isinstance(row, Ratio)
    assert line(row) == "job, against by hand: 2.00x (2.00 to 2.00); 1.000 s against 2.000 s"
    assert line(Skipped("job", "it", "no clips")) == "job, against it: skipped, no clips"
