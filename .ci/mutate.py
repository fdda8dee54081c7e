"""Mutate modules one place at a time and see which mutants their tests let live.

    pip install -e '.[test]' cosmic-ray
    python .ci/mutate.py results.jsonl                     # every module of TESTS
    python .ci/mutate.py results.jsonl metrics/measures data/splits
    python .ci/mutate.py results.jsonl --sample 30         # of each module as many, drawn by a seed
    python .ci/mutate.py results.jsonl --again             # what survived, after tests were added

cosmic-ray makes the mutants. Nothing is written into the tree: each mutant is compiled in a forked
child, into which the slow libraries are loaded already, and the tests run there. Results are
appended to the file; what is in it is not run again.
"""

import argparse
import ast
import importlib
import importlib.machinery
import io
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "deepfake_generalize"

_SPLITS = [f"data/test_splits_{name}.py" for name in ("balanced", "refused", "saved")]
# The tests that are asked about a module: its own, then those of what is built on it.
TESTS = {
    "metrics/comparison": ["metrics/test_comparison.py"],
    "metrics/degradation": [
        "metrics/test_degradation.py",
        "metrics/test_degradation_intervals.py",
    ],
    "metrics/intervals": ["metrics/test_intervals.py"],
    "metrics/measures": ["metrics/test_measures.py"],
    "metrics/resampling": [
        "metrics/test_resampling.py",
        "metrics/test_intervals.py",
        "metrics/test_comparison.py",
        "causal/test_neurons.py",
    ],
    "metrics/videos": ["metrics/test_videos.py"],
    "data/assignment": _SPLITS,
    "data/splits": _SPLITS,
    "data/leakage": ["data/test_leakage.py", "data/test_leakage_exclusion.py"],
    "study/sets": ["study/test_sets.py"],
    "causal/effect": ["causal/test_effect.py"],
    "causal/neurons": ["causal/test_neurons.py"],
    "interpret/similarity": ["interpret/test_similarity.py"],
}
# Of cosmic-ray's replacements of one operator by each other one, those nearest to a slip of the
# pen: `a - b` for `a + b`, not `a << b`.
_REPLACEMENTS = {
    *("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Div", "Mod_FloorDiv", "Pow_Mul"),
    *("BitAnd_BitOr", "BitOr_BitAnd", "BitXor_BitOr", "LShift_RShift", "RShift_LShift"),
    *("Lt_LtE", "Lt_Gt", "LtE_Lt", "LtE_GtE", "Gt_GtE", "Gt_Lt", "GtE_Gt", "GtE_LtE"),
    *("Eq_NotEq", "Eq_LtE", "Eq_GtE", "NotEq_Eq", "NotEq_Lt", "NotEq_Gt"),
    *("Is_IsNot", "IsNot_Is", "In_NotIn", "NotIn_In"),
}
# What survives a module's own tests is asked these as well: defaults, and records that are frozen.
_OF_ALL = ["test_public_api.py", "test_records.py"]
_NOT_LOADED = 99
_EXAMPLES, _EXAMPLES_AGAIN = 15, 100
_SLOWEST_FACTOR, _SLOWEST_PLUS_S, _OF_ALL_S = 4.0, 15.0, 120.0


class Mutant(NamedTuple):
    """A module's source with one place changed, and a key that names the change."""

    key: str
    source: str


def _wanted(operator: str) -> bool:
    name = operator.rpartition("/")[2]
    kind, _, replacement = name.partition("Operator_")
    if kind in ("ReplaceBinary", "ReplaceComparison"):
        return replacement in _REPLACEMENTS
    return not get_operator(operator).arguments()


