"""Plain PyTorch twins of kact's models, laid out from their descriptions with `torch.nn` and nothing else.

A twin's modules bear the names of the Keras layers, so that weights go to and fro by name.

>>> Dense(4, [3], 2, torch.relu).named["dense1"].weight.shape
torch.Size([3, 4])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

Activation = Callable[[torch.Tensor], torch.Tensor]


class Images(nn.Module):
    """Convolutions with what follows each, then dense layers, then logits.

    Args:
        shape: of an image, `(height, width, channels)`.
        convolutions: (filters, kernel size, stride, padding) of each.
        pools: what pools after each convolution; None for nothing.
        units: of each hidden dense layer.
        classes: number of labels.
        activation: after each hidden layer.
        batch_norm: whether between each hidden layer and its activation.
        average: side of the maps that the dense layers see, where they are averaged to it.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        convolutions: Sequence[tuple[int, int, int, int]],
        pools: Sequence[nn.Module | None],
        units: Sequence[int],
        classes: int,
        activation: Activation,
        batch_norm: bool = False,
        average: int | None = None,
    ) -> None:
        super().__init__()
        self.named, self.pools, self.activation, self.average = nn.ModuleDict(), pools, activation, average
        channels = shape[2]
        for number, (filters, size, stride, padding) in enumerate(convolutions, start=1):
            self.named[f"conv{number}"] = nn.Conv2d(channels, filters, size, stride, padding)
            if batch_norm:
                self.named[f"conv{number}_norm"] = nn.BatchNorm2d(filters)
            channels = filters
        with torch.no_grad():
            width = self._maps(torch.zeros(2, shape[2], *shape[:2])).flatten(1).shape[1]
        self.dense = Dense(width, units, classes, activation, batch_norm)
        self.named.update(self.dense.named)

    def _maps(self, x: torch.Tensor) -> torch.Tensor:
        for number, pool in enumerate(self.pools, start=1):
            x = self.named[f"conv{number}"](x)
            if f"conv{number}_norm" in self.named:
                x = self.named[f"conv{number}_norm"](x)
            x = self.activation(x)
            x = x if pool is None else pool(x)
        return x if self.average is None else nn.functional.adaptive_avg_pool2d(x, self.average)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits `(batch, classes)` for images `(batch, height, width, channels)`."""
        maps = self._maps(images.permute(0, 3, 1, 2))
        return self.dense(maps.permute(0, 2, 3, 1).flatten(1))  # in the order in which Keras lays the maps out


class Dense(nn.Module):
    """Hidden dense layers, then logits."""

    def __init__(
        self, width: int, units: Sequence[int], classes: int, activation: Activation, batch_norm: bool = False
    ) -> None:
        super().__init__()
        self.named, self.activation, self.depth = nn.ModuleDict(), activation, len(units)
        for number, count in enumerate(units, start=1):
            self.named[f"dense{number}"] = nn.Linear(width, count)
            if batch_norm:
                self.named[f"dense{number}_norm"] = nn.BatchNorm1d(count)
            width = count
        self.named["logits"] = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number in range(1, self.depth + 1):
            x = self.named[f"dense{number}"](x)
            if f"dense{number}_norm" in self.named:
                x = self.named[f"dense{number}_norm"](x)
            x = self.activation(x)
        return self.named["logits"](x)


class Words(nn.Module):
    """A tagger over the tokens of sentences of unlike lengths: no padding, the real tokens one after another.

    Args:
        tables: (rows, units, columns) of each named input that is looked up, in the order of a token's vector.
        numbers: names and widths of the inputs that are numbers, which come last.
        window: tokens that the dense layers see at once; 1 behind an LSTM.
        lstm_units: of each direction; 0 for none.
        units: of each hidden dense layer.
        tags: number of labels.
        activation: after each dense layer.
        batch_norm: whether between each dense layer and its activation.
        character_filters: of a convolution over each word's characters.
    """

    def __init__(
        self,
        tables: dict[str, tuple[int, int, int]],
        numbers: dict[str, int],
        window: int,
        lstm_units: int,
        units: Sequence[int],
        tags: int,
        activation: Activation,
        batch_norm: bool = False,
        character_filters: int = 0,
    ) -> None:
        super().__init__()
        self.tables, self.numbers, self.window, self.activation = tables, numbers, window, activation
        self.named = nn.ModuleDict({f"{name}_embedding": nn.Embedding(*sizes[:2]) for name, sizes in tables.items()})
        widths = {name: units * columns for name, (_, units, columns) in tables.items()}
        if character_filters:
            self.named["characters_conv"] = nn.Conv2d(
                tables["characters"][1], character_filters, (1, 3), padding=(0, 1)
            )
            widths["characters"] = character_filters
        width = sum(widths.values()) + sum(numbers.values())
        if lstm_units:
            self.named["lstm"] = nn.LSTM(width, lstm_units, batch_first=True, bidirectional=True)
            self.named["lstm"].bias_hh_l0.requires_grad_(False)  # Keras' cell has one bias, and PyTorch's two
            self.named["lstm"].bias_hh_l0_reverse.requires_grad_(False)
            width = 2 * lstm_units
        self.dense = Dense(width * window, units, tags, activation, batch_norm)
        self.named.update(self.dense.named)

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return logits `(tokens, tags)` for padded arrays, `(batch, time)` or `(batch, time, width)`."""
        real = inputs["word"] != 0
        parts = [self._looked_up(name, inputs[name]) for name in self.tables]
        vectors = torch.cat([*parts, *(inputs[name] for name in self.numbers)], dim=-1)
        sentences = [vectors[row, : int(count)] for row, count in enumerate(real.sum(dim=1))]
        if "lstm" in self.named:
            packed = nn.utils.rnn.pack_sequence(sentences, enforce_sorted=False)
            out, lengths = nn.utils.rnn.pad_packed_sequence(self.named["lstm"](packed)[0], batch_first=True)
            sentences = [out[row, : int(count)] for row, count in enumerate(lengths)]
        side = self.window // 2
        seen = [
            torch.cat([nn.functional.pad(one, (0, 0, side, side))[i : i + len(one)] for i in range(self.window)], -1)
            for one in sentences
        ]
        return self.dense(torch.cat(seen))

    def _looked_up(self, name: str, rows: torch.Tensor) -> torch.Tensor:
        vectors = self.named[f"{name}_embedding"](rows)
        if name != "characters":
            return vectors.flatten(2)
        maps = self.activation(self.named["characters_conv"](vectors.permute(0, 3, 1, 2)))
        return maps.amax(dim=3).transpose(1, 2)  # (batch, time, filters)


