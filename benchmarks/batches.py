"""Batches from PNG files and from a pack, against Keras; a training step fed from either."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from benchmarks.timing import Ratio, compare, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

    from deepfake_generalize.types import UInt8Array

SIDE, BATCH = 256, 32
# As extraction writes its crops.
_PNG = [
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
]

_WHY_BATCHES = (
    "it takes little longer than reading the file in one piece; what remains is writing 25 MB of "
    "float32 a batch, which Keras does too"
)
_WHY_STEP = (
    "reading and widening a batch takes its 5 ms from the cores that train; the batches in memory, "
    "which it is compared with, are float32 already"
)


def measure(*, quick: bool = False) -> list[Ratio]:
    """Time batches of 32 pictures of 256x256, smooth with some grain, as faces are."""
    with tempfile.TemporaryDirectory() as folder:
        crops, packed = _make(Path(folder), 8 * BATCH if quick else 32 * BATCH)
        rounds = 3 if quick else 5
        return [*_batches(Path(folder), crops, packed, rounds), *_steps(crops, packed, rounds)]


def _make(folder: Path, n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    from deepfake_generalize.data import pack, read_crops

    rng = np.random.default_rng(0)
    for i in range(n):
        path = folder / "crops" / ("fake" if i % 2 else "real") / f"{i:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), _picture(rng), _PNG)
    crops = read_crops(folder / "crops")
    return crops, read_crops(pack(crops, folder / "crops.h5"))


def _picture(rng: np.random.Generator) -> UInt8Array:
    smooth = cv2.GaussianBlur(rng.random((SIDE, SIDE, 3), np.float32), (0, 0), 8)
    smooth = (smooth - smooth.mean()) / smooth.std() * 50 + 128
    grain = rng.normal(0, 2, (SIDE, SIDE, 1))
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def _batches(folder: Path, crops: pd.DataFrame, packed: pd.DataFrame, rounds: int) -> list[Ratio]:
    import keras

    from deepfake_generalize.data import to_dataset

    theirs = keras.utils.image_dataset_from_directory(
        str(folder / "crops"),
        batch_size=BATCH,
        image_size=(SIDE, SIDE),
        seed=0,
        label_mode="binary",
        verbose=False,
    )
    rows = []
    pack = folder / "crops.h5"
    for kind, table, target in (("PNG", crops, 1.0), ("a pack", packed, 8.0)):
        ours = to_dataset(table, batch_size=BATCH, shuffle_seed=0)
        rows.append(
            compare(
                f"batches from {kind}, {len(table)} crops of {SIDE}x{SIDE}",
                "Keras image_dataset_from_directory, PNG",
                ours=lambda ours=ours: _drain(ours),
                theirs=lambda: _drain(theirs),
                rounds=rounds,
                target=target,
                note="files in the page cache; both shuffle; ours also scales to [0, 1]",
                limit=None if kind == "PNG" else ("reading the file in one piece", pack.read_bytes),
            ).explained("" if kind == "PNG" else _WHY_BATCHES)
        )
    return rows


def _steps(crops: pd.DataFrame, packed: pd.DataFrame, rounds: int) -> list[Ratio]:
    from deepfake_generalize.data import to_dataset

    n = 8 * BATCH
    step = _training_step()
    feeds: dict[str, Any] = {
        "PNG": to_dataset(crops.head(n), batch_size=BATCH),
        "an uncompressed pack": to_dataset(packed.head(n), batch_size=BATCH),
    }
    memory = list(feeds["an uncompressed pack"])
    for feed in (memory, *feeds.values()):
        _train(step, feed)
    return [
        compare(
            f"MesoNet training step at {SIDE}, batch {BATCH}, fed from {name}",
            "the same step fed from float32 batches in memory",
            ours=lambda feed=feed: _train(step, feed),
            theirs=lambda: _train(step, memory),
            rounds=rounds,
            target=0.97 if name != "PNG" else None,
            note="1.0: feeding costs nothing",
        ).explained(_WHY_STEP)
        for name, feed in feeds.items()
    ]


def _training_step() -> Callable[[Any, Any], Any]:
    import keras
    import tensorflow as tf

    from deepfake_generalize.models import mesonet

    model = mesonet((SIDE, SIDE, 3))
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            scores = model(images, training=True)[:, 0]
            loss = tf.reduce_mean(tf.square(scores - labels))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return step


def _train(step: Callable[[Any, Any], Any], feed: Iterable[Any]) -> None:
    for images, labels in feed:
        step(images, labels).numpy()


def _drain(dataset: Iterable[Any]) -> None:
    for _ in dataset:
        pass


if __name__ == "__main__":
    for row in measure():
        print(line(row))
