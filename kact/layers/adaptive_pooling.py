"""Adaptive average pooling of maps of any size, smaller ones included, alike on every backend.

Keras' own layer of that kind fails on TensorFlow where the maps are smaller than what is asked for. The definition is
PyTorch's (https://pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html): output i averages the inputs
from floor(i·n/m) up to ceil((i+1)·n/m).

>>> averaging(3, 2).tolist()
[[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


def averaging(before: int, after: int) -> np.ndarray:
    """Return the matrix `(after, before)` of the weights that each output gives each input, float32."""
    weights = np.zeros((after, before), np.float32)
    for row in range(after):
        start, end = row * before // after, -(-(row + 1) * before // after)
        weights[row, start:end] = 1 / (end - start)
    return weights


@keras.saving.register_keras_serializable(package="kact")
class AdaptiveAverage(keras.layers.Layer):
    """Averages maps `(batch, height, width, channels)` to `(batch, side, side, channels)`.

    Args:
        side: of the square maps that come out.
    """

    def __init__(self, side: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.side = side

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape[0], self.side, self.side, input_shape[3]

    def call(self, maps: Any) -> Any:
        height, width, channels = maps.shape[1:]
        rows = ops.convert_to_tensor(averaging(height, self.side), maps.dtype)
        columns = ops.convert_to_tensor(averaging(width, self.side), maps.dtype)
        maps = ops.matmul(rows, ops.reshape(maps, (-1, height, width * channels)))  # (batch, side, width·channels)
        maps = ops.reshape(maps, (-1, self.side, width, channels))
        return ops.matmul(columns, maps)  # (batch, side, side, channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "side": self.side}
