"""One captured step for sentences of every length: two traces at two lengths, and the numbers in which they differ.

A traced graph holds its sizes as numbers. Where the traces of two lengths differ, a number is taken to be
slope·length + rest, which holds for every size that a step makes of a length: rows, ends, paddings. What fits no such
line is refused. The graph then runs at just the lengths that come, without padding, so that dropout draws what stock
Keras draws.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import GraphModule

aten = torch.ops.aten
LENGTHS = (17, 23)  # of the two traces: what grows as the square has rest -391 on slope 40, and is refused
_MOST_TAKEN_OFF = 8  # times the slope: ends a few steps before the last


class NoLine(Exception):
    """Says that a step depends on the length in another way than a line."""


def unite(short: GraphModule, long: GraphModule, sized: int) -> GraphModule:
    """Return the graph of `short` with its sizes computed from the length of what it is given.

    Args:
        short, long: traces of the same step at `LENGTHS`.
        sized: number of the placeholder `(batch, length, ...)` whose length it is.

    Raises:
        NoLine: if they differ in anything but numbers on a line.
    """
    ours, theirs = list(short.graph.nodes), list(long.graph.nodes)
    if [node.op for node in ours] != [node.op for node in theirs]:
        raise NoLine("its step depends on the length of the sentences")
    same = dict(zip(theirs, ours, strict=True))
    graph: Any = short.graph
    placeholders = [node for node in ours if node.op == "placeholder"]
    with graph.inserting_after(placeholders[-1]):
        length = graph.call_function(aten.sym_size.int, (placeholders[sized], 1))
    sizes: dict[tuple[int, int], Any] = {}
    last = [length]  # sizes stand one after another, behind the length that they need

    def size(slope: int, rest: int) -> Any:
        for key, function, value in (((slope, 0), operator.mul, slope), ((slope, rest), operator.add, rest)):
            if key not in sizes:
                with graph.inserting_after(last[0]):
                    from_ = length if function is operator.mul else sizes[slope, 0]
                    sizes[key] = last[0] = graph.call_function(function, (from_, value))
        return sizes[slope, rest]

    def merged(one: Any, other: Any) -> Any:
        if isinstance(one, torch.fx.Node):
            if same.get(other) is one:
                return one
        elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
            return type(one)([merged(*both) for both in zip(one, other, strict=True)])
        elif isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
            return {key: merged(value, other[key]) for key, value in one.items()}
        elif type(one) is type(other) and one == other:
            return one
        elif type(one) is int and type(other) is int:
            slope, left = divmod(other - one, LENGTHS[1] - LENGTHS[0])
            rest = one - slope * LENGTHS[0]
            if not left and rest * (1 if slope > 0 else -1) >= -_MOST_TAKEN_OFF * abs(slope):
                return size(slope, rest)
        raise NoLine("its step depends on the length of the sentences")

    for node, other in zip(ours, theirs, strict=True):
        if node.op == "get_attr":
            if not torch.equal(getattr(short, str(node.target)), getattr(long, str(other.target))):
                raise NoLine("its step keeps numbers that depend on the length of the sentences")
        elif node.op == "call_function":
            if node.target is not other.target:
                raise NoLine("its step depends on the length of the sentences")
            node.args, node.kwargs = merged(node.args, other.args), merged(node.kwargs, other.kwargs)
        if _shapes(node) != _shapes(other):
            del node.meta["val"]  # its size is no longer known
        if node.op == "output":
            merged(node.args, other.args)
    return short


def _shapes(node: Any) -> list[Any]:
    found = node.meta.get("val")  # of a kernel with several outputs, one of each
    return [getattr(one, "shape", None) for one in (found if isinstance(found, list | tuple) else [found])]
