"""`kact compare`: a study made of one line, run to its end, reported, and gone on with."""

from collections import Counter

import pytest

from kact import __main__ as command
from kact import compare
from kact.compare import study_of
from kact.experiment import Experiment
from kact.studies.directory import StudyDirectory
from kact.studies.runner import StudyRunner
from kact.studies.study_file import load_study

pytestmark = pytest.mark.any_backend

LINE = ["compare", "relu", "swish", "--learning-rates", "0.01", "0.03", "--epochs", "1", "--train-examples", "200"]


def test_each_gets_its_learning_rate_and_as_many_seeds_as_a_difference_takes():
    study = study_of(["relu", "mish", "relu", "elu(alpha=1)"], {"task": "mnist", "epochs": 3})
    assert study.grid["activation"] == ("relu", "mish", "elu") and len(study.seeds) == 7
    assert study.tune.grid["learning_rate"] == (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03) and study.base["epochs"] == 3
    momentum = study_of(["relu", "mish"], {"optimizer": "momentum"}, seeds=3)
    assert momentum.tune.grid["learning_rate"] == (0.005, 0.015, 0.05, 0.15, 0.5, 1.5) and len(momentum.seeds) == 3
    names = {
        study_of(*one).name for one in ((["relu", "mish"], {}), (["relu", "elu"], {}), (["relu", "mish"], {"l2": 0.1}))
    }
    assert len(names) == 3 and all(name.startswith("compare-digits-mlp-") for name in names)
    assert (
        study_of(["relu", "mish"], {}, seeds=9).name == study_of(["relu", "mish"], {}).name
    )  # more seeds go on with it


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], ["ACTIVATION"]),
        (["relu"], ["nothing to compare", "kact compare relu mish"]),
        (["silu", "swish"], ["nothing to compare: silu is all that is named"]),
        (["relu", "msih"], ["Did you mean 'mish'?"]),
        (["relu", "mish", "--task", "mnits"], ["Did you mean 'mnist'?"]),
        (["relu", "mish", "--seeds", "0"], ["seeds", "at least 1"]),
        (["relu", "mish", "--tuning-seeds", "0"], ["tuning_seeds", "at least 1"]),
        (["relu", "mish", "--learning-rates", "0"], ["learning_rate"]),
        (["relu", "mish", "--config", "none.toml"], ["none.toml"]),
        (["relu", "mish", "--device", "gpu"], ["device", "cuda"]),
        (["relu", "mish", "--units", "8"], ["There is no flag --units."]),
        (["relu", "mish", "--filters", "8"], ["belongs to the model", "Add --model"]),
        (["--activation", "relu", "mish"], ["no flag --activation", "kact compare relu mish"]),
        (["relu", "mish", "--learning-rate", "0.1"], ["Did you mean --learning-rates?"]),
        (["relu", "mish", "--batch-size", "0"], ["batch_size", "at least 1"]),
    ],
)
def test_what_cannot_be_compared_is_told_and_nothing_is_written(given, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command.main(["compare", *given]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in words) and len(said.splitlines()) <= 2, said
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def nothing_runs(tmp_path, monkeypatch):
    """A directory to work in, where studies are written, and not run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compare, "run_study", lambda *arguments, **settings: Counter(finished=1))
    monkeypatch.setattr(compare.report_command, "main", lambda arguments: 0)
    return tmp_path


def test_settings_and_sizes_are_flags_on_top_of_a_file(nothing_runs):
    (nothing_runs / "mine.toml").write_text("batch_size = 100\ndropout = 0.3\nlearning_rate = 0.01\n")
    flags = ["--model", "cnn", "--filters", "4", "8", "--dropout", "0.2", "--no-batch-norm", "--epochs", "3"]
    assert compare.main(["relu", "mish", *flags, "--config", "mine.toml"]) == 0
    study = load_study(next((nothing_runs / "runs").glob("*.toml")))
    assert study.base["model"]["name"] == "cnn" and list(study.base["model"]["filters"]) == [4, 8]
    others = {name: value for name, value in study.base.items() if name != "model"}
    assert others == {"task": "digits", "batch_size": 100, "dropout": 0.2, "epochs": 3, "batch_norm": False}
    assert study.tune.grid["learning_rate"] == (0.001, 0.003, 0.01, 0.03, 0.1, 0.3), "around the file's"


@pytest.mark.parametrize("given", [[], ["--model", "mlp"], ["--epochs", "20", "--batch-size", "64"]])
def test_what_is_said_anyway_is_the_same_study(given, nothing_runs):
    assert compare.main(["relu", "mish", *given]) == 0
    assert load_study(nothing_runs / "runs" / f"{study_of(['relu', 'mish'], {}).name}.toml").base == {"task": "digits"}


@pytest.mark.parametrize("model", ["cifar-lenet", "cifar-cnn-5x256", "mlp", "cifar-small"])
def test_a_preset_keeps_its_habit(model, nothing_runs):
    assert compare.main(["relu", "mish", "--task", "cifar10", "--model", model]) == 0
    (file,) = (nothing_runs / "runs").glob("*.toml")
    _, trained = next(load_study(file).experiments("compare"))
    assert trained.model == Experiment(task="cifar10", model=model).model
    assert trained.batch_norm == Experiment(task="cifar10", model=model).batch_norm


def test_it_runs_reports_and_goes_on(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text('batch_size = 100\nmodel = { name = "mlp", hidden_units = [8] }\n')
    line = [*LINE, "--config", "small.toml", "--seeds", "1", "--workers", "1"]
    assert command.main(line) == 0
    said = capsys.readouterr().out
    (folder,) = [one for one in (tmp_path / "runs").iterdir() if one.is_dir()]
    assert f"runs/{folder.name}.toml: 6 runs" in said and f"runs/{folder.name}/report/report.html" in said
    assert "next kact report" not in said, "it is what comes next by itself"
    assert "highest test accuracy" in said and (folder / "report/report.md").is_file()
    rows = StudyDirectory(folder).rows()
    assert {row.experiment["batch_size"] for row in rows} == {100} and len(rows) == 6
    assert load_study(folder.with_suffix(".toml")).replace(name="one") == StudyDirectory(folder).study().replace(
        name="one"
    )
    more = [*line[:-4], "--seeds", "2", "--workers", "1"]
    assert command.main(more) == 0
    assert "Comparing: 4 runs, 2 of them done already" in capsys.readouterr().out
    assert len(StudyDirectory(folder).rows()) == 8
    two = study_of(["relu", "mish"], {}, tuning_seeds=2)
    assert two.tune.seeds == (1000, 1001) and two.name != study_of(["relu", "mish"], {}).name
    file = folder.with_suffix(".toml")
    file.write_text(file.read_text().replace('"silu"', '"silu", "elu"'))
    assert command.main(more) == 2, "what was added by hand is not written over"
    assert "was changed" in (said := capsys.readouterr().err) and f"kact study run runs/{file.name}" in said
    assert command.main(["study", "run", f"runs/{file.name}", "--workers", "1", "--quiet"]) == 0
    assert len(StudyDirectory(folder).rows()) == 12


def test_where_every_run_fails_that_is_the_end_and_no_report_is_made(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    of_few = "tests.own_activation:of_few"
    assert command.main(["compare", of_few, f"{of_few}(by=2)", *LINE[3:], "--seeds", "1", "--workers", "1"]) == 1
    said = capsys.readouterr().out
    assert "6 failed" in said and "kact study status" in said and "kact report" not in said
    assert not list(tmp_path.rglob("report.md"))


def test_who_stops_it_is_told_the_same_line_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def stopped(runner):
        assert runner.device == "cpu"
        raise KeyboardInterrupt

    monkeypatch.setattr(StudyRunner, "run", stopped)
    with pytest.raises(KeyboardInterrupt) as told:
        compare.main([*LINE[1:], "--workers", "1", "--device", "cpu"])
    assert str(told.value).startswith("Stopped; ")
    assert str(told.value).endswith(f" Go on with:\n  kact {' '.join(LINE)} --workers 1 --device cpu")
