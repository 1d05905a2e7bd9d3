"""Dropout for many members at once: each member's masks from its own stream, as if it trained alone.

On a CPU PyTorch draws masks from one generator, a Bernoulli number an element, in the order in which layers are called.
Here each member has a generator with its own run's seed, and the masks are drawn before the step that uses them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from kact.engine.capture import CannotCapture


class Masks:
    """Draws and hands over what PyTorch's dropout would draw in a training step.

    Args:
        model: a Keras model whose layers draw, if they do, through PyTorch's dropout.
        members: how many draw.

    Raises:
        CannotCapture: if a layer draws otherwise, or on a device where one member's draws cannot be made apart.
    """

    def __init__(self, model: Any, members: int) -> None:
        self.model = model
        self.members = members
        self._generators: list[torch.Generator] = []
        self._known: dict[tuple[Any, ...], list[tuple[torch.Size, float]]] = {}
        drawing = [layer for layer in model._flatten_layers() if getattr(layer, "seed_generator", None) is not None]
        if any(not hasattr(layer, "rate") for layer in drawing):
            raise CannotCapture("a layer draws random numbers that only it can draw")
        self.needed = any(layer.rate for layer in drawing)
        device = model.variables[0].value.device
        if self.needed and device.type != "cpu":
            raise CannotCapture("PyTorch draws dropout's masks of one run at a time on CUDA")
        if self.needed:
            self._generators = [torch.Generator() for _ in range(members)]

    def reseed(self, seeds: Sequence[int]) -> None:
        """Begin every member's stream anew."""
        for generator, seed in zip(self._generators, seeds, strict=False):
            generator.manual_seed(seed)

    def draw(self, shape: Sequence[int], batch: int) -> list[torch.Tensor]:
        """Return for each call of dropout in a step its masks, `(members, batch, ...)`, scaled to keep the mean.

        Args:
            shape: of one image.
            batch: images a member.
        """
        drawn = self.blank(shape, batch)
        for member, generator in enumerate(self._generators):
            for mask, (_, rate) in zip(drawn, self._calls(shape, batch), strict=True):
                mask[member].bernoulli_(1 - rate, generator=generator).div_(1 - rate)
        return drawn

    def blank(self, shape: Sequence[int], batch: int) -> list[torch.Tensor]:
        """Return room for what `draw` returns."""
        return [torch.empty(self.members, *size) for size, _ in self._calls(shape, batch)]

    @contextlib.contextmanager
    def used(self, masks: Sequence[torch.Tensor]) -> Iterator[None]:
        """Let PyTorch's dropout multiply by these masks, one after another, while a block calls it."""
        left = iter(masks)
        with _InPlaceOfDropout(lambda inputs, rate: inputs * next(left)):
            yield

    def _calls(self, shape: Sequence[int], batch: int) -> list[tuple[torch.Size, float]]:
        """Return the shape and rate of each call of dropout in a training step."""
        key = (*shape, batch)
        if key not in self._known:
            calls: list[tuple[torch.Size, float]] = []

            def note(inputs: torch.Tensor, rate: float) -> torch.Tensor:
                calls.append((inputs.shape, rate))
                return inputs

            if self.needed:
                state = [variable.value for variable in self.model.non_trainable_variables]
                with torch.no_grad(), _InPlaceOfDropout(note):
                    weights = [variable.value for variable in self.model.trainable_variables]
                    self.model.stateless_call(weights, state, torch.zeros(batch, *shape), training=True)
            self._known[key] = calls
        return self._known[key]


class _InPlaceOfDropout(TorchFunctionMode):
    """Calls something else where PyTorch's dropout would be called, with its inputs and rate."""

    def __init__(self, instead: Callable[[torch.Tensor, float], torch.Tensor]) -> None:
        super().__init__()
        self.instead = instead

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        keywords = keywords or {}
        if function is F.dropout:
            inputs, rate = (*arguments, *(keywords[name] for name in ("input", "p") if name in keywords))[:2]
            return self.instead(inputs, rate)
        return function(*arguments, **keywords)
