"""Search spaces: what is drawn, what it means, and what is refused."""

import numpy as np
import pytest

from kact.commands.train import parse_train
from kact.errors import KactError
from kact.experiment import LARGEST_SEED, Experiment
from kact.models import LeNet
from tests.tuning_runs import BASE, small_plan
from tuning.command_line import make_plan, parse_tune
from tuning.final import final_seeds
from tuning.plan import claim, hyperband_rungs
from tuning.space import HYPERPARAMETERS, applied, make_space
from tuning.space_file import read_space, space_names
from tuning.values import Choice, Range

pytestmark = pytest.mark.any_backend


def draws(entry, count=4000):
    """Return what KerasTuner draws of one hyper-parameter, decoded."""
    import keras_tuner

    declared = keras_tuner.HyperParameters()
    entry.declare("one", declared)
    return [entry.decode(declared.space[0].random_sample(seed)) for seed in range(count)]


def test_a_log_range_draws_evenly_over_decades_and_as_many_zeros_as_asked():
    drawn = np.array(draws(Range(1e-6, 1e-3, "log", zero=0.25)))
    assert 0.22 < (drawn == 0).mean() < 0.28
    decades = np.histogram(np.log10(drawn[drawn > 0]), bins=[-6, -5, -4, -3])[0] / (drawn > 0).sum()
    np.testing.assert_allclose(decades, 1 / 3, atol=0.03)
    assert drawn[drawn > 0].min() >= 1e-6 and drawn.max() <= 1e-3


def test_a_linear_range_with_zeros_keeps_its_ends():
    drawn = np.array(draws(Range(0.1, 0.5, zero=0.5)))
    assert 0.47 < (drawn == 0).mean() < 0.53
    assert 0.1 <= drawn[drawn > 0].min() < 0.11 and 0.49 < drawn.max() <= 0.5


@pytest.mark.parametrize("values", [(16, 32, 256), (0.0, 0.001, 0.1), (False, True), ("relu", "elu(alpha=0.5)")])
def test_every_choice_is_drawn_and_comes_back_as_it_was_given(values):
    drawn = draws(Choice(values), 200)
    assert {repr(value) for value in drawn} == {repr(value) for value in values}


def test_every_hyper_parameter_has_a_usual_range_that_experiments_take():
    base = Experiment(model="mlp")
    for name, about in HYPERPARAMETERS.items():
        for value in about.usual(base).grid():
            made = applied(base, {name: value, **({"optimizer": "adam"} if name == "learning_rate_factor" else {})})
            assert name == "width" or made == base or made.hash != base.hash, name


def test_settings_reach_the_experiment():
    made = applied(BASE, {"l2": 0.1, "activation": "mish", "batch_norm": True, "batch_size": 16, "width": 2.0})
    assert (made.l2, made.activation, made.batch_norm, made.batch_size) == (0.1, "mish", True, 16)
    assert made.model.hidden_units == (16,)
    assert applied(BASE, {"optimizer": "sgd"}).learning_rate == 0.05  # its own, not the base's
    assert applied(BASE, {"optimizer": "adam", "learning_rate_factor": 3.0}).learning_rate == 0.003


def test_the_default_configuration_has_a_draw_where_it_is_in_the_space():
    space = make_space(["learning_rate", "l2", "dropout", "activation", "batch_norm", "batch_size"], BASE)
    assert applied(BASE, space.settings(space.draw_of(BASE))) == BASE
    factors = make_space(["optimizer", "learning_rate", "width"], BASE)
    assert applied(BASE, factors.settings(factors.draw_of(BASE))) == BASE.replace(learning_rate=0.01)
    assert make_space([], BASE, {"dropout": {"low": 0.1, "zero": 0.0}}).draw_of(BASE) is None


def test_a_searched_optimizer_brings_its_own_scale_of_learning_rates():
    assert list(make_space(["learning_rate", "optimizer"], BASE).entries) == ["learning_rate_factor", "optimizer"]


