"""The command line, as somebody at a terminal meets it."""

import dataclasses
import errno
import os
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest
from tqdm import tqdm

from kact import __main__ as command
from kact import backend
from kact.command_line import guarded
from kact.commands.train import parse_train
from kact.describe import summary
from kact.experiment import Experiment
from kact.models import CNN
from kact.runs import Run
from kact.storage.seals import read_json, sealed_json
from kact.training.progress import Console

ROOT = Path(__file__).parents[1]
QUICK = ["--epochs", "1", "--train-examples", "200"]


def kact(*arguments):
    try:
        return command.main([str(argument) for argument in arguments])
    except SystemExit as left:
        return left.code


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert kact("train", *QUICK, "--out", out) == 0
    return next(out.iterdir())


def test_without_a_command_it_says_what_there_is(capsys):
    assert kact() == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("train", "predict", "inspect", "list"))


def test_training_says_where_things_are_and_what_to_do_next(tmp_path, capsys):
    assert kact("train", *QUICK, "--activation", "mish", "--model", "cnn", "--filters", 4, 4, "--out", tmp_path) == 0
    printed = capsys.readouterr().out
    made = next(tmp_path.iterdir())
    experiment = Run.load(made).experiment
    assert experiment.model == CNN(filters=(4, 4)) and experiment.activation == "mish"
    assert "on cpu" in printed and "epoch 1/1" in printed and "test accuracy" in printed
    assert f"kact inspect {made}" in printed and f"kact predict {made}" in printed


@pytest.mark.parametrize(("accuracy", "told"), [(0.1, True), (0.13, True), (0.14, False)])
def test_a_run_that_learned_nothing_says_so(accuracy, told, trained):
    finished = Run.load(trained)
    metrics = {**finished.metrics, "test": {**finished.metrics["test"], "accuracy": accuracy}}
    said = summary(dataclasses.replace(finished, metrics=metrics))
    assert ("It is no better than luck: one label for all gives 0.1031." in said) == told  # 37 of 359 are of one class


def test_training_on_validation_too_shows_no_scores_of_it(tmp_path, capsys):
    asked = ["--train-on", "train+validation", "--keep", "last", "--epochs", 1, "--out", tmp_path]
    assert kact("train", *asked) == 0
    printed = capsys.readouterr().out
    assert "validation loss" not in printed and "validation is trained on" in printed
    assert kact("inspect", *tmp_path.iterdir()) == 0 and "\nvalidation " not in capsys.readouterr().out


def test_flags_win_over_the_file(tmp_path, capsys):
    model = CNN(filters=(3,), hidden_units=(5,))
    file = tmp_path / "run.toml"
    file.write_text(Experiment(model=model, epochs=9, train_examples=200, augment=("flip",)).to_toml())
    assert kact("train", "--config", file, "--epochs", 1, "--hidden-units", 6, "--out", tmp_path / "runs") == 0
    made = Run.load(next((tmp_path / "runs").iterdir())).experiment
    assert made == Experiment(
        model=CNN(filters=(3,), hidden_units=(6,)), epochs=1, train_examples=200, augment=("flip",)
    )
    assert kact("train", "--config", file, "--model", "mlp", "--epochs=1", "--out", tmp_path / "mlp") == 0
    assert Run.load(next((tmp_path / "mlp").iterdir())).experiment.model.name == "mlp"


