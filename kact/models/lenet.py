"""`lenet`: two convolutions and two hidden dense layers, the network of studies 1a and 3.

After LeCun et al. 1998 (http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf), with max-pooling and the widths of
PyTorch's beginner tutorial: convolutions 3-6-16, dense 400-120-84-10 on 32x32 images.

>>> LeNet(kernel_size=3).to_dict()
{'name': 'lenet', 'kernel_size': 3, 'pool': 'max'}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kact.models.model import Model
from kact.settings import setting

if TYPE_CHECKING:
    import keras

    from kact.models.blocks import Blocks


@dataclass(frozen=True)
class LeNet(Model):
    """LeNet with the activation, the kernel and the pooling left open."""

    name: ClassVar[str] = "lenet"
    task: ClassVar[str] = "cifar10"  # digits are smaller than its kernels
    summary: ClassVar[str] = "two convolutions (6 and 16 maps), dense 120 and 84"

    kernel_size: int = setting(5, "pixels a side of both kernels; 5, or 3 for study 3c", at_least=1)
    pool: str = setting("max", "how maps are pooled", choices=("max", "average"))

    def hidden(self, x: keras.KerasTensor, blocks: Blocks) -> keras.KerasTensor:
        for number, filters in enumerate((6, 16), start=1):
            name = f"conv{number}"
            x = blocks.convolution(x, filters, self.kernel_size, name=name)
            x = blocks.activate(blocks.norm(x, name=name), name=name)
            x = blocks.drop(blocks.pool(x, self.pool, 2, name=f"pool{number}"), name=name, whole_maps=True)
        x = blocks.flatten(x)
        for number, units in enumerate((120, 84), start=1):
            x = blocks.hidden_dense(x, units, name=f"dense{number}")
        return x
