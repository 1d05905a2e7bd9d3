"""Predictor: a trained run and an image in, labels with probabilities out.

Any image that Pillow can open is brought to the model's size and channels by `kact.images`, the same way as in
training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kact import losses
from kact.images import open_image, to_array
from kact.runs import Run
from kact.tasks import Task, get_record

if TYPE_CHECKING:
    import keras
    from PIL import Image


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes:
        label: the likeliest class.
        probability: of that class, in [0, 1].
        probabilities: of every class, likeliest first.
    """

    label: str
    probability: float
    probabilities: dict[str, float]


class Predictor:
    """Predicts with the model of a finished run.

    Args:
        run: a run, or its directory.

    Raises:
        KactError: if there is no finished run, or its model is damaged.
    """

    def __init__(self, run: Run | str | Path) -> None:
        self.run = run if isinstance(run, Run) else Run.load(run)
        self.task = _task_of(self.run)
        self._file = self.run.model_path

    @cached_property
    def model(self) -> keras.Model:
        """The trained Keras model, read on first use."""
        import keras

        import kact.activation_layers
        import kact.models.adaptive_pooling  # noqa: F401  both register what the file may hold

        return keras.saving.load_model(self._file, compile=False, safe_mode=True)

    def predict(self, images: Sequence[str | Path | Image.Image]) -> list[Prediction]:
        """Return one prediction an image.

        Args:
            images: paths, or Pillow images.

        Raises:
            KactError: for the first that is missing, no image, broken, or larger than 64 million pixels.
        """
        if not images:
            return []
        prepared = np.stack([self.prepare(image) for image in images])  # (n, height, width, channels)
        outputs = np.asarray(self.model.predict_on_batch(prepared))
        return [self._named(row) for row in losses.probabilities(outputs, self.run.experiment.loss)]

    def prepare(self, image: str | Path | Image.Image) -> np.ndarray:
        """Return what the network sees of an image: float32 `(height, width, channels)` in the task's stored units."""
        from PIL import Image

        opened = image if isinstance(image, Image.Image) else open_image(image)
        return to_array(opened, self.task.input_shape, self.task.fit).astype(np.float32)

    def _named(self, row: np.ndarray) -> Prediction:
        ranked = {self.task.labels[i]: float(row[i]) for i in np.argsort(-row, kind="stable")}
        label = next(iter(ranked))
        return Prediction(label, ranked[label], ranked)


def _task_of(run: Run) -> Task:
    """Return the task's record with what the run noted of its data, which may have moved since."""
    record = get_record(run.experiment.task)
    noted = run.metrics.get("task")
    if noted is None:  # a run of before it was noted, when records alone said it
        return record
    return dataclasses.replace(
        record, labels=tuple(noted["labels"]), input_shape=tuple(noted["input_shape"]), fit=noted["fit"]
    )
