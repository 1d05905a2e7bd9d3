"""A BiLSTM tagger's training step: kact's against stock Keras' under a mask and PyTorch's LSTM over unpacked sentences.

All three tag the same made sentences with the same sizes: words looked up, an LSTM of 128 in both directions, a dense
layer of 128, logits. Each batch is cut to its own longest sentence, for all three. PyTorch runs over the padding
and leaves it out of the loss, which is the fastest it can.
"""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

from benchmarks.speed import interleaved  # sets the backend, before Keras is imported

# isort: split
import keras
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from kact import losses, optimizers
from kact.engine import make_engine
from kact.experiment import Experiment
from kact.models import BiLSTMTagger, build_tagger
from kact.tasks import get_task
from kact.text.encoded import EncodedData, EncodedSplit
from kact.text.vocabulary import Feature, Vocabulary
from kact.training.assembly import epoch_batches

WORDS, TAGS, WIDTH, UNITS = 2000, 25, 64, 128


def sentences(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return padded words `(count, time)`, 0 where there is none, and tags."""
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.normal(16, 6, count).round().astype(int), 2, 30)  # as tweets are
    real = np.arange(lengths.max()) < lengths[:, None]
    return np.where(real, generator.integers(1, WORDS, real.shape), 0), generator.integers(0, TAGS, real.shape)


class Plain(nn.Module):
    """The tagger in plain PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.lstm = nn.LSTM(WIDTH, UNITS, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(2 * UNITS, UNITS)
        self.logits = nn.Linear(UNITS, TAGS)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x, _ = self.lstm(self.words(words))  # (batch, time, 2·units)
        return self.logits(torch.relu(self.dense(x)))  # (batch, time, tags)


def plain(words: np.ndarray, tags: np.ndarray, batch_size: int) -> Any:
    """Return an epoch of plain PyTorch, over tensors on the device."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = Plain().to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    held, wanted = torch.from_numpy(words).to(device), torch.from_numpy(np.where(words > 0, tags, -1)).to(device)
    lengths = (held > 0).sum(1)

    def epoch() -> None:
        for chosen in torch.randperm(len(held), device=device).split(batch_size):
            steps = int(lengths[chosen].max())
            outputs = net(held[chosen, :steps])
            loss = F.cross_entropy(outputs.flatten(0, 1), wanted[chosen, :steps].flatten(), ignore_index=-1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


class Trimmed(keras.utils.PyDataset):
    """An epoch of shuffled batches, each as long as its longest sentence, for Keras' own `fit`."""

    def __init__(self, words: np.ndarray, tags: np.ndarray, batch_size: int) -> None:
        super().__init__()
        self.words, self.tags, self.batch_size = words, tags, batch_size
        self.real = (words > 0).astype(np.float32)
        self.lengths = (words > 0).sum(1)
        self.generator = np.random.default_rng(0)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.words) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        steps = self.lengths[chosen].max()
        return self.words[chosen, :steps], self.tags[chosen, :steps], self.real[chosen, :steps]

    def on_epoch_end(self) -> None:
        self.order = self.generator.permutation(len(self.words))


def stock(words: np.ndarray, tags: np.ndarray, batch_size: int) -> Any:
    """Return an epoch of stock Keras with its own LSTM under a mask."""
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(WORDS, WIDTH, mask_zero=True)(inputs)
    x = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=True))(x)
    x = keras.layers.Dense(UNITS, activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(TAGS)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.make_optimizer("momentum", 0.01), loss, weighted_metrics=["accuracy"])
    batches = Trimmed(words, tags, batch_size)
    return lambda: model.fit(batches, verbose=0)


def kact(words: np.ndarray, tags: np.ndarray, batch_size: int) -> tuple[Any, Any]:
    """Return an epoch of kact's tagger, and its engine."""
    real = words > 0
    starts = np.cumsum([0, *real.sum(1)], dtype=np.int64)
    split = EncodedSplit({"word": words[real].astype(np.int32)}, tags[real], starts, np.zeros(real.sum(), bool))
    sizes = BiLSTMTagger(
        lstm_units=UNITS, hidden_units=(UNITS,), word_units=WIDTH, word_dropout=0.0, cluster_dropout=0.0
    )
    task = dataclasses.replace(get_task("twitter_pos"), labels=tuple(map(str, range(TAGS))))
    vocabulary = Vocabulary.build([["made"]], tags=task.labels)
    data = EncodedData(task, split, split, split, "1", "", vocabulary, {}, {})
    model = build_tagger(sizes, {"word": Feature(None, WORDS)}, TAGS)
    engine = make_engine(
        "auto", model, optimizers.make_optimizer("momentum", 0.01), losses.make_loss("cross_entropy", TAGS), 0.0
    )
    experiment = Experiment(task="twitter_pos", model=sizes, batch_size=batch_size)
    batches = epoch_batches(experiment, data, 0)
    return lambda: engine.train_epoch(batches), engine


def rows(rounds: int, batch_size: int = 16, count: int = 320) -> list[dict[str, Any]]:
    """Measure the three in turn."""
    made = sentences(count)
    own, engine = kact(*made, batch_size)
    times = interleaved({"kact": own, "stock": stock(*made, batch_size), "plain": plain(*made, batch_size)}, rounds)
    found = []
    for name, words, target in (
        ("stock", "stock Keras' masked LSTM, over the same trimmed batches", 4.0),
        ("plain", "`torch.nn.LSTM` over unpacked sentences", 0.75),
    ):
        ratios = [other / one for other, one in zip(times[name], times["kact"], strict=True)]
        row = {
            "words": f"{words} (BiLSTM tagger, batch {batch_size})", "target": target,
            "ratio": statistics.median(ratios), "range": [min(ratios), max(ratios)],
            "step": {"kind": engine.name, "reason": engine.reason},
            "milliseconds": {key: 1e3 * statistics.median(value) * batch_size / count for key, value in times.items()},
        }  # fmt: skip
        print(f"{row['words']}: {row['ratio']:.2f}, kact's step {engine.name}", flush=True)
        found.append(row)
    return found
