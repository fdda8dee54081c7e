"""Training at 256x256: images a second, against plain Keras and against PyTorch."""

from __future__ import annotations

import argparse
import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.timing import Ratio, Row, Skipped, compare, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import keras

SIDE = 256
# Images an epoch, so that an epoch takes a few seconds on two cores.
IMAGES = {
    "mesonet": 256,
    "mesoinception": 128,
    "shallownet": 32,
    "xception": 16,
    "efficientnet_b0": 32,
}
IN_PYTORCH = ("mesonet", "xception")


def measure(*, quick: bool = False, name: str = "mesonet") -> Iterator[Row]:
    """Compare an epoch of ours with one of the same network by other means.

    Args:
        quick: Fewer images and one round, to see that it runs.
        name: The architecture.

    Yields:
        Rows against plain Keras, for MesoNet and Xception against PyTorch, and of bfloat16 against
        float32; each as soon as it is measured, because some of them may take too long.
    """
    rounds = 1 if quick else 3
    ours = _ours(name, quick)
    ours()
    yield _against_keras(ours, name, quick, rounds)
    if name in IN_PYTORCH:
        yield _against_pytorch(ours, name, quick, rounds)
    yield _in_bfloat16(ours, name, quick, rounds)


def _job(name: str, quick: bool) -> str:
    return f"training epoch, {name}, {_count(name, quick)} images at {SIDE}"


def _count(name: str, quick: bool) -> int:
    return max(IMAGES[name] // 8, 8) if quick else IMAGES[name]


def _batch(name: str, quick: bool) -> int:
    return min(32, _count(name, quick))


def _images(name: str, quick: bool) -> tuple[Any, Any]:
    count = _count(name, quick)
    images = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    return images, np.arange(count) % 2


def _ours(name: str, quick: bool, precision: str = "float32") -> Callable[[], object]:
    """Return an epoch of ours, without validation; the first call also traces the graph."""
    from deepfake_generalize.models import ARCHITECTURES, RECIPES
    from deepfake_generalize.models.overrides import quick_training
    from deepfake_generalize.models.training import data, fitting
    from deepfake_generalize.models.training.fitting import EpochLoop, Fit, TrainOptions

    recipe = dataclasses.replace(RECIPES[name], batch_size=_batch(name, quick), epochs=1)
    model = ARCHITECTURES[name]((SIDE, SIDE, 3))
    if precision == "bfloat16":
        model = fitting.in_bfloat16(model)
    options = TrainOptions(recipe)
    compiled = fitting.compile_shared(model, options)
    data = data.open_data(_images(name, quick), name="train")
    order = partial(EpochLoop(options, Fit(), {}).sample_order, data.count)
    prepared = fitting.prepared(data, columns=1, fake_index=1)
    batches = prepared.batches(recipe.batch_size, order, recipe.drop_last)

    def epoch() -> None:
        with quick_training(compiled):  # As `fit` does around Keras.
            compiled.fit(batches, epochs=1, shuffle=False, verbose=0)

    return epoch


def _plain(name: str, quick: bool) -> Callable[[], object]:
    import keras

    from deepfake_generalize.models import ARCHITECTURES, RECIPES

    images, labels = _images(name, quick)
    floats = images / np.float32(255)
    model: keras.Model = ARCHITECTURES[name]((SIDE, SIDE, 3))
    recipe = RECIPES[name]
    loss = {"mse": "mean_squared_error", "bce": "binary_crossentropy"}[recipe.loss]
    optimizer = keras.optimizers.Adam(recipe.learning_rate)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    size = _batch(name, quick)
    return lambda: model.fit(floats, labels, batch_size=size, epochs=1, verbose=0)


def _against_keras(ours: Callable[[], object], name: str, quick: bool, rounds: int) -> Ratio:
    theirs = _plain(name, quick)
    theirs()
    return compare(
        _job(name, quick),
        "Keras fit on float arrays in memory",
        ours=ours,
        theirs=theirs,
        rounds=rounds,
        target=1.0,
    )


def _against_pytorch(ours: Callable[[], object], name: str, quick: bool, rounds: int) -> Row:
    job, against = _job(name, quick), "the same network in PyTorch, eager"
    try:
        from benchmarks.pytorch_networks import epoch
    except ImportError:
        return Skipped(job, against, "torch is not installed")
    import tensorflow as tf

    images, labels = _images(name, quick)
    threads = tf.config.threading.get_intra_op_parallelism_threads() or None
    theirs = epoch(name, images, labels, batch_size=_batch(name, quick), threads=threads)
    theirs()
    return compare(
        job,
        against,
        ours=ours,
        theirs=theirs,
        rounds=rounds,
        target=1.0,
    )


def _in_bfloat16(full: Callable[[], object], name: str, quick: bool, rounds: int) -> Ratio:
    half = _ours(name, quick, "bfloat16")
    half()
    row = compare(
        f"{_job(name, quick)}, in bfloat16",
        "the same in float32",
        ours=half,
        theirs=full,
        rounds=rounds,
    )
    count = _count(name, quick)
    rates = f"{count / row.ours_s:.1f} images a second, {count / row.theirs_s:.1f} in float32"
    return dataclasses.replace(row, note=rates)


def main() -> None:
    """Print the rows of all five."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer images, one round")
    quick = parser.parse_args().quick
    for name in IMAGES:
        for row in measure(quick=quick, name=name):
            print(line(row), row.note if isinstance(row, Ratio) else "", flush=True)


if __name__ == "__main__":
    main()
