"""Paired batches: a fake beside an image of the clip it was made from, and nothing left out."""

from functools import partial

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.training import fitting
from deepfake_generalize.models.training.data import paired_order, pairs_of

ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 50)), max_size=30)
ONE_PAIR = [(0, 9, 5), (1, 9, 5)]


def crops(rows):
    """Name frames of Celeb-DF clips: (label, person, frame)."""
    table = pd.DataFrame(rows, columns=["label", "person", "frame"])
    table["dataset"] = "Celeb-DF-v2"
    table["target_identity"] = "id" + table["person"].astype(str)
    table["source_identity"] = np.where(table["label"] == 1, "id8", None)
    fakes = table["target_identity"] + "_id8_0000.mp4"
    table["video"] = fakes.where(table["label"] == 1, table["target_identity"] + "_0000.mp4")
    return table


@given(rows=ROWS, seed=st.integers(0, 9), size=st.integers(1, 8).map(lambda half: 2 * half))
def test_batches_are_closed_under_pairing_and_hold_each_image_once(rows, seed, size):
    table = crops(rows + ONE_PAIR)
    pairs = pairs_of(table)
    people, labels = table["person"].to_numpy(), table["label"].to_numpy()
    assert (people[pairs[:, 0]] == people[pairs[:, 1]]).all()
    assert (labels[pairs] == (0, 1)).all()
    # As many as there can be: whoever is in no pair has nobody of the other class left.
    alone = np.setdiff1d(np.arange(len(table)), pairs)
    assert all(len(set(labels[alone[people[alone] == x]])) < 2 for x in set(people[alone]))
    order = paired_order(pairs, len(table), np.random.default_rng(seed))
    assert sorted(order) == list(range(len(table)))
    batch_of = np.argsort(order) // size
    assert (batch_of[pairs[:, 0]] == batch_of[pairs[:, 1]]).all()


def test_the_frames_of_a_clip_are_paired_as_near_as_can_be():
    table = crops([(0, 1, 0), (0, 1, 40), (0, 1, 20), (1, 1, 21), (1, 1, 3), (1, 2, 0)])
    assert sorted(map(tuple, pairs_of(table))) == [(0, 4), (2, 3)]


def test_what_cannot_be_paired_is_refused_in_words(train_small):
    with pytest.raises(InputError, match=r"expected crops to pair, received arrays"):
        train_small(pairing=True)
    with pytest.raises(InputError, match=r"the 2 crops hold no such pair"):
        pairs_of(crops([(0, 1, 0), (1, 2, 0)]))
    with pytest.raises(InputError, match=r"expected an even batch_size with pairing, received 5"):
        train_small(pairing=True, batch_size=5)


class _Kill(BaseException):
    """What ends a run in the middle."""


@pytest.mark.slow
def test_training_with_all_of_it_tells_and_goes_on_after_a_kill(
    tmp_path, train_small, striped, same_weights, monkeypatch
):
    table = crops([(label, person, 0) for person in range(4) for label in (0, 1)] + [(1, 5, 0)])
    table["path"] = [str(tmp_path / f"{row}.png") for row in range(len(table))]
    for path, image in zip(table["path"], striped(len(table), 3)[0], strict=True):
        cv2.imwrite(path, image)
    options = {"batch_size": 4, "epochs": 3, "augmentation": "selimsef", "weight_decay": 0.01}
    run = partial(train_small, train=table, pairing=True, **options)
    whole = run()
    assert whole.training["data"]["train"]["pairs"] == 4
    assert "1 of 9 images are in no pair." in whole.training["notes"]
    save = fitting.EpochLoop._save

    def killed(self):
        save(self)
        raise _Kill

    with monkeypatch.context() as patch:
        patch.setattr(fitting.EpochLoop, "_save", killed)
        with pytest.raises(_Kill):
            run(checkpoint=tmp_path)
    went_on = run(checkpoint=tmp_path)
    assert same_weights(whole, went_on)
    assert whole.training["history"] == went_on.training["history"]
    assert not same_weights(whole, train_small(train=table, **options))
