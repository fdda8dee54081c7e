"""Focus a detector on the neurons that contribute everywhere, and see what its degradation does.

The paper proposes this and does not try it. Here it is tried on small synthetic pictures, one
detector and one seed: the example shows how to ask the question. It says nothing about real
deepfakes.
"""

from dataclasses import replace
from tempfile import TemporaryDirectory

import numpy as np

import deepfake_generalize as dg

UNSEEN = ("FS", "NT", "DF", "DFD")


def images(crops):
    """Read the pictures of a table of crops, (N, H, W, 3) uint8."""
    return np.stack([dg.data.read_image(path) for path in crops["path"]])


def scored(detector, crops):
    """Score a test set; its intervals are to be drawn over videos."""
    return crops["label"], detector.scores(images(crops)), crops["video"]


with TemporaryDirectory() as folder:
    sizes = {"train": 240, "val": 60, "test": 100}
    sets = dg.data.synthetic.make_datasets(folder, per_split=sizes)
    source = sets["F2F"]
    recipe = replace(
        dg.models.RECIPES["mesonet"],
        name="quick",
        loss="bce",
        epochs=15,
        batch_size=8,
        norm_momentum=0.9,
        dropout=0.0,
    )
    detector = dg.models.train("mesonet", source.train, source.val, recipe=recipe, progress=None)

    # Which neurons contribute is asked of validation sets; the test sets judge.
    effects = {
        name: dg.causal.average_causal_effect(
            detector, images(sets[name].val), labels=sets[name].val["label"]
        )
        for name in ("F2F", "FS", "NT")
    }
    neurons = dg.causal.universal_neurons(effects, 1 / 4)
    overlap = dg.causal.overlap(effects, 1 / 4)
    print(
        f"{len(neurons)} of {len(effects['F2F'].contribution)} neurons are among the top quarter "
        f"on all three sets; chance alone would give {overlap.expected[-1]:.1f}."
    )

    few, check = (
        dg.augment.few_shot_mix(
            getattr(source, part),
            {name: getattr(sets[name], part) for name in ("FS", "NT")},
            n_original=n,
            n_unseen=n,
        )
        for part, n in (("train", 160), ("val", 40))
    )
    short = replace(recipe.fine_tuning, name="short", epochs=20, batch_size=16)
    detectors = {"as trained": detector} | {
        mode: dg.augment.focus(
            detector,
            neurons,
            few,
            check,
            mode=mode,
            recipe=short if mode == "freeze" else None,
            progress=None,
        )
        for mode in ("freeze", "silence", "upweight")
    }
    for name, tuned in detectors.items():
        original = scored(tuned, source.test)
        unseen = [scored(tuned, sets[other].test) for other in UNSEEN]
        found = dg.metrics.degradation_interval(original, unseen)
        labels, scores, _ = original
        at_home = 100 * dg.metrics.accuracy(labels, scores)
        middle, low, high = (100 * value for value in (found.estimate, found.low, found.high))
        print(
            f"{name:>10}: accuracy on F2F {at_home:.0f} %, "
            f"degradation {middle:+.0f} points ({low:+.0f} to {high:+.0f})"
        )
    kept = detectors["freeze"].training["best_epoch"]
    print(f"freeze trained {short.epochs} epochs; on the validation part epoch {kept} was best.")
    print("Less degradation counts only where accuracy on F2F is kept; intervals that overlap")
    print("decide nothing, and one detector on synthetic pictures is no evidence about deepfakes.")
