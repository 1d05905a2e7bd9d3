"""The one room that knows which Keras backend runs: random streams, device, precision, versions.

Importing it changes nothing. Keras' own `KERAS_BACKEND` decides; kact's commands choose torch where it is unset.

>>> stream_seed(0, "shuffle", epoch=3) == stream_seed(0, "shuffle", epoch=3) != stream_seed(0, "dropout", epoch=3)
True
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kact.errors import KactError
from kact.imports import spare_optional
from kact.spec import choose

if TYPE_CHECKING:
    import keras

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
TRAINING_BACKENDS = ("torch", "tensorflow", "jax")
BACKENDS = (*TRAINING_BACKENDS, "openvino", "numpy")  # the last two predict only

PACKAGES = {"numpy": "jax"}  # where the backend's package is another: Keras works out shapes for numpy with jax


def select_default() -> None:
    """Choose torch where `KERAS_BACKEND` is unset, and spare Keras' optional imports; for kact's commands, before it.

    Threads that wait for each other sleep, unless `OMP_WAIT_POLICY` says otherwise: by default they spin, and where
    other programs want the processor too, the one that is waited for does not come to run.

    Raises:
        KactError: if it is set to what is no backend, or to one that is not installed.
    """
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when torch is first imported
    chosen = choose(os.environ["KERAS_BACKEND"], BACKENDS, {}, "KERAS_BACKEND")
    if not installed(chosen):
        advice = f"Install it: pip install 'kact[{PACKAGES.get(chosen, chosen)}]'"
        raise KactError(f"KERAS_BACKEND is {chosen!r}, which is not installed.", advice)
    spare_optional(chosen)


def installed(backend: str) -> bool:
    """Return whether one of `BACKENDS` has the package that it needs."""
    return importlib.util.find_spec(PACKAGES.get(backend, backend)) is not None


def name() -> str:
    """Return the running backend: torch, tensorflow, jax, openvino or numpy."""
    import keras

    return keras.backend.backend()


def compiles_shapes() -> bool:
    """Return whether the running backend compiles a program for each shape of input that it meets."""
    return name() in ("tensorflow", "jax")


def check_training() -> None:
    """Raise where the running backend has no gradients.

    Raises:
        KactError: on openvino and numpy.
    """
    if name() not in TRAINING_BACKENDS:
        raise KactError(f"The {name()} backend predicts only; to train, set KERAS_BACKEND to torch, tensorflow or jax.")


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
    states = [variable for variable in model.non_trainable_variables if is_random_state(variable)]
    for index, state in enumerate(states):
        state.assign(random_state(seed, index, epoch))
    if name() == "torch":
        import torch

        torch.manual_seed(stream_seed(seed, "torch", epoch))


def is_random_state(variable: Any) -> bool:
    """Return whether a model's variable is the state of a seed generator of Keras."""
    return variable.path.endswith("seed_generator_state")


def random_state(seed: int, index: int, epoch: int) -> np.ndarray:
    """Return the value of one of a model's random states, a function of (seed, index, epoch) alone."""
    return np.array([stream_seed(seed, f"layer {index}", epoch), 0], dtype="uint32")


def to_numpy(value: Any) -> np.ndarray:
    """Return a variable or a tensor as an array of its own: on CPU a backend may share its memory."""
    from keras import ops

    return np.array(ops.convert_to_numpy(value))


def exact_inference(model: keras.Model) -> keras.Model:
    """Return the model, told to compute in float32 where its backend would choose a shorter type by itself.

    That is OpenVINO, which on CPUs with bfloat16 or float16 units is wrong by 1e-2 without the hint. Keras has no
    setting for it, so the one call that compiles this model is given the hint; other models and the process are left
    alone.
    """
    if name() != "openvino":
        return model
    import openvino

    compile_for = model._get_compiled_model

    def compile_in_float32(data: Any) -> Any:
        original = openvino.compile_model

        def with_hint(graph: Any, device: str, config: dict[str, Any] | None = None) -> Any:
            return original(graph, device, {**(config or {}), "INFERENCE_PRECISION_HINT": "f32"})

        openvino.compile_model = with_hint
        try:
            return compile_for(data)
        finally:
            openvino.compile_model = original

    model._get_compiled_model = compile_in_float32
    return model


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
            import torch

            stack.enter_context(torch.random.fork_rng())
        stack.enter_context(products_of(precision))
        stack.enter_context(no_denormals())
        if name() in TRAINING_BACKENDS:
            stack.enter_context(keras.device(place))
        stack.callback(keras.config.set_dtype_policy, policy)
        keras.config.set_dtype_policy(mixed)
        yield f"cuda ({gpu})" if on_gpu else "cpu"


@contextlib.contextmanager
def products_of(precision: str) -> Iterator[None]:
    """Let a GPU compute products and convolutions of float32 in TF32 inside a block where `precision` is that.

    Elsewhere it may not, whatever the backend would do by itself: cuDNN's convolutions, TensorFlow and JAX do.
    """
    tf32 = precision == "tf32"
    if name() == "jax":
        import jax

        with jax.default_matmul_precision("tensorfloat32" if tf32 else "float32"):
            yield
    elif name() == "tensorflow":
        from tensorflow.config import experimental

        before = experimental.tensor_float_32_execution_enabled()
        experimental.enable_tensor_float_32_execution(tf32)
        try:
            yield
        finally:
            experimental.enable_tensor_float_32_execution(before)
    elif name() == "torch":
        import torch

        settings: tuple[Any, ...] = torch.backends.cuda.matmul, torch.backends.cudnn
        allowed = [one.allow_tf32 for one in settings]
        try:
            for one in settings:
                one.allow_tf32 = tf32
            yield
        finally:
            for one, value in zip(settings, allowed, strict=True):
                one.allow_tf32 = value
    else:
        yield


@contextlib.contextmanager
def no_denormals() -> Iterator[None]:
    """Take numbers below 1.2e-38 for zero inside a block, where torch has one thread, as a study's workers do.

    Where a weight gets no gradient any more, as one of a dead unit, what an optimizer keeps of its earlier ones shrinks
    into such denormal numbers and, being rounded up there, stays above zero for good. Processors compute with them
    several times more slowly (`python -m benchmarks.denormals`). TensorFlow and JAX take them for zero anyway.

    Each thread has this setting for itself, and torch's others cannot be reached: one that was there before would go on
    as it was. So with more threads nothing is changed, and the bits of a run depend on their number alone, as ever.
    """
    if name() != "torch":
        yield
        return
    import torch

    before = _takes_denormals_for_zero()
    if torch.get_num_threads() == 1:
        torch.set_flush_denormal(True)  # False on a processor that cannot: nothing is changed there
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _takes_denormals_for_zero() -> bool:
    import torch

    return bool((torch.full((1,), 2.0**-126) / 2 * 2**24 == 0).item())


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result may depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("kact", "keras", "torch", "tensorflow", "jax", "openvino", "numpy", "scikit-learn"):
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
