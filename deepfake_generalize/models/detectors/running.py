"""A compiled network over many images: a few at a time, on all processors at once."""

from __future__ import annotations

import collections
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import tensorflow as tf

from deepfake_generalize._system.processes import processors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import keras

    from deepfake_generalize.types import AnyArray

    Item = TypeVar("Item")
    Result = TypeVar("Result")

PART = 8
"""Images that a processor takes at a time: activations of few stay in its cache."""
_MOST_WORKERS = 4
# Beyond so many parameters, reading them for every few images costs more than the cache saves.
_HEAVY = 50_000_000


def run_in_parts(
    forward: Callable[[Any], Any], batches: Iterable[AnyArray], *, model: keras.Model
) -> Iterator[Any]:
    """Yield what a compiled function gives for batches (B, ...), in order and in parts of them."""
    whole = on_gpu() or model.count_params() > _HEAVY
    parts = (
        tf.constant(part)
        for batch in batches
        for part in ([batch] if whole else np.split(batch, range(PART, len(batch) - 1, PART)))
    )
    return map(forward, parts) if whole else in_turn(forward, parts, _MOST_WORKERS)


def in_turn(
    function: Callable[[Item], Result], items: Iterable[Item], most: int
) -> Iterator[Result]:
    """Yield the function of each item, in order, computed for at most `most` at once."""
    threads = tf.config.threading.get_intra_op_parallelism_threads() or processors()
    workers = min(threads, most)
    waiting: collections.deque[Any] = collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def on_gpu() -> bool:
    """Return whether there is a GPU, which wants many images at a time, one call after another."""
    return bool(tf.config.list_physical_devices("GPU"))