def _meaning(source: str) -> str:
    """Return the syntax tree without what decides nothing: annotations, imports for types."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(0)
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arguments):  # the `*` between arguments is no multiplication
            node.args = [*node.posonlyargs, *node.args, *node.kwonlyargs]
            node.defaults = [*node.defaults, *filter(None, node.kw_defaults)]
            node.posonlyargs, node.kwonlyargs, node.kw_defaults = [], [], []
        elif isinstance(node, ast.Call):  # a guard against a slip, where lengths are equal
            node.keywords = [each for each in node.keywords if each.arg != "strict"]
    tree.body = [n for n in tree.body if not (isinstance(n, ast.If) and "TYPE_" in ast.dump(n))]
    return ast.dump(tree)


def _key(module: str, before: str, after: str) -> str:
    changed = zip(before.splitlines(), after.splitlines(), strict=False)
    number, (old, new) = next(item for item in enumerate(changed, 1) if item[1][0] != item[1][1])
    return f"{module}:{number}: {old.strip()}  ->  {new.strip()}"


def mutants(module: str) -> Iterator[Mutant]:
    """Yield each change of the module that is Python and means something else, once."""
    source = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
    seen = {_meaning(source)}
    for name in filter(_wanted, operator_names()):
        operator = get_operator(name)()
        places = sum(len(list(operator.mutation_positions(n))) for n in ast_nodes(get_ast(source)))
        for place in range(places):
            changed = mutate_code(source, operator, place)
            try:
                meaning = _meaning(changed)
            except SyntaxError:
                continue
            if meaning not in seen:
                seen.add(meaning)
                yield Mutant(_key(module, source, changed), changed)


def _load_what_is_slow(module: str, examples: int) -> None:
    slow = ["pandas", "pytest", "scipy.stats", "sklearn.metrics"]
    if not module.startswith("metrics/"):
        slow += ["cv2", "keras", "skimage.metrics", "tensorflow"]
    for name in slow:
        importlib.import_module(name)
    import hypothesis

    # The same examples for every mutant, few of them at first, and no time spent on making a
    # failing one small.
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile(
        "mutants",
        derandomize=True,
        database=None,
        phases=phases,
        max_examples=examples,
    )
    hypothesis.settings.load_profile("mutants")


def _child(module: str, source: str, arguments: list[str]) -> int:
    """Run the tests on the mutant in this process; _NOT_LOADED if they never loaded it."""
    target, loaded = str(PACKAGE / f"{module}.py"), []
    unchanged = importlib.machinery.SourceFileLoader.get_code

    def get_code(loader: importlib.machinery.SourceFileLoader, name: str) -> CodeType | None:
        if loader.path != target:
            return unchanged(loader, name)
        loaded.append(name)
        return compile(source, target, "exec", dont_inherit=True)

    importlib.machinery.SourceFileLoader.get_code = get_code
    import pytest

    code = int(pytest.main(arguments))
    return code if loaded else _NOT_LOADED


def _run(module: str, source: str, within_s: float, more: Sequence[str] = ()) -> str:
    tests = [f"tests/{name}" for name in (*TESTS[module], *more)]
    # Plain, because pytest would load a file that is named to it by its own loader, not by ours.
    quick = ["-x", "-q", "-p", "no:cacheprovider", "--assert=plain"]
    arguments = [*quick, *tests, f"deepfake_generalize/{module}.py"]
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr = io.StringIO()
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        code = 2
        try:
            os.setpgrp()
            code = _child(module, source, arguments)
        finally:
            os._exit(code)
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return {0: "survived", _NOT_LOADED: "not loaded"}.get(code, "killed")
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timed out"


def _note(results: Path, done: dict[str, str], key: str, outcome: str) -> None:
    done[key] = outcome
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps([key, outcome]) + "\n")


def _judge(
    module: str, results: Path, done: dict[str, str], chosen: list[Mutant], *, again: bool
) -> Counter[str]:
    if module not in done:
        started = time.monotonic()
        outcome = _run(module, (PACKAGE / f"{module}.py").read_text(encoding="utf-8"), 600.0)
        if outcome != "survived":
            raise SystemExit(f"{module}: its tests do not pass as it is ({outcome})")
        _note(results, done, module, f"{time.monotonic() - started:.1f}")
    within_s = _SLOWEST_PLUS_S + _SLOWEST_FACTOR * float(done[module])
    outcomes: Counter[str] = Counter()
    for mutant in chosen:
        if mutant.key not in done:
            _note(results, done, mutant.key, _run(module, mutant.source, within_s))
        elif again and done[mutant.key] == "survived":
            found = _run(module, mutant.source, within_s + _OF_ALL_S, _OF_ALL)
            _note(results, done, mutant.key, found)
        outcomes[done[mutant.key]] += 1
        if done[mutant.key] != "killed":
            print(f"{done[mutant.key]}: {mutant.key}", flush=True)
    return outcomes


def main() -> None:
    """Run the mutants asked for and print what lives and how many died."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, help="file of results, continued if it exists")
    parser.add_argument("modules", nargs="*", default=list(TESTS), metavar="MODULE")
    parser.add_argument("--sample", type=int, help="at most so many mutants of each module")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the sample; a larger one continues it"
    )
    parser.add_argument("--again", action="store_true", help="only what survived, once more")
    asked = parser.parse_intermixed_args()
    results = asked.results.resolve()
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    done = dict(json.loads(line) for line in lines)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for module in asked.modules:
        _load_what_is_slow(module, _EXAMPLES_AGAIN if asked.again else _EXAMPLES)
        every = list(mutants(module))
        order = random.Random(asked.seed)  # noqa: S311  (not for secrets)
        chosen = order.sample(every, len(every))[: asked.sample]
        if asked.again:
            chosen = [each for each in every if done.get(each.key) == "survived"]
        outcomes = _judge(module, results, done, chosen, again=asked.again)
        print(f"{module}: {len(chosen)} of {len(every)} mutants: {dict(outcomes)}", flush=True)


if __name__ == "__main__":
    main()
