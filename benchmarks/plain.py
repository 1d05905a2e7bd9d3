"""The benchmarks' networks and loops as people write them in plain PyTorch, with the sizes of kact's models."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
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


class StridedCNN(nn.Module):
    """Six convolutions of stride 2."""

    def __init__(self, activation: Function) -> None:
        super().__init__()
        self.activation = activation
        filters = (3, 32, 64, 64, 96, 96, 128)
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(a, b, size, stride=2, padding=size // 2)
                for (a, b), size in zip(itertools.pairwise(filters), (5, 3, 3, 3, 3, 3), strict=True)
            ]
        )
        self.dense = nn.ModuleList([nn.Linear(128, 10)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for convolution in self.convolutions:
            x = self.activation(convolution(x))
        return _dense(x, self.dense, self.activation)


def _dense(x: torch.Tensor, layers: Sequence[nn.Module] | nn.ModuleList, activation: Function) -> torch.Tensor:
    x = x.flatten(1)  # (batch, features)
    for layer in list(layers)[:-1]:
        x = activation(layer(x))
    return list(layers)[-1](x)  # (batch, 10)


NETWORKS = {"lenet": LeNet, "cnn": CNN, "mlp": MLP, "strided_cnn": StridedCNN}


def normalised(images: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images as float32 `(n, channels, height, width)` and labels, on the GPU where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    scaled = (torch.from_numpy(images).to(device, torch.float32) - 127) / 73
    return scaled.permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels).to(device)


def learner(network: str, activation: str, device: Any, memory_format: torch.memory_format) -> tuple[Any, Any]:
    """Return a network and its optimizer."""
    net = NETWORKS[network](ACTIVATIONS[activation]).to(device).to(memory_format=memory_format)
    return net, torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)


def step(net: Any, optimizer: Any, images: torch.Tensor, wanted: torch.Tensor) -> None:
    """Train on one batch."""
    loss = F.cross_entropy(net(images), wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def over_tensors(
    network: str,
    activation: str,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    batch_size: int,
    memory_format: torch.memory_format,
) -> Callable[[], None]:
    """Return an epoch over tensors that lie on the device, the leanest loop that people write."""
    net, optimizer = learner(network, activation, inputs.device, memory_format)
    held = inputs.contiguous(memory_format=memory_format)

    def epoch() -> None:
        for chosen in torch.randperm(len(held), device=held.device).split(batch_size):
            step(net, optimizer, held[chosen], labels[chosen])

    return epoch
