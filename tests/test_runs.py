"""Run directories: whole after any crash, believed only when whole, one process at a time."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import RunDirectory
from kact.runs.checkpoint import Checkpoint
from kact.storage.files import sha256
from kact.train import run

SMALL = Experiment(model={"name": "mlp", "hidden_units": [8]}, epochs=2, train_examples=200)
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(SMALL, out=tmp_path_factory.mktemp("runs"))


@pytest.fixture
def copy(finished, tmp_path):
    return Path(shutil.copytree(finished.path, tmp_path / SMALL.label))


def test_a_checkpoint_comes_back_as_it_was(tmp_path, rng):
    made = Checkpoint(
        "torch",
        history=[{"epoch": 1, "train_loss": float("nan")}],
        epoch_seconds=[0.1],
        best_epoch=1,
        weights=[rng.normal(size=(3, 4)).astype("float32"), np.arange(2, dtype="uint32")] + [np.ones(1)] * 10,
        best_weights=[np.float32(3.0).reshape(())],
    )
    made.save(tmp_path / "checkpoint.npz")
    again = Checkpoint.load(tmp_path / "checkpoint.npz")
    assert repr(again.history) == repr(made.history) and again.best_epoch == 1
    for kind in ("weights", "optimizer", "best_weights"):
        for a, b in zip(getattr(made, kind), getattr(again, kind), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


def test_a_run_that_died_before_its_metrics_is_finished_without_training(copy, finished):
    (copy / "metrics.json").unlink()
    (copy / "model.keras").unlink()
    again = run(SMALL, out=copy.parent)
    assert again.history == finished.history and again.metrics["test"] == finished.metrics["test"]
    assert again.metrics["timing"]["epoch_seconds"] == finished.metrics["timing"]["epoch_seconds"]


def test_a_run_of_another_experiment_is_refused(copy):
    (copy / "experiment.toml").write_text(SMALL.replace(epochs=9).to_toml())
    with pytest.raises(KactError, match="does not hold the experiment"):
        run(SMALL, out=copy.parent)


def test_hashes_of_all_files_are_noted(finished):
    noted = finished.metrics["provenance"]["files"]
    assert noted == {name: sha256(finished.path / name) for name in ("experiment.toml", "history.csv", "model.keras")}


def hold(path, held, release):
    with RunDirectory(path).opened(SMALL):
        held.set()
        release.wait(60)


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    first = context.Process(target=hold, args=(tmp_path / SMALL.label, held, release))
    first.start()
    assert held.wait(60)
    with pytest.raises(KactError, match="Another process is training"):
        run(SMALL, out=tmp_path)
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    assert run(SMALL, out=tmp_path).metrics["status"] == "finished"


def test_a_look_at_whether_it_runs_keeps_no_process_from_beginning(tmp_path):
    folder = tmp_path / SMALL.label
    folder.mkdir()
    look = FileLock(folder / ".lock", thread_local=False)
    look.acquire()
    threading.Timer(0.1, look.release).start()
    with RunDirectory(folder).opened(SMALL):
        pass


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KactError, match=r"Cannot write.*file.*where a folder should be.*\nChoose another"):
        run(SMALL, out=tmp_path / "file")


TRAIN = """
import sys
from kact.experiment import Experiment
from kact.train import run
run(Experiment.load(sys.argv[1]), out=sys.argv[2])
"""
BUSY = Experiment(
    model={"name": "cnn", "filters": [4, 4], "hidden_units": [16]},
    activation="mish",
    dropout=0.2,
    batch_norm=True,
    augment=("flip", "shift(pixels=1)"),
    optimizer="adam",
    l2=1e-4,
    schedule="cosine",
    epochs=6,
    batch_size=16,
    train_examples=600,
)


def train_apart(tmp_path, out):
    (tmp_path / "busy.toml").write_text(BUSY.to_toml())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", TRAIN, str(tmp_path / "busy.toml"), str(out)], env=environment)


def test_a_killed_process_resumes_to_the_same_bits(tmp_path, rng):
    """SIGKILL in the middle of epochs, with dropout, batch norm, augmentation, Adam, a penalty and a schedule on."""
    straight = run(BUSY, out=tmp_path / "straight")
    history = tmp_path / "killed" / BUSY.label / "history.csv"
    kills = 0
    for after in (1, 3):
        process = train_apart(tmp_path, tmp_path / "killed")
        while process.poll() is None and not (history.exists() and len(history.read_text().splitlines()) > after):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
        assert not (history.parent / "metrics.json").exists()
    assert kills == 2
    killed = run(BUSY, out=tmp_path / "killed")  # in another process than it was begun in
    assert (straight.path / "history.csv").read_bytes() == (killed.path / "history.csv").read_bytes()
    one, other = (Checkpoint.load(each.path / "checkpoint.npz") for each in (straight, killed))
    for kind in ("weights", "optimizer", "best_weights"):
        for a, b in zip(getattr(one, kind), getattr(other, kind), strict=True):
            np.testing.assert_array_equal(a, b)
    for split in ("train", "validation", "test"):
        assert json.dumps(straight.metrics[split]) == json.dumps(killed.metrics[split])
