"""A model of one's own, `module:Class`: everywhere that kact's own models go, and told what is wrong with it."""

import dataclasses
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from kact import __main__ as command
from kact.errors import KactError
from kact.experiment import Experiment
from kact.models import Model, make_model
from kact.predict import Predictor
from kact.runs import Run
from kact.studies.study import Study
from kact.train import run
from tests import corpus
from tests.own_model import Nested, Residual, Stack
from tests.studies import run_study

pytestmark = pytest.mark.any_backend

QUICK = ["--epochs", "1", "--train-examples", "200", "--quiet"]
OWN = "tests.own_model:Residual"


def test_it_is_trained_by_its_path_with_its_sizes_as_flags(tmp_path, capsys):
    line = ["train", "--model", OWN, "--units", "8", "--activation", "mish", *QUICK, "--out", str(tmp_path)]
    assert command.main(line) == 0
    (path,) = tmp_path.iterdir()
    made = Run.load(path)
    assert made.experiment.model == Residual(units=8) and made.experiment.to_dict()["model"]["name"] == OWN
    assert path.name.startswith("digits-residual-mish-")
    assert command.main(["train", "--config", str(path / "experiment.toml"), *QUICK, "--out", str(tmp_path)]) == 0
    assert "trained to its end before" in capsys.readouterr().out or len(list(tmp_path.iterdir())) == 1
    assert len(Predictor(made).predict([Image.new("L", (8, 8))])) == 1
    assert command.main(["inspect", str(path), "--curves", "--out", str(tmp_path / "curves.svg")]) == 0
    with pytest.raises(SystemExit):
        command.main(["train", "--model", OWN, "--help"])
    assert "--units INT" in capsys.readouterr().out


def test_an_instance_and_its_path_are_one_experiment():
    by_path = Experiment(model={"name": OWN, "units": 8})
    assert by_path == Experiment(model=Residual(units=8)) and by_path.hash == Experiment(model=Residual(8)).hash
    assert Experiment.from_toml(by_path.to_toml()) == by_path
    assert Experiment(model=OWN).model == Residual()
    assert Experiment(model=OWN).batch_norm is False
    listed = Experiment(model={"name": "tests.own_model:Stack", "units": [4, 6]})
    assert (
        listed == Experiment(model=Stack(units=(4, 6))) and len({listed, Experiment.from_toml(listed.to_toml())}) == 1
    )


def test_sizes_of_sizes_come_back_from_a_file():
    made = Experiment(model={"name": "tests.own_model:Nested", "stages": [[16, 2]]})
    assert made.model.stages == ((16, 2),) and Experiment.from_toml(made.to_toml()) == made
    assert made.hash == Experiment(model=Nested(stages=[[16, 2]])).hash
    with pytest.raises(KactError, match="'extra' parameter must be a value, as None is not its default"):
        Nested(extra=None)


def test_a_class_of_a_script_is_refused(monkeypatch):
    monkeypatch.setattr(Residual, "__module__", "__main__")
    with pytest.raises(KactError, match="class Residual of the model is in a script or notebook"):
        Experiment(model=Residual())


def test_a_study_compares_in_it_and_over_its_sizes(tmp_path):
    study = Study(
        base={"model": OWN, "epochs": 1, "train_examples": 100},
        grid={"activation": ["relu", "mish"], "model.units": [4, 8]},
        seeds=[0],
    )
    rows = run_study(study, tmp_path / "out")
    assert [row.status for row in rows] == ["finished"] * 4
    assert {row.experiment["model"]["units"] for row in rows} == {4, 8}
    assert command.main(["report", str(tmp_path / "out"), "--format", "md"]) == 0


