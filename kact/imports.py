"""Keras without what it imports only because it is installed: half the memory and half the time of its import.

Keras imports pandas, scikit-learn, matplotlib and JAX for a few functions of its own that kact does not call: a data
frame given to `fit`, scikit-learn's wrappers, a gallery of pictures, Orbax' checkpoints. Here it goes on as if they
were not there, in kact's own commands and workers alone; whoever imports them after it gets them.

>>> spare_optional("torch")  # which does nothing once Keras is there
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_OPTIONAL = ("pandas", "sklearn", "matplotlib")


def spare_optional(backend: str) -> None:
    """Let the import of Keras that is to come in this process leave out what it does not need.

    Args:
        backend: of Keras; numpy's and JAX' own need JAX.
    """
    if "keras" not in sys.modules and not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        names = _OPTIONAL if backend in ("jax", "numpy") else (*_OPTIONAL, "jax")
        sys.meta_path.insert(0, _KerasFinder(names))


class _KerasFinder(importlib.abc.MetaPathFinder):
    """Finds Keras as ever, once, and hides some modules for as long as it is being imported."""

    def __init__(self, hidden: Sequence[str]) -> None:
        self.hidden = hidden

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        loader: Any = spec.loader
        whole = loader.exec_module

        def lean(module: ModuleType) -> None:
            modules: dict[str, Any] = sys.modules
            hidden = [name for name in self.hidden if name not in modules]
            modules.update(dict.fromkeys(hidden))  # to Python None means: there is no such module
            try:
                whole(module)
            finally:
                for name in hidden:
                    del modules[name]

        loader.exec_module = lean
        return spec
