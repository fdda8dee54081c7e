"""Training that was killed ends as if it had not been, from its own checkpoint and no other."""

import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.models import Recipe
from deepfake_generalize.models.training import checkpoints, fitting


class _Kill(BaseException):
    """What ends a run in the middle."""


class _KillAfter:
    """A reporter that ends the run after an epoch, or in the middle of the next."""

    hears_batches = True

    def __init__(self, epochs, batches=0):
        self.epochs, self.batches = epochs, batches

    def begin(self, **_):
        pass

    def batch(self, _fraction):
        if self.epochs == 0:
            self.batches -= 1
            if self.batches <= 0:
                raise _Kill

    def epoch(self, *_, **__):
        self.epochs -= 1
        if self.epochs == 0 and self.batches == 0:
            raise _Kill

    def end(self, _reason):
        pass


@pytest.mark.parametrize(
    ("epochs", "batches"),
    [(2, 3), *(pytest.param(*each, marks=pytest.mark.nightly) for each in ((1, 0), (3, 1)))],
)
def test_a_run_that_was_killed_goes_on(
    trained, tmp_path, monkeypatch, epochs, batches, train_small, same_weights
):
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "make_reporter", lambda _: _KillAfter(epochs, batches))
        with pytest.raises(_Kill):
            train_small(seed=3, checkpoint=tmp_path)
    stored = np.load(tmp_path / "training.npz")
    assert json.loads(stored["facts"].tobytes())["state"]["epochs"] == epochs
    detector = train_small(seed=3, checkpoint=tmp_path)
    assert same_weights(detector, trained)
    assert detector.training["history"] == trained.training["history"]
    assert detector.training["best_epoch"] == trained.training["best_epoch"]
    # Once more: there is nothing left to do.
    again = train_small(seed=3, checkpoint=tmp_path)
    assert again.training["seconds"] == detector.training["seconds"]
    assert same_weights(again, trained)
    assert [path.name for path in tmp_path.iterdir()] == ["training.npz"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, train_small):
    """The checkpoint of a training that has ended."""
    file = tmp_path_factory.mktemp("finished") / "mine.npz"
    train_small(checkpoint=file)
    return file


LONGER = Recipe("short", epochs=9, batch_size=8, learning_rate=0.01, loss="mse")
BLACK = (np.zeros((16, 16, 16, 3), np.uint8), np.arange(16) % 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, r"seed \(0 there, 1 here\)"),
        ({"recipe": LONGER}, r"recipe.epochs \(4 there, 9 here\)"),
        ({"val": BLACK}, r"; it is of another: val \(|of another: val \("),
        ({"early_stopping": 2}, "early_stopping"),
        ({"precision": "bfloat16"}, "network"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path, change, words, train_small, finished
):
    file = tmp_path / "mine.npz"
    file.write_bytes(before := finished.read_bytes())
    with pytest.raises(DataMismatchError, match=words) as caught:
        train_small(checkpoint=file, **change)
    assert "another checkpoint" in caught.value.hint
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"text"])
def test_a_damaged_checkpoint_is_named(tmp_path, content, train_small):
    (tmp_path / "training.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"expected a checkpoint at .*training\.npz"):
        train_small(checkpoint=tmp_path)


@pytest.mark.parametrize("missing", ["weights", "optimizer"])
def test_a_checkpoint_without_all_its_arrays_is_named(tmp_path, missing, train_small, finished):
    arrays, facts = checkpoints.read(finished)
    checkpoints.write(tmp_path / "training.npz", arrays | {missing: []}, facts)
    with pytest.raises(InputError, match=r"expected a checkpoint at .*training\.npz, it cannot"):
        train_small(checkpoint=tmp_path)


SCRIPT = """
import dataclasses, sys
import numpy as np
from deepfake_generalize.models import RECIPES, train

folder, out = sys.argv[1:]
arrays = np.load(folder + "/arrays.npz")
recipe = dataclasses.replace(RECIPES["mesonet"], name="short", epochs=12, batch_size=4)
detector = train("mesonet", (arrays["x"], arrays["y"]), (arrays["u"], arrays["v"]), recipe=recipe,
                 checkpoint=folder + "/" + out, progress=None)
np.savez(folder + "/" + out + "/final.npz", *detector.model.get_weights())
"""


@pytest.mark.nightly  # Slow are one of a fine-tuning and one of a study.
def test_sigkill_at_any_moment_loses_no_epoch(tmp_path, striped_train, striped_val):
    np.savez(
        tmp_path / "arrays.npz",
        x=striped_train[0],
        y=striped_train[1],
        u=striped_val[0],
        v=striped_val[1],
    )

    def start(out):
        return subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), out])

    assert start("whole").wait(300) == 0
    rng = random.Random(time.time_ns())
    kills, finished, file = 0, -1, tmp_path / "killed" / "training.npz"
    while kills < 2:
        process = start("killed")
        while process.poll() is None and _epochs(file) <= finished:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            break
        kills += 1
        assert _epochs(file) > finished
        finished = _epochs(file)
    assert kills
    assert start("killed").wait(300) == 0
    whole, killed = (np.load(tmp_path / out / "final.npz") for out in ("whole", "killed"))
    for name in whole.files:
        np.testing.assert_array_equal(killed[name], whole[name])


def _epochs(file):
    if not file.exists():
        return 0
    with np.load(file) as stored:
        return json.loads(stored["facts"].tobytes())["state"]["epochs"]
