"""What functions and PyTorch modules give: shapes, structures, columns, logits, fixed batches."""

import pickle
import re

import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector, as_detector
from deepfake_generalize.study import benchmark

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), np.uint8)
MEANS = IMAGES.mean(axis=(1, 2, 3)) / 255
ANSWER = np.array([0.125, 0.25, 0.5, 0.75, 1.0])


def _mean(batch):
    return batch.mean(axis=(1, 2, 3))


def _detector(function, **settings):
    return as_detector(function, name="f", size=(6, 4), **settings)


def _fixed(size):
    def run(batch):
        if len(batch) != size:
            raise RuntimeError(
                f"Got invalid dimensions for input: Got: {len(batch)} Expected: {size}"
            )
        return _mean(batch)

    return run


@pytest.mark.parametrize("size", [1, 2, 4, 5, 8])
def test_exports_with_a_fixed_batch(size):
    scorer = _detector(_fixed(size), batch_size=size)
    np.testing.assert_allclose(scorer.scores(IMAGES), MEANS, atol=1e-6)
    np.testing.assert_allclose(scorer.scores(IMAGES, batch_size=3), MEANS, atol=1e-6)
    assert f"batch_size={size}" in repr(scorer)


def test_a_fixed_batch_of_one_that_nobody_told():
    with pytest.warns(RuntimeWarning, match=r"one image at a time: 5 raised .*batch_size=1"):
        scores = _detector(_fixed(1)).scores(IMAGES)
    np.testing.assert_allclose(scores, MEANS, atol=1e-6)
    with pytest.raises(RuntimeError, match="Got: 5 Expected: 2"):
        _detector(_fixed(2)).scores(IMAGES)
    with pytest.raises(InputError, match=r"received shape \(1,\).*batch_size=1"):
        _detector(lambda batch: _mean(batch[:1])).scores(IMAGES)


def test_a_fixed_batch_in_a_benchmark(image_sets):
    scorer = as_detector(_fixed(1), name="one", size=16, batch_size=1)
    result = benchmark(scorer, **image_sets, resampling=None, audit=False)
    assert len(result.row) == 1


@pytest.fixture
def image_sets(tmp_path):
    import cv2
    import pandas as pd

    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{number}.png") for number in range(4)]
    for path in paths:
        cv2.imwrite(path, rng.integers(0, 255, (16, 16, 3), np.uint8))
    crops = pd.DataFrame({"path": paths, "label": [0, 1, 0, 1]})
    return {"original": crops, "unseen": {"A": crops}}


@pytest.mark.parametrize(
    "shaped",
    [
        lambda p: p,
        lambda p: p[:, None],
        lambda p: p[:, None, None],
        lambda p: p[:, None, None, None].astype(np.float16),
        lambda p: [p],
        lambda p: (p[:, None],),
        lambda p: {"score": p},
        lambda p: {"outputs": [p[:, None]]},
        list,
        lambda p: list(p[:, None]),
        tuple,
        lambda p: tuple(np.split(p, 5)),
        lambda p: p.astype(object),
        lambda p: p.tolist(),
        lambda p: [[number] for number in p.tolist()],
    ],
)
def test_a_number_an_image_in_any_structure_of_one(shaped):
    np.testing.assert_array_equal(_detector(lambda _: shaped(ANSWER)).scores(IMAGES), ANSWER)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (1, 1, 1)])
def test_one_image_may_give_a_plain_number(shape):
    scorer = _detector(lambda _: np.full(shape, 0.25), batch_size=1)
    assert scorer.scores(IMAGES).tolist() == [0.25] * 5


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        ({"fake": ANSWER, "features": ANSWER}, "one output from f, received 2: fake, features"),
        ((ANSWER, ANSWER), r"one output from f, received 2: \(5,\), \(5,\)"),
        ([ANSWER, np.zeros((5, 8))], r"received 2: \(5,\), \(5, 8\)"),
        ({}, "received 0"),
        (ANSWER * 1j, "complex128 are no real numbers"),
        (ANSWER.astype(str), "expected numbers"),
        (np.zeros((5, 0)), r"received shape \(5, 0\)"),
        (np.zeros((5, 2, 2)), r"received shape \(5, 2, 2\)"),
        (np.zeros((5, 2)), r"received shape \(5, 2\).*column=1"),
        (np.array([None] * 5), "NaN"),
    ],
)
def test_several_outputs_and_what_is_no_number_are_refused(gives, words):
    with pytest.raises(InputError, match=words):
        _detector(lambda _: gives).scores(IMAGES)


def test_a_column_of_several():
    rows = np.stack([1 - ANSWER, ANSWER], axis=1).astype(np.float32)
    for gives in (rows, rows[..., None, None], list(rows), {"logits": rows}, rows.tolist()):
        fake = _detector(lambda _, gives=gives: gives, column=1)
        np.testing.assert_allclose(fake.scores(IMAGES), ANSWER, atol=1e-7)
        real = _detector(lambda _, gives=gives: gives, column=0, returns="real")
        np.testing.assert_allclose(real.scores(IMAGES), ANSWER, atol=1e-7)
    with pytest.raises(InputError, match=r"expected column 2 in what f gives, received 2"):
        _detector(lambda _: rows, column=2).scores(IMAGES)
    # Logits may lie in [0, 1] by chance; they do not sum to 1.
    with pytest.raises(InputError, match=r"sum to 1 from f, received sums .*logits=True"):
        _detector(lambda _: rows * 0.9, column=1).scores(IMAGES)


