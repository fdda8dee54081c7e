"""Training at 256x256: images a second, against plain Keras and against PyTorch."""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.timing import Ratio, compare

if TYPE_CHECKING:
    from collections.abc import Callable

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


def measure(*, quick: bool = False) -> list[Ratio]:
    """Compare an epoch of ours with one of the same network by other means.

    Args:
        quick: Fewer images and one round, to see that it runs.

    Returns:
        A row for each of the five against plain Keras, and for MesoNet and Xception against PyTorch
        where that is installed.
    """
    rounds = 1 if quick else 5
    rows = [_against_keras(name, quick, rounds) for name in IMAGES]
    try:
        import torch  # noqa: F401
    except ImportError:
        print("training against PyTorch: skipped, torch is not installed")
        return rows
    return rows + [_against_pytorch(name, quick, rounds) for name in IN_PYTORCH]


def throughput(*, quick: bool = False) -> list[tuple[str, str, float]]:
    """Return (architecture, precision, images a second) of training for all five."""
    rows = []
    for name in IMAGES:
        for precision in ("float32", "bfloat16"):
            run = _ours(name, quick, precision)
            run()
            seconds = []
            for _ in range(1 if quick else 3):
                start = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - start)
            rows.append((name, precision, _count(name, quick) / statistics.median(seconds)))
    return rows


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
    from deepfake_generalize.models import RECIPES, construction, fitting, training_data
    from deepfake_generalize.models.training_loop import EpochLoop, Plan, State

    recipe = dataclasses.replace(RECIPES[name], batch_size=_batch(name, quick), epochs=1)
    model = construction.build(name, (SIDE, SIDE, 3), classes=1, seed=0)
    model = construction.copy(model, precision=precision)
    plan = Plan(recipe)
    compiled = fitting.compile_shared(model, plan)
    data = training_data.open_data(_images(name, quick), name="train")
    batches = fitting.prepared_batches(data, plan, EpochLoop(plan, State(), {}), columns=1)
    return lambda: compiled.fit(batches, epochs=1, shuffle=False, verbose=0)


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


def _against_keras(name: str, quick: bool, rounds: int) -> Ratio:
    ours, theirs = _ours(name, quick), _plain(name, quick)
    ours()
    theirs()
    return compare(
        f"training epoch, {name}, {_count(name, quick)} images at {SIDE}",
        "Keras fit on float arrays in memory",
        ours=ours,
        theirs=theirs,
        rounds=rounds,
        target=1.0,
    )


def _against_pytorch(name: str, quick: bool, rounds: int) -> Ratio:
    import tensorflow as tf

    from benchmarks.pytorch_networks import epoch

    ours = _ours(name, quick)
    images, labels = _images(name, quick)
    threads = tf.config.threading.get_intra_op_parallelism_threads() or None
    theirs = epoch(name, images, labels, batch_size=_batch(name, quick), threads=threads)
    ours()
    theirs()
    return compare(
        f"training epoch, {name}, {_count(name, quick)} images at {SIDE}",
        "the same network in PyTorch, eager",
        ours=ours,
        theirs=theirs,
        rounds=rounds,
        target=1.0,
    )


def main() -> None:
    """Print the rows and the images a second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer images, one round")
    quick = parser.parse_args().quick
    for row in measure(quick=quick):
        verdict = {None: "", True: "met", False: "missed"}[row.passed]
        print(
            f"{row.job} against {row.against}: {row.ratio:.2f}x "
            f"({row.low:.2f} to {row.high:.2f}), target {row.target} {verdict}"
        )
    for name, precision, rate in throughput(quick=quick):
        print(f"{name} {precision}: {rate:.1f} images a second")


if __name__ == "__main__":
    main()