def test_a_tagger_of_ones_own_goes_in_likewise(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text(corpus.text_of(corpus.sentences(60)), encoding="utf-8")
    model = {"name": "tests.own_model:Words", "word_units": 8, "units": 4}
    made = run(Experiment(task="tagged_file", data=str(words), model=model, epochs=1, batch_size=8), out=tmp_path / "r")
    assert made.metrics["model"]["layers"][-2]["output_shape"][-1] in (4, None)
    assert len(Predictor(made).tag(["so cool"])[0]) == 2
    with pytest.raises(KactError, match="'model' parameter must be one for the task 'digits'"):
        Experiment(model=model)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Residul", ["has no 'Residul'", "Did you mean 'Residual'?"]),
        ("corpus", ["has no 'corpus'"]),
        ("dataclass", ["must be the path of a class of your own that is a kact.models.Model"]),
        ("Model", ["must be the path of a class of your own"]),
        ("Dropping", ["'dropout'", "called as another flag", "dropping_dropout"]),
        ("Named", ["'name'", "that every model has for something else"]),
        ("Refusing", ["cannot be built: ValueError: no such width"]),
        ("Unset", ["'units'", "no default", "units: int = 64"]),
        ("Maps", ["(None, 8, 8, 1)", "(batch, units)", "blocks.flatten"]),
        ("Broken", ["cannot be built: ZeroDivisionError", "own_model.py, line"]),
    ],
)
def test_what_is_wrong_with_it_is_told_and_nothing_is_written(name, words, tmp_path, capsys):
    line = ["train", "--model", f"tests.own_model:{name}", *QUICK, "--out", str(tmp_path / "runs")]
    assert command.main(line) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in words) and len(said.splitlines()) <= 2, said
    assert not list(tmp_path.glob("runs/*/metrics.json"))


def test_a_module_that_fails_is_told_with_its_line(tmp_path, monkeypatch):
    (tmp_path / "failing_of_mine.py").write_text("x = 1\ny = x.no\n")
    (tmp_path / "unparsed_of_mine.py").write_text("class X(:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(KactError, match=r"fails: AttributeError: .* \(failing_of_mine\.py, line 2\)"):
        make_model("failing_of_mine:X")
    with pytest.raises(KactError, match=r"fails: SyntaxError: .*unparsed_of_mine\.py, line 1"):
        make_model("unparsed_of_mine:X")


def test_a_class_that_nobody_finds_again_is_refused():
    @dataclass(frozen=True)
    class Inside(Model):
        units: int = 4

    with pytest.raises(KactError, match="class Inside of the model is defined inside a function"):
        Experiment(model=Inside())
    other = dataclasses.dataclass(frozen=True)(type("Residual", (Residual,), {"__module__": Residual.__module__}))
    with pytest.raises(KactError, match="is not the class that its module has"):
        Experiment(model=other())


def test_it_is_found_in_the_folder_that_kact_is_started_in(tmp_path):
    shutil.copy(Path(__file__).with_name("own_model.py"), tmp_path / "of_one_folder.py")
    script = Path(sys.executable).with_name("kact")
    line = [script, "train", "--model", "of_one_folder:Residual", *QUICK]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "runs").iterdir()
    with pytest.raises(KactError, match="needs the module 'of_one_folder', which cannot be imported"):
        Run.load(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Twice", ["cannot be built", '"same" is used 2 times']),
        ("Undecorated", ["is no dataclass", "@dataclass(frozen=True)"]),
        ("Wrong", ["cannot be built", "own_model.py, line "]),
    ],
)
def test_a_mistake_is_told_with_the_line_of_ones_own_file(name, words, tmp_path, capsys):
    line = ["train", "--model", f"tests.own_model:{name}", "--epochs", "1", "--out", str(tmp_path)]
    assert command.main(line) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in words) and len(said.splitlines()) == 2, said


def test_a_file_of_that_name_says_how_its_content_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bump.py").write_text("def bump(x):\n    return x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for flags, words in (
        (["--activation", "bump"], "what is in it goes in as `bump:function`"),
        (["--model", "bump"], "what is in it goes in as `bump:Class`"),
        (["--activation", "bump.py:bump"], "Leave off the ending: bump:bump"),
        (["--activation", "bmp"], "Your own goes in as `package.module:function`."),
    ):
        assert command.main(["train", *flags]) == 2
        assert words in capsys.readouterr().err
