"""The same bits again: from another process, after a kill, with more workers, in another order; how to ask for it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kact
from kact import backend
from kact.determinism import deterministic
from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import Run
from kact.runs.checkpoint import Checkpoint
from kact.studies.workers import WorkerPool
from kact.train import run
from tests.experiments import small
from tests.studies import results, run_study, small_study

ROOT = Path(kact.__file__).parents[1]
TORCH = backend.name() == "torch"
BUSY = {"dropout": 0.3, "batch_norm": True, "epochs": 3, "activation": "rrelu"}

# Trains each experiment given by its TOML file, and is killed in the third epoch of the last.
ELSEWHERE = """
import os, signal, sys
from kact.experiment import Experiment
from kact.train import run

class Killed:
    def started(self, *_): self.epochs = 0
    def epoch_done(self, *_): self.epochs += 1
    def batch_done(self, done, total):
        if self.epochs == 2 and done == 2:
            os.kill(os.getpid(), signal.SIGKILL)

*whole, last = [Experiment.load(path) for path in sys.argv[2:]]
for experiment in whole:
    run(experiment, out=sys.argv[1])
run(last, out=sys.argv[1], progress=Killed())
"""


def state(finished):
    """Everything that a run leaves behind and that is no time of day."""
    stored = Checkpoint.load(finished.path / "checkpoint.npz")
    scores = {name: finished.metrics[name] for name in ("train", "validation", "test")}
    return finished.history, scores, [*stored.weights, *stored.optimizer, *stored.best_weights]


def assert_same_bits(one, other):
    (*told, arrays), (*again, others) = state(one), state(other)
    assert told == again
    for a, b in zip(arrays, others, strict=True):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_another_process_and_a_killed_one_end_with_the_same_bits(tmp_path):
    """It hashes strings otherwise, works elsewhere, and drew other numbers before; only threads are as many."""
    images = small("cnn" if TORCH else "mlp", tmp_path, augment=("shift(pixels=1)",), **BUSY)
    words = small("window_tagger", tmp_path, **BUSY)
    files = []
    for number, experiment in enumerate((images, words)):
        files.append(tmp_path / f"{number}.toml")
        files[-1].write_text(experiment.to_toml())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "KERAS_BACKEND": backend.name()}
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "there"), *map(str, files)]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == -9, ended.stderr
    np.random.random(3)
    assert_same_bits(run(images, out=tmp_path / "here"), Run.load(tmp_path / "there" / images.label))
    cut = tmp_path / "there" / words.label
    assert len(Checkpoint.load(cut / "checkpoint.npz").history) == 2 and not (cut / "metrics.json").exists()
    assert_same_bits(run(words, out=tmp_path / "here"), run(words, out=tmp_path / "there"))


@pytest.mark.any_backend
def test_two_workers_and_another_order_make_the_same_rows(tmp_path):
    study = small_study(tmp_path, activations=("relu", "mish"), epochs=2)
    turned = small_study(tmp_path, activations=("mish", "relu"), epochs=2)
    pool = WorkerPool(2, tmp_path / "log")
    try:
        rows = run_study(turned, tmp_path / "two", pool)
    finally:
        pool.close()
    here = run_study(study, tmp_path / "one")
    assert results(rows) == results(here)
    assert [row.experiment["activation"] for row in rows] != [row.experiment["activation"] for row in here]


# Asking for it


def test_it_is_a_setting_that_older_experiments_do_not_have():
    plain, asked = Experiment(), Experiment(deterministic=True)
    assert "deterministic" not in plain.to_toml() and "deterministic = true" in asked.to_toml()
    assert asked.hash != plain.hash and Experiment.from_toml(asked.to_toml()) == asked


@pytest.mark.skipif(backend.name() == "tensorflow", reason="no process can take TensorFlow's back")
@pytest.mark.parametrize("name", ["cnn", "window_tagger"])
def test_on_a_cpu_it_gives_what_a_run_gives_anyway(name, tmp_path):
    if not TORCH and name != "cnn":
        pytest.skip("nothing is set there")
    plain = small(name, tmp_path, dropout=0.2, batch_norm=True, epochs=2)
    one, other = run(plain, out=tmp_path), run(plain.replace(deterministic=True), out=tmp_path)
    assert one.path != other.path
    assert_same_bits(one, other)


@pytest.mark.skipif(not TORCH, reason="torch's switches")
def test_torch_is_told_and_left_as_it_was(monkeypatch):
    import torch

    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)

    def switches():
        return (
            torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark,
            torch.utils.deterministic.fill_uninitialized_memory, os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
        )  # fmt: skip

    before = switches()
    with deterministic(True, "cpu"):
        assert switches() == (True, False, True, False, False, ":4096:8")
    assert switches() == before
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    refused = pytest.raises(KactError, match=r"put_ has no deterministic algorithm on cpu")
    with refused as caught, deterministic(True, "cpu"):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8", "whoever sets it is not overruled"
        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))
    assert "--device cpu" in caught.value.next_step
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    with pytest.raises(RuntimeError, match="shape"), deterministic(True, "cpu"):
        torch.zeros(3) @ torch.zeros(4, 4)


@pytest.mark.skipif(backend.name() != "jax", reason="JAX's flag")
def test_jax_on_a_gpu_wants_its_flag_before_it_starts(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_something=1")
    with deterministic(True, "cpu"):
        pass
    with pytest.raises(KactError, match="before it starts"), deterministic(True, "cuda (a GPU)"):
        pass
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")
    with deterministic(True, "cuda (a GPU)"):
        pass


TENSORFLOW = """
import sys
from kact.experiment import Experiment
from kact.train import run
from tensorflow.python.framework import config
run(Experiment.load(sys.argv[2]), out=sys.argv[1])
assert config.is_op_determinism_enabled()
"""


@pytest.mark.skipif(backend.name() != "tensorflow", reason="TensorFlow's switch, in a process of its own")
def test_tensorflow_is_told_and_trains_the_same_to_rounding(tmp_path):
    """Its deterministic kernels are others, so that not even on a CPU the bits are those of before."""
    plain = small("mlp", tmp_path, epochs=1)
    asked = plain.replace(deterministic=True)
    (tmp_path / "asked.toml").write_text(asked.to_toml())
    command = [sys.executable, "-c", TENSORFLOW, str(tmp_path), str(tmp_path / "asked.toml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    one, other = run(plain, out=tmp_path).history[0], Run.load(tmp_path / asked.label).history[0]
    assert one == pytest.approx(other, rel=1e-4)
