"""The models: sizes as published, every non-linearity replaceable, sizes checked."""

import itertools
import math

import keras
import numpy as np
import pytest

from kact.errors import KactError
from kact.layers.adaptive_pooling import AdaptiveAverage
from kact.models import CNN, MLP, MODELS, AlexNet, LeNet, build_model, make_model
from kact.models.initializers import SCHEMES

IMAGE = (32, 32, 3)
LARGER = {"alexnet": (63, 63, 3)}  # the least that it takes
SMALLER = {"alexnet": {"filters": (4, 5, 6, 7, 8), "hidden_units": (20, 10)}}
IMAGE_MODELS = [name for name, model in MODELS.items() if model.input == "image"]  # taggers: test_taggers.py


def parameters(model):
    return [layer.count_params() for layer in model.layers if layer.count_params()]


def shapes(model, kind):
    return [tuple(layer.output.shape[1:]) for layer in model.layers if isinstance(layer, kind)]


def outputs(model, inputs):
    return keras.ops.convert_to_numpy(model(inputs))


def test_lenet_has_the_shapes_of_study_1a():
    model = build_model("lenet", IMAGE, 10)
    assert shapes(model, keras.layers.Conv2D) == [(28, 28, 6), (10, 10, 16)]
    assert shapes(model, keras.layers.Flatten) == [(400,)]
    assert shapes(model, keras.layers.Dense) == [(120,), (84,), (10,)]
    assert model.count_params() == 62_006


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (4, 3), (6, 6), (7, 11), (13, 6)])
def test_adaptive_pooling_is_pytorchs(size, rng):
    import torch

    maps = rng.normal(size=(2, *size, 3)).astype("float32")
    expected = torch.nn.AdaptiveAvgPool2d(6)(torch.from_numpy(maps).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    layer = AdaptiveAverage(6)
    np.testing.assert_allclose(outputs(layer, maps), expected.numpy(), atol=1e-6)
    assert layer.compute_output_shape((None, *size, 3)) == (None, 6, 6, 3)


def test_lenet_with_kernel_3_has_the_parameters_of_study_3c():
    assert parameters(build_model(LeNet(kernel_size=3), IMAGE, 10)) == [168, 880, 69_240, 10_164, 850]


def test_the_strided_network_has_the_shapes_of_study_1b():
    model = build_model("strided_cnn", (96, 96, 3), 10)
    assert [side for side, _, _ in shapes(model, keras.layers.Conv2D)] == [48, 24, 12, 6, 3, 2]
    assert parameters(model) == [2_432, 18_496, 36_928, 55_392, 83_040, 110_720, 5_130]
    normed = build_model("strided_cnn", (96, 96, 3), 10, batch_norm=True)
    assert normed.count_params() - model.count_params() == 4 * (32 + 64 + 64 + 96 + 96 + 128)


def test_alexnet_has_the_shapes_and_the_parameters_of_torchvision():
    model = build_model("alexnet", (224, 224, 3), 1000)
    assert shapes(model, keras.layers.Conv2D) == [
        (55, 55, 64), (27, 27, 192), (13, 13, 384), (13, 13, 256), (13, 13, 256)
    ]  # fmt: skip
    assert shapes(model, keras.layers.MaxPooling2D) == [(27, 27, 64), (13, 13, 192), (6, 6, 256)]
    assert shapes(model, keras.layers.Flatten) == [(9216,)]
    assert model.count_params() == 61_100_840
    assert [model.get_layer(f"dense{i}_dropout").rate for i in (1, 2)] == [0.5, 0.5]


def test_alexnet_takes_smaller_images_down_to_63_pixels():
    small = AlexNet(**SMALLER["alexnet"])
    assert len({build_model(small, (side, side, 3), 2).count_params() for side in (63, 96, 224, 300)}) == 1
    with pytest.raises(KactError, match=r"pool5.*3x3.*2x2"):
        build_model(small, (62, 62, 3), 2)


@pytest.mark.parametrize(("depth", "last"), [(2, 5), (3, 5), (5, 2)])
def test_wide_kernels_of_study_4b_fit_at_each_depth(depth, last):
    model = build_model(
        CNN(filters=(32,) * depth, kernel_size=5, padding=3 if depth > 2 else "valid", hidden_units=(128, 64)),
        IMAGE,
        10,
    )
    assert shapes(model, keras.layers.MaxPooling2D)[-1] == (last, last, 32)


def test_units_of_study_5_pool_before_they_activate():
    model = build_model(
        CNN(filters=(32, 64, 128), padding="valid", order=("norm", "pool", "activation"), dropout_on="convolution"),
        (28, 28, 1),
        10,
        batch_norm=True,
        dropout=0.15,
    )
    names = [layer.name for layer in model.layers]
    first = names.index("conv1")
    assert names[first : first + 5] == ["conv1", "conv1_norm", "pool1", "conv1_activation", "conv1_dropout"]
    assert shapes(model, keras.layers.Flatten) == [(128,)]
    assert "dense1_dropout" not in names


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_every_hidden_non_linearity_is_the_activation(name, rng):
    """With a linear activation and average pooling each model is affine: f(a) + f(b) = f(a + b) + f(0)."""
    sizes = {} if name in ("mlp", "strided_cnn") else {"pool": "average"}
    shape = LARGER.get(name, (28, 28, 3))
    sized = {"name": name, **sizes, **SMALLER.get(name, {})}
    model = build_model(sized, shape, 4, activation="linear", mean=[0.5] * 3, std=[0.2] * 3)
    a, b = rng.normal(size=(2, 5, *shape)).astype("float32")
    together, apart = outputs(model, a + b) + outputs(model, 0 * a), outputs(model, a) + outputs(model, b)
    np.testing.assert_allclose(together, apart, atol=1e-3 * np.abs(apart).max())


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_one_fresh_activation_a_site(name):
    """PReLU, which has weights, shows each site: as many activations as hidden layers, none shared."""
    model = build_model({"name": name, **SMALLER.get(name, {})}, LARGER.get(name, IMAGE), 10, activation="prelu")
    hidden = [layer for layer in model.layers if layer.name.startswith(("conv", "dense")) and "_" not in layer.name]
    sites = [layer for layer in model.layers if layer.name.endswith("_activation")]
    assert len(sites) == len(hidden) == len({id(site.trainable_variables[0]) for site in sites})


def test_models_differ_in_the_activation_alone():
    """Paired: the same seed gives the same draws whatever the activation, another seed gives others."""
    relu, mish, prelu, other = (
        build_model("lenet", IMAGE, 10, activation=activation, seed=seed)
        for activation, seed in [("relu", 3), ("mish", 3), ("prelu", 3), ("relu", 4)]
    )
    for name in ("conv1", "conv2", "dense1", "dense2", "logits"):
        kernel = relu.get_layer(name).get_weights()[0]
        np.testing.assert_array_equal(kernel, mish.get_layer(name).get_weights()[0])
        np.testing.assert_array_equal(kernel, prelu.get_layer(name).get_weights()[0])
        assert not np.array_equal(kernel, other.get_layer(name).get_weights()[0])


def test_weights_of_every_activation_are_one_draw_scaled():
    """He's, Glorot's and LeCun's schemes are all normal, cut at two standard deviations: only the variance differs."""
    relu, selu, elu, tanh = (
        build_model("lenet", IMAGE, 10, activation=activation, seed=3).get_layer("conv2").get_weights()[0]
        for activation in ("relu", "selu", "elu", "tanh")
    )
    fan_in, fan_out = math.prod(relu.shape[:3]), math.prod(relu.shape[:2]) * relu.shape[3]
    np.testing.assert_allclose(selu * 2**0.5, relu, rtol=1e-5)  # LeCun's 1 / fan-in, He's 2 / fan-in
    np.testing.assert_allclose(elu * ((fan_in + fan_out) / fan_in) ** 0.5, relu, rtol=1e-5)  # Glorot's 2 / (in + out)
    np.testing.assert_array_equal(elu, tanh)


def test_layers_start_from_different_draws():
    model = build_model(MLP(hidden_units=(64, 64, 64)), (8, 8, 1), 10)
    kernels = [model.get_layer(f"dense{i}").get_weights()[0] for i in (2, 3)]
    assert not np.array_equal(*kernels)


@pytest.mark.parametrize(
    ("scheme", "activation", "variance"),
    [
        ("auto", "relu", 2 / 512),
        ("auto", "selu", 1 / 512),
        ("auto", "tanh", 2 / (512 + 512)),
        ("torch", "relu", 1 / (3 * 512)),
    ],
)
def test_initial_weights_have_the_variance_of_their_paper(scheme, activation, variance):
    model = build_model(MLP(hidden_units=(512, 512)), (8, 8, 1), 10, activation=activation, initializer=scheme)
    kernel, bias = model.get_layer("dense2").get_weights()
    assert kernel.var() == pytest.approx(variance, rel=0.05)
    assert (bias == 0).all() == (scheme != "torch")
    assert np.abs(bias).max() <= 1 / np.sqrt(512)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_initialiser_builds(scheme):
    assert np.isfinite(build_model("lenet", IMAGE, 10, initializer=scheme).get_layer("conv1").get_weights()[0]).all()


def test_normalisation_is_a_part_of_the_model(rng):
    inputs = rng.integers(0, 256, (4, 8, 8, 3)).astype("float32")
    mean, std = np.array([100.0, 120.0, 140.0]), np.array([50.0, 60.0, 70.0])
    raw = build_model("mlp", (8, 8, 3), 3)
    normalising = build_model("mlp", (8, 8, 3), 3, mean=mean.tolist(), std=std.tolist())
    np.testing.assert_allclose(
        outputs(normalising, inputs), outputs(raw, ((inputs - mean) / std).astype("float32")), atol=1e-5
    )


@pytest.mark.parametrize(("kind", "whole"), [("feature_map", True), ("element", False)])
def test_dropout_takes_whole_maps_or_single_elements(kind, whole):
    model = build_model(CNN(filters=(64,), dropout_kind=kind), (16, 16, 1), 2, dropout=0.5)
    drop = model.get_layer("conv1_dropout")
    dropped = keras.ops.convert_to_numpy(drop(np.ones((2, 7, 7, 64), "float32"), training=True)) == 0
    per_map = dropped.reshape(2, 49, 64).mean(axis=1)
    assert 0.3 < dropped.mean() < 0.7
    assert np.isin(per_map, [0, 1]).all() == whole


@pytest.mark.parametrize("order", list(itertools.permutations(("norm", "activation", "pool"))))
def test_any_order_of_norm_activation_and_pool(order):
    model = build_model(CNN(filters=(4,), order=order), (8, 8, 1), 2, batch_norm=True)
    names = {"norm": "conv1_norm", "activation": "conv1_activation", "pool": "pool1"}
    built = [layer.name for layer in model.layers if layer.name in names.values()]
    assert built == [names[step] for step in order]


def test_pooling_after_chosen_layers_with_its_own_stride():
    model = build_model(
        CNN(filters=(4, 4, 4), pool_after=(2,), pool_size=3, pool_stride=1, pool_padding="same"), IMAGE, 2
    )
    assert [layer.name for layer in model.layers if layer.name.startswith("pool")] == ["pool2"]
    assert shapes(model, keras.layers.MaxPooling2D) == [(32, 32, 4)]


def test_a_model_round_trips_through_plain_values():
    model = CNN(filters=(3, 4), padding=2, pool_after=(1,), hidden_units=())
    assert make_model(model.to_dict()) == model
    assert {model: 1}[make_model(model.to_dict())] == 1


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"name": "lenett"}, ["lenett", "mlp", "cnn", "Did you mean 'lenet'?"]),
        ({"name": "mlp", "hidden_unit": [3]}, ["hidden_unit", "Did you mean", "hidden_units"]),
        ({"name": "mlp", "hidden_units": [0]}, ["hidden_units", "at least 1", "0"]),
        ({"name": "mlp", "hidden_units": 32}, ["hidden_units", "list of whole numbers", "32"]),
        ({"name": "mlp", "hidden_units": [1.5]}, ["hidden_units", "whole number", "1.5"]),
        ({"name": "cnn", "filters": []}, ["filters", "mlp"]),
        ({"name": "cnn", "pool": "medium"}, ["pool", "max, average, none", "medium"]),
        ({"name": "cnn", "padding": "vald"}, ["padding", "valid", "vald"]),
        ({"name": "cnn", "padding": -1}, ["padding", "-1"]),
        ({"name": "cnn", "order": ["norm", "pool"]}, ["order", "each once"]),
        ({"name": "cnn", "pool_after": [4]}, ["pool_after", "1 to 3", "4"]),
        ({"name": "strided_cnn", "filters": []}, ["filters", "at least one convolution"]),
        ({"name": "alexnet", "filters": [3, 4]}, ["filters", "5 numbers"]),
        ({"name": "alexnet", "dense_dropout": 1}, ["dense_dropout", "below 1"]),
        ({"sizes": 3}, ["model", "name"]),
        (7, ["model", "7"]),
    ],
)
def test_unusable_sizes_are_named(sizes, words):
    with pytest.raises(KactError) as caught:
        make_model(sizes)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("model", "shape", "words"),
    [
        (LeNet(), (8, 8, 1), ["conv2", "5x5", "2x2", "smaller kernel"]),
        (CNN(filters=(2,), kernel_size=9, padding="valid"), (8, 8, 1), ["conv1", "9x9", "8x8"]),
        (CNN(filters=(2, 2), kernel_size=1, pool_size=5), (8, 8, 1), ["pool2", "5x5", "1x1"]),
    ],
)
def test_a_kernel_larger_than_its_image_is_named(model, shape, words):
    with pytest.raises(KactError) as caught:
        build_model(model, shape, 2)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_unknown_initialiser_and_activation():
    with pytest.raises(KactError, match="he_normal"):
        build_model("mlp", IMAGE, 2, initializer="he")
    with pytest.raises(KactError, match="Did you mean 'relu'"):
        build_model("mlp", IMAGE, 2, activation="rellu")
