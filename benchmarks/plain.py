"""The benchmarks' networks as people write them in plain PyTorch, with the sizes of kact's models of the same name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import nn

Function = Callable[[torch.Tensor], torch.Tensor]
ACTIVATIONS: dict[str, Function] = {"relu": F.relu, "elu": F.elu, "gelu": F.gelu, "mish": F.mish}


class LeNet(nn.Module):
    """Two convolutions of kernel 5 with max-pooling, dense 120 and 84; 32x32 colour images."""

    def __init__(self, activation: Function) -> None:
        super().__init__()
        self.activation = activation
        self.convolutions = nn.ModuleList([nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)])
        self.dense = nn.ModuleList([nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for convolution in self.convolutions:
            x = F.max_pool2d(self.activation(convolution(x)), 2)
        return _dense(x, self.dense, self.activation)


class CNN(nn.Module):
    """Five convolutions of 32 maps, kernel 3, each with batch norm; max-pooling after the first three."""

    def __init__(self, activation: Function) -> None:
        super().__init__()
        self.activation = activation
        self.convolutions = nn.ModuleList([nn.Conv2d(3 if i == 0 else 32, 32, 3, padding=1) for i in range(5)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(32) for _ in range(5)])
        self.dense = nn.ModuleList([nn.Linear(32 * 4 * 4, 10)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = self.activation(norm(convolution(x)))
            if number < 3:
                x = F.max_pool2d(x, 2)
        return _dense(x, self.dense, self.activation)


class MLP(nn.Module):
    """Three hidden layers of 256 units."""

    def __init__(self, activation: Function) -> None:
        super().__init__()
        self.activation = activation
        sizes = (32 * 32 * 3, 256, 256, 256, 10)
        self.dense = nn.ModuleList([nn.Linear(a, b) for a, b in itertools.pairwise(sizes)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _dense(x, self.dense, self.activation)


def _dense(x: torch.Tensor, layers: Sequence[nn.Module] | nn.ModuleList, activation: Function) -> torch.Tensor:
    x = x.flatten(1)  # (batch, features)
    for layer in list(layers)[:-1]:
        x = activation(layer(x))
    return list(layers)[-1](x)  # (batch, 10)


NETWORKS = {"lenet": LeNet, "cnn": CNN, "mlp": MLP}
