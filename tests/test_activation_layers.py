"""What the layers with weights or chance do beyond the battery: prelu's alphas, rrelu's draws."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kact.activations import layers as activation_layers
from kact.activations import make
from kact.errors import KactError
from tests.gradients import to_float64, value_and_gradient


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(0)


@pytest.mark.parametrize(("spec", "start"), [("prelu", 0.25), ("prelu(initial_alpha=-0.5)", -0.5)])
def test_prelu_has_one_alpha_a_channel(spec: str, start: float) -> None:
    layer = make(spec)
    layer(keras.ops.ones((2, 4, 5, 3)))
    assert [tuple(weight.shape) for weight in layer.trainable_weights] == [(3,)]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.alpha), [start] * 3)
    layer.alpha.assign([0.0, 0.5, 2.0])
    np.testing.assert_allclose(to_float64(layer(-keras.ops.ones((1, 1, 1, 3)))).ravel(), [0.0, -0.5, -2.0])


def test_prelu_without_known_channels_raises() -> None:
    with pytest.raises(KactError, match="channels known"):
        make("prelu")(keras.Input((None,)))


@pytest.mark.parametrize(
    ("spec", "lower", "upper"), [("rrelu", 1 / 8, 1 / 3), ("rrelu(lower=0.5, upper=0.5)", 0.5, 0.5)]
)
def test_rrelu_draws_within_bounds_in_training_only(spec: str, lower: float, upper: float) -> None:
    layer = make(spec)
    x = keras.ops.concatenate([-keras.ops.ones((500, 4)), keras.ops.ones((500, 4))])
    slopes = -to_float64(layer(x, training=True)[:500])
    assert lower - 1e-6 <= slopes.min() and slopes.max() <= upper + 1e-6
    assert slopes.mean() == pytest.approx((lower + upper) / 2, abs=0.01)
    assert slopes.std() == pytest.approx((upper - lower) / 12**0.5, abs=0.005)  # of a uniform distribution
    np.testing.assert_array_equal(to_float64(layer(x, training=True)[500:]), np.ones((500, 4)))
    for _ in range(2):
        np.testing.assert_allclose(-to_float64(layer(x)[:500]), (lower + upper) / 2, rtol=1e-6)


def test_rrelus_gradient_in_training_is_the_slope_that_was_drawn() -> None:
    layer = make("rrelu", seed=0)
    _, gradient = value_and_gradient(lambda x: layer(x, training=True), np.array([[-50.0, 0.0, 50.0]]), "float32")
    assert np.all((gradient[0, :2] >= 1 / 8) & (gradient[0, :2] <= 1 / 3))
    assert gradient[0, 2] == 1


def test_rrelu_repeats_with_its_seed_and_else_draws_anew() -> None:
    x = -keras.ops.ones((20, 4))

    def draws(seed: int | None) -> np.ndarray:
        return to_float64(make("rrelu", seed=seed)(x, training=True))

    np.testing.assert_array_equal(draws(3), draws(3))
    assert np.any(draws(3) != draws(4))
    assert np.any(draws(None) != draws(None))
    layer = make("rrelu", seed=3)
    assert np.any(to_float64(layer(x, training=True)) != to_float64(layer(x, training=True)))
    assert type(layer).from_config(layer.get_config()).seed == 3
    keras.utils.set_random_seed(5)
    first = draws(None)
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(first, draws(None))


@pytest.mark.parametrize("seed", [-1, 1.5, True, "0"])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises(KactError, match="'seed' parameter must be None or a whole number"):
        make("rrelu", seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize(("layer", "spec"), [("ActivationLayer", "prelu"), ("PReLU", "relu"), ("RReLU", "prelu")])
def test_a_spec_in_the_wrong_class_raises(layer: str, spec: str) -> None:
    with pytest.raises(KactError, match=r"kact\.activations\.make"):
        getattr(activation_layers, layer)(spec)
