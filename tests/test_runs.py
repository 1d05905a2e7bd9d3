"""Run directories: whole after any crash, believed only when whole, one process at a time."""

import builtins
import contextlib
import errno
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from filelock import FileLock

from kact.__main__ import main as kact
from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import Run, RunDirectory
from kact.runs.checkpoint import Checkpoint
from kact.storage.files import atomic, sha256
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


def test_no_flipped_byte_of_a_checkpoint_is_believed(copy, rng):
    path = copy / "checkpoint.npz"
    whole = path.read_bytes()
    for place in rng.integers(0, len(whole), 200):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(KactError, match=r"checkpoint\.npz' is damaged"):
            Checkpoint.load(path)


@pytest.mark.parametrize("length", [0, 10, 1000])
def test_a_truncated_checkpoint_is_named_and_a_new_start_offered(copy, length):
    (copy / "metrics.json").unlink()
    (copy / "checkpoint.npz").write_bytes((copy / "checkpoint.npz").read_bytes()[:length])
    with pytest.raises(KactError, match=r"(?s)checkpoint.*damaged.*Delete it"):
        run(SMALL, out=copy.parent)


def test_a_damaged_checkpoint_of_a_finished_run_tells_of_all_that_keeps_it_from_being_made_anew(copy, finished):
    (copy / "checkpoint.npz").write_bytes(b"PK")
    with pytest.raises(KactError, match=r"Delete it and the run's metrics\.json, and give its training command"):
        Checkpoint.load(copy / "checkpoint.npz")
    for name in ("checkpoint.npz", "metrics.json"):
        (copy / name).unlink()
    assert run(SMALL, out=copy.parent).history == finished.history
    assert Checkpoint.load(copy / "checkpoint.npz").history == finished.history


def test_an_experiment_that_cannot_be_used_here_is_not_called_damaged(tmp_path):
    """As one of a later version of kact, whose hash is that of all that it says."""
    there = {**SMALL.to_dict(), "telepathy": True}
    described = {key: value for key, value in there.items() if key != "seed"}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    file = tmp_path / f"digits-mlp-relu-{digest[:8]}-seed{SMALL.seed}" / "experiment.toml"
    file.parent.mkdir()
    file.write_text(tomli_w.dumps(there))
    with pytest.raises(KactError, match="telepathy"):
        Experiment.load(file)


def test_a_run_of_a_model_that_is_not_found_says_so(copy, capsys):
    file = copy / "experiment.toml"
    file.write_text(file.read_text().replace('"mlp"', '"of_nobody:Residual"'))
    with pytest.raises(KactError, match=r"experiment\.toml' is damaged"):
        Run.load(copy)
    named = copy.rename(copy.with_name("mine"))
    with pytest.raises(KactError, match="needs the module 'of_nobody', which cannot be imported") as told:
        Run.load(named)
    assert kact(["inspect", str(named)]) == 2 and capsys.readouterr().err == f"kact: {told.value}\n"


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


def test_damaged_files_of_a_finished_run_are_named(copy):
    assert Run.load(copy).model_path.is_file()
    (copy / "model.keras").write_bytes(b"PK")
    with pytest.raises(KactError, match=r"model\.keras' is missing or damaged"):
        _ = Run.load(copy).model_path
    (copy / "metrics.json").write_text("{")
    with pytest.raises(KactError, match=r"metrics\.json' is damaged"):
        Run.load(copy)
    (copy / "metrics.json").unlink()
    with pytest.raises(KactError, match=r"(?s)not finished.*kact train --config"):
        Run.load(copy)
    with pytest.raises(KactError, match="no run in"):
        Run.load(copy / "nowhere")


DAMAGED = ("l2 = 1.0", "l2 = 0?0", "l2 = 8e99", "l2 = -1.0", "k2 = 0.0", "l2 = '\x00'")


def test_no_changed_number_of_a_finished_run_is_believed(copy):
    for name, before, after, named in (
        ("metrics.json", '"epochs": 2', '"epochs": 1', r"metrics\.json' is damaged: its checksum"),
        ("history.csv", "epoch", "epocH", r"history\.csv' is missing or damaged"),
        *[
            ("experiment.toml", "l2 = 0.0", other, r"experiment\.toml' is damaged: it does not hold the exper")
            for other in DAMAGED
        ],
    ):
        whole = (copy / name).read_text()
        (copy / name).write_text(whole.replace(before, after, 1))
        assert (copy / name).read_text() != whole
        with pytest.raises(KactError, match=named):
            _ = Run.load(copy).history
        (copy / name).write_text(whole)
    elsewhere = Path(shutil.copytree(copy, copy.with_name("renamed")))
    (elsewhere / "experiment.toml").write_text(SMALL.replace(l2=1.0).to_toml())
    with pytest.raises(KactError, match=r"experiment\.toml' is missing or damaged"):
        Run.load(elsewhere)


