"""`python -m tuning` from its first line to its page, and the errors that it explains."""

import csv
import re
import socket
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest

import kact
from kact.commands.train import parse_train
from kact.experiment import Experiment
from kact.runs import Run
from kact.stats import paired
from tests import own_model
from tests.tuning_runs import BASE, FakeRuns, cheap_accuracy, small_plan
from tuning import figures
from tuning.__main__ import main
from tuning.clock import Clock, Pace
from tuning.final import Final
from tuning.records import Execution, Trial
from tuning.report import verdict
from tuning.run import working_in
from tuning.space import applied
from tuning.values import Choice, Range

pytestmark = pytest.mark.any_backend


@pytest.fixture
def fake(monkeypatch):
    runs = FakeRuns()
    monkeypatch.setattr(kact, "run", runs)
    return runs


@pytest.fixture
def base(tmp_path):
    """Return the path of a tiny experiment's file."""
    path = tmp_path / "base.toml"
    path.write_text(BASE.to_toml())
    return path


def tune(base, project, *flags):
    return main(["--config", str(base), "--tuner", "random", "--project", str(project), *flags])


def rows_of(project):
    """Return the rows of a search's table of trials."""
    return list(csv.DictReader((project / "trials.csv").read_text().splitlines()))


def test_the_whole_way_with_real_runs(base, tmp_path, capsys):
    project = tmp_path / "search"
    assert tune(base, project, "--trials", "2", "--final-seeds", "2", "--search", "learning_rate") == 0
    said = capsys.readouterr().out
    assert "About" in said and "left" in said and f'make demo ARGS="--runs {project}/final"' in said
    chosen, _ = parse_train(["--config", str(project / "best.toml")], "kact train")  # as it is
    rows = rows_of(project)
    top = max(rows, key=lambda row: (float(row["accuracy"]), -float(row["loss"])))
    default = Run.load(project / "runs" / BASE.label)  # the first trial
    beaten = float(top["accuracy"]) > default.history[default.metrics["best_epoch"] - 1]["validation_accuracy"]
    assert chosen == (applied(BASE, {"learning_rate": float(top["learning_rate"])}) if beaten else BASE)
    seeds = sorted(Run.load(path).experiment.seed for path in (project / "final").glob("digits*"))
    assert set(seeds) == {1, 2}  # none of a trial's
    page = (project / "report.html").read_text()
    assert "data:image/png;base64," in page and not re.search(r'(src|href)="http', page)
    for picture in ("score_by_trial", "parallel_coordinates", "hyper_parameters"):
        assert (project / "figures" / f"{picture}.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_given_again_makes_no_run_again(base, tmp_path, fake, capsys):
    assert tune(base, tmp_path / "a", "--trials", "4", "--executions", "2") == 0
    first, made = capsys.readouterr().out.splitlines(), len(fake.trained)
    assert tune(base, tmp_path / "a", "--trials", "4", "--executions", "2") == 0
    again = capsys.readouterr().out.splitlines()
    assert len(fake.trained) == made == 1 + 4 * 2 + 2 * 3  # a probe, the trials with the default first, the end
    assert again[-6:] == first[-6:] and "4 are done" in "\n".join(again)
    assert {experiment.epochs for experiment in fake.trained} == {2}
    header = (tmp_path / "a" / "trials.csv").read_text().splitlines()[0]
    assert "accuracy_seed0" in header and "accuracy_seed1" in header


def test_the_default_wins_where_no_trial_beats_it(base, tmp_path, fake, capsys):
    fake.score = lambda experiment: 0.9 if experiment.dropout == 0 else 0.5
    assert tune(base, tmp_path / "a", "--trials", "3", "--search", "dropout") == 0
    assert "No trial did better on validation than the first, which is the default" in capsys.readouterr().out
    assert Experiment.load(tmp_path / "a" / "best.toml") == BASE


def test_a_better_trial_is_told_with_its_paired_difference(base, tmp_path, fake, capsys):
    assert tune(base, tmp_path / "a", "--trials", "10", "--search", "learning_rate") == 0
    said = capsys.readouterr().out
    assert "new seeds, paired, p =" in said and "The best is trial" in said
    best = Experiment.load(tmp_path / "a" / "best.toml")
    assert cheap_accuracy(best) > cheap_accuracy(BASE)
    assert (tmp_path / "a" / "figures" / "importance.png").exists()


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        ([0.1] * 5 + [3], "95 % interval -0.66 to +1.83 (n = 6 new seeds, paired, p = 0.0312)."),
        ([3, 2, 3, 2, 3, -0.01], "+0.93 to +3.40 (n = 6 new seeds, paired, p = 0.0625): no detectable difference."),
        ([1, 1], "no interval, as all differences are alike (n = 2 new seeds, paired, p = 0.5): no detectable"),
        ([1], "by +1.00 points (n = 1, no interval)."),
    ],
)
def test_the_verdict_goes_by_the_p_that_it_prints(gains, words):
    test = paired(0.9 + np.array(gains) / 100, [0.9] * len(gains), np.random.default_rng(0))
    runs = [(SimpleNamespace(experiment=one),) for one in (BASE.replace(dropout=0.2), BASE)]
    final = Final(Trial("0", {}, 2, ()), Trial("default", {}, 2, ()), False, BASE, (), *runs, test)
    assert words in verdict(final)


