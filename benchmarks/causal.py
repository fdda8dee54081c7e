"""Causal effects of 1,024 neurons, against one predict for each neuron, value and batch."""

from __future__ import annotations

import statistics

import numpy as np

from benchmarks.timing import Ratio, compare, interleave, line, summarise

NEURONS, STEPS, BATCH = 1024, 4, 64


def measure(*, quick: bool = False) -> list[Ratio]:
    """Time the interventions alone on given activations, and the whole call from images."""
    return [_interventions(quick=quick), _from_images(quick=quick)]


def _interventions(*, quick: bool) -> Ratio:
    """Compare with what the study's scripts do; a sample of its calls, scaled to all of them."""
    from deepfake_generalize.causal import average_causal_effect
    from deepfake_generalize.models import Detector, mesonet
    from deepfake_generalize.models.surgery import cut

    count = 1920
    random = np.random.default_rng(0)
    detector = Detector(mesonet())
    tail = cut(detector.model, "flatten").tail
    activations = random.random((count, NEURONS), np.float32)
    labels = random.integers(0, 2, count)
    calls = NEURONS * STEPS * (count // BATCH)
    sample = 8 if quick else 30
    rows = [slice(start, start + BATCH) for start in range(0, count, BATCH)][:sample]

    def ours() -> None:
        average_causal_effect(detector, activations=activations, labels=labels)

    def theirs() -> None:
        for neuron, some in enumerate(rows):
            forced = activations[some].copy()
            forced[:, neuron] = 0.5
            tail.predict(forced, batch_size=BATCH, verbose=0)

    ours()
    theirs()
    return compare(
        f"causal effects, MesoNet, {NEURONS} neurons x {STEPS} values x {count:,} activations",
        "one predict for each neuron, value and batch of 64",
        ours=ours,
        theirs=theirs,
        rounds=3 if quick else 5,
        scale_theirs=calls / len(rows),
        target=10_000.0,
        note=f"the other side is {calls:,} calls, extrapolated from {len(rows)} timed ones",
    )


def _from_images(*, quick: bool) -> Ratio:
    """Compare the whole call with its budget: 1.3 forward passes of the images and a second."""
    from deepfake_generalize.causal import average_causal_effect
    from deepfake_generalize.models import Detector, mesonet

    count = 128 if quick else 960
    random = np.random.default_rng(0)
    detector = Detector(mesonet())
    images = random.integers(0, 256, (count, 256, 256, 3), np.uint8)
    labels = random.integers(0, 2, count)
    sides = {
        "ours": lambda: average_causal_effect(detector, images, labels=labels),
        "forward": lambda: detector.scores(images),
    }
    detector.scores(images[:1])
    seconds = interleave(sides, rounds=3)
    budgets = [1.3 * forward + 1.0 for forward in seconds["forward"]]
    return summarise(
        f"causal effects, MesoNet 256, from {count:,} images",
        "its budget, 1.3 forward passes of the images (Detector.scores) plus 1 s",
        seconds["ours"],
        budgets,
        target=1.0,
        limit="one forward pass",
        limit_s=statistics.median(seconds["forward"]),
    )


if __name__ == "__main__":
    for row in measure():
        print(line(row))
