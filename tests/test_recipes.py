"""Recipes: each is an experiment, reached by its name from the command line."""

import pytest

from kact import __main__ as command
from kact.commands.train import parse_train
from kact.experiment import Experiment
from kact.recipes import config_path, recipe_names

pytestmark = pytest.mark.any_backend


@pytest.mark.parametrize("name", recipe_names())
def test_each_is_an_experiment_whose_header_gives_its_command(name):
    experiment = Experiment.load(config_path(name))
    assert f"# kact train --config {name}" in config_path(name).read_text(encoding="utf-8")
    parsed, _ = parse_train(["--config", name, "--seed", "3"], "kact train")
    assert parsed == experiment.replace(seed=3)


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tweets-bilstm").write_text(Experiment(epochs=2).to_toml())
    assert parse_train(["--config", "tweets-bilstm"], "kact train")[0] == Experiment(epochs=2)


def test_they_are_listed(capsys):
    assert command.main(["list", "recipes"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in recipe_names())
