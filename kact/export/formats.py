"""The formats that a network is exported to: how each is written from a captured graph, and opened by its own runtime.

>>> [form.suffix for form in FORMATS.values()]
['.onnx', '.xml', '.pt2']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kact.export import lstm

Arrays = dict[str, np.ndarray]
Shapes = dict[str, list[int | str]]  # of the inputs by name; a side that is free has a name of its own


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


def _write_torch(program: Any, path: Path, inputs: Shapes, facts: Mapping[str, str]) -> None:
    import torch

    torch.export.save(lstm.as_aten(program), path, extra_files=dict(facts))


def _open_torch(path: Path) -> Callable[[Arrays], np.ndarray]:
    import torch

    network = torch.export.load(path).module()
    return lambda inputs: network(*map(torch.from_numpy, inputs.values())).detach().numpy()


def _write_onnx(program: Any, path: Path, inputs: Shapes, facts: Mapping[str, str]) -> None:
    import torch

    made: Any = torch.onnx.export(
        program,
        dynamo=True,
        verbose=False,
        input_names=list(inputs),
        output_names=["logits"],
        custom_translation_table=lstm.onnx_translations(),
    )
    made.model.metadata_props.update(facts)
    _name_free_sides(made.model.graph, inputs)
    made.save(path)


def _name_free_sides(graph: Any, inputs: Shapes) -> None:
    """Give the free sides of the inputs and the output their names, where the exporter numbers them."""
    known = {}
    for value in graph.inputs:
        for axis, (number, name) in enumerate(zip(value.shape, inputs[value.name], strict=True)):
            if isinstance(name, str):
                known[str(number)] = name
                value.shape[axis] = name
    for value in (*graph.outputs, *(made for node in graph for made in node.outputs)):
        for axis, side in enumerate(value.shape or ()):
            if str(side) in known:
                value.shape[axis] = known[str(side)]


def _open_onnx(path: Path) -> Callable[[Arrays], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


def _write_openvino(program: Any, path: Path, inputs: Shapes, facts: Mapping[str, str]) -> None:
    import openvino

    network = openvino.convert_model(program, extension=lstm.openvino_extensions())
    for port, name in zip(network.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    free = {name: [-1 if isinstance(side, str) else side for side in shape] for name, shape in inputs.items()}
    network.reshape(free)
    network.outputs[0].get_tensor().set_names({"logits"})
    for name, text in facts.items():
        network.set_rt_info(text, name.split("."))
    openvino.save_model(network, path, compress_to_fp16=False)


def _open_openvino(path: Path) -> Callable[[Arrays], np.ndarray]:
    import openvino

    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: np.asarray(compiled(inputs)[0])


FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", "export", ("onnx", "onnxscript", "onnxruntime"), _write_onnx, _open_onnx),
    "openvino": Format(".xml", "openvino", ("openvino",), _write_openvino, _open_openvino),
    "torch": Format(".pt2", "torch", (), _write_torch, _open_torch),
}
