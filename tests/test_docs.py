"""Every Python block of the README and the docs runs, page by page, in an empty folder.

A block under `<!-- needs: PATH -->` uses the shared test data and is skipped by name without it;
one under `<!-- needs: module:NAME -->` is left out where that module is not installed. What stands
in `<!-- tests: CODE -->` runs in its place on the page, unseen by readers: a file that they would
have, or smaller numbers, so that the page prints what they would run and is tested in seconds.
"""

import ast
import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [
    "README.md",
    *sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs").rglob("*.md")),
]
BLOCK = re.compile(
    r"(?:<!-- needs: (?P<needs>\S+) -->\s*)?^```python\n(?P<code>.*?)^```$"
    r"|<!-- tests:\s(?P<hidden>.*?)\s-->",
    re.M | re.S,
)


def blocks_of(text: str) -> list[tuple[str | None, str]]:
    return [(match["needs"], match["code"] or match["hidden"]) for match in BLOCK.finditer(text)]


LONG = (
    *("docs/guides/training.md", "docs/explanations/heat-maps.md"),
    *("docs/explanations/synthetic-faces.md", "docs/guides/reading-the-tables.md", "README.md"),
    *("docs/tutorial.md", "docs/videos-to-table.md"),
    *("docs/guides/self-blending.md", "docs/guides/one-video.md"),
)
# What they show is tested where it is: a cluster in data/test_extraction_runs, for example.
BY_NIGHT = (
    *("docs/guides/many-machines.md", "docs/guides/gallery.md", "docs/explanations/shortcuts.md"),
    *("docs/explanations/causal-effects.md", "docs/explanations/few-shot.md"),
)
MARKS = dict.fromkeys(LONG, pytest.mark.slow) | dict.fromkeys(BY_NIGHT, pytest.mark.nightly)
WITH_CODE = [
    pytest.param(page, marks=MARKS.get(page, ()))
    for page in PAGES
    if blocks_of((REPOSITORY / page).read_text(encoding="utf-8"))
]


@pytest.fixture
def assets(
    shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    def point_at_shared_data() -> None:
        models = shared_data("mediapipe")
        face = str(models / "face_detection_full_range_sparse.tflite")
        monkeypatch.setenv("DEEPFAKE_GENERALIZE_FACE_MODEL", face)
        monkeypatch.setenv(
            "DEEPFAKE_GENERALIZE_LANDMARK_MODEL", str(models / "face_landmark.tflite")
        )
        monkeypatch.setenv(
            "DEEPFAKE_GENERALIZE_MESONET_WEIGHTS", str(shared_data("mesonet/weights"))
        )

    return point_at_shared_data


# A network trained for two epochs finds nothing that speaks for "fake" on many faces.
@pytest.mark.filterwarnings("ignore:.* maps are returned as zeros:RuntimeWarning")
@pytest.mark.parametrize("page", WITH_CODE)
def test_the_code_on_a_page_runs(
    page: str,
    assets: Callable[[], None],
    shared_data: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for needs, code in blocks_of((REPOSITORY / page).read_text(encoding="utf-8")):
        module = (needs or "").removeprefix("module:")
        if module != (needs or "") and importlib.util.find_spec(module) is None:
            continue
        if needs is not None and module == needs:
            assets()
            for name, target in VIDEOS_ON_PAGES.items():
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                if not (tmp_path / name).exists():
                    (tmp_path / name).symlink_to(shared_data(target))
        exec(compile(code, page, "exec"), namespace)  # noqa: S102


# What the pages call `my_videos` and the like, as files of the shared test data.
VIDEOS_ON_PAGES = {
    "home/real/clip.mp4": "videos/short_clip.mp4",
    "home/fake/clip.mp4": "dfdc/dfdc_train_part_10/yhffcuhhjy.mp4",
    "abroad/real/clip.mp4": "dfdc/samples/lynaeydofd_real.mp4",
    "abroad/fake/clip.mp4": "dfdc/dfdc_train_part_0/abofeumbvv.mp4",
}

SCRIPTS = sorted(path.name for path in (REPOSITORY / "examples").glob("*.py"))
# What trains and what scores photographs run by night; what they call is tested by itself.
LONGEST = ("focus_on_universal_neurons.py", "benchmark_public_mesonet.py")
EXAMPLES = [
    pytest.param(name, marks=pytest.mark.nightly if name in LONGEST else ()) for name in SCRIPTS
]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_and_native_code_is_silent(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(REPOSITORY / "examples" / name)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("downloading ")]
    assert (done.returncode, said) == (0, [])
    assert done.stdout.strip()
    shown = REPOSITORY / "docs" / "guides" / "outputs" / name.replace(".py", ".txt")
    if not done.stdout.startswith("skipped"):
        assert words_of(done.stdout) == words_of(shown.read_text(encoding="utf-8"))


def words_of(text: str) -> list[str]:
    """Leave out the numbers, which other versions of other libraries may move."""
    return re.sub(r"[-+]?[\d.]+", "", text).split()


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_is_on_the_page_of_examples(name: str) -> None:
    page = (REPOSITORY / "docs" / "guides" / "examples.md").read_text(encoding="utf-8")
    assert f'"examples/{name}"' in page


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_lead_to_files_and_their_headings(name: str) -> None:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]+)(#[^)]+)?\)", text):
        linked = REPOSITORY / target
        assert linked.is_file(), target
        headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.M)
        assert not anchor or anchor[1:] in [one.lower().replace(" ", "-") for one in headings]


