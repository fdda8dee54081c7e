"""Grad-CAM and causal effects of a PyTorch module, against its own forward passes."""

from __future__ import annotations

import numpy as np

from benchmarks.timing import Row, Skipped, compare, line

NEURONS, STEPS, BATCH = 1024, 4, 64


def measure(*, quick: bool = False) -> list[Row]:
    """Time MesoNet in PyTorch on random images: its maps, and interventions on 1,024 neurons."""
    try:
        import torch
    except ImportError:
        return [Skipped("PyTorch: maps and causal effects", "forward passes", "no PyTorch")]
    from benchmarks.pytorch_networks import Twin
    from deepfake_generalize.causal import average_causal_effect, site_activations
    from deepfake_generalize.interpret import grad_cam
    from deepfake_generalize.models import as_detector, mesonet

    random = np.random.default_rng(0)
    detector = as_detector(Twin(mesonet()), name="MesoNet", size=256)
    images = random.random((8 if quick else 64, 256, 256, 3), np.float32)
    rounds = 3 if quick else 5

    def maps() -> None:
        grad_cam(detector, images, relu=False)

    maps()
    detector.scores(images)
    rows: list[Row] = [
        compare(
            f"Grad-CAM, MesoNet 256 in PyTorch, {len(images)} images",
            "forward passes of the same images (scores)",
            ours=maps,
            theirs=lambda: detector.scores(images),
            rounds=rounds,
            target=1 / 1.3,
            note="the ratio is the forward passes' share of the cost",
        )
    ]
    count = 1920
    activations = np.tile(site_activations(detector, images[:8]), (count // 8, 1))
    labels = random.integers(0, 2, count)
    tensor = torch.from_numpy(images[:8]).permute(0, 3, 1, 2).repeat(BATCH // 8, 1, 1, 1)
    calls = NEURONS * STEPS * (count // BATCH)

    def ours() -> None:
        average_causal_effect(detector, activations=activations, labels=labels)

    def theirs() -> None:
        with torch.no_grad():
            detector.function.module(tensor)

    ours()
    theirs()
    rows.append(
        compare(
            f"causal effects, MesoNet in PyTorch, {NEURONS} neurons x {STEPS} values x {count:,}",
            "one forward pass for each neuron, value and batch of 64",
            ours=ours,
            theirs=theirs,
            rounds=rounds,
            scale_theirs=calls,
            target=1_000.0,
            note=f"the other side is {calls:,} passes, extrapolated from one",
        )
    )
    return rows


if __name__ == "__main__":
    for row in measure():
        print(line(row))
