"""Buffers: fixed memory for what the kernels of a captured step put out on a CPU, used again as soon as it is free.

Blocks as large as a batch of maps go back to the system when they are freed, and the next step pays for every page of
them anew: up to a third of its time. At fixed addresses views need to be made only once, too.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import Node

from kact.engine.private import kernel_into

aten = torch.ops.aten
Kernel = Any
Value = torch.Tensor  # fake: a shape, strides and a type

_COPIES = {aten._to_copy.default, aten.clone.default}
_EMPTY = {aten.empty_like.default, aten.empty.memory_format}
_ALIASES = {aten._unsafe_view.default, operator.getitem}
_POINTWISE = {aten.softplus_backward.default, aten.elu_backward.default}  # which torch does not tag so


def give_buffers(graph: Any) -> dict[Kernel, list[torch.Tensor]]:
    """Let kernels write into buffers where they can, and return the buffers of each.

    What a kernel writes is safe until the last kernel that reads it, or a view of it. Where one reads for the last time
    what it replaces number by number, it works in place.
    """
    order = {node: number for number, node in enumerate(graph.nodes)}
    owners: dict[Kernel, set[Kernel]] = {}  # whose memory a node's output may lie in
    last: dict[Kernel, int] = {}
    for node in graph.nodes:
        owners[node] = {owner for one in _aliased(node) for owner in owners[one]} or {node}
        for owner in owners[node]:
            last[owner] = max([last.get(owner, 0), *(order[user] for user in node.users)])
    sizes: list[int] = []  # of the blocks, in bytes
    free: list[int] = []  # numbers of blocks, the last one left is likeliest to be in the cache
    taken: dict[Kernel, list[int]] = {}
    planned: dict[Kernel, tuple[list[Value], list[int]]] = {}
    for node in graph.nodes:
        over = [owner for owner in taken if last[owner] <= order[node]]
        into, values = _into(node)
        if values:
            own = next((one for one in over if _may_replace(node, values, one, owners)), None)
            blocks = [_block(value.nbytes, sizes, free) for value in values] if own is None else taken.pop(own)
            over = [one for one in over if one is not own]
            taken[node] = blocks
            planned[node] = values, blocks
            node.target = into
        for owner in over:
            free += taken.pop(owner)
    memory = [torch.empty(size, dtype=torch.uint8) for size in sizes]
    return {
        node: [
            memory[block][: value.nbytes].view(value.dtype).as_strided(value.shape, value.stride())
            for value, block in zip(values, blocks, strict=True)
        ]
        for node, (values, blocks) in planned.items()
    }


def _into(node: Kernel) -> tuple[Any, list[Value]]:
    """Return the kernel that computes what a node does into given memory, and what it puts out; nothing if none can."""
    found = node.meta.get("val")
    values = list(found) if isinstance(found, list | tuple) else [found]
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload) or _aliased(node):
        return None, []
    if not all(isinstance(value, torch.Tensor) and value.device.type == "cpu" and value.numel() for value in values):
        return None, []
    if node.target in _COPIES:
        return aten.copy_.default, values
    into = node.target if node.target in _EMPTY else kernel_into(node.target)
    return into, values if into is not None else []


def _may_replace(node: Kernel, values: list[Value], owner: Kernel, owners: dict[Kernel, set[Kernel]]) -> bool:
    """Return whether a node that puts out one value may write it where what it reads of an owner lies."""
    if len(values) > 1 or not (torch.Tag.pointwise in node.target.tags or node.target in _POINTWISE):
        return False
    read = [one for one in node.all_input_nodes if owner in owners[one]]
    alike = all(owners[one] == {owner} and _laid(one.meta.get("val")) == _laid(values[0]) for one in read)
    whole = owner.meta["val"]
    return bool(read) and alike and isinstance(whole, torch.Tensor) and whole.nbytes == values[0].nbytes


def _block(size: int, sizes: list[int], free: list[int]) -> int:
    """Take a free block of some bytes, the least that fits or else the largest, which grows; or a new one."""
    fitting = [block for block in reversed(free) if sizes[block] >= size]
    if not free:
        sizes.append(size)
        return len(sizes) - 1
    block = min(fitting, key=sizes.__getitem__) if fitting else max(free, key=sizes.__getitem__)
    sizes[block] = max(sizes[block], size)
    free.remove(block)
    return block


def _aliased(node: Kernel) -> list[Kernel]:
    """Return the arguments in whose memory the output of a node may lie."""
    if node.target in _ALIASES or not isinstance(node.target, torch._ops.OpOverload):
        return list(node.all_input_nodes) if node.op == "call_function" else []
    schema = node.target._schema
    if all(one.alias_info is None for one in schema.returns):
        return []
    given = {**{one.name: value for one, value in zip(schema.arguments, node.args, strict=False)}, **node.kwargs}
    found = [given.get(one.name) for one in schema.arguments if one.alias_info is not None]
    flat = [one for value in found for one in (value if isinstance(value, list | tuple) else [value])]
    return [one for one in flat if isinstance(one, Node)]


def _laid(value: Any) -> tuple[Any, ...] | None:
    return (value.shape, value.stride(), value.dtype) if isinstance(value, torch.Tensor) else None
