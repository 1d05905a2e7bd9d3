"""How fast kact trains, against plain PyTorch, Lightning and stock Keras: `make bench`.

Every contestant trains the same network on the same made images with the same optimizer (SGD, momentum 0.9), in the
same process and in turn, after one epoch that does not count; a ratio is the median over the rounds of another's time
over kact's, so above 1 kact is faster. Times include everything of an epoch: shuffling, batches, metrics of Keras.
Stock Keras predicts and evaluates in batches of the column's size, and once more in batches of 256; kact chooses its
own, 128, which the result does not depend on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.plain import ACTIVATIONS, NETWORKS
from kact import losses, optimizers
from kact.engine import make_engine
from kact.engine.stock import StockEngine
from kact.models import build_model
from kact.tasks import Split
from kact.tasks.batches import EpochBatches

Epoch = Callable[[], Any]

MODELS: dict[str, dict[str, Any]] = {
    "lenet": {"model": {"name": "lenet"}},
    "cnn": {
        "model": {"name": "cnn", "filters": [32] * 5, "kernel_size": 3, "pool_after": [1, 2, 3], "hidden_units": []},
        "batch_norm": True,
    },
    "mlp": {"model": {"name": "mlp", "hidden_units": [256] * 3}},
}
STEPS = {10: 60, 32: 30, 128: 10}
_NOT_YET = """The spread over the activations is in parentheses. For `evaluate` and `predict` kact's time is that of all
outputs of the images, in its own batches of 128 whatever the column.
Not measured here yet: TensorFlow's and JAX' `fit`, the strided CNN, the taggers, memory, many runs at once.
"""
TARGETS: list[tuple[str, str, str, tuple[float, float, float]]] = [  # network, against, in words, by batch size
    ("lenet", "plain", "plain PyTorch, device tensors, its best layout (LeNet)", (1.08, 1.10, 1.15)),
    ("cnn", "plain", "the same, five convolutions with batch norm", (1.05, 1.05, 1.05)),
    ("lenet", "stock evaluate predict", "stock Keras `evaluate`, the same batch size (LeNet)", (3, 3, 3)),
    ("lenet", "stock predict", "stock Keras `predict`, the same batch size (LeNet)", (3, 3, 3)),
    ("lenet", "stock predict, 256", "stock Keras `predict` in batches of 256, its best (LeNet)", (3, 3, 3)),
    ("lenet", "loader", "plain PyTorch with DataLoader (LeNet)", (1.25, 1.20, 1.20)),
    ("lenet", "stock", "stock Keras `fit`, torch (LeNet)", (2.5, 2.0, 1.5)),
    ("mlp", "stock", "stock Keras `fit`, torch (MLP 3x256)", (3, 3, 2)),
    ("lenet", "lightning", "Lightning (LeNet)", (2, 1.5, 1.1)),
]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, and write it as Markdown and JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--activations", nargs="+", default=list(ACTIVATIONS), choices=list(ACTIVATIONS))
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each that count")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on the CPU")
    parser.add_argument("--out", default="benchmarks/results", help="folder for cpu.md and cpu.json, or cuda.*")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    records = []
    for network in given.networks:
        for batch_size in given.batch_sizes:
            for activation in given.activations:
                record = measure(network, batch_size, activation, given.rounds)
                records.append(record)
                times = "  ".join(f"{name} {1e3 * value:.2f}" for name, value in record["milliseconds"].items())
                print(f"{network} batch {batch_size} {activation}, ms a step: {times}", flush=True)
    text = table(records)
    print(text)
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    place = "cuda" if torch.cuda.is_available() else "cpu"
    facts = {"machine": machine(given.threads), "rounds": given.rounds, "records": records}
    (out / f"{place}.json").write_text(json.dumps(facts, indent=1) + "\n")
    (out / f"{place}.md").write_text(
        f"# Speed of training\n\n{machine(given.threads)}, {time.strftime('%Y-%m-%d')}; "
        f"`python -m benchmarks.speed`, {given.rounds} rounds.\nRatios of time, another's over kact's: medians over "
        f"{', '.join(given.activations)}; above 1 kact is faster.\n\n{text}\n{_NOT_YET}"
    )
    return 0


def measure(network: str, batch_size: int, activation: str, rounds: int) -> dict[str, Any]:
    """Return seconds a step of each contestant, and the ratio of each to kact."""
    count = STEPS[batch_size] * batch_size
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    split = Split(images, generator.integers(0, 10, count), np.arange(count))
    batches = EpochBatches(split, batch_size, (), 0, 0)
    captured, stock = (_engine(name, network, activation) for name in ("auto", "stock"))
    contestants: dict[str, Epoch] = {
        "kact": lambda: captured.train_epoch(batches),
        "stock": lambda: stock.model.fit(*split.arrays(), batch_size=batch_size, verbose=0),
        **_plain(network, activation, split, batch_size),
        "kact predict": lambda: captured.predict(images),
        "stock predict": lambda: stock.model.predict(images, batch_size=batch_size, verbose=0),
        "stock predict, 256": lambda: stock.model.predict(images, batch_size=256, verbose=0),
        "stock evaluate predict": lambda: stock.model.evaluate(*split.arrays(), batch_size=batch_size, verbose=0),
    }
    if network == "lenet":
        contestants["lightning"] = _lightning(network, activation, split, batch_size)
    began = time.perf_counter()
    captured.prepare(split, batch_size)
    capture_seconds = time.perf_counter() - began
    if captured.reason is not None:
        raise SystemExit(f"kact could not capture the step of {network}: {captured.reason}")
    times = interleaved(contestants, rounds)
    best = min(("channels last", "channels first"), key=lambda name: statistics.median(times[name]))
    times["plain"] = times[best]
    ratios = {
        name: statistics.median(
            other / own
            for other, own in zip(seconds, times["kact predict" if "predict" in name else "kact"], strict=True)
        )
        for name, seconds in times.items()
    }
    return {
        "network": network,
        "batch_size": batch_size,
        "activation": activation,
        "capture_seconds": capture_seconds,
        "milliseconds": {name: statistics.median(seconds) / STEPS[batch_size] for name, seconds in times.items()},
        "ratios": ratios,
    }


def interleaved(contestants: dict[str, Epoch], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each contestant in each round, all taking turns, after one that does not count."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, epoch in contestants.items():
            _synchronise()
            began = time.perf_counter()
            epoch()
            _synchronise()
            if number:
                times[name].append(time.perf_counter() - began)
    return times


def table(records: list[dict[str, Any]]) -> str:
    """Return the ratios as Markdown, each beside its target."""
    lines = ["| against | batch 10 | 32 | 128 |", "| --- | --- | --- | --- |"]
    for network, against, words, targets in TARGETS:
        cells = []
        for batch_size, target in zip(STEPS, targets, strict=True):
            found = [
                record["ratios"][against]
                for record in records
                if (record["network"], record["batch_size"]) == (network, batch_size)
            ]
            if not found:
                cells.append("not run")
                continue
            ratio = statistics.median(found)
            spread = f"{min(found):.2f}-{max(found):.2f}"
            cells.append(f"{ratio:.2f} ({spread}), wanted {target}: {'met' if ratio >= target else 'missed'}")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    capture = max(record["capture_seconds"] for record in records)
    return "\n".join([*lines, "", f"Capturing a step took at most {capture:.2f} s (wanted under 1 s).", ""])


def machine(threads: int) -> str:
    """Return the machine and the versions in words."""
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    else:
        name = f"{os.cpu_count()} CPU cores ({platform.machine()}), {threads} thread"
    return f"{name}; Python {platform.python_version()}, torch {torch.__version__}, keras {keras.__version__}"


def _engine(name: str, network: str, activation: str) -> StockEngine:
    model = build_model(
        **{**MODELS[network], "input_shape": (32, 32, 3), "classes": 10, "activation": activation},
        mean=[127.0] * 3,
        std=[73.0] * 3,
    )
    return make_engine(
        name, model, optimizers.make_optimizer("momentum", 0.01), losses.make_loss("cross_entropy", 10), 0.0
    )


def _normalised(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = split.arrays()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    scaled = (torch.from_numpy(images).to(device, torch.float32) - 127) / 73
    return scaled.permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels).to(device)


def _plain(network: str, activation: str, split: Split, batch_size: int) -> dict[str, Epoch]:
    """Return the loops people write: over tensors on the device in both layouts, and over a DataLoader."""
    inputs, labels = _normalised(split)

    def learner(memory_format: torch.memory_format) -> tuple[Any, Any]:
        net = NETWORKS[network](ACTIVATIONS[activation]).to(inputs.device).to(memory_format=memory_format)
        return net, torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

    def step(net: Any, optimizer: Any, images: torch.Tensor, wanted: torch.Tensor) -> None:
        loss = F.cross_entropy(net(images), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def over_tensors(memory_format: torch.memory_format) -> Epoch:
        net, optimizer = learner(memory_format)
        held = inputs.contiguous(memory_format=memory_format)

        def epoch() -> None:
            for chosen in torch.randperm(len(held), device=held.device).split(batch_size):
                step(net, optimizer, held[chosen], labels[chosen])

        return epoch

    def over_loader() -> Epoch:
        net, optimizer = learner(torch.contiguous_format)
        data = torch.utils.data.TensorDataset(inputs.cpu(), labels.cpu())
        loader = torch.utils.data.DataLoader(data, batch_size, shuffle=True)

        def epoch() -> None:
            for images, wanted in loader:
                step(net, optimizer, images.to(inputs.device), wanted.to(inputs.device))

        return epoch

    return {
        "channels last": over_tensors(torch.channels_last),
        "channels first": over_tensors(torch.contiguous_format),
        "loader": over_loader(),
    }


def _lightning(network: str, activation: str, split: Split, batch_size: int) -> Epoch:
    import logging
    import warnings

    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    inputs, labels = _normalised(split)

    class Learner(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = NETWORKS[network](ACTIVATIONS[activation])

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            images, wanted = batch
            return F.cross_entropy(self.net(images), wanted)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)

    data = torch.utils.data.TensorDataset(inputs.cpu(), labels.cpu())
    loader = torch.utils.data.DataLoader(data, batch_size, shuffle=True)
    learner = Learner()

    def epoch() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = lightning.Trainer(
                max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
                enable_model_summary=False, accelerator="auto", devices=1,
            )  # fmt: skip
            trainer.fit(learner, loader)

    return epoch


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    sys.exit(main())
