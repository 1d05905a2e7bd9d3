"""What tuning chooses on validation before a study compares."""

import pytest

from kact.studies.row import ResultRow
from kact.studies.study import Study
from kact.studies.tune import Tune, choose_settings, steady_scores

pytestmark = pytest.mark.any_backend


def row(activation, rate, accuracy, loss=1.0, status="finished", seed=1000, batch_norm=False):
    cell = {"activation": activation, "batch_norm": batch_norm, "learning_rate": rate}
    history = [] if accuracy is None else [{"epoch": 1, "validation_accuracy": accuracy, "validation_loss": loss}]
    return ResultRow("x", seed, "tune", cell, {"monitor": "accuracy"}, status, None, history)


def tuned(**changes):
    grid = {"activation": ["relu", "mish"], "batch_norm": [False]}
    return Study(base={"task": "digits"}, grid=grid, tune=Tune({"learning_rate": [0.1, 0.2, 0.3]}, **changes))


def test_the_best_on_validation_is_chosen_for_each_activation():
    rows = [row("relu", rate, score) for rate, score in ((0.1, 0.5), (0.2, 0.7), (0.3, 0.6))]
    rows += [row("mish", rate, score) for rate, score in ((0.1, 0.9), (0.2, 0.7), (0.3, 0.6))]
    assert choose_settings(tuned(), rows) == {("relu",): {"learning_rate": 0.2}, ("mish",): {"learning_rate": 0.1}}


def test_the_order_in_which_the_file_names_its_factors_changes_no_choice():
    rows = [row("relu", rate, score) for rate, score in ((0.1, 0.5), (0.2, 0.7), (0.3, 0.6))]
    turned = tuned().replace(grid={"batch_norm": [False], "activation": ["relu", "mish"]})
    assert choose_settings(turned, rows) == choose_settings(tuned(), rows)
    assert choose_settings(turned, rows)[("relu",)] == {"learning_rate": 0.2}


def test_what_diverged_failed_or_is_missing_is_never_chosen():
    rows = [row("relu", 0.1, 0.9, status="diverged"), row("relu", 0.2, None, status="failed"), row("relu", 0.3, 0.2)]
    assert choose_settings(tuned(), rows) == {("relu",): {"learning_rate": 0.3}, ("mish",): None}


def test_the_mean_over_seeds_decides_and_a_seed_that_diverged_takes_its_candidate_out():
    scores = {0.1: (0.9, 0.1), 0.2: (0.6, 0.7), 0.3: (0.99, None)}
    rows = [
        row("relu", rate, score, seed=1000 + i, status="finished" if score else "diverged")
        for rate, both in scores.items()
        for i, score in enumerate(both)
    ]
    assert choose_settings(tuned(seeds=2), rows)[("relu",)] == {"learning_rate": 0.2}


def test_ties_go_to_the_lower_loss_and_then_to_the_earlier_candidate():
    rows = [row("relu", 0.1, 0.5, 1.0), row("relu", 0.2, 0.5, 0.5), row("relu", 0.3, 0.5, 0.5)]
    assert choose_settings(tuned(), rows[::-1])[("relu",)] == {"learning_rate": 0.2}


def curve(accuracies, monitor="accuracy", keep="best", losses=None):
    history = [
        {"validation_accuracy": one, "validation_loss": loss}
        for one, loss in zip(accuracies, losses or [1.0] * len(accuracies), strict=True)
    ]
    return ResultRow("x", 0, "tune", {}, {"monitor": monitor, "keep": keep}, "finished", None, history)


def test_a_curve_that_jumps_is_not_chosen_for_its_best_epoch():
    jumping, steady = [0.5, 0.99, 0.6, 0.9, 0.5, 0.9, 0.6, 0.9], [0.5, 0.8, 0.9, 0.95, 0.95, 0.96, 0.95, 0.96]
    assert steady_scores(curve(jumping))["accuracy"] == pytest.approx(0.795)
    assert steady_scores(curve(steady))["accuracy"] == pytest.approx(0.955)
    rising = [0.1 * epoch for epoch in range(1, 9)]
    falling = steady_scores(curve(rising[::-1]))
    assert falling["accuracy"] == pytest.approx(0.75), "the weights of the best epochs are kept, wherever they are"
    assert steady_scores(curve(rising[::-1], keep="last"))["accuracy"] == pytest.approx(0.15)
    by_loss = steady_scores(curve(rising, "loss", losses=[0.4, 0.2, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8]))
    assert by_loss == pytest.approx({"loss": 0.2, "accuracy": 0.25})
    assert steady_scores(curve([0.5, 0.7, 0.6]))["accuracy"] == 0.7, "of so few one stands for a quarter"
    assert steady_scores(curve([])) == {}


def test_a_choice_can_be_made_within_another_factor():
    grid = {"activation": ["relu"], "batch_norm": [False, True]}
    study = Study(base={"task": "digits"}, grid=grid, tune=Tune({"learning_rate": [0.1, 0.2]}, within=("batch_norm",)))
    rows = [
        row("relu", rate, score, batch_norm=norm)
        for norm, rate, score in ((False, 0.1, 0.9), (False, 0.2, 0.8), (True, 0.1, 0.3), (True, 0.2, 0.4))
    ]
    chosen = choose_settings(study, rows)
    assert chosen == {("relu", False): {"learning_rate": 0.1}, ("relu", True): {"learning_rate": 0.2}}
    rates = [one.learning_rate for _, one in study.experiments("compare", chosen)]
    assert rates == [0.1, 0.2]
