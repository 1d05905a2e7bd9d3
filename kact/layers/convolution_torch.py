"""Convolutions of few maps on torch: two neighbouring pixels of the output as one pixel of twice the maps.

A CPU with vectors of 16 numbers computes 16 maps at a time, needed or not. In channels-last memory two pixels of up to
8 maps lie side by side, as one of up to 16 would: a kernel that is one column wider and moves two columns at a time
puts them out at once, in 0.6 to 0.8 of the time.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

_VECTOR = 16  # float32 numbers of AVX-512


class _Pairs(torch.autograd.Function):
    """A convolution whose output, or the gradient of its input, or both are put out in pairs of pixels."""

    @staticmethod
    def forward(context: Any, maps: torch.Tensor, kernel: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
        context.paired = _pays(kernel.shape[0], maps.shape[3] + 2 * padding[1] - kernel.shape[3] + 1)
        used = _of_two_pixels(kernel) if context.paired else kernel
        context.save_for_backward(maps, kernel, used)
        context.padding = padding
        if context.paired:
            return _in_pairs(maps, used, padding)
        return torch.convolution(maps, kernel, None, [1, 1], padding, [1, 1], False, [0, 0], 1)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        maps, kernel, used = context.saved_tensors
        count, channels, height, width = gradient.shape
        padding, given, stride = context.padding, gradient, [1, 1]
        if context.paired:
            pairs = gradient.permute(0, 2, 3, 1).reshape(count, height, width // 2, 2 * channels)
            given, stride = pairs.permute(0, 3, 1, 2), [1, 2]
        of_kernel = _gradients(given, maps, used, stride, padding, [False, True, False])[1]
        if context.paired:
            of_kernel = of_kernel[:channels, :, :, :-1] + of_kernel[channels:, :, :, 1:]
        of_maps = None
        if context.needs_input_grad[0]:  # the convolution of the gradient with the kernel turned round
            left = tuple(size - 1 - before for size, before in zip(kernel.shape[2:], padding, strict=True))
            if _pays(maps.shape[1], maps.shape[3]) and min(left) >= 0:
                of_maps = _in_pairs(gradient, _of_two_pixels(kernel, turned=True), left)
            else:
                of_maps = _gradients(gradient, maps, kernel, [1, 1], padding, [True, False, False])[0]
        return of_maps, of_kernel, None


def convolve(maps: torch.Tensor, kernel: torch.Tensor, **settings: Any) -> torch.Tensor:
    """Return `torch.nn.functional.conv2d` of these arguments, in pairs of pixels where that is faster.

    Args:
        maps: `(batch, channels, height, width)`, channels last in memory where speed matters.
        kernel: `(channels out, channels, height, width)`.
        settings: stride, padding, dilation, groups.
    """
    padding = settings.get("padding", 0)
    padding = (padding, padding) if isinstance(padding, int) else tuple(padding)
    steps = [settings.get(name, 1) for name in ("stride", "dilation", "groups")]
    if len(padding) != 2 or any(step not in (1, (1, 1)) for step in steps) or "bias" in settings or not _able(maps):
        return F.conv2d(maps, kernel, **settings)
    width = maps.shape[3] + 2 * padding[1] - kernel.shape[3] + 1
    if not (_pays(kernel.shape[0], width) or (maps.requires_grad and _pays(maps.shape[1], maps.shape[3]))):
        return F.conv2d(maps, kernel, **settings)
    made: torch.Tensor = _Pairs.apply(maps, kernel, padding)
    return made


def _able(maps: torch.Tensor) -> bool:
    batch = maps.ndim == 4 and maps.dtype == torch.float32
    last = batch and maps.is_contiguous(memory_format=torch.channels_last)
    return last and maps.device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512"


def _pays(channels: int, width: int) -> bool:
    """Return whether two pixels of so many maps fit into a vector, in rows of whole pairs."""
    return 2 * channels <= _VECTOR and width > 0 and width % 2 == 0


def _in_pairs(maps: torch.Tensor, kernel: torch.Tensor, padding: Any) -> torch.Tensor:
    made = torch.convolution(maps, kernel, None, [1, 2], padding, [1, 1], False, [0, 0], 1)
    count, channels, height, width = made.shape
    pixels = made.permute(0, 2, 3, 1).view(count, height, 2 * width, channels // 2)
    return pixels.permute(0, 3, 1, 2)


def _gradients(gradient: Any, maps: Any, kernel: Any, stride: Any, padding: Any, wanted: list[bool]) -> Any:
    settings = stride, padding, [1, 1], False, [0, 0], 1
    return torch.ops.aten.convolution_backward(gradient, maps, kernel, None, *settings, wanted)


def _of_two_pixels(kernel: torch.Tensor, turned: bool = False) -> torch.Tensor:
    """Return the kernels of a left and of a right pixel, `(2·out, in, height, width + 1)`.

    Args:
        kernel: `(out, in, height, width)`.
        turned: for gradients, with the rows and columns turned round, and in and out exchanged.
    """
    numbers = kernel.permute(0, 2, 3, 1)  # (out, height, width, in)
    places = torch.arange(1, kernel.numel() + 1, device=kernel.device).view(numbers.shape)  # 0 is none
    if turned:
        places = places.flip(1, 2).permute(3, 1, 2, 0)
    places = torch.cat([F.pad(places, (0, 0, 0, 1)), F.pad(places, (0, 0, 1, 0))])
    kept = (places > 0).to(kernel.dtype)
    chosen = numbers.reshape(-1).index_select(0, (places - 1).clamp(min=0).view(-1))
    return (chosen.view(places.shape) * kept).permute(0, 3, 1, 2)
