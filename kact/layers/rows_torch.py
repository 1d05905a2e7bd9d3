"""Rows moved to other places on torch, and their gradients moved back: no sums, as PyTorch's `gather` would need.

>>> x = torch.arange(3.0)[:, None]
>>> there, back = torch.tensor([[2, 0, 1]]), torch.tensor([1, 2, 0])
>>> moved(x, there, back)[..., 0].tolist()
[[2.0, 0.0, 1.0]]
"""

from __future__ import annotations

from typing import Any

import torch


class _Moved(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rows: torch.Tensor, there: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(back)
        return rows.index_select(0, there)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        return gradient.index_select(0, context.saved_tensors[0]), None, None


def moved(rows: torch.Tensor, there: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    """Return each row in another place.

    Args:
        rows: `(n, width)`.
        there: indices of n rows in any shape, each once.
        back: for each of the rows, where in `there` it is; in any shape.

    Returns:
        `(*there.shape, width)`.
    """
    if not rows.requires_grad:  # as when a network is exported, where functions of our own are unknown
        return rows.index_select(0, there.reshape(-1)).reshape(*there.shape, rows.shape[1])
    made: torch.Tensor = _Moved.apply(rows, there.reshape(-1), back.reshape(-1))
    return made.reshape(*there.shape, rows.shape[1])
