"""What all tests stand on: one backend a process, one thread, no user's cache touched, no network."""

import importlib.util
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # many small networks; the processes that tests start take it over
# One thread for JAX likewise, and no more than the quickest compilation of networks that run for a second.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
)
# JAX compiles the same small networks in every test and process: five times faster from a cache.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(pathlib.Path(__file__).with_name(".pytest_cache") / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import numpy as np
import pytest

# The doctests of the tuning application need its extra, which `make test` installs.
collect_ignore_glob = [] if importlib.util.find_spec("keras_tuner") else ["tuning/*"]
if os.environ["KERAS_BACKEND"] != "torch":  # doctests that no backend changes
    collect_ignore_glob += ["demo/*", "tuning/*"]
    collect_ignore_glob += [
        f"kact/{package}/*" for package in ("plots", "reports", "stats", "studies", "tasks", "text")
    ]


def pytest_collection_modifyitems(config, items):
    """Leave out what is marked `any_backend` on all backends but torch."""
    if os.environ["KERAS_BACKEND"] != "torch":
        left_out = [item for item in items if item.get_closest_marker("any_backend")]
        items[:] = [item for item in items if not item.get_closest_marker("any_backend")]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(autouse=True, scope="session")
def cache_of_the_tests_own(tmp_path_factory):
    """Keep what tests decode out of the user's cache."""
    patch = pytest.MonkeyPatch()
    patch.setenv("KACT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture
def rng():
    """Return a seeded generator."""
    return np.random.default_rng(0)
