"""Exports a run's network for use without kact: ONNX, OpenVINO or PyTorch, checked before it is handed over.

All three come from one graph, captured by `torch.export`, so this needs the torch backend. The batch size is free, and
for taggers the length of a sentence. The exported file is opened by its own runtime, run on made inputs of several
sizes and compared with the model; a file that differs is deleted. What a user needs to know travels in the file as
text: `description` says what.

>>> sorted(FORMATS)
['onnx', 'openvino', 'torch']
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kact import backend
from kact.errors import KactError
from kact.export import lstm
from kact.export.formats import FORMATS, Arrays, Format
from kact.export.inputs import described_inputs, input_shapes, random_inputs
from kact.predict import Predictor
from kact.runs import Run
from kact.spec import choose
from kact.storage.files import atomic, explained
from kact.tasks import TaggingTask, Task

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-5  # times the largest output, or 1: about a hundred roundings in float32

_BATCHES = (1, 3, 8)  # one example, and two sizes that the graph was not captured with
_STEPS = (1, 40, 9)  # likewise, of the sentences in each batch
_CAPTURED_BATCH = 2


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how it was found to differ.

    Attributes:
        path: of the file; an OpenVINO network has a `.bin` with its weights beside it.
        difference: the largest between the file's outputs and the model's.
        examples: how many inputs were compared.
        steps: how many tokens the sentences among them had; none for images.
    """

    path: Path
    difference: float
    examples: int
    steps: tuple[int, ...] = ()


def export(run: Run | str | Path, kind: str, out: str | Path | None = None) -> Exported:
    """Write a run's network to a file that needs neither kact nor Keras, and check it.

    Args:
        run: a finished run, or its directory.
        kind: "onnx", "openvino" (an `.xml` and a `.bin`) or "torch" (a `.pt2` for `torch.export.load`).
        out: the file; `RUN/model.onnx`, `.xml` or `.pt2` if None.

    Raises:
        KactError: on another backend than torch, without the packages that the format needs, for a run without a
            model, where the file cannot be written, or if what was written computes something else.
    """
    name = choose(kind, FORMATS, {"pytorch": "torch", "pt2": "torch", "ov": "openvino"}, "format")
    form = FORMATS[name]
    if backend.name() != "torch":
        raise KactError(
            f"Export needs the torch backend, and KERAS_BACKEND is {backend.name()!r}.",
            "Give the command again with KERAS_BACKEND=torch; the file then holds the same network.",
        )
    for package in form.packages:
        if importlib.util.find_spec(package) is None:
            raise KactError(
                f"Export to {name} needs the package {package!r}.", f"Install it: pip install 'kact[{form.extra}]'"
            )
    predictor = Predictor(run)
    path = Path(out) if out is not None else predictor.run.path / f"model{form.suffix}"
    if path.suffix != form.suffix:
        raise KactError.parameter("out", str(path), f"a file name that ends in {form.suffix}")
    with backend.run_settings("cpu", "float32"):  # a GPU's outputs are others, by more than rounding
        model = predictor.model
        with explained(path):
            difference = _write_checked(predictor, model, path, name)
    return Exported(path, difference, sum(_BATCHES), _STEPS if predictor.task.input == "words" else ())