def test_hints_name_pages_that_are_there() -> None:
    sources = (REPOSITORY / "deepfake_generalize").rglob("*.py")
    named = re.findall(r"\(docs: (\S+)\)", "".join(path.read_text("utf-8") for path in sources))
    assert len(named) > 10
    assert {page for page in named if f"docs/{page}.md" not in PAGES} == set()


def test_readme_holds_the_two_commands_of_the_set_up() -> None:
    script = REPOSITORY / ".ci" / "readme_command.py"
    for name in ("main", "tests"):
        done = subprocess.run(
            [sys.executable, str(script), name], capture_output=True, text=True, check=True
        )
        assert "pip install" in done.stdout


@pytest.mark.parametrize(
    "room", ["data", "models", "augment", "metrics", "interpret", "causal", "study"]
)
def test_the_reference_lists_every_public_name(room: str) -> None:
    page = (REPOSITORY / "docs" / "reference" / f"{room}.md").read_text(encoding="utf-8")
    listed = set(re.findall(rf"heading: {room}\.(\w+)", page))
    assert listed == set(importlib.import_module(f"deepfake_generalize.{room}").__all__)


def test_no_docstring_begins_what_it_returns_with_a_name_or_type() -> None:
    """Types stand in signatures alone: the reference would show such a word in their place."""
    lines = [
        f"{path.name}, {node.name}: {found[1]}"
        for path in (REPOSITORY / "deepfake_generalize").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and (found := RETURNED.search(ast.get_docstring(node) or "")) is not None
    ]
    assert len(lines) > 80
    assert [one for one in lines if re.match(r"[^:]+: \w*\s*(\(.+\))?:", one)] == []


@pytest.mark.slow
def test_the_architecture_page_is_drawn_from_the_code() -> None:
    rooms = runpy.run_path(str(REPOSITORY / "docs" / "rooms.py"))
    page = (REPOSITORY / "docs" / "development" / "architecture.md").read_text(encoding="utf-8")
    drawn = rooms["BLOCK"].search(page)
    assert drawn is not None
    assert drawn[0] == rooms["drawing"](), "run python docs/rooms.py --write"


def test_the_table_of_data_sets_is_that_of_the_code() -> None:
    table = runpy.run_path(str(REPOSITORY / "docs" / "data_sets.py"))
    drawn = table["BLOCK"].search(table["PAGE"].read_text(encoding="utf-8"))
    assert drawn is not None
    assert drawn[0] == table["drawing"](), "run python docs/data_sets.py --write"


def test_the_page_of_the_command_line_has_every_option() -> None:
    commands = runpy.run_path(str(REPOSITORY / "docs" / "commands.py"))
    page = (REPOSITORY / "docs" / "command-line.md").read_text(encoding="utf-8")
    drawn = commands["BLOCK"].search(page)
    assert drawn is not None
    assert drawn[0] == commands["drawing"](), "run python docs/commands.py --write"
    for line in (REPOSITORY / "tests" / "public_api.txt").read_text(encoding="utf-8").splitlines():
        option = re.match(r"deepfake-generalize (?:(\w+) )?(--[\w-]+):", line)
        if option is not None:
            title = option[1] or "Before any command"
            section = drawn[0].partition(f"### {title}\n")[2].partition("\n### ")[0]
            assert f"| `{option[2]}` |" in section, line


RETURNED = re.compile(r"^(?:Returns|Yields):\n +(.+)$", re.M)
CHANGE = re.compile(r"<!-- contract: (\S+) (\S+) -->\n```diff\n(.*?)^```$", re.M | re.S)
CHANGES = CHANGE.findall((REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8"))


def copy_of_the_tree(folder: Path) -> Path:
    for name in ("deepfake_generalize", "tests", "docs/reference"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(REPOSITORY / name, folder)
    return folder


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_changes_in_contributing_apply(tmp_path: Path) -> None:
    assert len(CHANGES) == 6
    tree = copy_of_the_tree(tmp_path)
    for _, name, diff in CHANGES:
        assert len(re.findall(r"^diff --git", diff, re.M)) <= 4, name
        done = subprocess.run(
            ["git", "apply", "--check", "-"],
            input=diff,
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"


def by_cost(change: str) -> pytest.MarkDecorator:
    # Studies, or networks, or a whole contract, for long.
    studies = change in ("retrain_head", "tinynet", "xgrad_cam", "informedness")
    return pytest.mark.nightly if studies else pytest.mark.slow


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize(
    ("contract", "name", "diff"),
    [pytest.param(*change, id=change[1], marks=by_cost(change[1])) for change in CHANGES],
)
def test_the_changes_in_contributing_pass_their_contract(
    contract: str, name: str, diff: str, tmp_path: Path
) -> None:
    tree = copy_of_the_tree(tmp_path)
    subprocess.run(["git", "apply", "-"], input=diff, cwd=tree, text=True, check=True)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", contract),
            *("-k", name, "-m", "slow or not slow"),
        ],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
