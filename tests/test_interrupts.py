"""Ctrl-C and SIGTERM at a terminal: a command ends politely, loses nothing, and says how it goes on."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import Run
from kact.train import run
from kact.training.progress import Console
from kact.training.training import Training

ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def training(arguments):
    line = [sys.executable, "-u", "-m", "kact.train", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_politely_and_the_command_that_it_names_goes_on(tmp_path, blow):
    arguments = ["--epochs", "10000", "--train-examples", "200", "--out", str(tmp_path)]
    with training(arguments) as process:
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(blow)
        printed = process.communicate(timeout=120)[1]
    assert process.returncode == 130 and "Traceback" not in printed
    assert "Stopped;" in printed and "of 10000 epochs are safe" in printed
    assert f"python -m kact.train {' '.join(arguments)}" in printed
    saved = len((next(tmp_path.iterdir()) / "history.csv").read_text().splitlines()) - 1
    with training(arguments) as process:
        assert f"going on after epoch {saved}" in process.stdout.readline()
        process.send_signal(blow)  # while the backend still compiles, whose own code may swallow exceptions
        process.communicate(timeout=120)
    assert process.returncode == 130


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_backend_swallowed_is_not_forgotten(tmp_path, blow):
    with pytest.raises(KeyboardInterrupt), Console(quiet=True) as console:
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), blow)
        run(Experiment(epochs=10_000, train_examples=200), out=tmp_path, progress=console)
    assert console.epochs_done == 0


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("failure", [None, KactError("The disk is full.")])
def test_an_interrupt_after_the_last_batch_is_not_forgotten(tmp_path, monkeypatch, blow, failure):
    """Whoever would go on with another run, as a search does, has to hear of it."""
    finish = Training.finish

    def interrupted(training):
        os.kill(os.getpid(), blow)
        finish(training)
        if failure is not None:
            raise failure

    monkeypatch.setattr(Training, "finish", interrupted)
    before = signal.getsignal(blow)
    with pytest.raises(KeyboardInterrupt), Console(quiet=True) as console:
        run(Experiment(epochs=1, train_examples=200), out=tmp_path, progress=console)
    assert signal.getsignal(blow) == before
    assert Run.load(next(tmp_path.iterdir())).metrics["epochs"] == 1


def test_a_second_interrupt_ends_at_once(tmp_path):
    with training(["--epochs", "10000", "--out", str(tmp_path), "--quiet"]) as process:
        while not list(tmp_path.glob("*/history.csv")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130


def test_an_interrupt_without_words_of_its_own_says_stopped():
    code = "from kact.command_line import guarded\ndef work():\n    raise KeyboardInterrupt\nguarded(work)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "\nStopped.\n")
