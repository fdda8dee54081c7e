"""Transfer learning on cached features, against the same layers frozen inside Keras's `fit`.

Fifty epochs over 4,000 images, validation included: 3,600 are trained on and 400 validate.
"""

from __future__ import annotations

import numpy as np

from benchmarks.timing import Ratio, compare, line

EPOCHS = 50
_WHY = (
    "the one forward pass and the checksum of the images take two thirds of it, the 3,200 steps "
    "of the head and of its validation, all epochs in a hundred calls of TensorFlow, a quarter, "
    "and tracing the rest"
)


def measure(*, quick: bool = False, name: str = "mesonet") -> list[Ratio]:
    """Time MesoNet on all images or Xception on fewer, at 256x256 with the paper's recipes."""
    if name == "mesonet":
        return [_row(name, 400 if quick else 4000, target=50.0, rounds=1 if quick else 3)]
    return [_row(name, 20 if quick else 80, target=6.0, rounds=1)]


def _row(architecture: str, count: int, *, target: float, rounds: int) -> Ratio:
    """Ours runs all epochs, its trunk and its tracing included; theirs runs one, times fifty."""
    import keras

    from deepfake_generalize.augment import transfer
    from deepfake_generalize.models import ARCHITECTURES, RECIPES, Detector

    recipe = RECIPES[architecture].fine_tuning
    images = np.random.default_rng(0).integers(0, 256, (count, 256, 256, 3), np.uint8)
    labels = np.arange(count) % 2
    split = count * 9 // 10
    detector = Detector(ARCHITECTURES[architecture]())

    def ours() -> None:
        transfer(
            detector,
            (images[:split], labels[:split]),
            (images[split:], labels[split:]),
            # Features of 4,000 images fit in memory for MesoNet (16 MB), not for Xception (1.6 GB).
            cache_memory=2**30 if architecture == "mesonet" else 0,
            progress=None,
        )

    model = ARCHITECTURES[architecture]()
    for layer in model.layers[: -recipe.last_layers]:
        layer.trainable = False
    model.compile(
        keras.optimizers.Adam(recipe.learning_rate),
        {"mse": "mean_squared_error", "bce": "binary_crossentropy"}[recipe.loss],
        metrics=["accuracy"],
    )
    # As float32 in memory, so that neither decoding nor scaling is in theirs.
    share = min(count, 640)
    part = images[:share].astype(np.float32) / 255
    cut = share * 9 // 10

    def theirs() -> None:
        model.fit(
            part[:cut],
            labels[:cut],
            batch_size=recipe.batch_size,
            validation_data=(part[cut:], labels[cut:share]),
            verbose=0,
        )

    theirs()
    detector.scores(images[:1])
    scale = EPOCHS * count / share
    return compare(
        f"transfer, {architecture} 256, {EPOCHS} epochs, {count} images",
        "the same layers frozen inside Keras's fit",
        ours=ours,
        theirs=theirs,
        rounds=rounds,
        scale_theirs=scale,
        target=target,
        limit=("one forward pass of the images", lambda: detector.scores(images)),
        note=f"fit timed for one epoch of {share} images in memory, after a first one, and scaled "
        f"by {scale:g}; ours in full"
        + ("" if count == 4000 else f", on {count} images instead of 4,000"),
    ).explained(_WHY if architecture == "mesonet" else "")


if __name__ == "__main__":
    for architecture in ("mesonet", "xception"):
        for row in measure(name=architecture):
            print(line(row))
