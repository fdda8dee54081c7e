"""Grad-CAM of MesoNet at 256x256, against tf-explain one image at a time and a forward pass."""

from __future__ import annotations

import warnings

import numpy as np

from benchmarks.timing import Row, Skipped, compare, line


def measure(*, quick: bool = False) -> list[Row]:
    """Time the same random images on every side; the maps alone, without rendering, on both."""
    from deepfake_generalize.interpret import grad_cam
    from deepfake_generalize.models import Detector, mesonet

    count = 16 if quick else 64
    rounds = 3 if quick else 5
    images = np.random.default_rng(0).random((count, 256, 256, 3), np.float32)
    detector = Detector(mesonet())
    job = f"Grad-CAM, MesoNet 256, {count} images"

    def ours() -> None:
        # Without ReLU the work is the same, and untrained networks give no warnings of empty maps.
        grad_cam(detector, images, relu=False)

    ours()
    detector.scores(images)
    rows: list[Row] = [
        compare(
            job,
            "forward passes of the same images (Detector.scores)",
            ours=ours,
            theirs=lambda: detector.scores(images),
            rounds=rounds,
            target=1 / 1.15,
            note="the ratio is the forward passes' share of the cost",
        )
    ]
    try:
        from tf_explain.core.grad_cam import GradCAM
    except ImportError:
        rows.append(Skipped(job, "tf-explain, one image at a time", "tf-explain is not installed"))
        return rows

    alone = 4 if quick else 8

    def theirs() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for image in images[:alone]:
                found = GradCAM.get_gradients_and_filters(
                    detector.model, image[None], "conv4", 0, use_guided_grads=False
                )
                GradCAM.generate_ponderated_output(*found)

    rows.append(
        compare(
            job,
            "tf-explain, one image at a time",
            ours=ours,
            theirs=theirs,
            rounds=rounds,
            scale_theirs=count / alone,
            target=10.0,
            limit=("one forward pass", lambda: detector.scores(images)),
            note=f"tf-explain timed on {alone} images and scaled to {count}; no rendering",
        )
    )
    return rows


if __name__ == "__main__":
    for row in measure():
        print(line(row))