@pytest.mark.parametrize(
    ("names", "ranges", "words"),
    [
        (["learning_rte"], {}, r"learning_rte.*Did you mean 'learning_rate'"),
        ([], {}, "nothing to search"),
        (["width"], {"dropout": {"low": 0.5, "high": 0.1}}, "'dropout' is upside down: it goes from 0.5 to 0.1"),
        ([], {"dropout": {"low": -0.1, "high": 0.1}}, "at least 0 and below 1. Got -0.1"),
        ([], {"dropout": {"high": 1.0}}, "below 1. Got 1.0"),
        ([], {"learning_rate": {"low": -1e-3, "high": 0.1}}, "above 0. Got -0.001"),
        ([], {"l2": {"low": 0.0, "high": 0.1}}, "log scale never reaches"),
        ([], {"l2": {"zero": 1.0}}, "a share of the draws"),
        ([], {"learning_rate": {"zero": 0.1}}, "cannot be 0"),
        ([], {"l2": {"scale": "lgo"}}, "Did you mean 'log'"),
        ([], {"l2": {"scale": []}}, r"one of: linear, log\. Got \[\] instead"),
        ([], {"l2": {"points": 0}}, "points"),
        ([], {"l2": {"points": 1001}}, "from 1 to 1000"),
        ([], {"l2": {"low": "a"}}, "a number"),
        ([], {"l2": {"lo": 1e-5}}, "Did you mean 'low'"),
        ([], {"l2": 3}, "a table"),
        ([], {"l2": {"low": 0.1, "high": 0.1}}, "is one value"),
        ([], {"l2": {"values": [-1.0]}}, "at least 0"),
        ([], {"l2": {"values": []}}, "at least one value"),
        ([], {"l2": {"values": [0.1, 0.1]}}, "twice"),
        ([], {"activation": {"values": ["rleu"]}}, "Did you mean 'relu'"),
        ([], {"activation": {"low": 1, "high": 2}}, "takes names"),
        ([], {"batch_size": {"values": [0]}}, "whole numbers, at least 1"),
        ([], {"batch_norm": {"values": ["yes"]}}, "true or false"),
        (["learning_rate_factor"], {"learning_rate": {}}, "one sets the other"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(names, ranges, words):
    with pytest.raises(KactError, match=words):
        make_space(names, BASE, ranges)


def test_a_model_without_widths_cannot_be_widened():
    with pytest.raises(KactError, match="'lenet' has no widths"):
        make_space(["width"], BASE.replace(task="cifar10", model=LeNet()))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[dropuot]\nlow = 0.1", "Did you mean 'dropout'"),
        ("dropout = [", "not valid TOML"),
        ("study = 4", "study.*a string"),
        ("experiment = 'cifar'", "experiment.*a table"),
    ],
)
def test_an_unusable_space_file_is_named(tmp_path, content, words):
    file = tmp_path / "mine.toml"
    file.write_text(content)
    with pytest.raises(KactError, match=words) as found:
        read_space(str(file))
    assert "mine.toml" in str(found.value)


def test_an_unknown_space_is_told_its_nearest():
    with pytest.raises(KactError, match="Did you mean 'cifar-l2'"):
        read_space("cifar-l3")


def test_the_published_studies_are_searched_as_they_were_published():
    plans = {name: parse_tune(["--space", name])[0] for name in space_names()}
    assert {plan.study for plan in plans.values()} == {"4c", "4d", "4f"}
    for plan in plans.values():
        assert plan.tuner == "grid" and plan.trials is None
        assert (plan.base.batch_size, plan.base.epochs, plan.base.patience) == (32, 100, 25)
        assert plan.base.model.hidden_units == (256, 256, 256)
    assert plans["cifar-l2"].space.entries["l2"].values == (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
    assert plans["cifar-dropout"].most_trials == 8
    rates = plans["cifar-adam"].space.entries["learning_rate"].values
    assert plans["cifar-adam"].base.optimizer == "adam" and (rates[0], rates[-1]) == (0.0001, 0.1)
    wider = parse_tune(["--space", "cifar-l2", "--model", "cifar-cnn-5x256", "--epochs", "3"])[0]
    assert wider.base.model.filters == (256,) * 5 and wider.base.epochs == 3


def test_flags_win_over_the_file_and_the_file_over_what_is_usual(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("tuner = 'random'\n[experiment]\nepochs = 7\nl2 = 0.1\n[dropout]\nhigh = 0.2\n[width]\nlow = 0.5\n")
    plan, _ = parse_tune(["--space", str(file), "--epochs", "3", "--trials", "2"])
    assert (plan.tuner, plan.trials, plan.base.epochs, plan.base.l2) == ("random", 2, 3, 0.1)
    assert plan.space.entries == {"dropout": Range(0.0, 0.2, zero=0.25), "width": Range(0.5, 2.0)}


@pytest.mark.parametrize("task", ["cifar", "cifar10", "stl10"])
def test_another_task_leaves_a_files_model_as_training_does(task, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('task = "cifar10"\nmodel = "cifar-small"\n')
    plan, _ = parse_tune(["--config", str(file), "--task", task])
    trained, _ = parse_train(["--config", str(file), "--task", task], "kact train")
    assert (plan.base.task, plan.base.model, plan.base.batch_norm) == (trained.task, trained.model, trained.batch_norm)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--task", "cifr"], "Did you mean"),
        (["--tuner", "bayes"], "Did you mean 'bayesian'"),
        (["--trials", "0"], "'trials' parameter must be a whole number, at least 1"),
        (["--executions", "0"], "executions"),
        (["--workers", "0"], "workers"),
        (["--search", "lr"], "Give --search learning_rate"),
        (["--trails", "3"], "Did you mean --trials"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_unusable_flags_are_explained(flags, words):
    with pytest.raises(KactError, match=words):
        parse_tune(flags)


def test_a_search_whose_last_seed_is_the_largest_is_planned():
    plan, options = parse_tune(["--seed", "2147483643", "--executions", "2"])
    assert final_seeds(plan, options.final_seeds)[-1] == LARGEST_SEED


def test_a_task_named_by_its_alias_is_the_same_search():
    assert parse_tune(["--task", "cifar"])[0].label == parse_tune(["--task", "cifar10"])[0].label


def test_a_directory_belongs_to_one_search(tmp_path):
    plan = small_plan()
    claim(plan, tmp_path / "one")
    claim(plan, tmp_path / "one")
    with pytest.raises(KactError, match="another search: its executions is 1, and this one's 2"):
        claim(small_plan(executions=2), tmp_path / "one")
    with pytest.raises(KactError, match=r"its space\.dropout\.high is 0\.5"):
        claim(small_plan(ranges={"dropout": {"high": 0.4}}), tmp_path / "one")
    (tmp_path / "one" / "search.toml").write_text("x =")
    with pytest.raises(KactError, match=r"search\.toml' is damaged"):
        claim(plan, tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "thesis.tex").write_text("")
    with pytest.raises(KactError, match="holds no search"):
        claim(plan, tmp_path / "two")


def test_a_search_of_more_trials_goes_on_in_the_same_directory(tmp_path):
    for tuner in ("random", "bayesian", "grid"):
        claim(small_plan(tuner, 4), tmp_path / tuner)
        claim(small_plan(tuner, 6), tmp_path / tuner)
        with pytest.raises(KactError, match="holds a search of 6 trials") as told:
            claim(small_plan(tuner, 4), tmp_path / tuner)
        assert told.value.next_step == "Give --trials 6, or more to go on."
        assert small_plan(tuner, 4).label == small_plan(tuner, 6).label
    claim(small_plan("grid", None), tmp_path / "grid")
    with pytest.raises(KactError, match="holds a search of the whole grid"):
        claim(small_plan("grid", 9), tmp_path / "grid")
    claim(small_plan("hyperband", 4), tmp_path / "hyperband")
    with pytest.raises(KactError, match="another search: its trials is 4, and this one's 5"):
        claim(small_plan("hyperband", 5), tmp_path / "hyperband")
    with pytest.raises(KactError, match="another search: its trials is 6, and this one's 8"):
        claim(small_plan("random", 8), tmp_path / "random", grow=False)
    assert small_plan("hyperband", 4).label != small_plan("hyperband", 5).label


def test_hyperband_makes_the_trials_and_epochs_that_the_plan_foresees():
    from tuning.oracles import make_oracle

    for epochs in (1, 2, 3, 9, 10, 27):
        oracle = make_oracle(small_plan("hyperband", None, base=BASE.replace(epochs=epochs)))
        rungs = []
        for bracket in reversed(range(oracle._get_num_brackets())):
            until = [0, *(oracle._get_epochs(bracket, rung) for rung in range(bracket + 1))]
            for rung in range(bracket + 1):
                rungs.append((oracle._get_size(bracket, rung), until[rung + 1] - until[rung]))
        assert hyperband_rungs(epochs) == rungs


def test_the_default_search_of_a_task_is_short_enough_for_its_task():
    assert make_plan(parse_tune(["--task", "tweets"])[1]).base.epochs == 5
