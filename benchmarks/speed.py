"""How fast kact trains, against plain PyTorch, Lightning and stock Keras, all in one process.

Every contestant trains the same network on the same made images with the same optimizer (SGD, momentum 0.9), in the
same process and in turn, after one epoch that does not count; a ratio is the median over the rounds of another's time
over kact's, so above 1 kact is faster. Times include everything of an epoch: shuffling, batches, metrics of Keras.
`evaluate` and `predict` are held to their targets with both in batches of the column's size. What people get is shown
beside it: kact's users cannot set that size, as the result does not depend on it, and kact takes 128; Keras' users give
theirs (Keras' default is 32), and stock Keras is shown at the column's and at 256.
"""

from __future__ import annotations

import functools
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.plain import ACTIVATIONS, NETWORKS, learner, normalised, over_tensors, step
from kact import losses, optimizers
from kact.engine import make_engine
from kact.engine.stock import StockEngine
from kact.models import build_model
from kact.tasks import Split
from kact.tasks.batches import EpochBatches
from kact.training.scores import loss_and_accuracy

Epoch = Callable[[], Any]

MODELS: dict[str, dict[str, Any]] = {
    "lenet": {"model": {"name": "lenet"}},
    "cnn": {
        "model": {"name": "cnn", "filters": [32] * 5, "kernel_size": 3, "pool_after": [1, 2, 3], "hidden_units": []},
        "batch_norm": True,
    },
    "mlp": {"model": {"name": "mlp", "hidden_units": [256] * 3}},
    "strided_cnn": {"model": {"name": "strided_cnn"}},
}
STEPS = {10: 60, 32: 30, 128: 10}
_NO_TARGET = (None, None, None)
TARGETS: list[
    tuple[str, str, str, tuple[float | None, float | None, float | None]]
] = [  # network, against, in words, by batch size
    ("lenet", "plain", "plain PyTorch, device tensors, its best layout (LeNet)", (1.08, 1.10, 1.15)),
    ("cnn", "plain", "the same, five convolutions with batch norm", (1.05, 1.05, 1.05)),
    *(
        row
        for name in ("evaluate", "predict")
        for row in (
            ("lenet", f"stock {name}", f"stock Keras `{name}`, both in such batches (LeNet)", (3, 3, 3)),
            (
                "lenet",
                f"stock {name}, kact 128",
                f"stock Keras `{name}` in such batches, kact in 128 (LeNet)",
                _NO_TARGET,
            ),
            ("lenet", f"stock {name} 256, kact 128", f"stock Keras `{name}` in 256, kact in 128 (LeNet)", _NO_TARGET),
        )
    ),
    ("lenet", "loader", "plain PyTorch with DataLoader (LeNet)", (1.25, 1.20, 1.20)),
    ("lenet", "stock", "stock Keras `fit`, torch (LeNet)", (2.5, 2.0, 1.5)),
    ("mlp", "stock", "stock Keras `fit`, torch (MLP 3x256)", (3, 3, 2)),
    ("lenet", "lightning", "Lightning (LeNet)", (2, 1.5, 1.1)),
    ("strided_cnn", "plain", "plain PyTorch, its best layout (strided CNN)", _NO_TARGET),
    ("strided_cnn", "stock", "stock Keras `fit`, torch (strided CNN)", _NO_TARGET),
]


def sweep(
    networks: Sequence[str], batch_sizes: Sequence[int], activations: Sequence[str], rounds: int
) -> list[dict[str, Any]]:
    """Measure every combination and say each as it is done."""
    records = []
    for network in networks:
        for batch_size in batch_sizes:
            for activation in activations:
                record = measure(network, batch_size, activation, rounds)
                records.append(record)
                times = "  ".join(f"{name} {1e3 * value:.2f}" for name, value in record["milliseconds"].items())
                print(f"{network} batch {batch_size} {activation}, ms a step: {times}", flush=True)
    return records