def _write_checked(predictor: Predictor, model: keras.Model, path: Path, name: str) -> float:
    """Write a network to a file, and return the largest difference between its outputs and the model's."""
    form = FORMATS[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:  # not beside the file, where a kill would leave it
        draft = Path(folder) / path.name  # OpenVINO's two files name each other
        with _quiet():
            _write(form, name, model, draft, description(predictor))
            difference = _compare(model, form.open(draft), name)
        for written in sorted(draft.parent.iterdir(), key=lambda file: file.suffix == form.suffix):
            with atomic(path.with_name(written.name)) as temporary:
                shutil.copyfile(written, temporary)
    return difference


def description(predictor: Predictor) -> dict[str, str]:
    """Return what travels with an exported network, as text.

    For every network: `kact.task`, `kact.labels`, `kact.inputs` (by name, in the order in which they are given: shape,
    type, how many rows its indices have, and what they mean), `kact.units` (how inputs are made), `kact.outputs`,
    `kact.activation`, `kact.model`, `kact.seed` and `kact.run`. For images also `kact.input_shape` and `kact.fit`, for
    words `kact.vocabulary`. What is no plain text is JSON.
    """
    run, task = predictor.run, predictor.task
    words = task.input == "words"
    scores = (
        "logits; their softmax is the probabilities"
        if run.experiment.loss == "cross_entropy"
        else "scores, about 0 to 1"
    )
    return {
        "kact.task": task.name,
        "kact.labels": _json(list(task.labels)),
        "kact.inputs": _json(described_inputs(predictor.model)),
        "kact.outputs": f"{scores}, {'(batch, time, labels)' if words else '(batch, labels)'}",
        "kact.activation": run.experiment.activation,
        "kact.model": _json(run.experiment.model.to_dict()),
        "kact.seed": str(run.experiment.seed),
        "kact.run": run.experiment.hash,
        **(_of_words(predictor) if words else _of_images(task)),
    }


def _of_images(task: Task | TaggingTask) -> dict[str, str]:
    return {
        "kact.input_shape": _json(list(task.input_shape)),
        "kact.units": "float32 pixels as stored, from 0 to 255, (batch, height, width, channels); "
        "the normalisation is in the network",
        "kact.fit": f"{task.fit}: how kact.images brings an image of another size to this one",
    }


def _of_words(predictor: Predictor) -> dict[str, str]:
    known = json.loads(predictor.run.vocabulary_path.read_text(encoding="utf-8"))
    return {
        "kact.units": "kact.text.vocabulary.Vocabulary.parse(kact.vocabulary).encode(tokens) makes the arrays of a "
        "sentence, to be given a first axis for the batch; all are 0 where a shorter sentence is padded. "
        "kact.text.tokens.tokenize(text) cuts a text into tokens. Neither needs Keras.",
        "kact.vocabulary": json.dumps(known, separators=(",", ":")),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _write(form: Format, name: str, model: keras.Model, path: Path, facts: Mapping[str, str]) -> None:
    try:
        form.write(_capture(model), path, input_shapes(model), facts)
    except OSError:
        raise
    except Exception as error:  # the exporters raise whatever they meet in a layer that they do not know
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise KactError(
            f"The exporter to {name} cannot take this network: {said[0][:200]}", "Try another --format."
        ) from error


def _capture(model: keras.Model) -> Any:
    """Return the network at inference as a `torch.export` program that takes its inputs in the model's order."""
    import torch

    names = [tensor.name for tensor in model.inputs]

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: Any) -> Any:
            given = dict(zip(names, inputs, strict=True)) if len(names) > 1 else inputs[0]
            return self.model(given, training=False)

    inputs = tuple(torch.from_numpy(x) for x in random_inputs(model, _CAPTURED_BATCH).values())
    sides = {name: torch.export.Dim(name, min=1) for name in ("batch", "time")}
    free = tuple(
        {axis: sides[side] for axis, side in enumerate(shape) if isinstance(side, str)}
        for shape in input_shapes(model).values()
    )
    network = Network().eval()
    with torch.no_grad():
        network(*inputs)  # what Keras does on a first call only is no part of the graph
        with lstm.kept_whole():
            return torch.export.export(network, inputs, dynamic_shapes={"inputs": free}, strict=False)


def _compare(model: keras.Model, run: Callable[[Arrays], np.ndarray], name: str) -> float:
    largest = 0.0
    for count, steps in zip(_BATCHES, _STEPS, strict=True):
        inputs = random_inputs(model, count, steps)
        given = inputs if len(inputs) > 1 else next(iter(inputs.values()))
        wanted = np.asarray(model.predict_on_batch(given))
        found = run(inputs)
        scale = max(1.0, float(np.abs(wanted).max()))
        difference = float(np.abs(found - wanted).max()) if found.shape == wanted.shape else np.inf
        if not difference <= TOLERANCE * scale:
            raise KactError(
                f"The network exported to {name} gives other outputs than the run's, by {difference:.1e} where"
                f" {TOLERANCE * scale:.0e} is allowed; the file was deleted.",
                "Export to another format, and report this run: `kact inspect RUN` describes it.",
            )
        largest = max(largest, difference)
    return largest


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' remarks on their own insides from the screen; what goes wrong is raised."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
