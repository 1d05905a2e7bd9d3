"""`mlp`: dense layers one after another, the network of study 4a.

>>> MLP(hidden_units=(256, 256, 256)).to_dict()
{'name': 'mlp', 'hidden_units': [256, 256, 256]}
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
class MLP(Model):
    """A multi-layer perceptron: flatten, then dense layers, each with batch norm, activation and dropout as asked."""

    name: ClassVar[str] = "mlp"
    summary: ClassVar[str] = "dense layers of any depth and widths"

    hidden_units: tuple[int, ...] = setting((128, 64), "units of each hidden layer", at_least=1)

    def hidden(self, x: keras.KerasTensor, blocks: Blocks) -> keras.KerasTensor:
        x = blocks.flatten(x)
        for number, units in enumerate(self.hidden_units, start=1):
            x = blocks.hidden_dense(x, units, name=f"dense{number}")
        return x
