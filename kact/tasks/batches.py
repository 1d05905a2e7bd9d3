"""The batches of one epoch: which examples, in which order, changed how, as a function of (seed, epoch)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kact import backend
from kact.tasks import Split, augmentation


class EpochBatches(keras.utils.PyDataset):
    """One epoch over a split, shuffled and augmented from their own random streams.

    Args:
        split: the training examples.
        batch_size: examples a batch, all where there are fewer; the last one holds what is left.
        augmentations: canonical augmentation specs.
        seed, epoch: what order and changes depend on; nothing else does.
    """

    def __init__(self, split: Split, batch_size: int, augmentations: Sequence[str], seed: int, epoch: int) -> None:
        super().__init__()
        self.split = split
        self.seed = seed
        self.epoch = epoch
        self.batch_size = min(batch_size, len(split))
        self.order = backend.stream(seed, "shuffle", epoch).permutation(len(split))
        generator = backend.stream(seed, "augmentation", epoch)
        self.drawn = augmentation.draw(augmentations, len(split), split.inputs.shape[1:], generator)

    def __len__(self) -> int:
        return math.ceil(len(self.split) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images, labels = self.split.take(chosen)
        return self.changed(images, chosen).astype(np.float32), labels

    def changed(self, images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Return stored images `(batch, height, width, channels)` with what this epoch draws for them applied."""
        if not self.drawn:
            return images
        return augmentation.apply(images, {name: values[chosen] for name, values in self.drawn.items()})