def measure(network: str, batch_size: int, activation: str, rounds: int) -> dict[str, Any]:
    """Return seconds a step of each contestant, and the ratio of each to kact."""
    count = STEPS[batch_size] * batch_size
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    split = Split(images, generator.integers(0, 10, count), np.arange(count))
    batches = EpochBatches(split, batch_size, (), 0, 0)
    captured, stock = (make(name, network, activation) for name in ("auto", "stock"))
    contestants: dict[str, Epoch] = {
        "kact": lambda: captured.train_epoch(batches),
        "stock": lambda: stock.model.fit(*split.arrays(), batch_size=batch_size, verbose=0),
        **_plain(network, activation, split, batch_size),
    }
    if network == "lenet":
        contestants["lightning"] = _lightning(network, activation, split, batch_size)
        contestants |= _scoring(captured, stock.model, split, batch_size)
    began = time.perf_counter()
    captured.prepare(split, batch_size)
    capture_seconds = time.perf_counter() - began
    if captured.reason is not None:
        raise SystemExit(f"kact could not capture the step of {network}: {captured.reason}")
    times = interleaved(contestants, rounds)
    best = min(("channels last", "channels first"), key=lambda name: statistics.median(times[name]))
    times["plain"] = times[best]
    pairs = {name: (name, "kact") for name in times if "predict" not in name and "evaluate" not in name}
    for name in ("evaluate", "predict") if network == "lenet" else ():
        pairs[f"stock {name}"] = f"stock {name}", f"kact {name}"
        pairs[f"stock {name}, kact 128"] = f"stock {name}", f"kact {name} 128"
        pairs[f"stock {name} 256, kact 128"] = f"stock {name} 256", f"kact {name} 128"
    ratios = {
        name: statistics.median(other / own for other, own in zip(times[slower], times[faster], strict=True))
        for name, (slower, faster) in pairs.items()
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
            synchronise()
            began = time.perf_counter()
            epoch()
            synchronise()
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
            cells.append(f"{ratio:.2f} ({spread}){verdict(ratio, target)}")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    capture = max(record["capture_seconds"] for record in records)
    return "\n".join([*lines, "", f"Capturing a step took at most {capture:.2f} s (wanted under 1 s).", ""])


def verdict(ratio: float, target: float | None) -> str:
    """Return in words whether a ratio is what was wanted; nothing where nothing was."""
    return "" if target is None else f", wanted {target}: {'met' if ratio >= target else 'missed'}"


def machine(threads: int) -> str:
    """Return the machine and the versions in words."""
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    else:
        name = f"{os.cpu_count()} CPU cores ({platform.machine()}), {threads} thread"
    return f"{name}; Python {platform.python_version()}, torch {torch.__version__}, keras {keras.__version__}"


def make(name: str, network: str, activation: str) -> StockEngine:
    """Return one of kact's engines, "auto" or "stock", with a network of `MODELS` in it."""
    model = build_model(
        **{**MODELS[network], "input_shape": (32, 32, 3), "classes": 10, "activation": activation},
        mean=[127.0] * 3,
        std=[73.0] * 3,
    )
    return make_engine(
        name, model, optimizers.make_optimizer("momentum", 0.01), losses.make_loss("cross_entropy", 10), 0.0
    )


def _plain(network: str, activation: str, split: Split, batch_size: int) -> dict[str, Epoch]:
    """Return the loops people write: over tensors on the device in both layouts, and over a DataLoader."""
    inputs, labels = normalised(*split.arrays())

    def over_loader() -> Epoch:
        net, optimizer = learner(network, activation, inputs.device, torch.contiguous_format)
        data = torch.utils.data.TensorDataset(inputs.cpu(), labels.cpu())
        loader = torch.utils.data.DataLoader(data, batch_size, shuffle=True)

        def epoch() -> None:
            for images, wanted in loader:
                step(net, optimizer, images.to(inputs.device), wanted.to(inputs.device))

        return epoch

    return {
        "channels last": over_tensors(network, activation, inputs, labels, batch_size, torch.channels_last),
        "channels first": over_tensors(network, activation, inputs, labels, batch_size, torch.contiguous_format),
        "loader": over_loader(),
    }


def _scoring(engine: StockEngine, model: keras.Model, split: Split, batch_size: int) -> dict[str, Epoch]:
    """Return `predict` and `evaluate` of kact's engine and of stock Keras, each in two sizes of batch."""

    def own(size: int, evaluated: bool) -> Any:
        engine.prediction_batch = size
        outputs, labels = engine.outputs_of(split)
        return loss_and_accuracy(outputs, labels, "cross_entropy") if evaluated else outputs

    images, labels = split.arrays()
    found: dict[str, Epoch] = {}
    for size, suffix in ((batch_size, ""), (128, " 128")):
        found[f"kact predict{suffix}"] = functools.partial(own, size, False)
        found[f"kact evaluate{suffix}"] = functools.partial(own, size, True)
    for size, suffix in ((batch_size, ""), (256, " 256")):
        found[f"stock predict{suffix}"] = functools.partial(model.predict, images, batch_size=size, verbose=0)
        found[f"stock evaluate{suffix}"] = functools.partial(model.evaluate, images, labels, batch_size=size, verbose=0)
    return found


def _lightning(network: str, activation: str, split: Split, batch_size: int) -> Epoch:
    import logging
    import warnings

    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    inputs, labels = normalised(*split.arrays())

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


def synchronise() -> None:
    """Wait for the GPU, where there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
