"""Tracking: what a tracker is told is what the run's own files hold, no byte leaves the machine, and no run is lost."""

import socket
import sqlite3
import sys
import time
from types import SimpleNamespace

import pytest

from kact import __main__ as command
from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import Run
from kact.train import run
from kact.training import tracking
from kact.training.tracking import Tracked

pytestmark = pytest.mark.any_backend

SMALL = Experiment(epochs=2, train_examples=100)


@pytest.fixture
def no_network(monkeypatch):
    """Refuse every connection but those within this machine's own files."""
    connect = socket.socket.connect

    def refused(self, address):
        assert self.family == socket.AF_UNIX, f"a connection to {address}"
        return connect(self, address)

    def unknown(host, *_, **__):
        raise AssertionError(f"a question for the address of {host}")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)


class Noted:
    """A progress that keeps what it is told."""

    def __init__(self):
        self.told = []

    def started(self, experiment, directory, device, epochs_done):
        self.told.append("started")

    def batch_done(self, done, total):
        self.told.append("batch")

    def epoch_done(self, row, epochs, seconds):
        self.told.append(row["epoch"])


def trained(tracker, out, experiment=SMALL, progress=None):
    tracked = Tracked(tracker, progress)
    try:
        finished = run(experiment, out=out, progress=tracked)
        tracked.finished(finished)
    finally:
        tracked.close()
    return finished, tracked


def told(tracker, directory):
    """Tell a tracker of two epochs of a run that nobody trains."""
    tracked = Tracked(tracker)
    tracked.started(SMALL, directory, "cpu", 0)
    for epoch in (1, 2):
        row = {"epoch": epoch, "learning_rate": 0.1, "train_loss": 1 / epoch, "validation_accuracy": 0.5 * epoch}
        tracked.epoch_done(row, 2, 0.25)
    tracked.finished(SimpleNamespace(metrics={"test": {"accuracy": 0.75, "loss": 0.5, "f1": 0.625}}))
    tracked.close()
    return tracked


def scalars(directory):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(directory))
    read.Reload()
    return {name: [(one.step, one.value) for one in read.Scalars(name)] for name in read.Tags()["scalars"]}


def test_tensorboard_holds_the_history_and_the_test_scores(tmp_path, no_network):
    pytest.importorskip("tensorboard")
    noted = Noted()
    finished, tracked = trained("tensorboard", tmp_path, progress=noted)
    found = scalars(finished.path / "tensorboard")
    for name in ("train/loss", "train/accuracy", "validation/loss", "validation/accuracy"):
        written = [(row["epoch"], pytest.approx(row[name.replace("/", "_")])) for row in finished.history]
        assert found[name] == written
    assert found["test/accuracy"] == [(2, pytest.approx(finished.metrics["test"]["accuracy"]))]
    assert tracked.where == f"tensorboard --logdir {tmp_path}"
    assert noted.told[0] == "started" and [one for one in noted.told if isinstance(one, int)] == [1, 2]


def test_tensorboard_does_not_load_tensorflow(tmp_path):
    pytest.importorskip("tensorboard")
    before = "tensorflow" in sys.modules
    log = tracking._TensorBoard(SMALL, tmp_path, 0)
    log.add({"train/loss": 1.0}, 1)
    log.close()
    assert ("tensorflow" in sys.modules) == before


def test_a_run_that_goes_on_is_one_curve(tmp_path):
    pytest.importorskip("tensorboard")

    for epochs_done, told_of in ((0, (1, 2)), (1, (2, 3))):  # killed when 2 was logged and not yet on disk
        tracked = Tracked("tensorboard")
        tracked.started(SMALL, tmp_path, "cpu", epochs_done)
        for epoch in told_of:
            tracked.epoch_done({"epoch": epoch, "train_loss": epoch + 10 * epochs_done}, 3, 0.1)
        tracked.close()
    assert scalars(tmp_path / "tensorboard")["train/loss"] == [(1, 1), (2, 12), (3, 13)]


def test_trackio_logs_to_its_local_database(tmp_path, no_network, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    for name in [name for name in sys.modules if name.split(".")[0] == "trackio"]:
        monkeypatch.delitem(sys.modules, name)  # it reads the variable when it is imported
    pytest.importorskip("trackio")
    tracked = told("trackio", tmp_path)
    assert tracked.where == "trackio show --project kact"
    with sqlite3.connect(tmp_path / "trackio" / "kact.db") as database:
        steps = database.execute("select step, metrics from metrics order by id").fetchall()
    assert [step for step, _ in steps] == [1, 2, 2]
    assert "train/loss" in str(steps[0]) and "test/accuracy" in str(steps[2])


def test_wandb_is_offline_unless_it_is_asked_to_be_online(tmp_path, no_network, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    tracked = told("wandb", tmp_path)
    assert tracked.where == f"wandb sync {tmp_path / 'wandb'}/offline-run-*"
    (written,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    for _ in range(600):  # its own process writes the file, a moment after the run is finished
        if b"test/accuracy" in written.read_bytes():
            break
        time.sleep(0.05)
    content = written.read_bytes()
    assert b"validation/accuracy" in content and b"test/accuracy" in content


def test_a_tracker_that_fails_in_the_middle_is_switched_off_and_the_run_goes_on(tmp_path, monkeypatch, capsys):
    class Fails:
        where = "nowhere"

        def __init__(self, *_):
            self.added = 0

        def add(self, metrics, step):
            raise RuntimeError("the disk of the tracker is full\nand more")

        def close(self):
            raise AssertionError("it was switched off")

    monkeypatch.setitem(tracking._OPENERS, "tensorboard", Fails)
    monkeypatch.setattr(tracking, "check_tracker", lambda name: None)
    finished, tracked = trained("tensorboard", tmp_path)
    said = capsys.readouterr().err
    assert said.count("switched off") == 1 and "the disk of the tracker is full" in said and "more" not in said
    assert len(finished.history) == 2 and tracked.where == ""


def test_a_tracker_that_cannot_begin_does_not_stop_the_run(tmp_path, monkeypatch, capsys):
    def broken(*_):
        raise OSError("read-only")

    monkeypatch.setitem(tracking._OPENERS, "wandb", broken)
    monkeypatch.setattr(tracking, "check_tracker", lambda name: None)
    assert told("wandb", tmp_path).where == "" and capsys.readouterr().err.count("read-only") == 1


def test_what_is_not_installed_or_not_known_is_said_before_training(tmp_path, monkeypatch, capsys):
    with pytest.raises(KactError, match="Did you mean 'wandb'"):
        Tracked("wand")
    there = tracking.find_spec
    monkeypatch.setattr(tracking, "find_spec", lambda name: None if name == "trackio" else there(name))
    assert command.main(["train", "--track", "trackio", "--out", str(tmp_path / "runs")]) == 2
    assert "pip install 'kact[track]'" in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_the_command_tracks_and_says_where_to_look(tmp_path, capsys):
    pytest.importorskip("tensorboard")
    flags = ["--epochs", "1", "--train-examples", "100", "--out", str(tmp_path)]
    assert command.main(["train", *flags, "--track", "tensorboard"]) == 0
    assert f"see  tensorboard --logdir {tmp_path}" in capsys.readouterr().out
    made = Run.load(next(tmp_path.iterdir()))
    assert "train/loss" in scalars(made.path / "tensorboard")
    assert command.main(["train", *flags, "--track", "tensorbord"]) == 2
    assert "Did you mean 'tensorboard'?" in capsys.readouterr().err
