"""Memory layout of weights: kernels of convolutions and LSTMs as PyTorch's own kernels read them without a copy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import torch


def lay_out(layers: Iterable[Any], optimizer: Any) -> None:
    """Store the kernels of some Keras layers, and the optimizer's slots for them, in the order of PyTorch's kernels.

    Values, shapes and whatever is saved stay the same: convolutions' `(height, width, in, out)` are stored as PyTorch's
    channels-last networks keep them, and an LSTM's `(features, gates)` transposed.
    """
    for layer in layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernels, store = [layer.kernel], _as_channels_last
        elif isinstance(layer, keras.layers.LSTMCell):
            kernels, store = [layer.kernel, layer.recurrent_kernel], _as_transposed
        else:
            continue
        names = [kernel.path.replace("/", "_") for kernel in kernels]  # which a slot's own name begins with
        slots = [slot for slot in optimizer.variables if any(slot.name.startswith(name) for name in names)]
        for variable in (*kernels, *slots):
            laid = store(variable.value.data)
            if laid.stride() != variable.value.stride():
                variable.value.data = laid


def _as_channels_last(kernel: torch.Tensor) -> torch.Tensor:
    return kernel.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last).permute(2, 3, 1, 0)


def _as_transposed(kernel: torch.Tensor) -> torch.Tensor:
    return kernel.t().contiguous().t()