def take_weights(twin: Any, model: Any) -> None:
    """Give a twin the weights of a Keras model, by the layers' names."""
    for held, value in pairs(twin, model):
        held.data.copy_(torch.from_numpy(value))
    if "lstm" in twin.named:
        for bias in (twin.named["lstm"].bias_hh_l0, twin.named["lstm"].bias_hh_l0_reverse):
            bias.data.zero_()


def pairs(twin: Any, model: Any) -> list[tuple[torch.Tensor, np.ndarray]]:
    """Return each of a twin's weights with the Keras model's, laid out as PyTorch has it."""
    layers = [layer for layer in model.layers if layer.weights]
    assert {layer.name for layer in layers} == set(twin.named)
    found = []
    for layer in layers:
        held = _weights(twin.named[layer.name])
        for one, value in zip(held, layer.get_weights(), strict=True):
            if not isinstance(twin.named[layer.name], nn.Embedding):
                # (in, out) to (out, in), and (height, width, in, out) to (out, in, height, width)
                value = value.transpose({4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[value.ndim])
            found.append((one, np.ascontiguousarray(value)))
    return found


def _weights(module: nn.Module) -> list[torch.Tensor]:
    """Return a module's weights in the order in which a Keras layer of its kind has them."""
    if isinstance(module, nn.LSTM):
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")
        return [getattr(module, name + direction) for direction in ("", "_reverse") for name in names]
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return [module.weight, module.bias, module.running_mean, module.running_var]
    return list(module.parameters())
