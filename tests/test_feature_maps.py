"""Feature maps and kernels are what NumPy computes of the same weights, whatever the layer and however many images."""

import numpy as np
import pytest

from kact import backend
from kact.diagnostics import feature_maps
from kact.errors import KactError
from kact.models import build_model


def images(rng, count, shape):
    return rng.integers(0, 256, (count, *shape)).astype("float32")


def test_feature_maps_are_what_the_layers_compute_in_numpy(rng):
    """The first convolution of a LeNet, done by hand."""
    model = build_model("lenet", (16, 16, 3), 10, activation="tanh")
    x = images(rng, 3, (16, 16, 3))
    kernel, bias = (backend.to_numpy(weight) for weight in model.get_layer("conv1").weights)
    patches = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(1, 2))  # (n, 12, 12, channels, 5, 5)
    wanted = np.einsum("nhwcij,ijcf->nhwf", patches, kernel) + bias
    np.testing.assert_allclose(feature_maps.feature_maps(model, x, "conv1"), wanted, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(
        feature_maps.feature_maps(model, x, "conv1_activation"), np.tanh(wanted), rtol=1e-4, atol=1e-3
    )


def test_any_number_of_images_in_any_batches(rng):
    model = build_model("lenet", (16, 16, 1), 10, activation="mish")
    x = images(rng, feature_maps._BATCH + 3, (16, 16, 1)).astype("uint8")
    maps = feature_maps.feature_maps(model, x)
    assert maps.shape == (len(x), 2, 2, 16)
    np.testing.assert_allclose(maps[-2:], feature_maps.feature_maps(model, x[-2:]), rtol=1e-4, atol=1e-4)
    assert feature_maps.feature_maps(model, x[:0]).shape == (0, 2, 2, 16)


@pytest.mark.parametrize("order", [("norm", "activation", "pool"), ("norm", "pool", "activation")])
def test_the_last_maps_are_those_of_the_activation_behind_the_last_convolution(order):
    model = build_model({"name": "cnn", "order": order}, (8, 8, 1), 10, batch_norm=True)
    assert feature_maps.last_maps(model) == "conv3_activation"


def test_an_unknown_layer_is_named_with_its_nearest():
    with pytest.raises(KactError, match="Did you mean 'conv2'"):
        feature_maps.feature_maps(build_model("cnn", (8, 8, 1), 10), np.zeros((1, 8, 8, 1)), "conv22")
    with pytest.raises(KactError, match="no convolution"):
        feature_maps.last_maps(build_model("mlp", (8, 8, 1), 10))


def test_kernels_are_laid_out_as_the_images_they_see():
    model = build_model("cnn", (8, 8, 3), 10)
    kernels = feature_maps.first_kernels(model)
    weights = backend.to_numpy(model.get_layer("conv1").kernel)
    assert kernels.shape == (32, 3, 3, 3)
    np.testing.assert_array_equal(kernels[5, 1, 2], weights[1, 2, :, 5])
    dense = build_model("mlp", (8, 6, 3), 10)
    kernels = feature_maps.first_kernels(dense)
    weights = backend.to_numpy(dense.get_layer("dense1").kernel)
    assert kernels.shape == (128, 8, 6, 3)
    assert kernels[7, 2, 3, 1] == weights[np.ravel_multi_index((2, 3, 1), (8, 6, 3)), 7]
