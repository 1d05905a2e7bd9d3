"""Models of one's own, `package.module:Class`: imported where an experiment names them."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kact.errors import KactError
from kact.models.model import Model, is_own
from kact.own_code import KIND, imported, said


def own_class(path: str) -> type[Model]:
    """Import and return a model of one's own.

    Args:
        path: `package.module:Class`, a subclass of `kact.models.Model` each of whose sizes has a default.

    Raises:
        KactError: if the module or the class is not there, or it is no such class.
    """
    kind: type[Model] = imported(path, "model", _is_own, "a class of your own that is a kact.models.Model")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", kind.name):
        raise KactError(
            f"The 'model' {path!r} is called {kind.name!r}.",
            "Give its class a `name` of letters, digits, '_', '-' and '.'.",
            kind=KIND,
        )
    if "__dataclass_fields__" not in vars(kind) and vars(kind).get("__annotations__"):
        raise KactError(
            f"The 'model' {path!r} is no dataclass, and so has none of the sizes that it names.",
            "Put @dataclass(frozen=True) above it.",
            kind=KIND,
        )
    for field in dataclasses.fields(kind):
        if hasattr(Model, field.name) or field.name == "name":
            raise KactError(
                f"The size {field.name!r} of the 'model' {path!r} has a name that every model has for something else.",
                "Give it another; what is no size of the network is a ClassVar.",
                kind=KIND,
            )
        if field.default is dataclasses.MISSING:
            raise KactError(
                f"The size {field.name!r} of the 'model' {path!r} has no default.",
                f"Give it one: `{field.name}: int = 64`, or a tuple for several numbers.",
                kind=KIND,
            )
    with failing_as_own(path):
        typing.get_type_hints(kind)
    return kind


def check_found_again(model: Model) -> None:
    """Raise for an instance of a class of one's own that no other process could find.

    Raises:
        KactError: if its module does not hold it under its name.
    """
    if "<locals>" in model.spec:
        raise KactError(
            f"The class {type(model).__name__} of the model is defined inside a function, where nobody finds it again.",
            "Define it at the top level of its module.",
        )
    if model.spec.startswith("__main__:"):
        raise KactError(
            f"The class {type(model).__name__} of the model is in a script or notebook, where nobody finds it again.",
            "Put it in a file of its own and import it from there.",
        )
    if ":" not in model.spec or own_class(model.spec) is type(model):
        return
    raise KactError(
        f"The 'model' {model.spec!r} is not the class that its module has under this name.",
        "Define it once, at the top level of its module.",
        kind=KIND,
    )


@contextmanager
def failing_as_own(spec: str) -> Iterator[None]:
    """Turn what goes wrong in a class of one's own into an error that says where.

    Args:
        spec: what the model is called.

    Raises:
        KactError: in place of whatever the block raises, if the class is one's own.
    """
    try:
        yield
    except KactError:
        raise
    except Exception as error:  # of whatever kind: it is somebody's own code
        if ":" not in spec:
            raise
        raise KactError(f"The 'model' {spec!r} cannot be built: {said(error)}.", "Mend it there.", kind=KIND) from error


def checked_features(model: Model, found: Any, axes: str) -> Any:
    """Return what `hidden` laid out, if it is what the logits can be put upon.

    Args:
        model: whose `hidden` it was.
        found: what it returned.
        axes: that it must have, such as "(batch, units)".

    Raises:
        KactError: if it returned something else.
    """
    shape = getattr(found, "shape", None)
    if shape is None or len(shape) != axes.count(",") + 1:
        what = type(found).__name__ if shape is None else f"a tensor of shape {tuple(shape)}"
        raise KactError(
            f"The 'model' {model.spec!r} makes {what} in hidden(), where {axes} is wanted.",
            "Return the features that the logits stand on; blocks.flatten(x) makes a row of maps.",
        )
    return found


def _is_own(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Model) and is_own(value)
