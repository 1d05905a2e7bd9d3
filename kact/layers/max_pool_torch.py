"""Max-pooling 2x2 on torch by maxima of columns and of rows: faster where PyTorch's kernel is not vectorised.

Of equal pixels the first in reading order gets the gradient, as with PyTorch's kernel.
"""

from __future__ import annotations

from typing import Any

import torch

_VECTOR = 16  # maps that PyTorch's own kernel takes at a time


class _Maxima(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, maps: torch.Tensor) -> torch.Tensor:
        columns = torch.maximum(*_pixels(maps))  # (batch, height, width / 2, channels)
        context.save_for_backward(maps, columns)
        found = torch.maximum(*_rows(columns)).view(columns.shape[0], -1, *columns.shape[2:])
        return found.permute(0, 3, 1, 2)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        maps, columns = context.saved_tensors
        of_columns, of_maps = torch.empty_like(columns), torch.empty_like(maps)
        top, bottom = _rows(columns)
        _share(gradient.permute(0, 2, 3, 1).reshape(top.shape), bottom - top, *_rows(of_columns))
        left, right = _pixels(maps)
        _share(of_columns, right - left, *_pixels(of_maps))
        return of_maps


def max_pool(maps: torch.Tensor) -> torch.Tensor:
    """Return `max_pool2d(maps, 2)` of `(batch, channels, height, width)`, of even sizes and channels last in memory."""
    made: torch.Tensor = _Maxima.apply(maps)
    return made


def maxima_pay(maps: torch.Tensor) -> bool:
    """Return whether `max_pool` takes these maps, and is faster than PyTorch's kernel."""
    even = maps.ndim == 4 and maps.shape[2] % 2 == 0 and maps.shape[3] % 2 == 0
    last = even and maps.is_contiguous(memory_format=torch.channels_last) and maps.device.type == "cpu"
    return last and (maps.shape[1] < _VECTOR or not (torch.is_grad_enabled() and maps.requires_grad))


def _pixels(maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return views of the left and the right of each two pixels, `(batch, height, width / 2, channels)`."""
    pixels = maps.permute(0, 2, 3, 1)
    return pixels[:, :, ::2], pixels[:, :, 1::2]


def _rows(columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return views of the upper and the lower of each two rows, `(batch, height / 2, width / 2 · channels)`."""
    rows = columns.view(*columns.shape[:2], -1)
    return rows[:, ::2], rows[:, 1::2]


def _share(gradient: torch.Tensor, ahead: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> None:
    """Write a gradient where it belongs: into `second` where that is ahead, and into `first` elsewhere."""
    part = torch.ops.aten.threshold_backward(gradient, ahead, 0)
    second.copy_(part)
    torch.sub(gradient, part, out=first)
