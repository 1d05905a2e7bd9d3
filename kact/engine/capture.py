"""Capture on torch: a whole step written down once as a list of kernels, and replayed without the Python above it.

Where the step can be written down only in part, nothing of it is kept: the caller is told why.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from kact.engine.lengths import unite
from kact.engine.lowering import lower
from kact.engine.private import forget_sources, trace
from kact.errors import no_memory
from kact.layers.faster_torch import Faster

Step = Callable[..., Any]  # from tensors to a tensor, or to nothing

# what takes a number out of a tensor: it would be written down as a constant
_READS = (torch.Tensor.numpy, torch.Tensor.__array__, torch.Tensor.tolist, torch.Tensor.item)

_MOST_RECORDED = 64  # CUDA graphs of one step, each of which keeps memory of its own


class CannotCapture(Exception):
    """Says why a step cannot be written down as a list of kernels."""


class _Guard(TorchFunctionMode):
    """Refuses what cannot be captured, and keeps numbers that change in tensors, where Keras reads them out.

    Keras' optimizers for torch pass the learning rate as `alpha`, which torch reads as a number: a constant in a
    capture, and a wait for the device on CUDA.
    """

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        keywords = keywords or {}
        if function in _READS:
            raise CannotCapture("its step reads a number out of a tensor")
        if function is torch._foreach_mul_ and isinstance(arguments[1], torch.Tensor):
            return torch.ops.aten._foreach_mul_.Tensor(*arguments)
        alpha = keywords.get("alpha")
        if isinstance(alpha, torch.Tensor) and function in (torch._foreach_add_, torch._foreach_add):
            return function(arguments[0], torch._foreach_mul(arguments[1], alpha))
        return function(*arguments, **keywords)


def capture(
    step: Step,
    state: Sequence[torch.Tensor],
    arguments: Sequence[torch.Tensor],
    longer: Sequence[torch.Tensor] | None = None,
) -> Step:
    """Return `step` as a replay of its kernels, for arguments of just these shapes and types.

    The step runs once to be written down; then `state` and torch's random state are put back, so that nothing has
    happened yet. What Python decides on the way is decided for good.

    Args:
        step: from `arguments` to a tensor or None; it may change `state` in place.
        state: every tensor that the step reads or changes, at the address where it stays.
        arguments: examples of what the step takes.
        longer: the same as sentences of the other of `kact.engine.lengths.LENGTHS`: the replay then takes any length.

    Raises:
        CannotCapture: with the reason, if the step depends on numbers that only a run can tell.
        MemoryError, RuntimeError: if there is no memory for it.
    """
    try:
        with _put_back(state), _Guard(), Faster():
            graphs = [trace(lambda _, *given: step(*given), list(state), *one) for one in (arguments, longer) if one]
            graph = graphs[0] if longer is None else unite(graphs[0], graphs[1], sized=len(state))
        replay = lower(graph, state)
        if arguments[0].device.type == "cuda":
            replay = _cuda_graph(replay, arguments, state) if longer is None else _cuda_graphs(replay, state)
        return replay
    except Exception as error:  # tracing fails in as many ways as steps are written
        if isinstance(error, CannotCapture) or no_memory(error):  # next time there may be some; stock's bits are others
            raise
        raise CannotCapture(_in_words(error)) from error
    finally:
        forget_sources()


def _in_words(error: Exception) -> str:
    text = str(error).removeprefix("Exception encountered when calling") or type(error).__name__
    if "_local_scalar_dense" in text:
        return "its step reads a number out of a tensor"
    return " ".join(text.replace("\033[1m", "").replace("\033[0m", "").split("\n\n")[:2]).strip().splitlines()[0]


@contextlib.contextmanager
def _put_back(state: Sequence[torch.Tensor]) -> Iterator[None]:
    """Leave the state, and torch's random state, as if a block had never run."""
    before = [tensor.detach().clone() for tensor in state]
    try:
        with torch.random.fork_rng(devices={tensor.device for tensor in state if tensor.device.type == "cuda"}):
            yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(state, before, strict=True):
                tensor.copy_(value)


def _cuda_graph(replay: Step, arguments: Sequence[torch.Tensor], state: Sequence[torch.Tensor]) -> Step:
    """Return a replay of kernels as one CUDA graph: a single launch a step."""
    inputs = [argument.clone() for argument in arguments]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with _put_back(state), torch.no_grad():
        with torch.cuda.stream(side):  # kernels are chosen and loaded outside of the recording
            for _ in range(3):
                replay(*inputs)
        torch.cuda.current_stream().wait_stream(side)
        recording = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recording):
            output = replay(*inputs)

    def launch(*given: torch.Tensor) -> Any:
        for held, value in zip(inputs, given, strict=True):
            held.copy_(value, non_blocking=True)
        recording.replay()
        return output

    return launch


def _cuda_graphs(replay: Step, state: Sequence[torch.Tensor]) -> Step:
    """Return a replay that is recorded as a CUDA graph for each length when it first comes, up to a number of them."""
    recorded: dict[int, Step] = {}

    def launch(*given: torch.Tensor) -> Any:
        length = given[0].shape[1]
        if length not in recorded and len(recorded) < _MOST_RECORDED:
            try:
                recorded[length] = _cuda_graph(replay, given, state)
            except RuntimeError as error:  # the same kernels, launched one by one
                if no_memory(error):
                    raise
                recorded[length] = replay
        return recorded.get(length, replay)(*given)

    return launch
