"""Optimizers and schedules: what they promise, against formulas written out here."""

import math

import keras
import numpy as np
import pytest

from kact import optimizers
from kact.errors import KactError


@pytest.mark.parametrize("name", [*optimizers.OPTIMIZERS, *optimizers.SHORTHANDS])
def test_each_optimizer_goes_downhill_and_takes_each_of_its_parameters(name):
    spec = optimizers.canonical_optimizer(name)
    kind = optimizers.OPTIMIZERS[spec.split("(")[0]]
    optimizer = optimizers.make_optimizer(spec, 0.01)
    assert type(optimizer).__name__ == kind.keras_name
    config = optimizer.get_config()
    assert set(kind.parameters) <= set(config)
    assert float(config["learning_rate"]) == pytest.approx(0.01)
    variable = keras.Variable(np.array([1.0, -2.0], "float32"))
    for _ in range(5):
        optimizer.apply([2 * keras.ops.convert_to_tensor(variable)], [variable])
    assert np.all(np.abs(keras.ops.convert_to_numpy(variable)) < [1.0, 2.0])


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("momentum", "sgd(momentum=0.9)"),
        ("momentum(momentum=0.5)", "sgd(momentum=0.5)"),
        ("sgd(momentum=0)", "sgd"),
        ("adam(global_clipnorm=1)", "adam(global_clipnorm=1.0)"),
        ("adamw(weight_decay=0.1, beta_2=0.95)", "adamw(weight_decay=0.1, beta_2=0.95)"),
    ],
)
def test_canonical_optimizers(spec, expected):
    assert optimizers.canonical_optimizer(spec) == expected


def test_gradients_are_clipped_in_one_way():
    with pytest.raises(KactError, match=r"'sgd' clips gradients in one way: clipvalue or clipnorm.\nTake one"):
        optimizers.canonical_optimizer("sgd(clipvalue=0.5, clipnorm=1.0)")
    assert optimizers.canonical_optimizer("sgd(clipvalue=0.5, clipnorm=None)") == "sgd(clipvalue=0.5)"


def rates(spec, epochs, steps, peak=0.1):
    made = optimizers.make_schedule(optimizers.canonical_schedule(spec), peak, epochs, steps)
    if isinstance(made, float):
        return np.full(epochs * steps, made)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    values = [float(keras.ops.convert_to_numpy(made(step))) for step in range(epochs * steps)]
    assert values == [float(keras.ops.convert_to_numpy(again(step))) for step in range(epochs * steps)]
    return np.array(values)


def test_constant():
    np.testing.assert_array_equal(rates("constant", 2, 5), 0.1)


def test_warm_up_then_constant():
    expected = [0.1 * min(step / 5, 1) for step in range(20)]
    np.testing.assert_allclose(rates("constant(warmup_epochs=1)", 4, 5), expected, rtol=1e-5)


def test_cosine():
    expected = [0.05 * (1 + math.cos(math.pi * step / 20)) for step in range(20)]
    np.testing.assert_allclose(rates("cosine", 4, 5), expected, rtol=1e-5)


def test_cosine_with_warm_up_and_a_floor():
    rising = [0.1 * step / 5 for step in range(5)]
    falling = [0.1 * (0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * step / 15))) for step in range(15)]
    np.testing.assert_allclose(rates("cosine(warmup_epochs=1, final=0.2)", 4, 5), rising + falling, rtol=1e-5)


def test_one_cycle_starts_low_peaks_at_its_share_and_ends_lowest():
    values = rates("one_cycle", 10, 10)
    assert values[0] == pytest.approx(0.004) and values.argmax() == 30 and values.max() == pytest.approx(0.1)
    assert values[-1] < 2e-4
    assert (np.diff(values[:31]) > 0).all() and (np.diff(values[30:]) < 0).all()
