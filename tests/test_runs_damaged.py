"""Damaged run directories: named, never believed, never deleted for anything else."""

import builtins
import errno
import hashlib
import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import tomli_w

from kact.__main__ import main as kact
from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import Run, RunDirectory
from kact.runs.checkpoint import Checkpoint
from kact.train import run

SMALL = Experiment(model={"name": "mlp", "hidden_units": [8]}, epochs=2, train_examples=200)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(SMALL, out=tmp_path_factory.mktemp("runs"))


@pytest.fixture
def copy(finished, tmp_path):
    return Path(shutil.copytree(finished.path, tmp_path / SMALL.label))


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
