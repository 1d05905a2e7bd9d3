"""Curves of activations: the values and slopes of their formulas, at the points that were asked for."""

import numpy as np
import pytest

from kact import curves
from kact.errors import KactError


def test_values_and_slopes_are_those_of_the_formula():
    curve = curves.sample("elu(alpha=2)", -4, 4, 81)
    below = curve.x < 0
    assert curve.x[[0, -1]].tolist() == [-4, 4] and len(curve.x) == len(curve.y) == len(curve.slope) == 81
    np.testing.assert_allclose(curve.y, np.where(below, 2 * np.expm1(curve.x), curve.x), atol=1e-5)
    away = np.abs(curve.x) > 0.02  # from the kink
    np.testing.assert_allclose(curve.slope[away], np.where(below, 2 * np.exp(curve.x), 1)[away], atol=1e-3)


@pytest.mark.parametrize(("spec", "slope"), [("prelu", 0.25), ("rrelu", (1 / 8 + 1 / 3) / 2)])
def test_trained_and_random_slopes_are_as_they_start_and_as_they_end(spec, slope):
    assert curves.sample(spec, -3, -1, 5).slope == pytest.approx(np.full(5, slope), abs=1e-3)


@pytest.mark.parametrize(
    ("spec", "low", "high", "points", "word"),
    [
        ("rleu", -1, 1, 5, "relu"),
        ("relu", 1, 1, 5, "in order"),
        ("relu", -1, float("nan"), 5, "in order"),
        ("relu", -2e6, 1, 5, "1,000,000"),
        ("relu", -1, 1, 1, "from 2"),
        ("relu", -1, 1, 20_000, "10,000"),
    ],
)
def test_what_cannot_be_drawn_is_said(spec, low, high, points, word):
    with pytest.raises(KactError, match=word):
        curves.sample(spec, low, high, points)
