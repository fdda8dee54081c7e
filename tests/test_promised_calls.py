"""The contract: each promised call is possible, with these names, kinds and defaults."""

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

import deepfake_generalize as dg

LISTED = Path(__file__).with_name("public_api.txt")

# Calls that stay possible, whatever arguments come to be added.
CONTRACT = """
data.find_videos(root, *, layout="auto", strict=False, **choices)
data.extract_faces(videos, out_dir, *, frames_per_video=10, size=256, margin=1.3, finder=None, n_jobs=None)
data.read_crops(source)
data.read_image(path)
data.pack(crops, path)
data.balanced_splits(crops, *, train, val, test, by="identity", seed=0)
data.Splits.save(self, path)
data.Splits.load(path)
data.audit_leakage(sets)
data.to_dataset(crops, *, batch_size=32, shuffle_seed=None)
data.synthetic.make_datasets(out_dir, *, size=72, per_split, seed=0, n_jobs=1)
models.mesonet(input_shape=(256, 256, 3), *, classes=1, weights=None)
models.mesoinception(input_shape=(256, 256, 3), *, classes=1, weights=None)
models.shallownet(input_shape=(256, 256, 3), *, classes=1, weights=None)
models.xception(input_shape=(256, 256, 3), *, classes=1, weights=None)
models.efficientnet_b0(input_shape=(256, 256, 3), *, classes=1, weights=None)
models.train(architecture, train, val, *, recipe=None, seed=0)
models.Detector(model, *, fake_index=1, name=None)
models.Detector.scores(self, images)
models.Detector.score_video(self, path)
models.Detector.save(self, path)
models.Detector.load(path)
models.load_pretrained(name, *, path=None)
models.as_detector(function, *, name, size, returns="fake", channels="last", scale="unit")
augment.few_shot_mix(original, unseen, *, n_original=2000, n_unseen=2000, seed=0)
augment.transfer(detector, train, val, *, recipe=None, unfreeze="paper", cache=True, seed=0)
augment.merge(detector, train, val, *, recipe=None, seed=0)
augment.focus(detector, neurons, train, val, *, mode="freeze", recipe=None, seed=0)
metrics.accuracy(labels, scores, *, threshold=0.5)
metrics.auc(labels, scores)
metrics.average_precision(labels, scores)
metrics.eer(labels, scores)
metrics.per_class_accuracy(labels, scores)
metrics.to_videos(frame, *, rule="mean")
metrics.degradation(original, unseen)
metrics.degradation_difference(original, unseen, specialized)
metrics.bootstrap_interval(metric, labels, scores, *, groups=None, level=0.95, n_resamples=1000, seed=0)
metrics.compare(labels, scores_a, scores_b, *, groups=None)
interpret.grad_cam(detector, images, *, target="fake", layer=None, relu=True)
interpret.guided_grad_cam(detector, images, *, target="fake", layer=None)
interpret.colorize(heatmaps)
interpret.ssim(a, b)
interpret.congenetic_similarity(heatmaps, *, render="jet", images=None)
interpret.similarity_bins(values)
causal.average_causal_effect(detector, images=None, *, activations=None, labels=None, site="paper", steps=4, grid="study", outcome="true_class")
causal.top_neurons(effects, k)
causal.overlap(effects, k)
causal.universal_neurons(effects, k)
study.published(table)
study.benchmark(detector, *, original, unseen, specialized=None)
study.StudyConfig.paper(roots)
study.StudyConfig.demo()
study.StudyConfig.from_toml(path)
study.run(config, out_dir, *, n_jobs=1)
"""  # noqa: E501
PROMISES = [line for line in CONTRACT.splitlines() if line]

ATTRIBUTES = {
    "data.Extraction": {"crops", "failures"},
    "data.Splits": {"train", "val", "test", "dropped", "sha256"},
    "models.Detector": {"model"},
    "models.VideoScore": {"score", "coverage", "frames"},
    "metrics.Interval": {"estimate", "low", "high"},
    "causal.NeuronEffects": {"values", "effects", "contribution"},
    "causal.Overlap": {"counts", "expected"},
    "study.Benchmark": {"row", "table", "rank"},
}


def named(path: str) -> Any:
    found: Any = dg
    for part in path.split("."):
        found = getattr(found, part)
    return found


def read(arguments: str) -> tuple[list[str], list[str], dict[str, Any]]:
    """Return the positional names, those of keywords, and the default of each."""
    parsed = ast.parse(f"def call({arguments}: ...").body[0]
    assert isinstance(parsed, ast.FunctionDef)
    asked = parsed.args
    none = [None] * (len(asked.args) - len(asked.defaults))
    defaults = [*none, *asked.defaults, *asked.kw_defaults]
    positional, keyword = [one.arg for one in asked.args], [one.arg for one in asked.kwonlyargs]
    values = [inspect.Parameter.empty if one is None else ast.literal_eval(one) for one in defaults]
    return positional, keyword, dict(zip([*positional, *keyword], values, strict=True))


@pytest.mark.parametrize("promise", PROMISES, ids=[line.split("(")[0] for line in PROMISES])
def test_a_call_of_the_contract_is_possible(promise: str) -> None:
    path, _, arguments = promise.partition("(")
    found = inspect.signature(named(path)).parameters
    positional, keyword, defaults = read(arguments)
    assert list(found)[: len(positional)] == positional
    assert {found[name].kind for name in keyword} <= {inspect.Parameter.KEYWORD_ONLY}
    assert {name: found[name].default for name in defaults} == defaults
    added = [one for name, one in found.items() if name not in defaults]
    variable = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    missing = [one.name for one in added if one.default is one.empty and one.kind not in variable]
    assert not missing, "an argument came that every call must give"


@pytest.mark.parametrize("path", ATTRIBUTES)
def test_a_result_has_the_attributes_of_the_contract(path: str) -> None:
    lines = LISTED.read_text("utf-8").splitlines()
    names = {line.partition("(")[0] for line in lines}
    assert names >= {f"{path}.{name}" for name in ATTRIBUTES[path]}


def test_the_five_architectures_have_a_builder_and_a_recipe_each() -> None:
    five = {"mesonet", "mesoinception", "shallownet", "xception", "efficientnet_b0"}
    assert set(dg.models.ARCHITECTURES) == set(dg.models.RECIPES) == five
