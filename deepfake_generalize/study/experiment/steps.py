"""The work of each step of a study: train, fine-tune, measure, explain; one record each."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from deepfake_generalize import augment, causal, metrics, models
from deepfake_generalize._system.files import lock
from deepfake_generalize._version import __version__
from deepfake_generalize.data import Splits, read_image
from deepfake_generalize.data.crops import resize
from deepfake_generalize.data.manifests import clip_keys
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import named
from deepfake_generalize.study.benchmarking import ScoredSet, describe_detector, load_scored_set
from deepfake_generalize.study.experiment import heat_maps
from deepfake_generalize.study.experiment.datasets import SPLITS, read_facts
from deepfake_generalize.study.experiment.detector_family import (
    DetectorFamily,
    derived_seed,
    plan_steps,
)
from deepfake_generalize.study.experiment.records import (
    CHECKPOINTS,
    DETECTORS,
    HEAT_MAPS,
    RECORDS,
    SCORES,
    TIMING,
    Records,
    note,
    now,
)
from deepfake_generalize.study.experiment.schedules import Schedule, recipe_for
from deepfake_generalize.study.facts import ORIGINAL, fine_tuning, short_name
from deepfake_generalize.study.scores import write_scores
from deepfake_generalize.validation import check_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from deepfake_generalize.models import Detector, Recipe
    from deepfake_generalize.study.experiment.config import StudyConfig
    from deepfake_generalize.study.experiment.detector_family import Step
    from deepfake_generalize.types import AnyArray

_PARTS = (1 / 4, 1 / 2, 1.0)
"""Of the layer that count as contributing: the smallest in which the sets share a neuron."""


def run_family(
    config: StudyConfig,
    family: DetectorFamily,
    folder: Path,
    *,
    until: Callable[[], bool] | None = None,
) -> bool:
    """Do every step of a family that has no record yet, and return whether nothing is left.

    A family has one worker: another one, such as what is left of a run that was killed, is waited
    for. `until` is asked before each training that something was done before; True ends the
    work there.
    """
    path = folder / RECORDS / f"{family.name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        lock(file.fileno(), wait=True)
        return _Work(config, family, folder).run(until)


@dataclass
class _Work:
    """A family at work: its files, and what several steps share."""

    config: StudyConfig
    family: DetectorFamily
    folder: Path

    def __post_init__(self) -> None:
        self.synthetic = bool(read_facts(self.folder)["synthetic"])
        retrained = self.family.retrained
        self.training_seed = self.config.trainings[0] if retrained is None else retrained
        files = sorted((self.folder / SPLITS).glob("*.csv"))
        self.splits = {file.stem: Splits.load(file) for file in files}
        self.records = Records(self.folder / RECORDS / f"{self.family.name}.jsonl")
        # A finished one may be any that scores; analyses refuse those that they have no way for.
        self._detectors: dict[str, Any] = {}
        self._hashes: dict[str, str] = {}
        self._new_heads: dict[str, list[Detector]] = {}

    def run(self, until: Callable[[], bool] | None) -> bool:
        do = {
            "detector": self._train,
            "evaluation": self._evaluate,
            "similarity": self._compare_maps,
            "maps": self._draw_maps,
            "causal": self._intervene,
            "control": self._control,
        }
        everything = plan_steps(self.config, self.family, tuple(self.splits))
        left = [step for step in everything if self.records.find(step.kind, step.key) is None]
        for number, step in enumerate(left):
            trains = step.kind in {"detector", "control"}
            if number and trains and until is not None and until():
                return False
            began, started = time.monotonic(), now()
            facts = self._where_possible(do[step.kind], step)
            spent = round(time.monotonic() - began, 3)
            self.records.append(
                {"kind": step.kind, "key": step.key, **self._origin(), **facts, TIMING: spent}
            )
            note(self.folder, self.family.name, (step.kind, step.key), started)
            if trains:
                # A finished training has no more use for what it would have gone on from.
                shutil.rmtree(self._checkpoint(step.key), ignore_errors=True)
        shutil.rmtree(self.folder / CHECKPOINTS / self.family.name, ignore_errors=True)
        return True

    def _where_possible(self, do: Callable[[Step], dict[str, Any]], step: Step) -> dict[str, Any]:
        """Do a step; an analysis that somebody's own network has no way for is left out, named."""
        family = self.family
        own = family.reference is not None or ":" in family.architecture
        try:
            return do(step)
        except InputError as error:
            if not own or step.kind in {"detector", "evaluation"}:
                raise
            return {"left_out": str(error)}

    def _checkpoint(self, name: str) -> Path:
        return self.folder / CHECKPOINTS / self.family.name / name

    def _origin(self) -> dict[str, Any]:
        return {
            "architecture": short_name(self.family.architecture),
            "source": self.family.source,
            "config_sha256": self.config.sha256,
            "seed": self.config.seed,
            "training_seed": self.training_seed,
            "synthetic": self.synthetic,
        }

    def detector(self, name: str) -> Any:
        if name not in self._detectors:
            given = self.family.reference
            load = models.Detector.load if given is None else models.load_detector
            self._detectors[name] = load(given or str(self._file(name)))
        return self._detectors[name]

    def _file(self, name: str) -> Path:
        return self.folder / DETECTORS / f"{name}.keras"

    def _sha256(self, name: str) -> str:
        if name not in self._hashes:
            # Of the network: the bytes of its file depend on the hour at which it was written.
            self._hashes[name] = describe_detector(self.detector(name))["sha256"]
        return self._hashes[name]

    def _train(self, step: Step) -> dict[str, Any]:
        kind = next(kind for kind, name in self.family.names.items() if name == step.key)
        schedule = self.config.schedules.get(self.family.architecture, Schedule())
        spec = fine_tuning(kind)
        stage = ORIGINAL if spec.sees == "source" else kind
        common: dict[str, Any] = {
            "recipe": self._recipe(schedule, kind),
            "seed": derived_seed(self.training_seed, self.family.first.detector(stage)),
            "name": step.key,
            "progress": None,
            "checkpoint": self._checkpoint(step.key),
            "early_stopping": schedule.patience,
            "precision": schedule.precision or "float32",
            **spec.changes,
        }
        if stage == ORIGINAL:
            common["input_shape"] = self._input_shape
        if kind == "transfer" and self._as_scripts:
            common |= {"cache": False, "trunk": "scripts"}
        function = named(spec.function)
        takes = inspect.signature(function).parameters
        if not any(each.kind is each.VAR_KEYWORD for each in takes.values()):
            common = {name: value for name, value in common.items() if name in takes}
        if stage == ORIGINAL:
            given = [self._network(), *self._own_parts()]
        else:
            given = [self.detector(self.family.detector(ORIGINAL)), *self._few_shot_data()]
        made = function(*given, **common)
        detector = check_type(f"a models.Detector from {kind}", made, models.Detector)
        file = self._file(step.key)
        file.parent.mkdir(parents=True, exist_ok=True)
        detector.save(file)
        self._detectors[step.key] = detector
        return {"fine_tuning": kind, "training": detector.training}

    def _own_parts(self) -> list[pd.DataFrame]:
        """Return what networks are trained on, and what chooses among their epochs."""
        own, train = self.splits[self.family.source], self.splits[self.family.source].train
        if self.config.few_shot_originals == "held_back" and self.family.few_shot:
            train = train[~train["path"].isin(self._few_shot_data()[0]["path"])]
        return [train, own.val]

    def _network(self) -> Any:
        """Return the architecture as `models.train` takes it: by its name, or its builder."""
        architecture = self.family.architecture
        return named(architecture) if ":" in architecture else architecture

    @property
    def _input_shape(self) -> tuple[int, int, int]:
        return (self.config.image_size, self.config.image_size, 3)

    def _recipe(self, schedule: Schedule, kind: str) -> Recipe:
        architecture, config = self.family.architecture, self.config
        return recipe_for(schedule, architecture, kind, study=config.name, follows=config.follows)

    @property
    def _as_scripts(self) -> bool:
        return self.config.follows == "scripts"

    def _few_shot_data(self) -> list[pd.DataFrame]:
        """Return the mixes that train fine-tuned detectors and choose among their epochs."""
        sizes, own = self.config.protocol.sizes, self.splits[self.family.source]
        return [
            augment.few_shot_mix(
                getattr(own, part),
                {name: getattr(self.splits[name], part) for name in self.family.few_shot},
                n_original=n_original,
                n_unseen=n_unseen,
                seed=derived_seed(self.config.seed, f"few-shot {part} {self.family.source}"),
            )
            for part, n_original, n_unseen in (
                ("train", sizes.few_shot_original, sizes.few_shot_unseen),
                ("val", sizes.few_shot_val, sizes.few_shot_val),
            )
        ]

    def _evaluate(self, step: Step) -> dict[str, Any]:
        name, key = step.key.split("/")
        scored, file = self._score(name, key, "test")
        usable = scored.usable
        labels, scores = usable["label"].to_numpy(), usable["score"].to_numpy()
        validation = {}
        if key == self.family.source and len(self.splits[key].val):
            # For a threshold that no test set has a part in.
            validation = {"validation_scores": self._score(name, key, "val")[1]}
        return {
            "set": key,
            "detector": name,
            "split_sha256": self.splits[key].sha256,
            "scores": file,
            **validation,
            "coverage": {"ok": len(usable), "total": len(scored.frame)},
            "frame_accuracy": 100 * metrics.accuracy(labels, scores),
            "frame_auc": metrics.auc(labels, scores),
        }

    def _score(self, name: str, key: str, part: str) -> tuple[ScoredSet, str]:
        """Score a part of a set; return the scores and the file that they are in."""
        crops, told = getattr(self.splits[key], part), "" if part == "test" else f"-{part}"
        scored = load_scored_set(f"{key}{told}", crops, self.detector(name))
        facts = {
            "detector": name,
            "detector_sha256": self._sha256(name),
            "set": scored.name,
            "split_sha256": self.splits[key].sha256,
            "synthetic": self.synthetic,
            "config_sha256": self.config.sha256,
            "seed": self.config.seed,
            "library_version": __version__,
        }
        file = write_scores(self.folder / SCORES, f"{name}-{scored.name}", scored.frame, facts)
        return scored, f"{SCORES}/{file.name}"

    def _fakes(self, key: str, count: int) -> pd.DataFrame:
        """Return fakes of a test set, the same ones whoever asks."""
        crops = self.splits[key].test
        return _sampled(crops[crops["label"] == 1], count, self._seed_of(key))

    def _images(self, crops: pd.DataFrame) -> AnyArray:
        """Read crops at the study's size, which those given from elsewhere may not have."""
        size = self._input_shape[:2]
        return np.stack([resize(read_image(path), size) for path in crops["path"]])

    def _seed_of(self, key: str) -> int:
        return derived_seed(self.config.seed, f"analysed images of {key}")

    def _congenetic(self) -> dict[str, Detector]:
        return {name: self.detector(name) for name in self.family.congenetic.values()}

    def _twins(self) -> dict[str, Detector] | None:
        """Return the first training's detectors, which know as much and differ by chance."""
        if self.family.retrained is None:
            return None
        return {name: self.detector(name) for name in self.family.first.congenetic.values()}

    def _compare_maps(self, step: Step) -> dict[str, Any]:
        key = step.key.split("/")[1]
        fakes = self._fakes(key, self.config.analysis.heat_map_fakes)
        videos = clip_keys(fakes).tolist()
        found = heat_maps.compare_maps(
            self._congenetic(),
            self._images(fakes),
            videos,
            twins=self._twins(),
            as_scripts=self._as_scripts,
        )
        return {"set": key, **found}

    def _draw_maps(self, step: Step) -> dict[str, Any]:
        count = self.config.analysis.shown_fakes
        images = {key: self._images(self._fakes(key, count)) for key in self.family.unseen}
        file, detectors = self.folder / HEAT_MAPS / f"{step.key}.npz", self._congenetic()
        heat_maps.write_maps(file, detectors, images)
        scores = {
            key: {name: each.scores(shown).tolist() for name, each in detectors.items()}
            for key, shown in images.items()
        }
        return {"file": f"{HEAT_MAPS}/{file.name}", "target": heat_maps.TARGET, "scores": scores}

    def _intervene(self, step: Step) -> dict[str, Any]:
        name, key = step.key.split("/")
        detector = self.detector(name)
        if name not in self._new_heads:
            self._new_heads[name] = [
                causal.control(
                    detector, "new head", seed=derived_seed(self.config.seed, f"{name} {i}")
                )
                for i in range(self.config.analysis.controls)
            ]
        found = self._contributions(key, detector, self._new_heads[name])
        return {"set": key, "detector": name, **found}

    def _control(self, step: Step) -> dict[str, Any]:
        """Measure a network that learnt nothing of forgeries on the detectors' images."""
        kind = step.key.split("/")[1]
        if kind == "untrained":
            original = self.detector(self.family.detector(ORIGINAL))
            seed = derived_seed(self.config.seed, step.key)
            network = causal.control(original, "untrained", seed=seed)
        else:
            network = self._train_on_shuffled_labels(step.key)
        sets = {key: self._contributions(key, network) for key in self.family.analysed}
        return {"control": kind, "training": network.training, "sets": sets}

    def _train_on_shuffled_labels(self, name: str) -> Detector:
        """Train as an original detector is trained; nothing can be learnt but single images."""
        architecture, config = self.family.architecture, self.config
        schedule = config.schedules.get(architecture, Schedule())
        recipe = self._recipe(schedule, ORIGINAL)
        epochs = config.analysis.shuffled_epochs or recipe.epochs
        seed, own = derived_seed(config.seed, name), self.splits[self.family.source]
        rng = np.random.default_rng(seed)
        return models.train(
            self._network(),
            *(x.assign(label=rng.permutation(x["label"])) for x in (own.train, own.val)),
            # It does not get off the ground, and need not begin again for that.
            recipe=dataclasses.replace(recipe, epochs=epochs, restart_below=None),
            seed=seed,
            input_shape=self._input_shape,
            checkpoint=self._checkpoint(name),
            early_stopping=schedule.patience,
            precision=schedule.precision or "float32",
            progress=None,
            name=name,
        )

    def _contributions(
        self, key: str, network: Detector, heads: Sequence[Detector] = ()
    ) -> dict[str, Any]:
        """Return what each neuron does on a set, in a network and under other heads of it."""
        test, half = self.splits[key].test, self.config.analysis.causal_images // 2
        seed = self._seed_of(key)
        crops = pd.concat([_sampled(test[test["label"] == label], half, seed) for label in (0, 1)])
        images, labels = self._images(crops), crops["label"].to_numpy()
        found, steps = causal.site_activations(network, images), self.config.analysis.causal_steps
        # Of the true class in the paper, of the output in its scripts.
        outcome: Any = "score" if self._as_scripts else "true_class"
        own, *others = (
            causal.average_causal_effect(
                each, activations=found, labels=labels, steps=steps, outcome=outcome
            )
            for each in (network, *heads)
        )
        return {
            "images": len(crops),
            "images_sha256": hashlib.sha256(images.data).hexdigest(),
            "outcome": outcome,
            "contribution": own.contribution.tolist(),
            "new_heads": [other.contribution.tolist() for other in others],
        }


def _sampled(crops: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Return `count` rows at random, all where there are fewer, in random order."""
    return crops.sample(min(count, len(crops)), random_state=seed)


def focus_where_shared(
    detector: Detector,
    train: pd.DataFrame,
    val: pd.DataFrame,
    *,
    recipe: Recipe,
    seed: int,
    name: str,
    progress: Any,
) -> Detector:
    """Train the neurons' weights alone that contribute on the source and every few-shot set.

    Source: "How Generalizable are Deepfake Detectors?", section V, which proposes it and does not
    try it; `augment.focus` with mode "freeze".
    """
    effects = {
        str(key): causal.average_causal_effect(
            detector,
            np.stack([resize(read_image(path), detector.size) for path in rows["path"]]),
            labels=rows["label"].to_numpy(),
        )
        for key, rows in train.groupby("set", sort=False)
    }
    shared = (causal.universal_neurons(effects, part) for part in _PARTS)
    neurons = next(each for each in shared if len(each))
    return augment.focus(
        detector, neurons, train, val, recipe=recipe, seed=seed, name=name, progress=progress
    )
