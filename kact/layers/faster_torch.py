"""What Keras calls of PyTorch on the way through a model, and what computes the same faster, in one mode.

Keras on torch copies its maps before each convolution and pooling, and PyTorch's element-wise kernels are ten times
slower where a gradient and its input lie in memory differently: Keras' channels-last maps stay so in memory.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from kact.layers.convolution_torch import convolve
from kact.layers.max_pool_torch import max_pool, maxima_pay
from kact.layers.mish_torch import tanh_of_softplus

# activations that never fall, so that the maximum may be taken first; some of them by a setting, if it is not negative
_RISING = {F.relu, torch.relu, F.relu6, F.selu, F.softplus, F.softsign, F.hardsigmoid, torch.tanh, F.tanh}
_RISING |= {torch.sigmoid, F.sigmoid}
_RISING_BY = {F.elu: "alpha", F.celu: "alpha", F.leaky_relu: "negative_slope"}

_HALVED = {"stride": (2, 2), "padding": 0, "dilation": 1, "ceil_mode": False, "return_indices": False}


class Faster(TorchFunctionMode):
    """Calls in place of what Keras calls what computes the same faster.

    A copy into a layout that is already there is left out, a rising activation moves behind a max-pool and padding with
    zeros into a convolution; pools and convolutions of few maps and Mish's factor are our own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[int, tuple[Any, ...]] = {}  # by the id of an output: it, what made it, of what, and how

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        keywords = keywords or {}
        first = arguments[0] if arguments else None
        if not isinstance(first, torch.Tensor) or torch._C._functorch.peek_interpreter_stack() is not None:
            return function(*arguments, **keywords)  # `vmap`, of many members, knows PyTorch's functions only
        _, by, source, how = self._made.get(id(first), (None, None, None, None))
        if function is torch.Tensor.contiguous and len(arguments) == 1 and not keywords and _is_last(first):
            return first
        if function is torch.permute and by is not None and (by is not F.pad or _to_maps(*arguments[1:], **keywords)):
            moved = function(source, *arguments[1:], **keywords)
            return self._remember(function(*arguments, **keywords), by, moved, how)
        if function is F.max_pool2d and not keywords.get("return_indices"):
            if by in (None, F.pad):
                return _pooled(*arguments, **keywords)
            return how(_pooled(source, *arguments[1:], **keywords))
        if function is F.conv2d and len(arguments) == 2:  # as Keras calls it
            if by is F.pad and keywords.get("padding", 0) == 0:
                first, keywords["padding"] = source, how
            return convolve(first, *arguments[1:], **keywords)
        if function is torch.tanh and by is F.softplus and how is F.softplus and first.device.type == "cpu":
            return tanh_of_softplus(source)
        output = function(*arguments, **keywords)
        if _rises(function, arguments, keywords):
            plain = len(arguments) == 1 and not keywords
            again = function if plain else lambda x: function(x, *arguments[1:], **keywords)
            self._remember(output, function, first, again)
        elif function is F.pad and (border := _border(*arguments[1:], **keywords)):
            self._remember(output, function, first, border)
        return output

    def _remember(self, output: torch.Tensor, *facts: Any) -> torch.Tensor:
        self._made[id(output)] = output, *facts
        return output


def _pooled(*arguments: Any, **keywords: Any) -> torch.Tensor:
    maps, *size = arguments
    halved = size == [(2, 2)] and {**_HALVED, **keywords} == _HALVED and "stride" in keywords
    return max_pool(maps) if halved and maxima_pay(maps) else F.max_pool2d(*arguments, **keywords)


def _to_maps(dims: Any) -> bool:
    """Return whether a permutation brings channels-last maps into PyTorch's order, in which a border is told."""
    return tuple(dims) == (0, 3, 1, 2)


def _border(pad: Any = (), mode: str = "constant", value: Any = None) -> tuple[int, int] | None:
    """Return how many rows and columns of zeros a padding of `(batch, height, width, channels)` adds on each side."""
    if len(pad) != 6 or any(pad[:2]) or pad[2] != pad[3] or pad[4] != pad[5] or mode != "constant" or value:
        return None
    return pad[4], pad[2]


def _is_last(tensor: torch.Tensor) -> bool:
    return tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)


def _rises(function: Any, arguments: Any, keywords: dict[str, Any]) -> bool:
    if function not in _RISING and function not in _RISING_BY:
        return False
    settings = [*arguments[1:], keywords.get(_RISING_BY.get(function, ""), 0)]
    return all(not isinstance(value, torch.Tensor) and value >= 0 for value in settings)
