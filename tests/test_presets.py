"""The presets: the published networks, their shapes and parameters, counted here layer by layer on paper."""

import itertools

import keras
import pytest

from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import CNN, PRESETS, build_model, make_model


def convolutional(kernel, *channels):
    return [before * after * kernel**2 + after for before, after in itertools.pairwise(channels)]


def dense(*units):
    return [before * after + after for before, after in itertools.pairwise(units)]


def depth_grid(convolutions, layers):
    maps = [32, 64, 128, 256, 512][:convolutions]
    flat = maps[-1] * (32 // 2**convolutions) ** 2
    return convolutional(3, 3, *maps) + dense(flat, *[128] * (layers - 1), 10)


def wide_kernels(depth, filters):
    side = {2: 5, 3: 5, 5: 2}[depth]
    return convolutional(5, 3, *[filters] * depth) + dense(filters * side**2, 128, 64, 10)


EXPECTED = {
    "cifar-lenet": [456, 2_416, 48_120, 10_164, 850],
    "cifar-lenet-3x3": [168, 880, 69_240, 10_164, 850],
    "stl10-strided": [2_432, 18_496, 36_928, 55_392, 83_040, 110_720, 5_130],
    "cifar-small": depth_grid(2, 2),
    "cifar-deep": depth_grid(5, 3),
    "cifar-final": convolutional(3, 3, *range(100, 800, 100)) + dense(700 * 8 * 8, 100, 200, 10),
    "hymenoptera-alexnet": [23_296, 307_392, 663_936, 884_992, 590_080, 37_752_832, 16_781_312, 8_194],
    "cifar-five-conv": [168, 660, 2_616, 10_416, 41_568, *dense(27 * 27 * 96, 120, 84, 10)],
    "cifar-five-conv-11x11": [168, 660, 2_616, 10_416, 41_568, *dense(11 * 11 * 96, 120, 84, 10)],
    "mnist-units": convolutional(3, 1, 32, 64, 128) + dense(128, 128, 10),
    **{f"cifar-depth-{c}-{d}": depth_grid(c, d) for c in range(1, 6) for d in range(1, 6)},
    **{f"cifar-mlp-{n}x{w}": dense(3 * 32 * 32, *[w] * n, 10) for n in (1, 2, 3, 5) for w in (32, 64, 128, 256)},
    **{f"cifar-cnn-{n}x{w}": wide_kernels(n, w) for n in (2, 3, 5) for w in (32, 64, 128, 256)},
}


def test_every_study_of_images_has_its_networks():
    assert {preset.study for preset in PRESETS.values()} == {
        "1a", "1b", "2a", "2b", "2e", "2f", "2g", "3c", "3d", "4a", "4b", "5"
    }  # fmt: skip
    assert set(PRESETS) == set(EXPECTED)


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_has_the_parameters_that_its_layers_add_up_to(name):
    preset = PRESETS[name]
    model = build_model(name, preset.input_shape, preset.classes)
    assert [layer.count_params() for layer in model.layers if layer.count_params()] == EXPECTED[name]
    assert model.count_params() == preset.parameters == sum(EXPECTED[name])


def test_the_final_network_of_study_2f_pools_twice():
    model = build_model("cifar-final", (32, 32, 3), 10, batch_norm=True)
    pooled = [layer.output.shape[1:] for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert pooled == [(16, 16, 200), (8, 8, 700)]


def test_no_square_map_gives_the_dense_layer_that_study_3d_prints():
    weights = {side: side * side * 96 * 120 + 120 for side in range(1, 33)}
    assert not [side for side, count in weights.items() if 1_450_000 <= count < 1_550_000]
    assert (weights[11], weights[12]) == (1_394_040, 1_659_000)
    assert f"{PRESETS['cifar-five-conv-11x11'].parameters / 1e6:.1f}" == "1.5"


def test_an_experiment_notes_the_sizes_and_not_the_name():
    experiment = Experiment(task="cifar10", model="cifar-final")
    assert experiment.model == CNN(
        filters=(100, 200, 300, 400, 500, 600, 700), pool_after=(2, 7), hidden_units=(100, 200)
    )
    assert Experiment.from_toml(experiment.to_toml()) == experiment
    assert make_model("cifar-mlp-3x256").to_dict() == {"name": "mlp", "hidden_units": [256, 256, 256]}


def test_a_name_like_a_preset_is_told_its_nearest():
    with pytest.raises(KactError, match=r"Did you mean 'cifar-final'"):
        make_model("cifar-finale")
    with pytest.raises(KactError, match=r"Did you mean 'lenet'"):
        make_model("lenett")
