"""`strided_cnn`: six convolutions that each halve the image, and no pooling: the network of study 1b.

Convolutions of stride 2 in place of pooling follow Springenberg et al. 2014 (https://arxiv.org/abs/1412.6806). The
study says 3→32 with kernel 5, then 32→64, 64→64, 64→96, 96→96, 96→128 with kernel 3, then dense. It leaves the padding
open: without any the sixth kernel does not fit what is left of a 96x96 image, so each convolution is padded by half its
kernel (2 pixels, then 1), as is usual in PyTorch, and sees 96, 48, 24, 12, 6 and 3 pixels a side.

>>> StridedCNN().filters
(32, 64, 64, 96, 96, 128)
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


@dataclass(frozen=True)
class StridedCNN(Model):
    """Convolutions of stride 2, each with batch norm, activation and dropout as asked, then the logits."""

    name: ClassVar[str] = "strided_cnn"
    summary: ClassVar[str] = "six convolutions of stride 2 without pooling, for photographs of 32 pixels and more"

    filters: tuple[int, ...] = setting((32, 64, 64, 96, 96, 128), "feature maps of each convolution", at_least=1)
    first_kernel_size: int = setting(5, "pixels a side of the first kernel", at_least=1)
    kernel_size: int = setting(3, "pixels a side of the other kernels", at_least=1)
    stride: int = setting(2, "pixels that the kernels move", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.filters:
            raise KactError.parameter("filters", self.filters, "at least one convolution; for none use the model 'mlp'")

    def hidden(self, x: keras.KerasTensor, blocks: Blocks) -> keras.KerasTensor:
        for number, filters in enumerate(self.filters, start=1):
            name, size = f"conv{number}", self.first_kernel_size if number == 1 else self.kernel_size
            x = blocks.convolution(x, filters, size, name=name, stride=self.stride, padding=size // 2)
            x = blocks.drop(blocks.activate(blocks.norm(x, name=name), name=name), name=name, whole_maps=True)
        return blocks.flatten(x)