def test_logits_in_double_precision():
    logits = np.array([-800.0, -40.0, 0.0, 30.0, 800.0])
    small = np.array([0.0, np.exp(-40.0), 0.5, 1.0, 1.0])
    fake = _detector(lambda _: logits.astype(np.float32), logits=True).scores(IMAGES)
    assert fake.dtype == np.float64
    np.testing.assert_allclose(fake, small, rtol=1e-12)
    real = _detector(lambda _: -logits, logits=True, returns="real").scores(IMAGES)
    np.testing.assert_allclose(real, small, rtol=1e-12)
    rows = np.stack([np.zeros(5), logits], axis=1)
    for settings in ({"column": 1}, {"column": 0, "returns": "real"}):
        both = _detector(lambda _: rows, logits=True, **settings).scores(IMAGES)
        np.testing.assert_allclose(both, small, rtol=1e-12)
    three = np.random.default_rng(1).normal(size=(5, 3))
    softmax = np.exp(three) / np.exp(three).sum(axis=1, keepdims=True)
    scores = _detector(lambda _: three, logits=True, column=0, returns="real").scores(IMAGES)
    np.testing.assert_allclose(scores, softmax[:, 1:].sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_diverged(bad):
    with pytest.raises(InputError, match="expected logits from f, received NaN or infinity"):
        _detector(lambda _: np.full(5, bad), logits=True).scores(IMAGES)


def test_logits_that_nobody_told():
    with pytest.raises(InputError, match=r"received values from -3 to -3.*logits=True"):
        _detector(lambda _: np.full(5, -3.0)).scores(IMAGES)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"logits": "yes"}, "logits as True or False, received str"),
        ({"column": -1}, "column"),
        ({"column": True}, "column"),
    ],
)
def test_other_settings_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        _detector(_mean, **settings)


def test_settings_are_kept():
    scorer = _detector(_mean, batch_size=1, logits=True, column=0)
    assert (scorer.batch_size, scorer.logits, scorer.column) == (1, True, 0)
    assert "batch_size=1, logits=True, column=0" in repr(scorer)


class TestTorch:
    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.fixture
    def network(self, torch):
        """A network in training mode, whose dropout and normalization would change its scores."""
        torch.manual_seed(0)
        nn = torch.nn
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(32, 2)
        )

    def _right(self, torch, network, dtype):
        network.eval()
        pixels = torch.from_numpy((IMAGES / np.float32(255)).transpose(0, 3, 1, 2).copy())
        with torch.no_grad():
            rows = network(pixels.to(dtype)).double()
        network.train()
        return rows.softmax(dim=1)[:, 1].numpy()

    @pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
    def test_a_bare_module(self, torch, network, precision):
        network.to(getattr(torch, precision))
        network[1].eval()
        kept = [parameter.detach().clone() for parameter in network.state_dict().values()]
        scorer = _detector(network, logits=True, column=1)
        scores = scorer.scores(IMAGES)
        # It is left in the modes that its parts were in, and nothing of it has moved.
        assert [part.training for part in network] == [True, False, True, True, True]
        assert all(map(torch.equal, kept, network.state_dict().values()))
        assert all(parameter.grad is None for parameter in network.parameters())
        right = self._right(torch, network, getattr(torch, precision))
        np.testing.assert_allclose(scores, right, atol=1e-6)
        assert scorer.channels == "first"
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(scorer)).scores(IMAGES), scores)  # noqa: S301

    def test_gradients_are_not_kept(self, network):
        seen = []
        network.register_forward_hook(lambda *given: seen.append(given[2].requires_grad))
        _detector(network, logits=True, column=1).scores(IMAGES)
        assert seen == [False]

    def test_what_it_is_given(self, torch):
        class Recorder(torch.nn.Module):
            def forward(self, images):
                self.given = images
                return {"scores": torch.full((len(images), 1), 0.25)}

        recorder = Recorder()
        for settings, shape, dtype in (
            ({}, (5, 3, 6, 4), torch.float32),
            ({"channels": "first", "scale": "uint8"}, (5, 3, 6, 4), torch.uint8),
        ):
            assert _detector(recorder, **settings).scores(IMAGES).tolist() == [0.25] * 5
            assert (tuple(recorder.given.shape), recorder.given.dtype) == (shape, dtype)

    @pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
    def test_scripts_and_exports(self, torch, network):
        right = self._right(torch, network, torch.float32)
        example = (torch.zeros(5, 3, 6, 4),)
        network.eval()
        for module in (
            torch.jit.freeze(torch.jit.trace(network, example)),
            torch.export.export(network, example).module(),
        ):
            scorer = _detector(module, logits=True, column=1, batch_size=5)
            np.testing.assert_allclose(scorer.scores(IMAGES[:3]), right[:3], atol=1e-6)

    def test_columns_and_logits_must_be_told(self, network):
        with pytest.raises(InputError, match=re.escape("(5, 2)") + ".*column=1"):
            _detector(network).scores(IMAGES)
        with pytest.raises(InputError, match="logits=True"):
            _detector(network, column=1).scores(IMAGES)
        with pytest.raises(InputError, match="received type"):
            _detector(type(network))

    def test_a_tensor_that_holds_no_numbers(self, torch):
        with pytest.raises(InputError, match="expected numbers from f, received Tensor"):
            _detector(lambda _: torch.zeros(5, device="meta")).scores(IMAGES)

    def test_a_detector_of_it_is_told_the_way(self, network):
        with pytest.raises(InputError, match=r"received Sequential.*models\.as_detector"):
            Detector(network)
