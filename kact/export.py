"""Exports a run's network for use without kact: ONNX, OpenVINO or PyTorch, checked before it is handed over.

All three come from one graph, captured by `torch.export`, so this needs the torch backend. The batch size is free. The
exported file is opened by its own runtime, run on images and compared with the model; a file that differs is deleted.
What a user needs to know travels in the file as text: `kact.labels`, `kact.input_shape`, `kact.units`, `kact.outputs`,
`kact.task`, `kact.activation`, `kact.run`.

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
from kact.files import explained
from kact.predict import Predictor
from kact.runs import Run
from kact.spec import choose

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-5  # times the largest output, or 1: about a hundred roundings in float32

_BATCHES = (1, 3, 8)  # one image, and two sizes that the graph was not captured with
_CAPTURED_BATCH = 2

Arrays = dict[str, np.ndarray]
Shapes = dict[str, list[int]]  # by input; -1 is free


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how it was found to differ.

    Attributes:
        path: of the file; an OpenVINO network has a `.bin` with its weights beside it.
        difference: the largest between the file's outputs and the model's.
        examples: how many inputs were compared.
    """

    path: Path
    difference: float
    examples: int


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
    model = predictor.model
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.parent) as folder:
            draft = Path(folder) / path.name  # OpenVINO's two files name each other
            with _quiet():
                _write(form, name, model, draft, description(predictor))
                difference = _compare(model, form.open(draft), name)
            for written in sorted(draft.parent.iterdir(), key=lambda file: file.suffix == form.suffix):
                shutil.move(written, path.with_name(written.name))
    return Exported(path, difference, sum(_BATCHES))


def description(predictor: Predictor) -> dict[str, str]:
    """Return what travels with an exported network, as text: lists as JSON."""
    run, task = predictor.run, predictor.task
    cross_entropy = run.experiment.loss == "cross_entropy"
    return {
        "kact.task": task.name,
        "kact.labels": json.dumps(list(task.labels), ensure_ascii=False),
        "kact.input_shape": json.dumps(list(task.input_shape)),
        "kact.units": "float32 pixels as stored, from 0 to 255, (batch, height, width, channels); "
        "the normalisation is in the network",
        "kact.outputs": "logits; their softmax is the probabilities" if cross_entropy else "scores, about 0 to 1",
        "kact.activation": run.experiment.activation,
        "kact.model": json.dumps(run.experiment.model.to_dict()),
        "kact.seed": str(run.experiment.seed),
        "kact.run": run.experiment.hash,
    }


def random_inputs(model: keras.Model, count: int) -> Arrays:
    """Return inputs by name, the same at each call: pixels from 0 to 255, or indices that each look-up has.

    Where a side is free besides the batch, it is 7.

    Example:
        >>> from kact.models import build_model
        >>> {name: x.shape for name, x in random_inputs(build_model("mlp", (8, 8, 1), 10), 2).items()}
        {'image': (2, 8, 8, 1)}
    """
    generator = np.random.default_rng(0)
    made = {}
    for tensor in model.inputs:
        shape = (count, *(side or 7 for side in tensor.shape[1:]))
        whole = "int" in str(tensor.dtype)
        made[tensor.name] = generator.integers(0, 2 if whole else 256, shape).astype(tensor.dtype)
    return made


def _write(form: Format, name: str, model: keras.Model, path: Path, facts: Mapping[str, str]) -> None:
    try:
        form.write(_capture(model), path, _input_shapes(model), facts)
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
    free = {0: torch.export.Dim("batch", min=1)}
    network = Network().eval()
    with torch.no_grad():
        network(*inputs)  # what Keras does on a first call only is no part of the graph
        return torch.export.export(network, inputs, dynamic_shapes={"inputs": (free,) * len(inputs)}, strict=False)


def _compare(model: keras.Model, run: Callable[[Arrays], np.ndarray], name: str) -> float:
    largest = 0.0
    for count in _BATCHES:
        inputs = random_inputs(model, count)
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


def _write_torch(program: Any, path: Path, inputs: Shapes, facts: Mapping[str, str]) -> None:
    import torch

    torch.export.save(program, path, extra_files=dict(facts))


def _open_torch(path: Path) -> Callable[[Arrays], np.ndarray]:
    import torch

    network = torch.export.load(path).module()
    return lambda inputs: network(*map(torch.from_numpy, inputs.values())).detach().numpy()


def _write_onnx(program: Any, path: Path, inputs: Shapes, facts: Mapping[str, str]) -> None:
    import torch

    made: Any = torch.onnx.export(
        program, dynamo=True, verbose=False, input_names=list(inputs), output_names=["logits"]
    )
    made.model.metadata_props.update(facts)
    made.save(path)


def _open_onnx(path: Path) -> Callable[[Arrays], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


def _write_openvino(program: Any, path: Path, inputs: Shapes, facts: Mapping[str, str]) -> None:
    import openvino

    network = openvino.convert_model(program)
    for port, name in zip(network.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    network.reshape(inputs)
    network.outputs[0].get_tensor().set_names({"logits"})
    for name, text in facts.items():
        network.set_rt_info(text, name.split("."))
    openvino.save_model(network, path, compress_to_fp16=False)


def _open_openvino(path: Path) -> Callable[[Arrays], np.ndarray]:
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: np.asarray(compiled(inputs)[0])


def _input_shapes(model: keras.Model) -> Shapes:
    return {name: [-1, *x.shape[1:]] for name, x in random_inputs(model, 1).items()}


@dataclass(frozen=True)
class Format:
    """How one format is written and read.

    Attributes:
        suffix: of its file.
        extra: of kact, that installs `packages`.
        packages: that writing and checking need.
        write: from a captured program, a path, the inputs' shapes and what travels with it.
        open: from a path to a function of inputs by name.
    """

    suffix: str
    extra: str
    packages: tuple[str, ...]
    write: Callable[[Any, Path, Shapes, Mapping[str, str]], None]
    open: Callable[[Path], Callable[[Arrays], np.ndarray]]


FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", "export", ("onnx", "onnxscript", "onnxruntime"), _write_onnx, _open_onnx),
    "openvino": Format(".xml", "openvino", ("openvino",), _write_openvino, _open_openvino),
    "torch": Format(".pt2", "torch", (), _write_torch, _open_torch),
}


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
