"""How often intervals hold the truth, over simulated benchmarks of which it is known."""

import numpy as np
import pytest
from scipy.stats import norm

from deepfake_generalize.metrics import Resampling
from deepfake_generalize.metrics.resampling import Scored, resample
from deepfake_generalize.metrics.weighted import LIMITS

N_FRAMES = 6
SETS = {"original": 1.0, "A": 0.55, "B": 0.65, "near": 0.8}
"""Set to how far the frames' latent values lie on the right side, relative to the original set."""


def latent(rng, n_videos, correlation, shift):
    """Frames of videos, shape (n_videos, N_FRAMES): above zero is right, with `shift` the mean."""
    shared = np.sqrt(correlation) * rng.normal(size=(n_videos, 1))
    return shift + shared + np.sqrt(1 - correlation) * rng.normal(size=(n_videos, N_FRAMES))


def drawn(rng, n_videos, correlation, *, real, fake, shared):
    """One simulated benchmark; with `shared`, A, B and near have the same real videos."""
    reals = {"all": latent(rng, n_videos, correlation, 0.0)}
    found = {}
    for name, factor in SETS.items():
        of = "original" if name == "original" else "all" if shared else name
        own = reals.setdefault(of, latent(rng, n_videos, correlation, 0.0))
        right = np.concatenate(
            [
                own + norm.ppf(real) * (1.0 if shared and name != "original" else factor),
                latent(rng, n_videos, correlation, norm.ppf(fake) * factor),
            ]
        )
        labels = np.repeat([0, 1], n_videos)
        videos = [f"real {of} {i}" for i in range(n_videos)]
        videos += [f"fake {name} {i}" for i in range(n_videos)]
        scores = norm.cdf(np.where(labels[:, np.newaxis] == 1, right, -right))
        found[name] = {
            "": Scored(np.repeat(labels, N_FRAMES), scores.ravel(), np.repeat(videos, N_FRAMES))
        }
    return found


def truths(*, real, fake, shared):
    accuracies, aucs = {}, {}
    for name, factor in SETS.items():
        of_reals = norm.ppf(real) * (1.0 if shared and name != "original" else factor)
        of_fakes = norm.ppf(fake) * factor
        accuracies[name] = (norm.cdf(of_reals) + norm.cdf(of_fakes)) / 2
        aucs[name] = norm.cdf((of_reals + of_fakes) / np.sqrt(2))
    lost = accuracies["original"] - (accuracies["A"] + accuracies["B"]) / 2
    lost_near = accuracies["original"] - accuracies["near"]
    return {
        "accuracy": accuracies["A"],
        "auc": aucs["A"],
        "degradation": lost,
        "difference": lost - lost_near,
    }


def coverage(n_videos, correlation, *, real, fake, shared, trials, n_resamples=200):
    """Return the share of intervals that hold the truth, by what they are of."""
    truth = truths(real=real, fake=fake, shared=shared)
    held = dict.fromkeys(truth, 0)
    rng = np.random.default_rng(7)
    for _ in range(trials):
        sets = drawn(rng, n_videos, correlation, real=real, fake=fake, shared=shared)
        resampling = Resampling(n_resamples=n_resamples, seed=int(rng.integers(2**31)))
        found = resample(sets, ["accuracy", "auc"], resampling)
        lost, near = (found.degradation("", "original", of) for of in (["A", "B"], ["near"]))
        values = {
            "accuracy": found["", "A"],
            "auc": found.of("auc")["", "A"],
            "degradation": lost,
            "difference": lost - near,
        }
        for name, of in values.items():
            within = (0.0, 1.0) if name in LIMITS else (-np.inf, np.inf)
            interval = found.interval(of, within=within)
            held[name] += interval.low <= truth[name] <= interval.high
    return {name: count / trials for name, count in held.items()}


BALANCED = {"real": 0.9, "fake": 0.9}
LOPSIDED = {"real": 0.97, "fake": 0.05}


@pytest.mark.parametrize(
    ("n_videos", "least", "errors", "trials"),
    [
        pytest.param(10, 0.90, BALANCED, 400, marks=pytest.mark.nightly),
        pytest.param(20, 0.92, BALANCED, 400, marks=pytest.mark.slow),
        pytest.param(50, 0.93, BALANCED, 400, marks=pytest.mark.nightly),
        pytest.param(140, 0.93, LOPSIDED, 200, marks=pytest.mark.nightly),
    ],
)
def test_nominal_95_percent_hold_the_truth(n_videos, least, errors, trials) -> None:
    found = coverage(n_videos, 0.3, **errors, shared=True, trials=trials)
    # 400 trials have a standard deviation of .011, 200 of .015.
    slack = 2 * np.sqrt(0.05 * 0.95 / trials)
    assert all(least - slack <= share <= 0.97 + slack for share in found.values()), found