def test_a_search_without_one_finished_trial_says_so(base, tmp_path, fake, capsys):
    fake.score = lambda experiment: None
    assert tune(base, tmp_path / "a", "--trials", "3") == 1
    said = capsys.readouterr().out
    assert "3 trials: 0 finished, 3 diverged, 0 failed." in said and "there is no best one" in said
    assert not (tmp_path / "a" / "best.toml").exists() and not (tmp_path / "a" / "final").exists()
    assert len(rows_of(tmp_path / "a")) == 3


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--task", "cifr"], "Did you mean"),
        (["--tuner", "bayes"], "Did you mean 'bayesian'"),
        (["--search", "droput"], "The '--search' parameter must be one of.*Did you mean 'dropout'"),
        (["--search", "l2", "lr"], "--search has 'lr' as 'learning_rate'"),
        (["--search", "wd"], "Give --search l2"),
        (["--trials", "0"], "at least 1"),
        (["--workers", "-1"], "at least 1"),
        (["--space", "nowhere.toml"], "There is no space file"),
        (["--device", "tpu"], "device"),
        (["--config", "tweets-bilstm-full"], "leaves none"),
        (["--seed", "2147483646"], "seeds from 2147483646 to 2147483649, and the largest that there is is 2147483647"),
        (["--seed", "2147483644", "--executions", "2"], "to 2147483648.*\n.*fewer --executions or --final-seeds"),
    ],
)
def test_bad_input_is_one_or_two_lines_and_exit_code_2(flags, words, tmp_path, capsys):
    assert main([*flags, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert re.search(words, said) and len(said.splitlines()) <= 2 and said.startswith("kact: ")
    assert not (tmp_path / "out").exists()


def test_runs_with_a_model_of_ones_own_are_served_by_a_page_that_may_import_it(tmp_path, monkeypatch, capsys):
    line = ["--model", "tests.own_model:Residual", "--epochs", "1", "--train-examples", "200", "--trials", "1"]
    assert main([*line, "--final-seeds", "2", "--out", str(tmp_path)]) == 0
    (project,) = tmp_path.iterdir()
    assert f'serve  make demo ARGS="--runs {project}/final --own-code"' in capsys.readouterr().out
    monkeypatch.setattr(own_model.Residual, "hidden", lambda self, x, blocks: blocks.flatten(x))
    line[line.index("--trials") + 1] = "2"
    assert main([*line, "--final-seeds", "2", "--out", str(tmp_path)]) == 2
    assert f"'tests.own_model:Residual' has other layers than when '{project}' was begun" in capsys.readouterr().err


def test_a_project_of_another_search_is_refused(base, tmp_path, fake, capsys):
    assert tune(base, tmp_path / "a", "--trials", "2") == 0
    assert tune(base, tmp_path / "a", "--trials", "2", "--executions", "3") == 2
    assert "holds another search: its executions is 1" in capsys.readouterr().err


def test_more_trials_are_added_to_those_that_are_there(base, tmp_path, fake, capsys):
    assert tune(base, tmp_path / "a", "--trials", "2") == 0
    before, made = rows_of(tmp_path / "a"), len(fake.trained)
    assert tune(base, tmp_path / "a", "--trials", "4") == 0
    assert rows_of(tmp_path / "a")[:2] == before and len(rows_of(tmp_path / "a")) == 4
    assert tune(base, tmp_path / "b", "--trials", "4") == 0
    assert rows_of(tmp_path / "b") == rows_of(tmp_path / "a"), "as if it had been four from the beginning"
    assert made > 0 and "4 trials: 4 finished" in capsys.readouterr().out
    assert tune(base, tmp_path / "a", "--trials", "11") == 0
    assert [int(row["trial"]) for row in rows_of(tmp_path / "a")] == list(range(11)), "in order, whatever their digits"
    assert tune(base, tmp_path / "a", "--trials", "3") == 2
    assert "holds a search of 11 trials" in capsys.readouterr().err


def test_a_port_in_use_is_told(base, tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert tune(base, tmp_path / "a", "--trials", "2", "--workers", "2", "--port", port) == 2
    assert f"Cannot listen at 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err


def test_two_commands_do_not_work_in_one_directory(base, tmp_path, capsys):
    with working_in(tmp_path / "a"):
        assert tune(base, tmp_path / "a", "--trials", "2") == 2
    assert "Another search is working in" in capsys.readouterr().err


def test_half_of_kerastuners_variables_are_not_enough(base, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "tuner7")
    assert tune(base, tmp_path / "a") == 2
    assert "KERASTUNER_ORACLE_IP" in capsys.readouterr().err


def test_what_a_search_says_of_itself_is_enough_to_make_it(base, tmp_path, fake):
    assert tune(base, tmp_path / "a", "--trials", "2") == 0
    stored = tomllib.loads((tmp_path / "a" / "search.toml").read_text())
    assert Experiment.from_dict(stored["experiment"]) == BASE
    assert stored["space"]["dropout"] == {"low": 0.0, "high": 0.5, "scale": "linear", "zero": 0.25, "points": 3}


def test_time_left_follows_what_was_measured(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("tuning.clock.time.monotonic", lambda: now[0])
    clock = Clock(100.0)
    assert clock.left == 100
    for _ in range(5):  # everything takes twice as long
        clock.add(10.0)
        now[0] += 20.0
    assert 75 < clock.left < 100
    clock.add(50.0)
    assert clock.left == 0
    assert Pace(1, 2, 1).seconds(4, 10) == 28


def test_importance_finds_the_one_that_matters(rng):
    space = small_plan().space
    trials = [
        Trial(str(i), {"learning_rate": rate, "dropout": dropout}, 1, (Execution(0, "finished", rate * 10, 0.1),))
        for i, (rate, dropout) in enumerate(zip(rng.uniform(0.001, 0.05, 30), rng.uniform(0, 0.5, 30), strict=True))
    ]
    shares = figures.importance(trials, space, "accuracy")
    assert shares["learning_rate"] > 0.9 and sum(shares.values()) == pytest.approx(1)
    assert figures.importance(trials[:7], space, "accuracy") is None


def test_a_place_on_an_axis_is_between_its_ends():
    assert figures.position(Range(1e-6, 1e-3, "log", zero=0.25), 0.0) == 0.0
    assert figures.position(Range(1e-6, 1e-3, "log", zero=0.25), 1e-6) == pytest.approx(0.1)
    assert figures.position(Choice((16, 32, 64)), 32) == 0.5
    drawn = figures.score_by_trial([Trial("0", {}, 1, (Execution(0, "failed", error="no"),))], "accuracy", None)
    assert drawn.axes[0].get_ylabel() == "validation accuracy"
