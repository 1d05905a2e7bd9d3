"""Presets: the networks of the published studies by name, wherever a model is named: `--model cifar-final`.

Plain sizes of `cnn`, `mlp`, `lenet`, `strided_cnn` and `alexnet`. An experiment notes the sizes themselves, so that a
run means the same whatever becomes of the name. What a source leaves open is marked (open), with what was chosen.

>>> PRESETS["cifar-lenet-3x3"].parameters
81302
"""

from __future__ import annotations

from dataclasses import dataclass

from kact.models.alexnet import AlexNet
from kact.models.cnn import CNN
from kact.models.lenet import LeNet
from kact.models.mlp import MLP
from kact.models.model import Model
from kact.models.strided_cnn import StridedCNN

CIFAR, STL, MNIST, PHOTOGRAPH = (32, 32, 3), (96, 96, 3), (28, 28, 1), (224, 224, 3)


@dataclass(frozen=True)
class Preset:
    """A network of a published study.

    Attributes:
        study: its number among the published studies.
        summary: one line for lists.
        model: its sizes.
        input_shape: (height, width, channels) of the study's images.
        classes: number of the study's labels.
        parameters: in all, without batch norm.
    """

    study: str
    summary: str
    model: Model
    input_shape: tuple[int, int, int]
    classes: int
    parameters: int


# Study 2a leaves all widths open: 32 maps, doubled by each convolution; kernels 3x3 on padded maps, each followed by a
# max-pooling of 2; 128 units a hidden dense layer. The dense layers are counted with the output, as the study does.
_DEPTH_FILTERS = (32, 64, 128, 256, 512)
_DEPTH_PARAMETERS = {
    1: (82_826, 1_050_890, 1_067_402, 1_083_914, 1_100_426),
    2: (60_362, 545_098, 561_610, 578_122, 594_634),
    3: (113_738, 356_810, 373_322, 389_834, 406_346),
    4: (398_666, 520_906, 537_418, 553_930, 570_442),
    5: (1_573_706, 1_635_530, 1_652_042, 1_668_554, 1_685_066),
}
_DEPTH_GRID = {
    f"cifar-depth-{convolutions}-{dense}": Preset(
        "2a",
        f"convolutions: {convolutions}; dense layers, with the output: {dense}",
        CNN(filters=_DEPTH_FILTERS[:convolutions], hidden_units=(128,) * (dense - 1)),
        CIFAR,
        10,
        parameters,
    )
    for convolutions, counts in _DEPTH_PARAMETERS.items()
    for dense, parameters in enumerate(counts, start=1)
}

_MLP_PARAMETERS = {
    1: (98_666, 197_322, 394_634, 789_258),
    2: (99_722, 201_482, 411_146, 855_050),
    3: (100_778, 205_642, 427_658, 920_842),
    5: (102_890, 213_962, 460_682, 1_052_426),
}
_MLP_GRID = {
    f"cifar-mlp-{depth}x{units}": Preset(
        "4a", f"hidden layers: {depth}, of {units} units", MLP(hidden_units=(units,) * depth), CIFAR, 10, parameters
    )
    for depth, counts in _MLP_PARAMETERS.items()
    for units, parameters in zip((32, 64, 128, 256), counts, strict=True)
}

_CNN_PARAMETERS = {
    2: (139_498, 321_162, 838_090, 2_486_346),
    3: (165_130, 423_626, 1_247_818, 4_125_002),
    5: (130_378, 456_522, 1_723_210, 6_714_186),
}
_CNN_GRID = {
    f"cifar-cnn-{depth}x{filters}": Preset(
        "4b",
        f"{depth} convolutions of {filters} maps, kernel 5, dense 128 and 64",
        CNN(
            filters=(filters,) * depth,
            kernel_size=5,
            padding=3 if depth > 2 else "valid",
            hidden_units=(128, 64),
        ),
        CIFAR,
        10,
        parameters,
    )
    for depth, counts in _CNN_PARAMETERS.items()
    for filters, parameters in zip((32, 64, 128, 256), counts, strict=True)
}

PRESETS: dict[str, Preset] = {
    "cifar-lenet": Preset("1a", "LeNet, kernels 5x5; also study 3a", LeNet(), CIFAR, 10, 62_006),
    "cifar-lenet-3x3": Preset("3c", "LeNet, kernels 3x3", LeNet(kernel_size=3), CIFAR, 10, 81_302),
    "stl10-strided": Preset("1b", "six convolutions of stride 2", StridedCNN(), STL, 10, 312_138),
    # Studies 2b to 2d leave their network open: 2a's "decent" one, the smallest that 2a advises.
    "cifar-small": Preset(
        "2b",
        "two convolutions, two dense layers; also studies 2c and 2d",
        CNN(filters=(32, 64), hidden_units=(128,)),
        CIFAR,
        10,
        545_098,
    ),
    "cifar-deep": Preset(
        "2e",
        "five convolutions, three dense layers",
        CNN(filters=_DEPTH_FILTERS, hidden_units=(128, 128)),
        CIFAR,
        10,
        1_652_042,
    ),
    # (open) padding: none is told; padded maps leave whole poolings, 32, 16 and 8 pixels a side.
    "cifar-final": Preset(
        "2f",
        "seven convolutions of 100 to 700 maps, dense 100 and 200",
        CNN(filters=(100, 200, 300, 400, 500, 600, 700), pool_after=(2, 7), hidden_units=(100, 200)),
        CIFAR,
        10,
        14_587_810,
    ),
    "hymenoptera-alexnet": Preset("2g", "AlexNet for two classes", AlexNet(), PHOTOGRAPH, 2, 57_012_034),
    # As its text reads. The printed 1.5 M weights of its first dense layer fit no square map: 11x11 give 1.39 M,
    # 12x12 give 1.66 M, and these layers end at 27x27 with 8.4 M (17x17 and 3.3 M if nothing were padded).
    "cifar-five-conv": Preset(
        "3d",
        "five padded convolutions, each with average pooling of stride 1",
        CNN(filters=(6, 12, 24, 48, 96), padding=1, pool="average", pool_stride=1, hidden_units=(120, 84)),
        CIFAR,
        10,
        8_464_642,
    ),
    # The nearest to its printed total of 1.5 M: no padding and one pooling, of stride 2, end at 11x11.
    "cifar-five-conv-11x11": Preset(
        "3d",
        "five convolutions and one pooling, with the published total of 1.5 M weights",
        CNN(filters=(6, 12, 24, 48, 96), padding="valid", pool="average", pool_after=(5,), hidden_units=(120, 84)),
        CIFAR,
        10,
        1_460_482,
    ),
    # The article's flat size of 46,208 belongs to another pooling; here it is 128.
    "mnist-units": Preset(
        "5",
        "three convolutions that pool before they activate, dense 128",
        CNN(
            filters=(32, 64, 128),
            padding="valid",
            order=("norm", "pool", "activation"),
            dropout_on="convolution",
            hidden_units=(128,),
        ),
        MNIST,
        10,
        110_474,
    ),
    **_DEPTH_GRID,
    **_MLP_GRID,
    **_CNN_GRID,
}
