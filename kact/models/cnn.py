"""`cnn`: any number of convolutions, then any number of dense layers; the networks of studies 2, 3d, 4 and 5.

>>> CNN(filters=(32, 64, 128), kernel_size=3, order=("norm", "pool", "activation")).filters
(32, 64, 128)
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

_STEPS = ("norm", "activation", "pool")


@dataclass(frozen=True)
class CNN(Model):
    """A convolutional network whose every choice is a setting."""

    name: ClassVar[str] = "cnn"
    summary: ClassVar[str] = "any number of convolutions, then dense layers"
    batch_norm: ClassVar[bool] = True  # without it SGD at 0.1 still swings by a percent from epoch to epoch on MNIST

    filters: tuple[int, ...] = setting((32, 64, 128), "feature maps of each convolution", at_least=1)
    kernel_size: int = setting(3, "pixels a side of the kernels", at_least=1)
    padding: str | int = setting("same", '"valid", "same", or zero pixels on every side', at_least=0)
    stride: int = setting(1, "pixels that the kernels move", at_least=1)
    pool: str = setting("max", "how maps are pooled", choices=("max", "average", "none"))
    pool_size: int = setting(2, "pixels a side of each pooling", at_least=1)
    pool_stride: int | None = setting(
        None, "pixels that the poolings move; as many as their size unless said", at_least=1
    )
    pool_padding: str = setting("valid", "padding of the poolings", choices=("valid", "same"))
    pool_after: tuple[int, ...] | None = setting(
        None, "the convolutions, counted from 1, that a pooling follows; all unless said", at_least=1
    )
    order: tuple[str, ...] = setting(_STEPS, "what follows each convolution, in order", choices=_STEPS)
    dropout_kind: str = setting(
        "feature_map", "what dropout sets to zero in convolutions", choices=("feature_map", "element")
    )
    dropout_on: str = setting("all", "the layers that dropout follows", choices=("all", "convolution", "dense"))
    hidden_units: tuple[int, ...] = setting((128,), "units of each hidden dense layer", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.padding, str) and self.padding not in ("valid", "same"):
            raise KactError.parameter("padding", self.padding, 'a number of pixels or one of "valid", "same"')
        if not self.filters:
            raise KactError.parameter("filters", self.filters, "at least one convolution; for none use the model 'mlp'")
        if sorted(self.order) != sorted(_STEPS):
            raise KactError.parameter("order", list(self.order), "norm, activation and pool, each once, in any order")
        if self.pool_after and max(self.pool_after) > len(self.filters):
            raise KactError.parameter("pool_after", list(self.pool_after), f"numbers from 1 to {len(self.filters)}")

    def hidden(self, x: keras.KerasTensor, blocks: Blocks) -> keras.KerasTensor:
        for number, filters in enumerate(self.filters, start=1):
            name = f"conv{number}"
            x = blocks.convolution(x, filters, self.kernel_size, name=name, stride=self.stride, padding=self.padding)
            for step in self.order:
                x = self._follow(step, x, blocks, number)
            if self.dropout_on != "dense":
                x = blocks.drop(x, name=name, whole_maps=self.dropout_kind == "feature_map")
        x = blocks.flatten(x)
        for number, units in enumerate(self.hidden_units, start=1):
            x = blocks.hidden_dense(x, units, name=f"dense{number}", dropout=self.dropout_on != "convolution")
        return x

    def _follow(self, step: str, x: keras.KerasTensor, blocks: Blocks, number: int) -> keras.KerasTensor:
        name = f"conv{number}"
        if step == "norm":
            return blocks.norm(x, name=name)
        if step == "activation":
            return blocks.activate(x, name=name)
        if self.pool_after is not None and number not in self.pool_after:
            return x
        return blocks.pool(
            x, self.pool, self.pool_size, name=f"pool{number}", stride=self.pool_stride, padding=self.pool_padding
        )
