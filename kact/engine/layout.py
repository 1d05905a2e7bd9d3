"""Memory layout while a step is captured: Keras' channels-last maps stay channels-last in memory, without copies.

Keras on torch copies its maps before each convolution and pooling, and PyTorch's element-wise kernels are ten times
slower where a gradient and its input lie in memory differently. Here a copy that would change nothing is left out, and
the kernels of convolutions are laid out once as PyTorch's own channels-last networks keep them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

# activations that never fall, so that the maximum may be taken first; some of them by a setting, if it is not negative
_RISING = {F.relu, torch.relu, F.relu6, F.selu, F.softplus, F.softsign, F.hardsigmoid, torch.tanh, F.tanh}
_RISING |= {torch.sigmoid, F.sigmoid}
_RISING_BY = {F.elu: "alpha", F.celu: "alpha", F.leaky_relu: "negative_slope"}


class Layout(TorchFunctionMode):
    """Leaves out copies into a layout that is already there, and moves rising activations behind max-pools."""

    def __init__(self) -> None:
        super().__init__()
        self._rising: dict[int, tuple[torch.Tensor, torch.Tensor, Any]] = {}  # id of output: (it, input, activation)

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        keywords = keywords or {}
        if function is torch.Tensor.contiguous and len(arguments) == 1 and not keywords and _is_last(arguments[0]):
            return arguments[0]
        if _rises(function, arguments, keywords) and arguments[0].ndim == 4:
            output = function(*arguments, **keywords)
            return self._remember(output, arguments[0], lambda x: function(x, *arguments[1:], **keywords))
        if function is torch.permute and id(arguments[0]) in self._rising:
            _, source, activation = self._rising[id(arguments[0])]
            return self._remember(function(*arguments, **keywords), function(source, *arguments[1:]), activation)
        if function is F.max_pool2d and id(arguments[0]) in self._rising:
            _, source, activation = self._rising[id(arguments[0])]
            return activation(function(source, *arguments[1:], **keywords))
        return function(*arguments, **keywords)

    def _remember(self, output: torch.Tensor, source: torch.Tensor, activation: Any) -> torch.Tensor:
        self._rising[id(output)] = output, source, activation
        return output


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


def _is_last(tensor: torch.Tensor) -> bool:
    return tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)


def _rises(function: Any, arguments: Any, keywords: dict[str, Any]) -> bool:
    if not arguments or (function not in _RISING and function not in _RISING_BY):
        return False
    settings = [*arguments[1:], keywords.get(_RISING_BY.get(function, ""), 0)]
    return all(not isinstance(value, torch.Tensor) and value >= 0 for value in settings)
