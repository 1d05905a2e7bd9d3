"""Every interface of torch and Keras that the engine uses and that they do not promise to keep, in this one place.

The versions are pinned in constraints.txt; `tests/test_captured.py` lists what is used, and says which interface is
gone when a new one drops it.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from typing import Any

import keras
import torch
import torch.fx.graph_module
from torch._guards import TracingContext, tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx


def trace(function: Callable[..., Any], *arguments: Any) -> GraphModule:
    """Run a function of tensors and return the kernels that it ran.

    One fake mode for the whole trace: torch would make one for each tensor that it notes the shape of, which takes
    most of the time.
    """
    with tracing(TracingContext(FakeTensorMode(allow_fallback_kernels=True))):
        return make_fx(function)(*arguments)


def forget_sources() -> None:
    """Forget the source code of traced graphs, which torch keeps for tracebacks, for as long as the process lives."""
    kept = torch.fx.graph_module._loader.eval_cache
    while kept:
        linecache.cache.pop(kept.popitem()[0], None)


def layers_of(model: keras.Model) -> list[Any]:
    """Return the model and all layers in it, at any depth."""
    return list(model._flatten_layers())


def biases_taken_off(model: keras.Model) -> list[Any]:
    """Return the biases that a batch norm subtracts again with the mean: their gradients are 0, but for rounding."""
    users: dict[int, list[Any]] = {id(output): [None] for output in model.outputs}
    for operation in model.operations:
        for node in operation._inbound_nodes:
            for tensor in node.input_tensors:
                users.setdefault(id(tensor), []).append(operation)
    found = []
    for layer in model.operations:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense) and len(layer._inbound_nodes) == 1:
            after = users.get(id(layer.output), [])
            channels = 1 if getattr(layer, "data_format", None) == "channels_first" else -1
            normed = after and all(_norms(one, channels, len(layer.output.shape)) for one in after)
            if (
                normed
                and layer.use_bias
                and layer.activation is keras.activations.linear
                and not layer.bias.regularizer
            ):
                found.append(layer.bias)
    return found


def _norms(layer: Any, channels: int, axes: int) -> bool:
    """Return whether a layer is a batch norm that learns, of each channel of an input of so many axes."""
    norm = isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    return norm and layer.axis % axes == channels % axes


def build_metrics(model: keras.Model, batch: Sequence[Any]) -> None:
    """Make the variables of a compiled model's metrics, from inputs, labels and weights of one example."""
    model._symbolic_build(data_batch=tuple(batch))


def loss_of(model: keras.Model, inputs: Any, labels: Any, outputs: Any, weights: Any) -> Any:
    """Return the loss of a training step, penalties included."""
    return model._compute_loss(x=inputs, y=labels, y_pred=outputs, sample_weight=weights, training=True)


def note_loss(model: keras.Model, loss: Any, examples: int) -> None:
    """Add a batch's loss to the mean that the model keeps over an epoch."""
    model._loss_tracker.update_state(loss, sample_weight=examples)


def kernel_into(kernel: Any) -> Any:
    """Return the variant of a kernel that writes into tensors it is given, if the CPU has one of its own."""
    packet = kernel.overloadpacket
    for name in packet.overloads():
        other = getattr(packet, name)
        given = [(one.name, str(one.type)) for one in other._schema.arguments if not one.is_out]
        if len(given) < len(other._schema.arguments) and given == [
            (one.name, str(one.type)) for one in kernel._schema.arguments
        ]:
            return other if torch._C._dispatch_has_kernel_for_dispatch_key(other.name(), "CPU") else None
    return None
