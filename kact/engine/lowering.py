"""From the traced graph of a step to the leanest function that runs the same kernels on the same tensors.

Every rewrite keeps the arithmetic, or changes the order of one sum: variables become constants at their addresses;
views of them are made once; a bias joins its product or its convolution; a running value is added to in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx import CodeGen, GraphModule, Node

from kact.engine.buffers import give_buffers

aten = torch.ops.aten
Kernel = Any  # a node of the graph; torch.fx types its fields too loosely to check anything

_VIEWS = {getattr(aten, name).default for name in ("permute", "t", "view", "expand", "unsqueeze")}
_VIEWS |= {aten.transpose.int, aten.squeeze.dims, aten.slice.Tensor, aten.select.int}
_FILLED = {aten.ones_like.default: 1, aten.zeros_like.default: 0}
_EACH = {aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor}
_IN_PLACE = {aten.add.Tensor: aten.add_.Tensor, aten.lerp.Scalar: aten.lerp_.Scalar}
_SAME = {aten.detach.default, aten.alias.default}
_QUICK: dict[Any, Any] = {  # torch's own functions reach the same kernels in half the time of an overload
    getattr(aten, function.__name__): function
    for function in (
        torch.mm, torch.addmm, torch.bmm, torch.baddbmm, torch.convolution, torch.neg, torch.tanh, torch.sigmoid,
        torch.relu, torch.sqrt, torch.rsqrt, torch.addcmul, torch.argmax, torch.permute, torch.t, torch.maximum,
        torch.index_select, torch._log_softmax, torch._log_softmax_backward_data, torch.add, torch.sub, torch.mul,
        torch.div, torch.eq, torch.sum, torch.cat, torch.Tensor.view, torch.Tensor.copy_, torch.Tensor.add_,
        torch.Tensor.lerp_,
    )
}  # fmt: skip


def lower(traced: GraphModule, state: Sequence[torch.Tensor]) -> Callable[..., Any]:
    """Return the function of a traced step.

    Args:
        traced: its first placeholders are `state`, in order; the others are its arguments.
        state: tensors that keep their addresses for as long as the function is called.

    Raises:
        ValueError: if the graph holds a weight that is not in `state`, which it would never see change, or a tensor
            whose shape another batch would change.
    """
    graph: Any = traced.graph
    graph.set_codegen(CodeGen())
    constants = _Constants(traced, state)
    constants.bind_state()
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target in _SAME:
            _replace(node, node.args[0])
    constants.fold()
    if any(map(_has_free_shape, graph.nodes)):
        raise ValueError("the shape of one of its tensors depends on the numbers in others")
    for node in list(graph.nodes):
        _change_in_place(node, constants)
        _join_bias(node, constants)
        _sum_of_maps(node)
        _widen(node, constants)
        _hold_number(node, constants)
        _permute_once(node)
    graph.eliminate_dead_code()
    constants.use_buffers()
    constants.fold()
    for node in graph.nodes:
        if node.op == "call_function":
            node.target = _QUICK.get(getattr(node.target, "overloadpacket", None), node.target)
    return constants.function()


def _has_free_shape(node: Kernel) -> bool:
    """Return whether the shape of a kernel's output depends on numbers that it is given, as that of `nonzero` does."""
    if node.target is aten.index.Tensor:
        values = [index.meta.get("val") for index in node.args[1] if index is not None]
        return any(value is not None and value.dtype in (torch.bool, torch.uint8) for value in values)
    return torch.Tag.dynamic_output_shape in getattr(node.target, "tags", ())


