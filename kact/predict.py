"""Predictor: a trained run and an image or a text in, labels with probabilities out.

Any image that Pillow can open is brought to the model's size and channels by `kact.images`, the same way as in
training. Any text is cut into tokens as tweets are.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kact import backend, losses
from kact.errors import KactError
from kact.images import open_image, to_array
from kact.model_file import read_model
from kact.runs import Run
from kact.tasks import Split, TaggingTask, Task, get_record, load_task

_BATCH = 256

if TYPE_CHECKING:
    import keras
    from PIL import Image

    from kact.text.encoded import EncodedSplit
    from kact.text.vocabulary import Vocabulary

LONGEST_TEXT = 1_000_000  # characters; a longer one is to be given in parts


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


@dataclass(frozen=True)
class TaggedToken:
    """What a tagger says of one token.

    Attributes:
        token: as it was cut from the text.
        tag: the likeliest.
        probability: of that tag, in [0, 1].
    """

    token: str
    tag: str
    probability: float


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
        self._maps: dict[str, Callable[[Any], np.ndarray]] = {}

    @cached_property
    def model(self) -> keras.Model:
        """The trained Keras model, read on first use.

        Raises:
            KactError: if its file is no model of layers of Keras and kact, or not of this run.
        """
        self.run.check_activation()
        model = read_model(self._file)
        self._check_fits(model)
        return backend.exact_inference(model)

    def _check_fits(self, model: keras.Model) -> None:
        """Raise unless a model takes what the run's data gives, and has an output for each label."""
        taken = {given.name: tuple(given.shape[1:]) for given in model.inputs}
        if self.task.input == "image":
            shape = tuple(self.task.input_shape)
            fits = list(taken.values()) == [shape] and len(shape) == 3 and shape[2] in (1, 3)
        else:
            inputs = self.vocabulary.inputs
            rows = {layer.name: layer.input_dim for layer in model.layers if hasattr(layer, "input_dim")}
            fits = taken == {name: (None,) if one.width is None else (None, one.width) for name, one in inputs.items()}
            fits = fits and all(rows.get(f"{name}_embedding", 0) >= one.rows for name, one in inputs.items())
        outputs, labels = model.outputs[0].shape[-1], len(self.task.labels)
        if not fits or outputs != labels or len(model.outputs) > 1:
            raise KactError(
                f"'{self._file}' is not of this run: its inputs {taken} and {outputs} outputs do not fit the run's "
                f"data and {labels} labels.",
                "Train the run again.",
            )

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the run's tagger knows of words, read on first use."""
        from kact.text.vocabulary import Vocabulary

        return Vocabulary.load(self.run.vocabulary_path)

    def tag(self, texts: Sequence[str]) -> list[list[TaggedToken]]:
        """Return the tagged tokens of each text; none of a text that is empty or blank.

        Args:
            texts: of at most 1,000,000 characters each.

        Raises:
            KactError: if the run's model takes images, or a text is too long.
        """
        from kact.text.tokens import tokenize

        for text in texts:
            if not isinstance(text, str) or len(text) > LONGEST_TEXT:
                given = f"{len(text):,} characters" if isinstance(text, str) else type(text).__name__
                raise KactError.parameter("text", given, f"a text of at most {LONGEST_TEXT:,} characters")
        return self.tag_tokens([tokenize(text) for text in texts])

    def tag_tokens(self, sentences: Sequence[Sequence[str]]) -> list[list[TaggedToken]]:
        """Return the tags of sentences that are cut into tokens already.

        Args:
            sentences: tokens of each.

        Raises:
            KactError: if the run's model takes images.
        """
        _, outputs = self._outputs(sentences, [[0] * len(tokens) for tokens in sentences])
        found = losses.probabilities(outputs, self.run.experiment.loss)
        best, tags = found.argmax(axis=-1), self.vocabulary.tags
        rows = iter(zip(best.tolist(), found.max(axis=-1).tolist(), strict=True))
        return [
            [
                TaggedToken(token, tags[row], probability)
                for token, (row, probability) in zip(tokens, rows, strict=False)
            ]
            for tokens in sentences
        ]

    def score_tagged(self, file: str | Path) -> dict[str, Any]:
        """Return a tagger's scores on sentences with gold tokens and tags, such as it was never trained on.

        Args:
            file: `token TAB tag` lines, with a blank line between sentences.

        Returns:
            What `kact.training.scores.score` returns, `sequence_accuracy`, `sentences`, and `unknown_tags`, which are
            errors.

        Raises:
            KactError: if the run's model takes images, or a line of the file is unusable.
        """
        from kact.tasks.tagging import read_tagged
        from kact.training.scores import score, tag_scores

        gold, _ = read_tagged(Path(file))
        names = self.task.labels
        row = {tag: index for index, tag in enumerate(names)}
        if self.task.input == "words" and not any(tag in row for tags in gold.tags for tag in tags):
            raise KactError(f"No tag in '{file}' is one that the run knows.", f"It knows {', '.join(names)}.")
        split, outputs = self._outputs(gold.tokens, [[row.get(tag, len(row)) for tag in tags] for tags in gold.tags])
        unknown = Counter(tag for tags in gold.tags for tag in tags if tag not in row)
        of_sentences = tag_scores(outputs, split, unknown)
        kept = {name: of_sentences[name] for name in ("sequence_accuracy", "sentences", "unknown_tags")}
        return {**score(outputs, split.labels, names, self.run.experiment.loss), **kept}

    def _outputs(
        self, sentences: Sequence[Sequence[str]], labels: Sequence[Sequence[int]]
    ) -> tuple[EncodedSplit, np.ndarray]:
        """Return sentences as the tagger takes them, and its outputs, `(tokens, tags)`."""
        from kact.text.encoded import EncodedSplit
        from kact.text.token_batches import predict_tokens

        if self.task.input != "words":
            raise KactError(
                f"The run in '{self.run.path}' labels images, not words.", f"kact predict {self.run.path} IMAGE..."
            )
        split = EncodedSplit.of(sentences, labels, self.vocabulary)
        with self._as_trained():
            return split, predict_tokens(self.model, split)

    def predict(self, images: Sequence[str | Path | Image.Image]) -> list[Prediction]:
        """Return one prediction an image.

        Args:
            images: paths, or Pillow images.

        Raises:
            KactError: for the first that is missing, no image, broken, or larger than 64 million pixels, or if the
                run's model tags words.
        """
        self._expect_images()
        if not images:
            return []
        return [self._named(row) for row in losses.probabilities(self.outputs(images), self.run.experiment.loss)]

    def predict_test(self, count: int) -> list[tuple[Prediction, str]]:
        """Return the predictions of the first test images of the run's task, each with its true label.

        Args:
            count: how many, at most as many as there are.

        Raises:
            KactError: if the run's model tags words, or its data is missing.
        """
        stored, truths = self.test_images(count)
        rows = losses.probabilities(self.outputs_of(stored), self.run.experiment.loss)
        return [(self._named(row), truth) for row, truth in zip(rows, truths, strict=True)]

    def test_images(self, count: int) -> tuple[np.ndarray, list[str]]:
        """Return the first test images, float32 `(n, height, width, channels)` in stored units, and their labels.

        Raises:
            KactError: if the run's model tags words, or its data is missing or is not what it was trained on, of which
                other images would be the test's now.
        """
        self._expect_images()
        self.run.check_data()
        split = load_task(self.run.experiment.task, data=self.run.experiment.data).test
        assert isinstance(split, Split)  # as the task's input is images
        stored, indices = split.take(np.arange(min(count, len(split))))
        return stored.astype(np.float32), [self.task.labels[index] for index in indices]

    def outputs(self, images: Sequence[str | Path | Image.Image]) -> np.ndarray:
        """Return what the network itself puts out for each image, before it is made into probabilities.

        Args:
            images: paths, or Pillow images; at least one.

        Returns:
            `(n, classes)`, float32: logits, but for losses that have none.

        Raises:
            KactError: as `predict`.
        """
        self._expect_images()
        parts = [
            self.outputs_of(np.stack([self.prepare(image) for image in images[start : start + _BATCH]]))
            for start in range(0, len(images), _BATCH)
        ]
        return np.concatenate(parts)

    def outputs_of(self, stored: np.ndarray) -> np.ndarray:
        """Return what the network puts out for images in stored units, `(n, classes)`, in batches that memory holds.

        Args:
            stored: float32, `(n, height, width, channels)`; at least one.
        """
        batches = (stored[start : start + _BATCH] for start in range(0, len(stored), _BATCH))
        with self._as_trained():
            return np.concatenate([np.asarray(self.model.predict_on_batch(batch)) for batch in batches])

    def feature_maps(
        self, images: Sequence[str | Path | Image.Image], layer: str | None = None
    ) -> tuple[str, np.ndarray]:
        """Return a layer's name and what it makes of each image.

        Args:
            images: paths, or Pillow images; at least one.
            layer: the model's; the activation behind the last convolution if None.

        Returns:
            The layer's name, and `(n, height, width, maps)` for a layer of maps, else `(n, units)`; float32.

        Raises:
            KactError: as `predict`; for an unknown layer, or None where the model has no convolution.
        """
        from kact.diagnostics.feature_maps import last_maps, maps_of

        self._expect_images()
        name = layer or last_maps(self.model)
        if name not in self._maps:  # making it takes longer than asking it
            self._maps[name] = maps_of(self.model, name)
        given = np.stack([self.prepare(image) for image in images])
        with self._as_trained():
            return name, self._maps[name](given)

    def _as_trained(self) -> contextlib.AbstractContextManager[None]:
        """Compute as the run did when it was scored, so that a GPU puts out what its scores are of."""
        return backend.products_of(self.run.experiment.precision)

    def _expect_images(self) -> None:
        if self.task.input != "image":
            raise KactError(
                f"The run in '{self.run.path}' tags words, not images.", f'kact predict {self.run.path} --text "..."'
            )

    def prepare(self, image: str | Path | Image.Image) -> np.ndarray:
        """Return what the network sees of an image: float32 `(height, width, channels)` in the task's stored units."""
        from PIL import Image

        _ = self.model  # which checks the shape: that of a damaged run could be of any size
        opened = image if isinstance(image, Image.Image) else open_image(image)
        height, width, channels = self.task.input_shape
        return to_array(opened, (height, width, channels), self.task.fit).astype(np.float32)

    def _named(self, row: np.ndarray) -> Prediction:
        ranked = {self.task.labels[i]: float(row[i]) for i in np.argsort(-row, kind="stable")}
        label = next(iter(ranked))
        return Prediction(label, ranked[label], ranked)


def _task_of(run: Run) -> Task | TaggingTask:
    """Return the task's record with what the run noted of its data, which may have moved since."""
    record = get_record(run.experiment.task)
    noted = run.metrics.get("task")
    if noted is None:  # a run of before it was noted, when records alone said it
        return record
    if isinstance(record, TaggingTask):
        return dataclasses.replace(record, labels=tuple(noted["labels"]))
    return dataclasses.replace(
        record, labels=tuple(noted["labels"]), input_shape=tuple(noted["input_shape"]), fit=noted["fit"]
    )
