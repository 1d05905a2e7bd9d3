import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kact.__main__ import main
from kact.errors import KactError
from kact.experiment import Experiment
from kact.reports import page
from kact.reports.findings import findings
from kact.reports.sources import gather, of_study
from kact.reports.write import report
from kact.studies.tune import Tune
from tests.made_results import made_row, made_rows, write_study

pytestmark = pytest.mark.any_backend

MEANS = {"relu": 0.60, "elu": 0.64}


def write_run(folder, seed, accuracy, finished=True, **settings):
    """Write a run's directory as training would leave it, without a model."""
    experiment = Experiment(epochs=4, seed=seed, **settings)
    path = folder / experiment.label
    path.mkdir(parents=True)
    (path / "experiment.toml").write_text(experiment.to_toml())
    if finished:
        row = made_row({}, seed, accuracy)
        (path / "metrics.json").write_text(json.dumps(row.metrics))
        names = list(row.history[0])
        lines = [",".join(names), *(",".join(str(one[name]) for name in names) for one in row.history)]
        (path / "history.csv").write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def study(runs):
    rows = made_rows(MEANS, seeds=2)
    return write_study(runs / "lenet", rows, grid={"activation": list(MEANS)}, seeds=2, figures=["bars"])


def test_a_study_is_found_by_its_name_and_by_its_directory(study, runs):
    assert gather(["lenet"], runs).rows == gather([str(study)]).rows
    assert gather(["lenet"], runs).planned == 4