class _Constants:
    """The tensors that a graph holds: variables, and what was computed from fixed numbers while tracing."""

    def __init__(self, traced: GraphModule, state: Sequence[torch.Tensor]) -> None:
        self.traced = traced
        self.graph: Any = traced.graph
        self.state = state
        self.tensors: dict[Kernel, torch.Tensor] = {}
        self.fixed: set[Kernel] = set()

    def bind_state(self) -> None:
        """Make constants of the placeholders of the state, and know the tensors that tracing kept."""
        placeholders = [node for node in self.graph.nodes if node.op == "placeholder"]
        for node, tensor in zip(placeholders, self.state, strict=False):
            self._put(node, tensor.detach(), fixed=False)
        changed = {argument for node in self.graph.nodes for argument in _changed(node)}
        for node in self.graph.nodes:
            if node.op == "get_attr" and node not in self.tensors:
                held = getattr(self.traced, str(node.target))
                if isinstance(held, torch.nn.Parameter):
                    raise ValueError("a weight is used that is no variable of the model")
                self.tensors[node] = held
                if node not in changed:
                    self.fixed.add(node)

    def fold(self) -> None:
        """Compute once what depends on fixed numbers alone, and make the views of variables once."""
        changed = {argument for node in self.graph.nodes for argument in _changed(node)}
        for node in list(self.graph.nodes):
            if node.op != "call_function" or not node.users or not isinstance(node.target, torch._ops.OpOverload):
                continue
            inputs = node.all_input_nodes
            if node.target in _FILLED and "val" in node.meta and not changed & _with_views(node):
                value = node.meta["val"]
                filled = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=value.device)
                self._put(node, filled.fill_(_FILLED[node.target]), fixed=True)
                continue
            fixed = all(argument in self.fixed for argument in inputs) and _is_pure(node)
            view = node.target in _VIEWS and bool(inputs) and all(argument in self.tensors for argument in inputs)
            if not (fixed or view) or (fixed and not view and changed & _with_views(node)):
                continue
            arguments, keywords = torch.fx.node.map_arg((node.args, node.kwargs), self.tensors.__getitem__)
            self._put(node, node.target(*arguments, **keywords).detach(), fixed=fixed)

    def add(self, tensor: torch.Tensor, before: Kernel) -> Kernel:
        """Return a new constant in front of a node."""
        name = f"constant{len(self.tensors)}"
        setattr(self.traced, name, tensor)
        with self.graph.inserting_before(before):
            node = self.graph.create_node("get_attr", name)
        self.tensors[node] = tensor
        return node

    def use_buffers(self) -> None:
        """Give kernels memory of their own to write into."""
        for node, buffers in give_buffers(self.graph).items():
            held = [self.add(buffer, before=node) for buffer in buffers]
            if len(held) == 1:
                node.replace_all_uses_with(held[0])
            for user in list(node.users) if len(held) > 1 else ():  # each takes one out
                _replace(user, held[user.args[1]])
            if node.target in (aten.empty_like.default, aten.empty.memory_format):
                self.graph.erase_node(node)
            elif node.target is aten.copy_.default:
                node.args, node.kwargs = (held[0], node.args[0]), {}
            else:
                names = [one.name for one in node.target._schema.arguments if one.is_out]
                node.kwargs = {**node.kwargs, **dict(zip(names, held, strict=True))}

    def function(self) -> Callable[..., Any]:
        """Return the graph as a function of its arguments, the constants given to it."""
        used = [node for node in self.graph.nodes if node.op == "get_attr" and node.users]
        held = tuple(self.tensors[node] for node in used)
        first = next(node for node in self.graph.nodes if node.op == "placeholder")
        for number, node in enumerate(used):
            with self.graph.inserting_before(first):
                placeholder = self.graph.placeholder(f"held{number}")
            _replace(node, placeholder)
        for node in [node for node in self.graph.nodes if node.op == "get_attr"]:
            self.graph.erase_node(node)
        forward = type(GraphModule(torch.nn.Module(), self.graph)).forward
        return lambda *arguments: forward(None, *held, *arguments)

    def _put(self, node: Kernel, tensor: torch.Tensor, fixed: bool) -> None:
        made = self.add(tensor, before=node)
        if fixed:
            self.fixed.add(made)
        _replace(node, made)


def _change_in_place(node: Kernel, constants: _Constants) -> None:
    """Turn `variable.copy_(variable + x)` into `variable.add_(x)`, and a running average likewise."""
    if node.target is not aten.copy_.default or node.args[0] not in constants.tensors or len(node.args) > 2:
        return
    variable, total = node.args
    if not _is_kernel(total) or total.target not in _IN_PLACE or total.kwargs or len(total.users) > 1:
        return
    changed = any(variable in _changed(user) and total < user < node for user in variable.users)
    if total.args[0] is variable and not changed:
        node.target, node.args = _IN_PLACE[total.target], total.args
        constants.graph.erase_node(total)


def _join_bias(node: Kernel, constants: _Constants) -> None:
    """Turn a product plus a bias into one kernel, and a convolution, permuted, plus a bias likewise."""
    if node.target is not aten.add.Tensor or node.kwargs or len(node.args) != 2:
        return
    made, bias = node.args
    if not _is_kernel(made) or bias not in constants.tensors or len(made.users) > 1:
        return
    vector = constants.tensors[bias]
    if vector.ndim == 0 or vector.numel() != vector.shape[-1]:
        return
    if made.target is aten.mm.default and vector.ndim == 1:
        with constants.graph.inserting_before(node):
            joined = constants.graph.call_function(aten.addmm.default, (bias, *made.args))
        _replace(node, joined)
        constants.graph.erase_node(made)
        return
    pairs = made.target is aten.view.default and made.args[0].target is aten.permute.default  # pixels two at a time
    permuted = made.args[0] if pairs else made
    if permuted.target is not aten.permute.default or list(permuted.args[1]) != [0, 2, 3, 1]:
        return
    convolved = permuted.args[0]
    if convolved.target is aten.convolution.default and len(convolved.users) == 1 and convolved.args[2] is None:
        held = constants.add(vector.view(-1), before=convolved)
        if pairs:
            with constants.graph.inserting_before(convolved):
                held = constants.graph.call_function(aten.cat.default, ([held, held],))
        convolved.args = (*convolved.args[:2], held, *convolved.args[3:])
        _replace(node, made)


