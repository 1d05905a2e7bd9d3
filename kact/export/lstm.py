"""An LSTM that is exported as one operator, for sequences of any length, and what each format calls it.

`torch.export` takes an LSTM apart into its steps, so that the graph holds for one length alone. While `kept_whole()`
holds, PyTorch's kernel is one operator of our own instead, which each format then replaces by its own LSTM:
`aten.lstm` in PyTorch, `LSTM` in ONNX (https://onnx.ai/onnx/operators/onnx__LSTM.html) and `LSTMSequence` in OpenVINO.

>>> import torch
>>> x, state, weight, bias = torch.ones(1, 2, 3), torch.zeros(1, 1, 4), torch.ones(16, 3), torch.zeros(16)
>>> with kept_whole():
...     kernel = torch.ops.kact.lstm(x, state, state, weight, torch.ones(16, 4), bias, bias)
>>> tuple(kernel.shape)
(1, 2, 4)
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

_SCHEMA = (
    "(Tensor sequences, Tensor hidden, Tensor carry, Tensor kernel, Tensor recurrent, Tensor bias, Tensor other_bias)"
    " -> Tensor"
)
_PLAIN = (True, 1, 0.0, False, False, True)  # has_biases, num_layers, dropout, train, bidirectional, batch_first


@contextlib.contextmanager
def kept_whole() -> Iterator[None]:
    """Let PyTorch's LSTM kernel be one operator, `kact::lstm`, while a network is captured.

    Only the outputs of all steps come out of it. The last state of the cell is lost, as no network of kact's asks for
    it: in its place are NaN, which an export would be refused for.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    whole = _operator()

    class Whole(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function is not torch.lstm or not _is_plain(*args):
                return function(*args, **(kwargs or {}))
            sequences, (hidden, carry), weights = args[:3]
            batch_first = args[-1]
            sequences = sequences if batch_first else sequences.transpose(0, 1)
            outputs = whole(sequences, hidden, carry, *weights)  # (batch, time, units)
            made = outputs if batch_first else outputs.transpose(0, 1)
            return made, outputs[None, :, -1], torch.full_like(carry, math.nan)

    with Whole():
        yield


def _is_plain(sequences: Any, states: Any, weights: Any, *settings: Any) -> bool:
    """Return whether a call is of one layer in one direction over padded sequences, with biases."""
    has_biases, layers, _, _, both_ways, _ = settings if len(settings) == 6 else [None] * 6
    return bool(has_biases and layers == 1 and not both_ways and len(weights) == 4)


@functools.cache
def _operator() -> Any:
    """Return `torch.ops.kact.lstm`, made on first use: it is for this process' exports alone."""
    import torch

    def compute(sequences: Any, hidden: Any, carry: Any, *weights: Any) -> Any:
        return torch._VF.lstm(sequences, (hidden, carry), list(weights), *_PLAIN)[0]

    made: Any = torch.library.custom_op("kact::lstm", compute, mutates_args=(), schema=_SCHEMA)
    made.register_fake(lambda x, hidden, *rest: x.new_empty((*x.shape[:2], hidden.shape[-1])))
    return torch.ops.kact.lstm


def as_aten(program: Any) -> Any:
    """Return a captured program with `aten.lstm`, which needs nothing but PyTorch, in the operator's place."""
    import torch

    for node in [node for node in program.graph.nodes if node.target is _operator().default]:
        sequences, hidden, carry, *weights = node.args
        node.target, node.args = torch.ops.aten.lstm.input, (sequences, [hidden, carry], weights, *_PLAIN)
        with program.graph.inserting_after(node):
            outputs = program.graph.call_function(operator.getitem, (node, 0))
        outputs.meta.update(node.meta)
        node.replace_all_uses_with(outputs, delete_user_cb=lambda user, kept=outputs: user is not kept)
    program.graph_module.recompile()
    return program


def onnx_translations() -> dict[Any, Callable[..., Any]]:
    """Return how ONNX spells the operator, and the stable sort by which a mask moves tokens together."""
    import torch
    from onnxscript import opset18

    op: Any = opset18

    def lstm(x: Any, hidden: Any, carry: Any, kernel: Any, recurrent: Any, bias: Any, other_bias: Any) -> Any:
        units, first = recurrent.shape[1], op.Constant(value_ints=[0])
        rows = op.Constant(value_ints=_gates(units, "iofc"))
        w, r, b, c = (op.Unsqueeze(op.Gather(one, rows), first) for one in (kernel, recurrent, bias, other_bias))
        steps = op.Transpose(x, perm=[1, 0, 2])  # (time, batch, features)
        outputs, _, _ = op.LSTM(steps, w, r, op.Concat(b, c, axis=1), None, hidden, carry, hidden_size=units)
        outputs = op.Squeeze(outputs, op.Constant(value_ints=[1]))  # from (time, directions, batch, units)
        return op.Transpose(outputs, perm=[1, 0, 2])  # (batch, time, units)

    def stable_sort(values: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
        axis = dim % len(values.shape)
        ends = (op.Constant(value_ints=[axis + end]) for end in (0, 1))
        whole = op.Cast(values, to=_INT64)  # of equal values TopK names the first one first, as a stable sort does
        ordered, places = op.TopK(whole, op.Slice(op.Shape(values), *ends), axis=axis, largest=int(descending))
        return op.CastLike(ordered, values), places

    return {_operator().default: lstm, torch.ops.aten.sort.stable: stable_sort}


def openvino_extensions() -> list[Any]:
    """Return how OpenVINO spells the operator."""
    from openvino import opset14 as op
    from openvino.frontend.pytorch import ConversionExtension

    def lstm(node: Any) -> Any:
        sequences, hidden, carry, kernel, recurrent, bias, other_bias = (node.get_input(i) for i in range(7))
        units = recurrent.get_partial_shape()[1].get_length()
        rows = _gates(units, "fico")
        w, r, b = (
            op.unsqueeze(op.gather(one, rows, 0), 0) for one in (kernel, recurrent, op.add(bias, other_bias).output(0))
        )
        batch, steps = (op.gather(op.shape_of(sequences), [axis], 0) for axis in (0, 1))
        states = (op.transpose(state, [1, 0, 2]) for state in (hidden, carry))  # (batch, directions, units)
        made = op.lstm_sequence(sequences, *states, op.broadcast(steps, batch), w, r, b, units, "forward")
        return op.squeeze(made.output(0), [1]).outputs()  # from (batch, directions, time, units)

    return [ConversionExtension("kact.lstm.default", lstm)]


_INT64 = 7  # ONNX's number of the type


def _gates(units: int, order: str) -> list[int]:
    """Return the rows of PyTorch's weights, whose gates are input, forget, cell and output, in another order.

    Example:
        >>> _gates(2, "iofc")
        [0, 1, 6, 7, 2, 3, 4, 5]
    """
    return [units * "ifco".index(gate) + unit for gate in order for unit in range(units)]
