"""`alexnet`: five convolutions and two wide dense layers, the network of study 2g.

The single-tower layout of A. Krizhevsky, One weird trick for parallelizing convolutional neural networks (2014,
https://arxiv.org/abs/1404.5997), with the paddings and the adaptive pooling of torchvision's `alexnet`
(https://pytorch.org/vision/stable/models/alexnet.html), whose ImageNet weights fit it: `--backbone alexnet-imagenet`.
61,100,840 parameters for 1,000 classes, at 224x224 pixels as at any size from 63 on.

>>> AlexNet().hidden_units
(4096, 4096)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kact.errors import KactError
from kact.models.model import Model
from kact.settings import setting

if TYPE_CHECKING:
    import keras

    from kact.models.blocks import Blocks

_KERNELS = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))  # size, stride, padding
_POOLED = (1, 2, 5)  # the convolutions that a 3x3 max-pooling of stride 2 follows
_SIDE = 6  # of the maps that the dense layers see


@dataclass(frozen=True)
class AlexNet(Model):
    """AlexNet with the activation, the widths and the dropout of its dense layers left open.

    The experiment's own `dropout` applies to the feature maps of the convolutions.
    """

    name: ClassVar[str] = "alexnet"
    task: ClassVar[str] = "hymenoptera"
    summary: ClassVar[str] = "five convolutions, dense 4096 and 4096, for photographs of 63 pixels and more"

    filters: tuple[int, ...] = setting((64, 192, 384, 256, 256), "feature maps of the five convolutions", at_least=1)
    hidden_units: tuple[int, ...] = setting((4096, 4096), "units of each hidden dense layer", at_least=1)
    dense_dropout: float = setting(
        0.5, "share of the inputs of each hidden dense layer set to zero", at_least=0, below=1
    )
    pool: str = setting("max", "how maps are pooled", choices=("max", "average"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.filters) != len(_KERNELS):
            raise KactError.parameter("filters", list(self.filters), f"{len(_KERNELS)} numbers, one a convolution")

    def hidden(self, x: keras.KerasTensor, blocks: Blocks) -> keras.KerasTensor:
        from kact.layers.adaptive_pooling import AdaptiveAverage
        from kact.layers.dropout import Dropout

        for number, (filters, (size, stride, padding)) in enumerate(zip(self.filters, _KERNELS, strict=True), start=1):
            name = f"conv{number}"
            x = blocks.convolution(x, filters, size, name=name, stride=stride, padding=padding)
            x = blocks.activate(blocks.norm(x, name=name), name=name)
            if number in _POOLED:
                x = blocks.pool(x, self.pool, 3, name=f"pool{number}", stride=2)
            x = blocks.drop(x, name=name, whole_maps=True)
        if x.shape[1:3] != (_SIDE, _SIDE):  # at 224 pixels the maps have that size already
            x = AdaptiveAverage(_SIDE, name="average")(x)
        x = blocks.flatten(x)  # (batch, 6·6·filters)
        for number, units in enumerate(self.hidden_units, start=1):
            if self.dense_dropout:
                x = Dropout(self.dense_dropout, name=f"dense{number}_dropout")(x)
            x = blocks.hidden_dense(x, units, name=f"dense{number}", dropout=False)
        return x
