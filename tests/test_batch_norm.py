"""Batch norm and dropout of kact's own: Keras' numbers, whatever runs."""

import keras
import numpy as np
import pytest

from kact import backend
from kact.diagnostics.gradients import gradients
from kact.layers.batch_norm import BatchNorm
from kact.layers.dropout import Dropout, FeatureMapDropout

SHAPES = [(16, 5), (8, 6, 4, 3)]


def network(kind, shape, weights=None, **settings):
    inputs = keras.Input(shape[1:])
    model = keras.Model(inputs, kind(epsilon=1e-3, momentum=0.8, **settings)(inputs))
    if weights is not None:
        model.set_weights(weights)
    return model


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False}], ids=str)
def test_batch_norm_is_keras_own(rng, shape, settings):
    x = rng.normal(3, 2, shape).astype("float32")
    pull = rng.normal(size=shape).astype("float32")
    channels = shape[-1]
    weights = [rng.uniform(0.5, 2, channels) for _ in range(4 - len(settings))]
    found = []
    for kind in (BatchNorm, keras.layers.BatchNormalization):
        model = network(kind, shape, weights, **settings)
        look = gradients(model, x, lambda output: keras.ops.sum(output * keras.ops.convert_to_tensor(pull)))
        before = [backend.to_numpy(variable) for variable in model.variables]
        _, slopes = look()
        for variable, value in zip(model.variables, before, strict=True):
            np.testing.assert_array_equal(backend.to_numpy(variable), value, err_msg="looking changed an average")
        normalised = backend.to_numpy(model(x, training=True))
        averages = [backend.to_numpy(variable) for variable in model.non_trainable_variables]
        found.append([backend.to_numpy(model(x, training=False)), normalised, *slopes, *averages])
    for own, keras_own in zip(*found, strict=True):
        np.testing.assert_allclose(own, keras_own, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("by_keras", [False, True])
def test_a_batch_that_hardly_varies_is_normalised_without_nan(rng, count, by_keras):
    """Found on MNIST, where the last batch of an epoch was one image: E[x²] - E[x]² was rounded to -6e-5."""
    x = np.repeat(rng.normal(0, 20, (1, 5000)), count, axis=0).astype("float32")
    layer = BatchNorm(epsilon=1e-5)
    output = backend.to_numpy(layer(x[:, None] if by_keras else x, training=True))  # three axes are Keras' own to do
    assert np.abs(output).max() < 0.02, "of equal inputs all that is left is rounding"
    assert (backend.to_numpy(layer.moving_variance) >= 0).all()


def test_the_gradient_of_a_single_example_is_finite(rng):
    x = rng.normal(0, 200, (1, 500)).astype("float32")
    _, slopes = gradients(network(BatchNorm, x.shape), x, keras.ops.sum)()
    assert all(np.isfinite(slope).all() for slope in slopes)


def test_batch_norms_gradient_to_its_input(rng):
    x = rng.normal(1, 2, (6, 4, 4, 3)).astype("float32")
    pull = rng.normal(size=x.shape).astype("float32")
    slopes = []
    for kind in (BatchNorm, keras.layers.BatchNormalization):
        inputs = keras.Input(x.shape[1:])
        shifted = keras.layers.Conv2D(3, 1, data_format="channels_last", kernel_initializer="ones", name="before")(
            inputs
        )
        model = keras.Model(inputs, kind(epsilon=1e-3)(shifted))
        _, found = gradients(model, x, lambda output: keras.ops.sum(output * keras.ops.convert_to_tensor(pull)))()
        slopes.append(found)
    for own, keras_own in zip(*slopes, strict=True):
        np.testing.assert_allclose(own, keras_own, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("kind", [Dropout, FeatureMapDropout])
def test_dropout_thins_out_in_training_alone(kind):
    x = np.ones((40, 5, 5, 20), "float32")
    layer = kind(0.25)
    np.testing.assert_array_equal(backend.to_numpy(layer(x)), x)
    thinned = backend.to_numpy(layer(x, training=True))
    assert set(np.unique(thinned)) == {0, np.float32(1 / 0.75)}
    assert np.mean(thinned == 0) == pytest.approx(0.25, abs=0.06)
    whole = np.ptp(thinned, axis=(1, 2)) == 0  # (batch, channels): a map that is all there or all gone
    assert whole.all() if kind is FeatureMapDropout else whole.mean() < 0.05
