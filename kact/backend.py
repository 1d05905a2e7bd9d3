"""The one room that knows which Keras backend runs: random streams, device, precision, versions.

Importing it changes nothing. Keras' own `KERAS_BACKEND` decides; kact's commands choose torch where it is unset.

>>> stream_seed(0, "shuffle", epoch=3) == stream_seed(0, "shuffle", epoch=3) != stream_seed(0, "dropout", epoch=3)
True
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kact.errors import KactError
from kact.spec import choose

if TYPE_CHECKING:
    import keras

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
TRAINING_BACKENDS = ("torch", "tensorflow", "jax")


def select_default() -> None:
    """Choose torch where `KERAS_BACKEND` is unset; for kact's commands, before they import Keras."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def name() -> str:
    """Return the running backend: torch, tensorflow, jax, openvino or numpy."""
    import keras

    return keras.backend.backend()


def compiles_shapes() -> bool:
    """Return whether the running backend compiles a program for each shape of input that it meets."""
    return name() in ("tensorflow", "jax")


def stream(seed: int, purpose: str, epoch: int = 0) -> np.random.Generator:
    """Return the generator of one independent random stream, a function of (seed, purpose, epoch) alone.

    Args:
        seed: the run's seed, at least 0.
        purpose: what is drawn, such as "shuffle".
        epoch: counted from 0.
    """
    return np.random.Generator(np.random.PCG64(_sequence(seed, purpose, epoch)))


def stream_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """Return an integer in [0, 2**31) for generators that want one, of the same streams as `stream`."""
    return int(_sequence(seed, purpose, epoch).generate_state(1)[0] >> 1)


def reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Set every random state that a training step of `model` draws from, so that it depends on (seed, epoch) alone.

    These are the states of the model's Keras seed generators and, on torch, torch's own generator, from which Keras'
    dropout draws there.
    """
    states = [variable for variable in model.non_trainable_variables if variable.path.endswith("seed_generator_state")]
    for index, state in enumerate(states):
        state.assign(np.array([stream_seed(seed, f"layer {index}", epoch), 0], dtype="uint32"))
    if name() == "torch":
        import torch

        torch.manual_seed(stream_seed(seed, "torch", epoch))


def to_numpy(value: Any) -> np.ndarray:
    """Return a variable or a tensor as an array of its own: on CPU a backend may share its memory."""
    from keras import ops

    return np.array(ops.convert_to_numpy(value))


@contextlib.contextmanager
def run_settings(device: str, precision: str) -> Iterator[str]:
    """Run a block on one device at one precision, and leave the process as it was.

    Args:
        device: "cpu", "cuda", or "auto" for CUDA where there is one.
        precision: "float32" (TF32 off), "tf32" (float32 with TF32 matrix products), "bfloat16" or "float16" (Keras'
            mixed policies).

    Yields:
        The device in words, such as "cpu" or "cuda (NVIDIA H200)".

    Raises:
        KactError: for another device, or if CUDA is asked for and the backend sees none.
    """
    import keras

    choose(device, DEVICES, {}, "device")
    if name() == "jax" and precision == "float16":  # Keras 3.15 deletes arrays that its loss scaling still needs
        raise KactError("float16 does not train on the jax backend.", "Use bfloat16, or another backend.")
    gpu = _gpu_name()
    if device == "cuda" and gpu is None:
        raise KactError(
            f"No CUDA device is visible to the {name()} backend.", "Use --device cpu, or install a CUDA build."
        )
    on_gpu = gpu is not None and device != "cpu"
    place = ("cuda" if on_gpu else "cpu") if name() == "torch" else ("gpu:0" if on_gpu else "cpu:0")
    policy = keras.config.dtype_policy()
    mixed = {"bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}.get(precision, "float32")
    with contextlib.ExitStack() as stack:
        if name() == "torch":
            stack.enter_context(_torch_state(tf32=precision == "tf32"))
        if name() in TRAINING_BACKENDS:
            stack.enter_context(keras.device(place))
        stack.callback(keras.config.set_dtype_policy, policy)
        keras.config.set_dtype_policy(mixed)
        yield f"cuda ({gpu})" if on_gpu else "cpu"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result may depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("kact", "keras", "torch", "tensorflow", "jax", "numpy", "scikit-learn"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _sequence(seed: int, purpose: str, epoch: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()), epoch))


def _gpu_name() -> str | None:
    if name() == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else None
    if name() == "tensorflow":
        import tensorflow

        return "GPU" if tensorflow.config.list_physical_devices("GPU") else None
    if name() == "jax":
        import jax

        found = [device for device in jax.devices() if device.platform == "gpu"]
        return found[0].device_kind if found else None
    return None


@contextlib.contextmanager
def _torch_state(tf32: bool) -> Iterator[None]:
    import torch

    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with torch.random.fork_rng():
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        try:
            yield
        finally:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