def test_the_command_prints_where_everything_is(study, runs, tmp_path, capsys):
    assert main(["report", "lenet", "--runs", str(runs), "--format", "csv", "--out", str(tmp_path / "there")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'there' / 'rows.csv'}\n"
    assert main(["report", "lenet", "--runs", str(runs), "--format", "csv"]) == 0
    assert (study / "report" / "rows.csv").is_file()


def test_the_command_prints_its_answer_above(study, runs, tmp_path, capsys):
    assert main(["report", "lenet", "--runs", str(runs), "--format", "md", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    answer = page.compose(findings(gather(["lenet"], runs))).answer
    assert said == "\n".join([*answer, f"{tmp_path / 'report.md'}"]) + "\n"


def test_a_report_of_other_runs_takes_the_place_of_the_one_before_and_of_its_figures(study, runs, tmp_path, capsys):
    paths = [write_run(runs, seed, 0.6 + seed / 100, activation=one) for one in ("relu", "elu") for seed in (0, 1)]
    tanh = [write_run(runs, seed, 0.6, activation="tanh") for seed in (0, 1)]
    out, replaced = tmp_path / "there", "held another report, {}: it was replaced."
    figures = out / "figures"

    def reported(*names):
        assert main(["report", *map(str, names), "--format", "md", "--out", str(out)]) == 0
        linked = set(re.findall(r"figures/([\w.-]+)", (out / "report.md").read_text()))
        assert {one.name for one in figures.iterdir()} - {"mine.png", "mine.svg"} == linked
        return capsys.readouterr().out

    assert "replaced" not in reported(*paths)
    for name in ("mine.png", "mine.svg"):
        (figures / name).touch()
    assert "replaced" not in reported(*paths)
    assert replaced.format("4 runs of elu, relu") in reported(*tanh, *paths[2:])
    assert replaced.format("4 runs of elu, tanh") in reported(study)
    assert replaced.format("Made study") in reported(*paths)
    assert (figures / "mine.png").is_file() and (figures / "mine.svg").is_file(), "no report wrote them"


def test_a_name_like_none_meets_those_that_there_are(study, runs, tmp_path, capsys):
    assert main(["report", "zzz", "--runs", str(runs)]) == 2
    assert "\nIn it: " in (said := capsys.readouterr().err) and "lenet" in said
    assert main(["report", "tweets-bilstm", "--runs", str(runs)]) == 2
    assert "Run that study first: kact study run tweets-bilstm" in capsys.readouterr().err
    assert main(["report", "zzz", "--runs", str(tmp_path)]) == 2
    assert "Run a study first: kact study run NAME" in capsys.readouterr().err


def test_an_unknown_name_meets_its_nearest(study, runs, capsys):
    assert main(["report", "lennet", "--runs", str(runs)]) == 2
    said = capsys.readouterr().err
    assert "There is no study or run 'lennet'" in said and "Did you mean 'lenet'?" in said and said.count("\n") == 2


def test_a_report_of_nothing_says_what_to_do(runs, tmp_path):
    with pytest.raises(KactError, match="Name studies or runs"):
        gather([], runs)
    write_study(runs / "empty", [], grid={"activation": list(MEANS)})
    with pytest.raises(KactError, match=r"empty has no finished run yet(.|\n)*kact study run .*runs.empty"):
        gather(["empty"], runs)
    tuning = [made_row({"activation": "relu", "learning_rate": 0.1}, 1000, 0.5, stage="tune")]
    write_study(runs / "tuning", tuning, grid={"activation": list(MEANS)}, tune=Tune({"learning_rate": [0.1]}, seeds=1))
    with pytest.raises(KactError, match="1 tuning runs and none that is compared"):
        gather(["tuning"], runs)
    (tmp_path / "bare").mkdir()
    with pytest.raises(KactError, match="holds no study and no run"):
        gather([str(tmp_path / "bare")], runs)
    write_run(runs, 0, 0.5, finished=False)
    with pytest.raises(KactError, match=r"has no finished run yet(.|\n)*kact train --config .*experiment.toml"):
        gather([str(next(runs.glob("digits*")))], runs)


def test_a_truncated_database_is_told_and_nothing_is_written(study, tmp_path, capsys):
    whole = (study / "results.sqlite").read_bytes()
    (study / "results.sqlite").write_bytes(whole[: len(whole) // 2])
    assert main(["report", str(study), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "results.sqlite" in said and "Traceback" not in said and said.count("\n") <= 2
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_told_before_the_work(study, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["report", str(study), "--out", str(tmp_path / "file" / "below")]) == 2
    assert "Cannot write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "pdf"], "md, html, csv, parquet"),
        (["--detect", "0"], "above 0"),
        (["--detect", "-1"], "above 0"),
        (["--detect", "0.5"], "The score's own unit is a fraction: 0.005 is half a point."),
        (["--detect", "5"], "below 0.5, as a test accuracy is between 0 and 1"),
    ],
)
def test_unusable_arguments_are_told(study, runs, capsys, arguments, words):
    assert main(["report", "lenet", "--runs", str(runs), *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_loss_may_differ_by_more_than_a_fraction(runs, tmp_path):
    write_study(runs / "losses", made_rows(MEANS, seeds=2), grid={"activation": list(MEANS)}, score="loss")
    assert report(["losses"], tmp_path / "out", ["csv"], runs=runs, detect=0.5)


def test_plain_runs_are_compared_by_what_differs(runs):
    paths = [write_run(runs, seed, 0.6 + seed / 100, activation=one) for one in ("relu", "elu") for seed in (0, 1)]
    made = gather([str(path) for path in paths])
    assert made.compare == "activation" and made.factors == {"activation": ("relu", "elu")} and not made.remarks
    assert findings(made).comparisons[0].n == 2
    assert len(gather([str(runs)]).rows) == 4  # a folder of runs means all of them


def test_runs_that_differ_in_more_say_what_and_that_it_cannot_be_told_apart(runs):
    one = write_run(runs, 0, 0.6, activation="relu", learning_rate=0.1, dropout=0.2)
    other = write_run(runs, 0, 0.7, activation="elu", learning_rate=0.01)
    made = gather([str(one), str(other)])
    assert list(made.factors) == ["activation"] and len(made.remarks) == 2
    said = " ".join(page.compose(findings(made)).limits)
    assert "differ in learning rate too: 0.1 with relu, 0.01 with elu" in said
    assert "differ in dropout too: 0.2 with relu, 0 with elu" in said and "cannot be told apart" in said


def test_scores_on_two_tasks_are_never_compared(runs):
    digits = write_run(runs, 0, 0.9, activation="relu", learning_rate=0.1)
    mnist = write_run(runs, 0, 0.99, task="mnist", activation="gelu", learning_rate=0.01)
    made = page.compose(findings(gather([str(digits), str(mnist)])))
    assert made.answer == (
        "The test accuracy is 90.00 % (n = 1) for relu at task digits; 99.00 % (n = 1) for gelu at task mnist.",
        "For each task there is one activation only, and nothing to compare it with.",
    )
    assert not any("differ in" in line for line in made.limits)  # all of a task are alike
    write_run(runs, 0, 0.95, activation="mish", learning_rate=0.2)
    found = page.compose(findings(gather([str(runs)])))
    assert found.answer[1].startswith("At task digits: mish has the highest test accuracy, 95.00 % (n = 1).")
    assert any("differ in learning rate too" in line for line in found.limits)


def test_a_model_that_differs_is_told_and_its_sizes_are_not(runs):
    write_run(runs, 0, 0.9, activation="relu", model={"name": "mlp", "hidden_units": [8]})
    write_run(runs, 0, 0.8, activation="mish", batch_norm=False, model={"name": "cnn", "filters": [2]})
    told = [line for line in page.compose(findings(gather([str(runs)]))).limits if "differ in" in line]
    assert len(told) == 1 and "differ in model too: " in told[0]


def test_where_networks_differ_the_model_is_compared_and_not_what_follows_from_it(runs):
    mlp = {"name": "mlp", "hidden_units": [8]}
    write_run(runs, 0, 0.9, activation="relu", model=mlp, batch_norm=False)
    write_run(runs, 0, 0.9, activation="relu", model={"name": "cnn", "filters": [2]}, batch_norm=True)
    found = page.compose(findings(gather([str(runs)])))
    assert found.answer[1].startswith("cnn and mlp share the highest test accuracy, 90.00 % (n = 1).")
    assert found.answer[-1].startswith("The runs differ in batch norm too: what comes of that and what of model cannot")


def test_a_run_alone_is_named_by_its_activation(runs):
    made = page.compose(findings(gather([str(write_run(runs, 0, 0.9, activation="mish"))])))
    assert made.answer[0] == "mish has a test accuracy of 90.00 % (n = 1)." and made.scores.rows[0][0] == "mish"


def test_runs_that_differ_in_one_setting_compare_that(runs):
    paths = [write_run(runs, 0, 0.6 + rate, dropout=rate) for rate in (0.2, 0.1)]
    made = gather([str(path) for path in paths])
    assert made.compare == "dropout" and made.factors == {"dropout": (0.1, 0.2)}


def test_runs_of_a_full_grid_are_compared_within_the_other_factor(runs):
    paths = [
        write_run(runs, 0, 0.6 + size / 1000, activation=one, batch_size=size)
        for one in ("relu", "elu") for size in (16, 32)
    ]  # fmt: skip
    made = gather([str(path) for path in paths])
    assert made.factors == {"batch_size": (16, 32), "activation": ("relu", "elu")} and not made.remarks


def test_an_unfinished_run_is_left_out_and_told(runs):
    write_run(runs, 0, 0.6)
    left = write_run(runs, 1, 0.6, finished=False)
    made = gather([str(runs)])
    assert len(made.rows) == 1 and made.planned == 2
    assert made.remarks == (f"The run {left.name} is not finished and is left out.",)


def test_studies_of_two_tasks_are_pooled_by_task(runs):
    for task in ("digits", "mnist"):
        rows = made_rows(MEANS, seeds=3, settings={"task": task})
        write_study(runs / task, rows, base={"task": task}, grid={"activation": list(MEANS)}, seeds=3)
    made = gather(["digits", "mnist"], runs)
    assert made.compare == "activation" and list(made.factors) == ["task", "activation"] and made.planned == 12
    assert len(findings(made).places) == 2


def test_a_study_made_twice_is_compared_with_itself(runs):
    for name, shift in (("here", 0.0), ("there", 0.01)):
        rows = made_rows({key: mean + shift for key, mean in MEANS.items()}, seeds=3)
        write_study(runs / name, rows, name=name, grid={"activation": list(MEANS)}, seeds=3)
    made = gather(["here", "there"], runs)
    assert made.compare == "study" and made.factors == {"activation": ("relu", "elu"), "study": ("here", "there")}
    assert {one.n for one in findings(made).comparisons} == {3}


def test_an_experiment_that_two_machines_ran_is_compared_between_them(tmp_path):
    here, there = (write_run(tmp_path / name, 0, score) for name, score in (("here", 0.6), ("there", 0.61)))
    made = gather([str(here), str(there)])
    assert made.compare == "study" and made.factors == {"study": (str(here), str(there))}
    assert [made.folder(row) for row in made.rows] == [here, there]


def test_runs_whose_directories_are_called_alike_keep_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, score in (("a", 0.6), ("b", 0.7)):
        write_run(Path(name), 0, score, activation={"a": "relu", "b": "elu"}[name]).rename(Path(name) / "best")
    made = gather(["a/best", "b/best"])
    assert [(row.path, made.folder(row)) for row in made.rows] == [
        ("a/best", Path("a/best")), ("b/best", Path("b/best"))
    ]  # fmt: skip


def test_a_run_named_twice_is_not_compared_with_itself(runs, monkeypatch):
    one, other = (write_run(runs, 0, 0.6, activation=name) for name in MEANS)
    monkeypatch.chdir(runs.parent)
    for names in (["runs", str(one)], [str(one), f"runs/{one.name}", f"./runs/../runs/{other.name}"]):
        made = gather(names)
        assert made.compare == "activation" and len(made.rows) == 2


def test_of_factors_that_go_together_a_label_is_shown(runs):
    rows = [
        made_row({"activation": name, "model.hidden_units": [16] * depth, "depth": depth}, 0, 0.5)
        for name in MEANS for depth in (1, 2)
    ]  # fmt: skip
    rows = [dataclasses.replace(row, hash=f"{i}") for i, row in enumerate(rows)]
    about = {"grid": {"activation": list(MEANS)}, "seeds": 1}
    zips = [{"model.hidden_units": [[16], [16, 16]], "label.depth": [1, 2]}]
    made = of_study(write_study(runs / "labelled", rows, zips=zips, **about))
    assert list(made.factors) == ["activation", "depth"] and len(made.by_place()) == 2
    by_depth = of_study(write_study(runs / "depth", rows, zips=zips, compare="depth", **about))
    assert [cell.value for cell in by_depth.by_place()["activation relu"]] == [1, 2]


def test_a_report_loads_no_deep_learning_library(study, tmp_path):
    code = (
        "import sys; from kact.reports.write import report;"
        f"report([{str(study)!r}], {str(tmp_path)!r}, ('md',));"
        "print([name for name in ('keras', 'torch', 'tensorflow', 'jax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
