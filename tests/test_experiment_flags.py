"""Flags of an experiment: settings, a model's sizes, and a file below them."""

import dataclasses
from pathlib import Path

import pytest

from kact import __main__ as command
from kact.commands.train import parse_train
from kact.experiment import Experiment
from kact.models import MODELS, build_model
from kact.tasks import get_record


def test_a_file_of_a_preset_means_what_it_does_elsewhere(tmp_path):
    file = tmp_path / "small.toml"
    file.write_text('task = "cifar10"\nmodel = "cifar-small"\n')
    read, _ = parse_train(["--config", str(file)], "kact train")
    assert read == Experiment.load(file) and not read.batch_norm
    of_another, _ = parse_train(["--config", str(file), "--model", "cnn"], "kact train")
    assert of_another.batch_norm


@pytest.mark.parametrize(
    ("arguments", "task", "model"),
    [
        (["--model", "mlp", "--model", "cnn"], "digits", "cnn"),
        (["--task", "digits", "--task=cifar10"], "cifar10", "lenet"),
        (["--config", "first.toml", "--config=second.toml"], "cifar10", "cnn"),
        (["--config=first.toml", "--config", "second.toml", "--model", "cnn", "--model=mlp"], "cifar10", "mlp"),
    ],
)
def test_of_a_flag_that_is_given_twice_the_last_counts(arguments, task, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("first.toml").write_text('task = "mnist"\nmodel = "mlp"\n')
    Path("second.toml").write_text('task = "cifar10"\nmodel = "cnn"\n')
    experiment, _ = parse_train(arguments, "kact train")
    assert (experiment.task, experiment.model.name) == (task, model)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_alone_is_trained_on_a_task_that_fits_it(model):
    experiment, _ = parse_train(["--model", model], "kact train")
    task = get_record(experiment.task)
    assert experiment.model == MODELS[model]() and task.input == MODELS[model].input
    if task.input == "image" and model != "alexnet":  # whose 57 million weights take long; 224 pixels are its own
        build_model(model, task.input_shape, len(task.labels))


@pytest.mark.parametrize("model", ["mlp", "cnn", "lenet", "strided_cnn", "alexnet"])
def test_help_names_every_setting_of_the_experiment_and_of_the_model(model, capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        command.main(["train", "--model", model, "--help"])
    printed = capsys.readouterr().out
    for field in [*dataclasses.fields(Experiment), *dataclasses.fields(MODELS[model])]:
        assert f"--{field.name.replace('_', '-')}" in printed
    assert "[at least 0 and below 1]" in " ".join(printed.replace("│", " ").split())  # of dropout
