"""Which runs the page lists: plain ones all, of a study the best of each cell, and all where that is not known."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from PIL import Image

from demo import views
from demo.folders import run_directories
from demo.models import BOX, Catalogue
from kact.experiment import Experiment
from kact.studies.directory import StudyDirectory
from kact.studies.row import ResultRow
from kact.studies.tune import Tune
from kact.train import run
from tests import own_activation
from tests.studies import PoolHere, run_study, small_study, trained

pytestmark = pytest.mark.any_backend

QUICK = {"epochs": 1, "train_examples": 200}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of a plain run and of a study that tuned two learning rates for two activations: four and four runs."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(BOX / "digits-relu", folder / "plain")
    (folder / "study").mkdir()
    run_study(small_study(tmp_path_factory.mktemp("files"), tune=True), folder / "study")
    return folder


def names(folder):
    return [path.name for path in run_directories(folder)]


def best(folder):
    """The runs that are expected of the study: of each activation the compared one that is best on validation."""
    rows = StudyDirectory(folder / "study").table.rows("compare")
    scores = {}
    for row in rows:
        scores.setdefault(row.cell["activation"], []).append((row.score("validation", "accuracy"), -row.seed, row.path))
    return sorted(max(found)[2].removeprefix("runs/") for found in scores.values())


def test_of_a_study_the_best_of_each_cell_is_offered_and_no_run_of_its_tuning(folder):
    assert len(list((folder / "study" / "runs").iterdir())) == 8
    assert names(folder) == ["plain", *best(folder)] and names(folder / "study") == best(folder)
    assert not any("seed1000" in name for name in names(folder))
    usable = Catalogue([BOX, folder]).usable("image")
    assert sorted(one.activation for one in usable if not one.boxed) == ["mish", "relu", "relu"]


def test_runs_with_code_of_ones_own_are_used_where_that_is_allowed(tmp_path, monkeypatch):
    own = Experiment(activation="tests.own_activation:bent", model="tests.own_model:Residual", **QUICK)
    run(own, out=tmp_path)
    run(Experiment(model="tests.own_model:Residual", **QUICK), out=tmp_path)
    refused = [one.problem for one in Catalogue([tmp_path]).entries.values()]
    assert {problem.partition(",")[0] for problem in refused} == {
        "Its activation is a function of somebody's own",
        "Its model is a class of somebody's own",
    } and all("--own-code" in problem for problem in refused)
    catalogue = Catalogue([tmp_path], own_code=True)
    bent, relu = sorted(catalogue.usable("image"), key=lambda one: one.activation, reverse=True)
    looks = views.look(catalogue, Image.new("L", (8, 8)), [bent.key, relu.key])
    assert len(looks) == 2 and bent.activation == "tests.own_activation:bent" and bent.network == "residual"
    assert bent.activation in views.curve_page([bent.activation, "relu"])
    monkeypatch.setattr(own_activation, "bent", keras.ops.abs)
    changed = Catalogue([tmp_path], own_code=True)
    changed.load_all()
    problems = {one.activation: one.problem for one in changed.entries.values()}
    assert problems["relu"] == "" and problems["tests.own_activation:bent"].endswith(
        "which is not here or has changed."
    )


def test_who_names_the_folder_of_its_runs_gets_all_of_them(folder):
    assert len(names(folder / "study" / "runs")) == 8


@pytest.mark.parametrize("harm", ["damaged", "gone", "no study"])
def test_a_study_whose_results_cannot_be_read_hides_none_of_its_runs(folder, tmp_path, harm):
    shutil.copytree(folder / "study", tmp_path / "study")
    table = tmp_path / "study" / "results.sqlite"
    if harm == "damaged":
        table.write_bytes(b"no database" * 100)
    else:
        (table if harm == "gone" else tmp_path / "study" / "study.toml").unlink()
    assert len(names(tmp_path)) == 8


def made(folder, *rows):
    """Make a study's directory of (seed, status, validation's scores) of one cell, without training."""
    directory = StudyDirectory(folder)
    (folder / "study.toml").touch()
    for seed, status, scores in rows:
        path = folder / "runs" / f"seed{seed}"
        path.mkdir(parents=True)
        (path / "experiment.toml").touch()
        experiment = {"task": "digits", "monitor": "loss" if "loss" in (scores or {}) else "accuracy"}
        metrics = {"validation": scores} if status != "failed" else None
        row = ResultRow("1a2b", seed, "compare", {"activation": "relu"}, experiment, status, metrics)
        directory.table.add(ResultRow(**{**vars(row), "path": f"runs/seed{seed}"}))
    return folder


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([(0, "finished", {"accuracy": 0.5}), (1, "finished", {"accuracy": 0.7})], "seed1"),
        ([(0, "finished", {"loss": 0.5}), (1, "finished", {"loss": 0.7})], "seed0"),
        ([(0, "diverged", {"accuracy": 0.9}), (1, "finished", {"accuracy": 0.1})], "seed1"),
        ([(0, "failed", None), (1, "finished", None)], "seed1"),  # which learned from validation's examples too
        ([(0, "finished", None), (1, "finished", None)], "seed0"),
        ([(0, "diverged", None)], "seed0"),  # the page says that it did
    ],
)
def test_the_best_is_chosen_as_the_run_chose_its_epoch(tmp_path, rows, wanted):
    assert names(made(tmp_path, *rows)) == [wanted]


def test_a_run_that_is_no_longer_there_makes_room_for_the_next(tmp_path):
    made(tmp_path, (0, "finished", {"accuracy": 0.5}), (1, "finished", {"accuracy": 0.7}))
    shutil.rmtree(tmp_path / "runs" / "seed1")
    assert names(tmp_path) == ["seed0"]


def begun(study, folder, *rates):
    """Run a study with ever more learning rates, of which the last is the best; its runs are folders with a file."""
    for count in range(1, len(rates) + 1):
        wider = study.replace(tune=Tune({"learning_rate": rates[:count]}))
        run_study(wider, folder, PoolHere(lambda job: None if job.prepare else trained(job.experiment, rate_of(job))))
    for row in StudyDirectory(folder).table.rows():
        (folder / row.path).mkdir(parents=True)
        (folder / row.path / "experiment.toml").touch()
    return folder


def rate_of(job):
    return job.experiment.learning_rate


def test_runs_that_are_no_longer_part_of_a_study_are_not_listed(tmp_path):
    folder = begun(small_study(tmp_path, seeds=1), tmp_path / "study", 0.01, 0.1)
    rows = StudyDirectory(folder).table.rows("compare")
    assert len(rows) == 4, "compared at 0.01, then at 0.1, which tuning chose once it was tried"
    assert names(folder) == sorted(Path(row.path).name for row in rows if row.experiment["learning_rate"] == 0.1)


@pytest.mark.parametrize("key", ["activation", '"model.name"', "model"])
def test_code_that_a_study_names_is_imported_only_where_that_is_allowed(tmp_path, monkeypatch, key):
    folder = begun(small_study(tmp_path, seeds=1), tmp_path / "study", 0.01, 0.1)
    (tmp_path / "of_a_stranger.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    file, named = folder / "study.toml", f'{key} = ["of_a_stranger:thing"]\n'
    text = re.sub(
        "activation = .*?]\n", named if key == "activation" else rf"\g<0>{named}", file.read_text(), flags=re.S
    )
    file.write_text(text.partition("# sha256")[0])
    assert len(names(folder)) == 4 and "of_a_stranger" not in sys.modules
    assert len(run_directories(folder, own_code=True)) == 4, "what cannot be used there hides no run"
    assert sys.modules.pop("of_a_stranger")


def test_runs_are_listed_without_keras(folder):
    code = "import sys; from pathlib import Path; from demo.folders import run_directories as runs;"
    code += "print(len(runs(Path(sys.argv[1]))), {'keras', 'torch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout == "3 set()\n"
