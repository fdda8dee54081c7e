"""The warp of FaceSwap, against SciPy's thin-plate spline."""

import numpy as np
from scipy.interpolate import RBFInterpolator

from deepfake_generalize.data.synthetic.manipulations.faceswap import spline


def test_the_warp_is_a_thin_plate_spline() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(5, 65, (20, 2))
    values = points + rng.normal(0, 2, (20, 2))
    grid = spline(points, values, (60, 72))
    y, x = np.mgrid[:60:4, :72:4]
    places = np.stack([x, y], axis=-1).reshape(-1, 2)
    unit, centre = np.ptp(points), points.mean(axis=0)
    exact = RBFInterpolator(
        (points - centre) / unit, values, kernel="thin_plate_spline", smoothing=5e-4
    )((places - centre) / unit)
    assert grid.shape == (60, 72, 2)
    np.testing.assert_allclose(grid[::4, ::4].reshape(-1, 2), exact, atol=1e-3)


def test_a_shift_is_carried_exactly() -> None:
    points = np.random.default_rng(1).uniform(0, 40, (9, 2))
    grid = spline(points, points * 0.6 + [3.0, -2.0], (40, 40))
    y, x = np.mgrid[:40, :40]
    np.testing.assert_allclose(grid[..., 0], x * 0.6 + 3.0, atol=1e-3)
    np.testing.assert_allclose(grid[..., 1], y * 0.6 - 2.0, atol=1e-3)
