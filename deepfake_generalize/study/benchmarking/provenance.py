"""What a result depends on, as plain JSON values: detector, data, versions, settings."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from deepfake_generalize._version import __version__
from deepfake_generalize.errors import DataMismatchError
from deepfake_generalize.study.benchmarking.inputs import ORIGINAL, ScoredSet
from deepfake_generalize.types import Scorer

_PACKAGES = ("numpy", "pandas", "scikit-learn", "opencv-python", "tensorflow", "keras")
_TRAINING_FACTS = ("recipe", "seed", "selection", "selection_rule", "best_epoch", "data", "parent")


def versions() -> dict[str, str]:
    """Return the versions of Python, of this library and of those that scores depend on."""
    found = {"python": platform.python_version(), "deepfake-generalize": __version__}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_detector(detector: Scorer | str) -> dict[str, Any]:
    """Return name, sha256 (of a Keras network) and training record, None where not known."""
    if isinstance(detector, str):
        return {"name": detector, "sha256": None, "training": None}
    record = getattr(detector, "training", None)
    training = json.loads(json.dumps(record, default=str)) if isinstance(record, dict) else None
    return {"name": str(detector.name), "sha256": _network_hash(detector), "training": training}


def _network_hash(detector: Scorer) -> str | None:
    model = getattr(detector, "model", None)
    if not all(hasattr(model, member) for member in ("get_weights", "to_json")):
        return None
    from deepfake_generalize.models.detectors import weights_sha256

    layers = [type(layer).__name__ for layer in model.layers]  # type: ignore[union-attr]
    known_by = (getattr(detector, "fake_index", None), layers, weights_sha256(model))
    return hashlib.sha256(repr(known_by).encode()).hexdigest()


def selection_rule(training: Mapping[str, Any] | None) -> str | None:
    """Return by what the weights were chosen, where the training record says so."""
    if not training:
        return None
    recipe = training.get("recipe")
    said = [
        place.get(name)
        for place in (training, recipe if isinstance(recipe, dict) else {})
        for name in ("selection", "selection_rule")
    ]
    return next((rule for rule in said if isinstance(rule, str)), None)


def summarise_training(training: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the part of a training record that a table's reader asks for; not the history."""
    if training is None:
        return None
    return {name: training[name] for name in _TRAINING_FACTS if name in training}


def check_one_detector(detector: Mapping[str, Any], sets: Sequence[ScoredSet]) -> list[str]:
    """Note score files that name another detector or set; refuse those of several networks."""
    hashes = {"the detector given": detector["sha256"]}
    notes = []
    others = {scored.name for scored in sets}
    for scored in sets:
        name, facts = scored.name, scored.facts
        theirs = facts.get("detector") or {}
        hashes[f"the scores of the set {name}"] = theirs.get("sha256")
        if theirs.get("name") not in {None, detector["name"]}:
            notes.append(
                f"{name}: the score file names the detector {theirs['name']}, "
                f"this result {detector['name']}"
            )
        # A score file is of a set by its own name; whose original set it is it need not know.
        told = facts.get("set")
        if facts and told != name and (name != ORIGINAL or told in others):
            notes.append(f"{name}: the score file was written for {told}")
    known = {who: value for who, value in hashes.items() if value is not None}
    if len(set(known.values())) > 1:
        told = ", ".join(f"{who} {value[:12]}..." for who, value in known.items())
        raise DataMismatchError(
            f"expected the scores of one network, received several: {told}.",
            hint="Score all sets with the same detector.",
        )
    return notes
