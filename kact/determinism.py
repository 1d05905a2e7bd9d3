"""Determinism: the same bits from the same run on the same machine, on a GPU too, for whoever asks for it.

On a CPU with as many threads as before a run repeats itself anyway. On a GPU some kernels add in whatever order their
threads finish; here each backend is told to take others, or to refuse:

- torch: `torch.use_deterministic_algorithms`, cuDNN without its search for the fastest kernel, and cuBLAS with a fixed
  workspace (https://pytorch.org/docs/stable/notes/randomness.html);
- tensorflow: `enable_op_determinism`, which no process can take back
  (https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_op_determinism);
- jax: XLA reads its flag once, when JAX starts, so that on a GPU it has to be in XLA_FLAGS already
  (https://docs.jax.dev/en/latest/xla_flags.html).

>>> with deterministic(False, "cpu"):
...     pass  # nothing is changed where nobody asks
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from kact import backend
from kact.errors import KactError

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_XLA_FLAG = "--xla_gpu_deterministic_ops=true"


@contextlib.contextmanager
def deterministic(asked: bool, device: str) -> Iterator[None]:
    """Run a block with algorithms that give the same bits each time, if that is asked for.

    Args:
        asked: whether it is; otherwise nothing happens.
        device: in words, as `kact.backend.run_settings` gives it.

    Raises:
        KactError: if something in the block has no such algorithm, or JAX on a GPU was started without its flag.
    """
    if not asked:
        yield
    elif backend.name() == "torch":
        with _torch_algorithms(device):
            yield
    else:
        if backend.name() == "tensorflow":
            import tensorflow

            tensorflow.config.experimental.enable_op_determinism()
        elif device != "cpu" and _XLA_FLAG not in os.environ.get("XLA_FLAGS", ""):
            raise KactError(
                "On a GPU, JAX has to be told of determinism before it starts.",
                f"Set XLA_FLAGS={_XLA_FLAG} in the environment, or use --device cpu.",
            )
        yield


@contextlib.contextmanager
def _torch_algorithms(device: str) -> Iterator[None]:
    import torch

    cudnn = torch.backends.cudnn
    filling: Any = torch.utils.deterministic  # its one attribute is made at run time, unseen by types
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        (cudnn.deterministic, cudnn.benchmark, filling.fill_uninitialized_memory),
        os.environ.get(_WORKSPACE),
    )
    os.environ.setdefault(_WORKSPACE, ":4096:8")  # cuBLAS reads it when it is first used
    torch.use_deterministic_algorithms(True)
    # Filling memory that nobody reads before it is written costs time, and changes no result.
    cudnn.deterministic, cudnn.benchmark, filling.fill_uninitialized_memory = True, False, False
    try:
        yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        name = str(error).split(" ")[0]
        raise KactError(
            f"{name} has no deterministic algorithm on {device}.", "Use --device cpu, or train without --deterministic."
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark, filling.fill_uninitialized_memory = before[2]
        if before[3] is None:
            del os.environ[_WORKSPACE]
