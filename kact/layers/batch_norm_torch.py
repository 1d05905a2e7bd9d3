"""The training step of batch norm on torch, over the last axis, forward and backward in long rows."""

from __future__ import annotations

from typing import Any

import torch


class _Normalise(torch.autograd.Function):
    """Sums and products run along rows of width·channels, which PyTorch vectorises even for a few channels."""

    @staticmethod
    def forward(
        context: Any, inputs: torch.Tensor, scale: torch.Tensor | None, offset: torch.Tensor | None, epsilon: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        channels = inputs.shape[-1]
        width = inputs.shape[2] if inputs.ndim == 4 else 1
        rows = inputs.reshape(-1, width * channels)  # (batch·height, width·channels)
        count = inputs.numel() // channels
        mean = _by_channel(rows, channels) / count
        room = rows * rows  # used again for the outputs: fresh memory costs more than the arithmetic
        variance = torch.addcmul(_by_channel(room, channels) / count, mean, mean, value=-1)  # as Keras has it
        variance.clamp_(min=0)  # rounded, it falls below by more than epsilon where inputs hardly differ
        inverse = torch.rsqrt(variance + epsilon)
        factor = inverse if scale is None else inverse * scale
        shift = -mean * factor if offset is None else torch.addcmul(offset, mean, factor, value=-1)
        outputs = torch.addcmul(_wide(shift, width), rows, _wide(factor, width), out=room).view(inputs.shape)
        context.save_for_backward(rows, mean, inverse, factor)
        context.has = scale is not None, offset is not None
        context.mark_non_differentiable(mean, variance)
        return outputs, mean, variance

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor, *_: Any) -> tuple[Any, ...]:
        rows, mean, inverse, factor = context.saved_tensors
        channels = len(mean)
        width, count = rows.shape[1] // channels, rows.numel() // channels
        given = gradient.reshape(rows.shape)
        total = _by_channel(given, channels)
        room = given * rows
        along = (
            torch.addcmul(_by_channel(room, channels), mean, total, value=-1) * inverse
        )  # gradient · normalised input
        each = factor / -count
        slope = each * inverse * along
        level = torch.addcmul(each * total, slope, mean, value=-1)
        found = torch.addcmul(_wide(level, width), given, _wide(factor, width), out=room)
        found = found.addcmul_(rows, _wide(slope, width))
        has_scale, has_offset = context.has
        return found.view(gradient.shape), along if has_scale else None, total if has_offset else None, None


def normalise(
    inputs: torch.Tensor, scale: torch.Tensor | None, offset: torch.Tensor | None, epsilon: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return `inputs` normalised over all axes but the last, and the mean and variance of each channel.

    Args:
        inputs: `(batch, channels)` or `(batch, height, width, channels)`, float32.
        scale, offset: `(channels,)`, or None for 1 and 0.
        epsilon: added to the variance, above 0.
    """
    outputs, mean, variance = _Normalise.apply(inputs, scale, offset, epsilon)
    return outputs, mean, variance


def _by_channel(rows: torch.Tensor, channels: int) -> torch.Tensor:
    """Return the sum of `(rows, width·channels)` for each channel."""
    return rows.sum(0).view(-1, channels).sum(0)


def _wide(values: torch.Tensor, width: int) -> torch.Tensor:
    """Return `(channels,)` repeated to `(width·channels,)`."""
    return values.index_select(0, torch.arange(len(values), device=values.device).repeat(width))
