"""Plant one fault after another in copies of the tree and see that the check for it fails.

    python .ci/planted_faults.py                           # all, with the environment of .venv
    python .ci/planted_faults.py --environment DIRECTORY   # of the extras test, dev and docs
    python .ci/planted_faults.py format wheel-contents     # only these

A check must pass on the tree as it is and fail on the fault, and its output must name the fault. A
line is printed for each; the script fails if one passed unseen.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "deepfake_generalize/__init__.py"
LONGEST_S, _SHOWN = 1800, 3000
_ALSO_INSTALLED = "installed"
# What the caller has set must not decide: a path to another checkout, its environment, its options.
_NOT_HANDED_ON = {"PYTHONPATH", "PYTEST_ADDOPTS", "VIRTUAL_ENV", "PIP_CONSTRAINT"}


class Fault(NamedTuple):
    """A change for the worse, the check that must see it, and what its output must say."""

    name: str
    check: tuple[str, ...]
    plant: Callable[[Path], None]
    says: str
    only: str = ""
    """Arguments that leave only the tests concerned, for a check that runs tests."""
    healthy: Callable[[Path], None] | None = None
    """What is planted in the tree that must pass, where the check would find nothing to run."""
    untracked: bool = False
    """Whether the fault is about a file that git does not hold."""


def append(file: str, text: str) -> Callable[[Path], None]:
    """Plant by adding to the end of a file, or by writing a new one."""

    def plant(tree: Path) -> None:
        with (tree / file).open("a", encoding="utf-8") as stream:
            stream.write(text)

    return plant


def replace(file: str, old: str, new: str) -> Callable[[Path], None]:
    """Plant by changing a file in one place."""

    def plant(tree: Path) -> None:
        text = (tree / file).read_text(encoding="utf-8")
        if old not in text:
            raise SystemExit(f"{file} no longer holds what the fault changes: {old}")
        (tree / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return plant


def stop_at(command: str) -> Callable[[Path], None]:
    """Plant a command of the command line that ends with an error."""
    stop = f"raise SystemExit('planted: {command}')"
    return append(PACKAGE, f"\nimport sys\nif sys.argv[1:2] == ['{command}']:\n    {stop}\n")


def conflict(tree: Path) -> None:
    """Plant a distribution that asks for a NumPy which is not there."""
    planted = tree / _ALSO_INSTALLED / "planted-1.0.dist-info"
    planted.mkdir(parents=True)
    head = "Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n"
    (planted / "METADATA").write_text(head + "Requires-Dist: numpy<1\n", encoding="utf-8")


def torch_example(tree: Path) -> None:
    """Plant an error in the first example of the documentation that needs PyTorch."""
    start = "<!-- needs: module:torch -->\n```python\n"
    pages = [path for path in (tree / "docs").rglob("*.md") if start in path.read_text("utf-8")]
    replace(str(pages[0].relative_to(tree)), start, f"{start}raise ValueError('planted')\n")(tree)


def test_of(mark: str, claim: str) -> Callable[[Path], None]:
    """Plant a test."""
    return append("tests/test_package.py", f"\n\n{mark}def test_planted():\n    assert {claim}\n")


VERSIONS, REFERENCE = "docs/development/versions.md", "docs/reference/models.md"
RUN, GATES = ".ci/run", ".ci/gates"
SLOW = "@pytest.mark.slow\n"
WHEEL = 'packages = ["deepfake_generalize"]\n\n[tool.hatch.build.targets.sdist]'
FAULTS = (
    Fault("format", (GATES, "format"), append(PACKAGE, "planted = [1,2]\n"), f"--> {PACKAGE}"),
    Fault("lint", (GATES, "lint"), append(PACKAGE, "import os\n"), "F401"),
    Fault(
        "docstring",
        (GATES, "lint"),
        append("deepfake_generalize/planted.py", "planted = 1\n"),
        "D100",
    ),
    Fault("type", (GATES, "types"), append(PACKAGE, 'planted: int = ""\n'), "Incompatible types"),
    Fault("link", (GATES, "docs"), append(VERSIONS, "\n[x](planted.md)\n"), "planted.md"),
    Fault("anchor", (GATES, "docs"), append(VERSIONS, "\n[x](changelog.md#planted)\n"), "#planted"),
    Fault(
        "reference",
        (GATES, "docs"),
        append(REFERENCE, "\n::: deepfake_generalize.planted\n"),
        "deepfake_generalize.planted",
    ),
    Fault(
        "two-anchors",
        (GATES, "docs"),
        append(REFERENCE, "\n::: deepfake_generalize.errors\n"),
        "Multiple primary URLs",
    ),
    Fault("dependencies", (GATES, "dependencies"), conflict, "planted 1.0 has requirement numpy<1"),
    Fault("gates", (RUN, "gates"), append(PACKAGE, "planted = [1,2]\n"), f"--> {PACKAGE}"),
    Fault(
        "test",
        (RUN, "tests"),
        test_of("", "not dg"),
        "FAILED tests/test_package.py::test_planted",
        only="tests/test_package.py -k 'planted or every_room'",
    ),
    Fault(
        "doctest",
        (RUN, "tests"),
        replace(PACKAGE, "    42.35\n", "    42.36\n"),
        f"FAILED {PACKAGE}",
        only=PACKAGE,
    ),
    Fault(
        "example-in-docs",
        (RUN, "tests"),
        replace(VERSIONS, "```python\n", "```python\nraise ValueError('planted')\n"),
        "ValueError: planted",
        only="tests/test_docs.py -k 'page_runs and versions'",
    ),
    Fault(
        "readme-tests",
        (RUN, "tests"),
        replace("README.md", "pytest -n 2", "pytest --planted -n 2"),
        "unrecognized arguments: --planted",
        only="tests/test_package.py -k every_room",
    ),
    Fault(
        "slow-test",
        (RUN, "slow"),
        test_of(SLOW, "not dg"),
        "FAILED tests/test_package.py::test_planted",
        only="tests/test_package.py",
        healthy=test_of(SLOW, "dg"),
    ),
    Fault("torch-example", (RUN, "torch"), torch_example, "ValueError: planted", "-k page_runs"),
    Fault(
        "wheel-contents",
        (RUN, "distributions"),
        replace("pyproject.toml", WHEEL, f'exclude = ["py.typed"]\n{WHEEL}'),
        "is missing: ['deepfake_generalize/py.typed']",
    ),
    Fault(
        "sdist-contents",
        (RUN, "distributions"),
        append("docs/planted.txt", "untracked\n"),
        "should not be there: ['docs/planted.txt']",
        untracked=True,
    ),
    Fault(
        "metadata",
        (RUN, "distributions"),
        replace("pyproject.toml", 'readme = "README.md"\n', ""),
        "`long_description` missing",
    ),
    Fault(
        "readme-main",
        (RUN, "main"),
        replace("README.md", "--out run", "--planted run"),
        "No such option: --planted",
    ),
    Fault("demo", (RUN, "main"), stop_at("demo"), "planted: demo"),
    Fault(
        "tensorflow-on-import",
        (RUN, "wheel"),
        append(PACKAGE, "\nimport tensorflow\n"),
        "importing the package loaded TensorFlow",
    ),
    Fault("command-line", (RUN, "wheel"), stop_at("--help"), "planted: --help"),
    Fault("extract", (RUN, "videos"), stop_at("extract"), "planted: extract"),
    Fault("score", (RUN, "videos"), stop_at("score"), "planted: score"),
    Fault("benchmark", (RUN, "videos"), stop_at("benchmark"), "planted: benchmark"),
)


def copy_tree(target: Path) -> Path:
    """Copy what is tracked, and commit it there, without what git does not hold."""
    listing = ["git", "ls-files", "-z"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    for name in filter(None, listed.stdout.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    return target


def commit(tree: Path) -> None:
    """Commit the tree, so that it can be cloned."""
    who = ["-c", "user.name=planted", "-c", "user.email=planted@example.org"]
    for asked in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", *asked], cwd=tree, check=True)  # noqa: S603, S607


def run_check(fault: Fault, tree: Path, environment: Path) -> tuple[int, str]:
    """Run the check in the tree; its exit status and all that it printed."""
    variables = {name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON}
    variables["PATH"] = f"{environment}/bin:{variables['PATH']}"
    variables["PYTHONPATH"] = str(tree / _ALSO_INSTALLED)
    variables["CHECKS_ENVIRONMENT"] = str(environment)
    variables["DEEPFAKE_GENERALIZE_TEST_DATA"] = str(shared_data())
    if fault.only:
        variables["PYTEST_ADDOPTS"] = fault.only
    done = subprocess.run(  # noqa: S603
        ["bash", *fault.check],  # noqa: S607
        cwd=tree,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    return done.returncode, done.stdout


def shared_data() -> Path:
    """Return the folder of the test data, which need not exist."""
    named = os.environ.get("DEEPFAKE_GENERALIZE_TEST_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


def try_check(
    fault: Fault, plant: Callable[[Path], None] | None, environment: Path
) -> tuple[int, str]:
    """Run the check in a copy of the tree with something planted, or as it is."""
    with tempfile.TemporaryDirectory() as folder:
        tree = copy_tree(Path(folder))
        if fault.untracked:
            commit(tree)
        if plant is not None:
            plant(tree)
        if not fault.untracked:
            commit(tree)
        return run_check(fault, tree, environment)


def judge(fault: Fault, environment: Path, sound: dict[tuple[object, ...], str]) -> str:
    """Return what is wrong with a check, or nothing; remember how the tree does without fault."""
    key = (fault.check, fault.only, fault.healthy)
    if key not in sound:
        status, output = try_check(fault, fault.healthy, environment)
        sound[key] = f"fails without the fault:\n{output[-_SHOWN:]}" if status else ""
    if sound[key]:
        return sound[key]
    status, output = try_check(fault, fault.plant, environment)
    if status == 0:
        return f"passed unseen:\n{output[-_SHOWN:]}"
    return "" if fault.says in output else f"failed without {fault.says!r}:\n{output[-_SHOWN:]}"


def main(faults: Iterable[Fault], environment: Path) -> int:
    """Plant every fault; print a line for each, and return how many were not seen."""
    sound: dict[tuple[object, ...], str] = {}
    unseen = 0
    for fault in faults:
        check = " ".join(fault.check)
        if fault.check == (RUN, "videos") and not shared_data().is_dir():
            print(f"skipped  {fault.name}: {check} needs the shared test data", flush=True)
            continue
        started = time.monotonic()
        wrong = judge(fault, environment, sound)
        unseen += bool(wrong)
        took = f"{time.monotonic() - started:.0f} s"
        print(
            f"{'UNSEEN' if wrong else 'seen'}  {fault.name}: {check} ({took}) {wrong}", flush=True
        )
    print(f"{unseen} of the planted faults passed unseen")
    return unseen


def asked_for(arguments: Sequence[str], faults: Mapping[str, Fault]) -> tuple[list[Fault], Path]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *faults], metavar="FAULT")
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv", metavar="DIRECTORY")
    asked = parser.parse_args(arguments)
    environment = asked.environment.resolve()
    if not (environment / "bin" / "python").exists():
        raise SystemExit(f"{environment} is no environment; .ci/run gates makes .venv")
    return [faults[name] for name in asked.names or faults], environment


if __name__ == "__main__":
    chosen, installed = asked_for(sys.argv[1:], {each.name: each for each in FAULTS})
    sys.exit(bool(main(chosen, installed)))