@pytest.mark.parametrize("name", ["metrics.json", "experiment.toml", "checkpoint.npz"])
def test_a_damaged_run_can_be_made_again_unattended(name, copy, finished):
    (copy / name).write_bytes((copy / name).read_bytes().replace(b"e", b"E"))
    if name == "checkpoint.npz":
        (copy / "metrics.json").unlink()
    RunDirectory(copy).drop_damaged()
    assert run(SMALL, out=copy.parent).metrics["test"] == finished.metrics["test"]


@pytest.mark.parametrize("name", ["metrics.json", "history.csv", "model.keras", "experiment.toml", "checkpoint.npz"])
def test_what_cannot_be_read_just_now_is_neither_deleted_nor_called_damaged(name, copy, monkeypatch):
    """As where a process has as many files open as it may, or a shared folder does not answer."""
    there, opened = sorted(copy.iterdir()), io.open

    def scarce(file, *how, **settings):
        if Path(str(file)).name == name:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(file))
        return opened(file, *how, **settings)

    with monkeypatch.context() as patched:
        for module in (io, builtins):
            patched.setattr(module, "open", scarce)
        with pytest.raises((KactError, OSError), match="Too many open files"):
            RunDirectory(copy).drop_damaged()
        if name != "checkpoint.npz":
            with pytest.raises((KactError, OSError), match="Too many open files"):
                _ = RunDirectory(copy).whole
    assert sorted(copy.iterdir()) == there and RunDirectory(copy).whole


def test_a_run_whose_activation_cannot_be_imported_here_is_not_deleted(tmp_path, monkeypatch):
    own = SMALL.replace(activation="tests.own_activation:bent", epochs=1)
    folder = run(own, out=tmp_path).path
    there = sorted(folder.iterdir())
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "tests.own_activation", None)
        with pytest.raises(KactError, match="cannot be imported"):
            RunDirectory(folder).drop_damaged()
    assert sorted(folder.iterdir()) == there and RunDirectory(folder).whole


def test_a_finished_run_without_its_experiment_gets_it_again(copy, finished):
    (copy / "experiment.toml").unlink()
    RunDirectory(copy).drop_damaged()
    assert run(SMALL, out=copy.parent).metrics["test"] == finished.metrics["test"]
    assert Experiment.load(copy / "experiment.toml") == SMALL


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


def test_two_processes_may_write_one_file_and_what_a_killed_one_left_is_swept(tmp_path):
    target = tmp_path / "table [1].csv"
    ended = subprocess.Popen(["true"])
    ended.wait()
    with atomic(target) as temporary:
        temporary.write_text("whole")
    own = f".{os.getpid()}.part.csv"
    assert target.read_text() == "whole" and temporary.name.endswith(own)
    left = tmp_path / temporary.name.replace(own, f".{ended.pid}.part.csv")
    others = tmp_path / temporary.name.replace(own, f".{os.getppid()}.part.csv")
    for file in (left, others):
        file.write_text("half")
    with atomic(target) as temporary:
        temporary.write_text("whole")
    assert target.read_text() == "whole" and others.exists() and not left.exists()


def test_what_another_machine_writes_in_a_shared_folder_is_not_swept(tmp_path, monkeypatch):
    """Its processes have numbers of their own: none of them need be one here."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    for machine in ("one.example", "other.example"):
        monkeypatch.setattr(socket, "gethostname", lambda name=machine: name)
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: ended.pid)
            with contextlib.suppress(KeyboardInterrupt), atomic(tmp_path / "table.csv") as temporary:
                temporary.write_text("half")
                kept = temporary.rename(tmp_path / "kept")  # as if it were killed here
                raise KeyboardInterrupt
        kept.rename(temporary)
    with atomic(tmp_path / "table.csv") as mine:
        mine.write_text("whole")
    assert not temporary.exists(), "this machine's own is swept"
    (left,) = (file for file in tmp_path.iterdir() if file.name != "table.csv")
    assert "one-example" in left.name


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc")
def test_who_is_over_and_not_yet_waited_for_is_dead(tmp_path):
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as ended:
        ended.stdout.read()  # until it has closed its end
        with atomic(tmp_path / "table.csv") as temporary:
            temporary.write_text("whole")
        left = tmp_path / temporary.name.replace(f".{os.getpid()}.", f".{ended.pid}.")
        left.write_text("half")
        until = time.monotonic() + 60
        while left.exists() and time.monotonic() < until:
            with atomic(tmp_path / "table.csv") as temporary:
                temporary.write_text("whole")
        assert not left.exists()


def test_a_full_disk_leaves_the_last_whole_file(tmp_path, monkeypatch):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    full_disk = pytest.raises(KactError, match=r"(?s)table\.csv': No space left on device.*Free some space")
    with full_disk, atomic(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["table.csv"]


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
