"""Startup: what a process loads before its first step, made shorter."""

from __future__ import annotations

import os
import sys
from typing import Any


def forkable() -> bool:
    """Return whether a process that has imported the chosen backend, and used nothing of it, may be forked.

    TensorFlow and JAX start threads of their own, which a fork would lose.
    """
    return os.environ.get("KERAS_BACKEND") == "torch"


def spare_tensorflow() -> None:
    """Let Keras do without TensorFlow on another backend, in a process that is kact's own.

    Whatever it saves Keras compares with TensorFlow's types if TensorFlow can be imported, which takes seconds. It
    looks once a process, so it is made to look while there is nothing to see. The files that it writes are the same.
    """
    import keras

    modules: dict[str, Any] = sys.modules
    if "tensorflow" in modules:  # it is the backend, or somebody's own code has it
        return
    modules["tensorflow"] = None  # Python's own way to say that there is no such module
    try:
        keras.saving.serialize_keras_object(keras.initializers.Zeros())
    finally:
        del modules["tensorflow"]