@pytest.mark.any_backend
def test_the_installed_command_finds_an_activation_in_the_folder_it_is_started_in(tmp_path):
    (tmp_path / "bump.py").write_text("def bump(x):\n    return x * x\n")
    script = tmp_path / "bin" / "kact"  # as pip writes it: Python looks for modules beside it, not here
    script.parent.mkdir()
    script.write_text("import sys\nfrom kact.__main__ import main\nsys.exit(main())\n")
    asked = [sys.executable, script, "train", *QUICK, "--activation", "bump:bump", "--out", tmp_path / "runs"]
    done = subprocess.run(asked, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_a_module_of_ones_own_that_imports_keras_gets_torch_in_every_command(tmp_path):
    """Where TensorFlow is not installed, which is Keras' own choice, and nobody said which backend."""
    (tmp_path / "bump.py").write_text("import keras\ndef bump(x):\n    return keras.ops.exp(-x * x)\n")
    (tmp_path / "own.toml").write_text(
        '[base]\ntask = "digits"\nepochs = 1\n[grid]\nactivation = ["bump:bump", "relu"]\n'
    )
    hidden = (
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Without(PathFinder):\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        return None if name.partition('.')[0] == 'tensorflow' else PathFinder.find_spec(name, path, target)\n"
        "sys.meta_path[sys.meta_path.index(PathFinder)] = Without\n"
        "from kact.__main__ import main; sys.exit(main())"
    )
    env = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    for arguments in (
        ["train", *QUICK, "--activation", "bump:bump"],
        ["study", "show", "own.toml", "--no-probe"],
        ["inspect", "RUN"],
        ["report", "RUN"],
    ):
        run_of_own = [str(one) for one in tmp_path.glob("runs/*")]
        given = [run_of_own[0] if one == "RUN" else one for one in arguments]
        done = subprocess.run(
            [sys.executable, "-c", hidden, *given],
            cwd=tmp_path,
            env=env | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
        )
        assert done.returncode == 0, (given, done.stderr.decode())


def test_going_on(trained, tmp_path, capsys):
    assert kact("train", "--continue-from", trained, "--epochs", 2, "--out", tmp_path) == 0
    assert "going on after epoch 1" in capsys.readouterr().out
    assert Run.load(next(tmp_path.iterdir())).history[:1] == Run.load(trained).history


def test_a_finished_run_is_not_trained_again_and_says_so(trained, capsys):
    assert kact("train", *QUICK, "--out", trained.parent) == 0
    printed = capsys.readouterr().out
    assert "not trained again" in printed and "epoch 1/1" not in printed and "test accuracy" in printed


def test_a_run_of_another_backend_is_not_trained_again_and_says_so(trained, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / trained.name)
    file, other = tmp_path / trained.name / "metrics.json", "jax" if backend.name() == "torch" else "torch"
    metrics = read_json(file)
    metrics["provenance"]["backend"] = other
    file.write_text(sealed_json(metrics))
    assert kact("train", *QUICK, "--out", tmp_path) == 0
    told = f"It was trained on {other} before, and is not trained again; another --out trains it on {backend.name()}."
    assert told in capsys.readouterr().out


def test_a_preset_by_its_name_with_a_size_changed(tmp_path):
    flags = ["--model", "mnist-units", "--filters", "3", "4", "--padding", "same", "--out", tmp_path]
    assert kact("train", *QUICK, *flags) == 0
    made = Run.load(next(tmp_path.iterdir())).experiment
    assert made.model == CNN(
        filters=(3, 4), padding="same", order=("norm", "pool", "activation"), dropout_on="convolution"
    )


def test_the_directory_of_a_run_is_a_file_to_train_from(trained):
    from_run, _ = parse_train(["--config", str(trained), "--seed", "3"], "kact train")
    assert from_run == Run.load(trained).experiment.replace(seed=3)


def test_a_flag_with_underscores_is_that_flag(trained):
    dashed, _ = parse_train(["--continue-from", str(trained), "--epochs", "9"], "kact train")
    lower, options = parse_train([f"--continue_from={trained}", "--epochs", "9"], "kact train")
    assert lower == dashed and str(options.continue_from) == str(trained)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], ["trian", "Did you mean 'train'"]),
        (["train", "--task", "cifar11"], ["task", "Did you mean 'cifar"]),
        (["train", "--model", "lenett"], ["model", "Did you mean 'lenet'"]),
        (["train", "--model", "cifar-finel"], ["model", "Did you mean 'cifar-final'"]),
        (["train", "--task", "digits", "--model", "alexnet"], ["pool1", "3x3", "1x1"]),
        (["train", "--freeze"], ["freeze", "--backbone"]),
        (["train", "--activation", "rellu"], ["activation", "Did you mean 'relu'"]),
        (["train", "--activation", "relu", "elu"], ["no place for 'elu'", "`kact compare`"]),
        (["train", "--optimizer", "adm"], ["optimizer", "Did you mean 'adam'"]),
        (["train", "--learning-rate", "-1"], ["learning_rate", "above 0", "-1"]),
        (["train", "--learning-rate", "nan"], ["learning_rate", "nan"]),
        (["train", "--epochs", "0"], ["epochs", "at least 1"]),
        (["train", "--task", "digits", "--model", "lenet"], ["conv2", "5x5", "2x2"]),
        (["train", "--task", "digits", "--model", "window_tagger"], ["model", "digits", "strided_cnn"]),
        (["train", "--learning-rat", "0.1"], ["--learning-rat", "Did you mean --learning-rate?"]),
        (["train", "--learning_rat=1"], ["--learning-rat", "Did you mean --learning-rate?"]),
        (["train", "--filters", "3"], ["--filters", "'cnn'", "'mlp'", "--model cnn"]),
        (["train", "--device", "gpu"], ["device", "auto, cpu, cuda"]),
        (["train", "--config", "no.toml"], ["no.toml", "No such file"]),
        (["train", "--config"], ["--config", "needs a value"]),
        (["train", "--continue-from", "no-run", "--epochs", "3"], ["no run in 'no-run'", "the directory of a run"]),
        (["train", "--config", "."], ["'experiment.toml'", "No such file"]),
        (["inspect", "no-run"], ["no-run", "no run in"]),
        (["predict", "no-run", "x.png"], ["no-run", "no run in"]),
        (["list", "activation"], ["list", "Did you mean 'activations'"]),
        (["list", "studies"], ["one of: activations, models", "`kact study list`"]),
    ],
)
def test_bad_input_costs_a_line_or_two_and_exit_code_2(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert kact(*arguments) == 2
    printed = capsys.readouterr()
    assert all(word in printed.err for word in words), printed.err
    assert "Traceback" not in printed.err and len(printed.err.strip().splitlines()) <= 2
    assert not list(tmp_path.iterdir())


def test_a_value_of_the_wrong_kind_names_its_flag(capsys):
    assert kact("train", "--epochs", "ten") == 2
    printed = capsys.readouterr()
    assert "--epochs" in printed.err + printed.out and "Traceback" not in printed.err


def test_lists(capsys):
    for what, words in {
        "activations": ["mish", "negative_slope=0.01", "arXiv"],
        "models": ["lenet", "cnn", "mlp", "strided_cnn", "alexnet"],
        "presets": ["cifar-final", "2f", "14,587,810"],
        "tasks": ["digits", "mnist", "cifar10 or cifar", "stl10", "image_size=224", "image_folder", "yours"],
        "optimizers": ["adam", "beta_1=0.9", "lion"],
        "schedules": ["cosine", "one_cycle"],
        "initializers": ["auto", "torch"],
    }.items():
        assert kact("list", what) == 0
        printed = capsys.readouterr().out
        assert all(word in printed for word in words), printed


def test_inspect_shows_what_was_run(trained, capsys):
    assert kact("inspect", trained) == 0
    printed = capsys.readouterr().out
    for word in ('task = "digits"', "finished", "validation", "class (test)", "dense1_activation", "keras"):
        assert word in printed


def test_a_run_by_its_name_alone_is_found_for_the_reader(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(trained.parent)
    for word in ("predict", "inspect"):
        assert kact(word, trained.name, *["--test", "1"] * (word == "predict")) == 2
        assert f"It is in 'runs/{trained.name}'." in capsys.readouterr().err


@pytest.mark.parametrize("given", ["runs/mine", "mine"])
def test_a_study_is_not_taken_for_a_run_and_its_runs_are_pointed_at(given, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "mine" / "runs").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "study.toml").touch()
    for arguments in (["export", given], ["inspect", given], ["predict", given, "--test", "1"]):
        if arguments[0] == "export" and (backend.name() != "torch" or find_spec("onnx") is None):
            continue  # which is said before anything is read
        assert kact(*arguments) == 2
        said = capsys.readouterr().err
        assert "'runs/mine' is a study, and its runs are in 'runs/mine/runs'" in said and said.count("\n") == 2
        assert "kact study status runs/mine" in said and "kact report runs/mine" in said


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "No memory is left."),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
            "No memory is left.",
        ),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "No memory is left."),
        (
            OSError(errno.EROFS, "Read-only file system", "runs/x"),
            "Cannot read or write 'runs/x': Read-only file system.",
        ),
    ],
)
def test_what_the_machine_refuses_is_told_in_two_lines(error, told, capsys):
    def work():
        raise error

    assert guarded(work) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"kact: {told}\n") and said.count("\n") == 2


def test_a_mistake_in_a_program_is_not_hidden():
    def work():
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        guarded(work)


def test_a_bar_begins_no_thread_of_its_own(monkeypatch):
    monkeypatch.setattr(tqdm, "monitor", None)  # which somebody else's bar may have begun
    before = set(threading.enumerate())
    with Console(quiet=True) as console:
        console.batch_done(1, 2)
    assert set(threading.enumerate()) <= before


@pytest.mark.any_backend
def test_what_a_terminal_cannot_show_is_written_as_its_number():
    """Formulas are written with the field's own letters, which an old terminal, or a pipe on Windows, may not have."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    listed = [sys.executable, "-m", "kact", "list", "activations"]
    ended = subprocess.run(listed, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and r"\u03c3(x)" in ended.stdout and ended.stderr == ""
