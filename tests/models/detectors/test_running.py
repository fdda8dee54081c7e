from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector, mesonet
from deepfake_generalize.models.detectors import batching
from deepfake_generalize.models.overrides import norms_in_one_pass

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "processors", lambda: 2)


@pytest.mark.parametrize(
    ("batch", "parts"), [(1, [1]), (8, [8]), (9, [9]), (10, [8, 2]), (17, [8, 9]), (32, [8] * 4)]
)
def test_a_batch_is_taken_in_parts_of_which_none_is_a_single_image(
    batch: int, parts: list[int]
) -> None:
    images = np.arange(batch, dtype=np.float32)[:, np.newaxis]
    given = list(batching.run_in_parts(tf.identity, [images, images], model=mesonet((8, 8, 3))))
    assert [len(part) for part in given] == parts * 2
    assert np.concatenate(given).tolist() == [*images.tolist(), *images.tolist()]


def test_a_network_of_many_weights_is_not_made_to_read_them_for_every_few_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "_HEAVY", 1000)
    batches = [np.zeros((32, 1), np.float32)]
    assert list(batching.run_in_parts(len, batches, model=mesonet((8, 8, 3)))) == [32]


def test_scores_are_bit_for_bit_those_of_whole_batches() -> None:
    model = mesonet((64, 64, 3))
    images = np.random.default_rng(0).random((43, 64, 64, 3), np.float32)
    with norms_in_one_pass(model):
        graph = tf.function(lambda batch: model(batch, training=False)[:, 0])
        whole = [graph(images[start : start + 32]) for start in (0, 32)]
    assert Detector(model).scores(images).tolist() == np.concatenate(whole).tolist()


def test_several_are_computed_at_once() -> None:
    together = threading.Barrier(2, timeout=60)
    assert len(list(batching.in_turn(lambda _: together.wait(), range(4), 8))) == 4


def test_threads_that_were_limited_are_not_exceeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 1)
    names = batching.in_turn(lambda _: threading.current_thread().name, range(8), 8)
    assert len(set(names)) == 1


def test_no_more_is_read_ahead_than_is_being_computed() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(50):
            read.append(item)
            yield item

    for item in batching.in_turn(lambda item: item, items(), 2):
        assert len(read) <= item + 3


def test_what_a_function_or_its_items_raise_is_raised() -> None:
    def refuse(item: int) -> int:
        raise InputError(f"refused {item}.")

    with pytest.raises(InputError, match="refused 0"):
        list(batching.in_turn(refuse, range(3), 2))