def _sum_of_maps(node: Kernel) -> None:
    """Sum a channels-last gradient over all pixels in two steps along long rows: PyTorch's own sum goes by pixels."""
    if node.target is not aten.sum.dim_IntList or len(node.args) < 2 or "val" not in node.args[0].meta:
        return
    source, axes = node.args[0], list(node.args[1])
    value = source.meta["val"]
    if value.ndim != 4 or axes not in ([0, 1, 2], [0, 2, 3]):
        return
    order = [*axes, 6 - sum(axes)]  # pixels, then channels
    count, height, width, channels = (value.shape[axis] for axis in order)
    if not value.permute(order).is_contiguous() or channels >= 64:
        return
    keep = len(node.args) > 2 and bool(node.args[2])
    shape = [1 if axis in axes else channels for axis in range(4)] if keep else [channels]
    call = node.graph.call_function
    with node.graph.inserting_before(node):
        rows = call(aten.permute.default, (source, order))
        rows = call(aten.view.default, (rows, [count * height, width * channels]))
        sums = call(aten.view.default, (call(aten.sum.dim_IntList, (rows, [0])), [width, channels]))
        sums = call(aten.view.default, (call(aten.sum.dim_IntList, (sums, [0])), shape))
    _replace(node, sums)


def _widen(node: Kernel, constants: _Constants) -> None:
    """Repeat a fixed number a channel over a whole image, as when images are normalised: short rows are slow."""
    if node.target not in _EACH or len(node.args) != 2 or node.args[1] not in constants.fixed or "val" not in node.meta:
        return
    held, value = constants.tensors[node.args[1]], node.meta["val"]
    few = held.ndim > 0 and held.numel() == held.shape[-1] == value.shape[-1] < 64
    if value.ndim == 4 and few and value.is_contiguous():
        wide = held.view(-1).expand(value.shape[1:]).contiguous()
        node.args = (node.args[0], constants.add(wide, before=node))


def _hold_number(node: Kernel, constants: _Constants) -> None:
    """Keep the number beside a tensor as a tensor, which torch would make of it, and convert, at every step."""
    if node.target not in _EACH or node.kwargs or not all("val" in one.meta for one in (node, *node.all_input_nodes)):
        return
    value, dtypes = node.meta["val"], {one.meta["val"].dtype for one in (node, *node.all_input_nodes)}
    if value.device.type == "cpu" and dtypes == {torch.float32} and isinstance(node.args[1], int | float):
        node.args = (node.args[0], constants.add(torch.tensor(float(node.args[1])), before=node))


def _permute_once(node: Kernel) -> None:
    """Make one permutation of two, and none of one that leaves all axes where they are."""
    if node.target is not aten.permute.default or min(node.args[1]) < 0:
        return
    source, order = node.args
    if source.target is aten.permute.default and min(source.args[1]) >= 0:
        between, source, order = source, source.args[0], [source.args[1][axis] for axis in order]
        node.args = (source, order)
        if not between.users:
            node.graph.erase_node(between)
    if list(order) == sorted(order):
        _replace(node, source)


def _is_kernel(value: Any) -> bool:
    return isinstance(value, Node)


def _replace(node: Kernel, other: Kernel) -> None:
    node.replace_all_uses_with(other)
    node.graph.erase_node(node)


def _changed(node: Kernel) -> set[Kernel]:
    """Return the arguments that a node writes into, by its schema."""
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return set()
    found: set[Kernel] = set()
    for expected, given in zip(node.target._schema.arguments, node.args, strict=False):
        if expected.alias_info is not None and expected.alias_info.is_write:
            found |= {one for one in (given if isinstance(given, list | tuple) else [given]) if isinstance(one, Node)}
    return found


def _is_pure(node: Kernel) -> bool:
    schema = node.target._schema
    random = torch.Tag.nondeterministic_seeded in node.target.tags
    return not (schema.is_mutable or random) and len(schema.returns) == 1 and "Tensor" in str(schema.returns[0].type)


def _with_views(node: Kernel) -> set[Kernel]:
    """Return a node and all views of it, and of them."""
    found, open_ends = {node}, [node]
    while open_ends:
        for user in open_ends.pop().users:
            if user.target in _VIEWS and user not in found:
                found.add(user)
                open_ends.append(user)
    return found
