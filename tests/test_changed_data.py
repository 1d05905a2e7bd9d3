"""One's own data that changed since a run or a study was begun: noticed, named, and never mixed with what was there."""

import os
import shutil

import pytest

import kact
from kact import __main__ as command
from kact.errors import KactError
from kact.experiment import Experiment
from kact.runs import Run, RunDirectory, changes
from kact.runs.checkpoint import Checkpoint
from kact.studies.directory import StudyDirectory
from kact.studies.study_file import load_study
from kact.train import run
from tests.image_sets import COLOURS, make_folder, noisy
from tests.studies import PoolHere, run_study

SIX_EACH = dict.fromkeys(COLOURS, 6)
CHANGED = "The data of the task 'image_folder' changed since '{}' was begun."
WAY_OUT = "Give another --out, or delete that run, to train on what is there now."


class CutOff(Exception):
    """Stands for whatever ends a process."""


class AfterEpoch:
    """A progress that cuts its run off after the first epoch."""

    def started(self, *arguments):
        pass

    def batch_done(self, *arguments):
        pass

    def epoch_done(self, *arguments):
        raise CutOff


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("KACT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "photographs", SIX_EACH)


@pytest.fixture
def small(folder):
    return Experiment(
        task="image_folder(image_size=8)",
        data=str(folder),
        model={"name": "mlp", "hidden_units": [4]},
        epochs=2,
        batch_size=4,
    )


def add_image(folder):
    noisy(COLOURS["red"], 24, 16, seed=77).save(folder / "red" / "new.png")


def add_class(folder):
    make_folder(folder, {"white": 6}, classes={"white": (230, 230, 230)})


def take_image(folder):
    (folder / "blue" / "003.png").unlink()


def rename_class(folder):
    (folder / "red").rename(folder / "rouge")


def cut_off(experiment, out):
    with pytest.raises(CutOff):
        run(experiment, out=out, progress=AfterEpoch())
    return RunDirectory(out / experiment.label)


def refused(experiment, **arguments):
    with pytest.raises(KactError) as raised:
        run(experiment, **arguments)
    return raised.value.problem, raised.value.next_step


@pytest.mark.parametrize("change", [add_image, add_class, take_image, rename_class])
def test_a_finished_run_is_not_taken_for_one_of_the_changed_data(change, small, folder, tmp_path):
    finished = run(small, out=tmp_path / "runs")
    change(folder)
    assert refused(small, out=tmp_path / "runs") == (CHANGED.format(finished.path), WAY_OUT)
    assert run(small, out=tmp_path / "others").metrics["task"]["labels"] == sorted(os.listdir(folder))


@pytest.mark.parametrize("change", [add_image, add_class])
def test_a_run_that_was_cut_off_does_not_go_on_with_changed_data(change, small, folder, tmp_path):
    begun = cut_off(small, tmp_path / "runs")
    before = begun.checkpoint_path.read_bytes()
    change(folder)
    assert refused(small, out=tmp_path / "runs") == (CHANGED.format(begun.path), WAY_OUT)
    assert begun.checkpoint_path.read_bytes() == before and not begun.finished


def test_a_longer_run_does_not_go_on_from_one_of_other_data(small, folder, tmp_path):
    shorter = run(small, out=tmp_path / "runs")
    add_image(folder)
    problem, next_step = refused(small.replace(epochs=3), out=tmp_path / "longer", continue_from=shorter.path)
    assert problem == CHANGED.format(shorter.path)
    assert next_step == "Leave --continue-from away, to train on what is there now."


def test_the_command_says_so_in_two_lines(folder, tmp_path, capsys):
    flags = ["train", "--task", "image_folder(image_size=8)", "--data", str(folder), "--model", "mlp"]
    flags += ["--hidden-units", "4", "--epochs", "1", "--batch-size", "4", "--out", str(tmp_path / "runs")]
    assert command.main(flags) == 0 and command.main(flags) == 0
    assert "trained to its end before" in capsys.readouterr().out
    add_image(folder)
    assert command.main(flags) == 2
    printed = capsys.readouterr()
    assert "trained to its end before" not in printed.out
    assert "'image_folder' changed since" in printed.err and WAY_OUT in printed.err
    assert len(printed.err.strip().splitlines()) == 2


def test_files_that_were_only_touched_or_renamed_in_their_order_are_the_same_data(small, folder, tmp_path):
    finished, begun = run(small, out=tmp_path / "runs"), cut_off(small, tmp_path / "cut")
    os.utime(folder / "red" / "000.png")
    (folder / "red" / "005.png").rename(folder / "red" / "last.png")
    assert run(small, out=tmp_path / "runs").metrics == finished.metrics
    assert run(small, out=tmp_path / "cut").metrics["provenance"]["data"] == finished.metrics["provenance"]["data"]
    assert begun.finished


def test_a_finished_run_stands_where_its_data_is_gone(small, folder, tmp_path):
    finished = run(small, out=tmp_path / "runs")
    shutil.rmtree(folder)
    assert run(small, out=tmp_path / "runs").metrics == finished.metrics


def test_a_checkpoint_of_an_earlier_version_goes_on_and_learns_its_data(small, tmp_path):
    begun = cut_off(small, tmp_path / "runs")
    old = Checkpoint.load(begun.checkpoint_path)
    noted, old.data = old.data, ""
    assert noted == begun.begun_with[0] != ""
    old.save(begun.checkpoint_path)
    finished = run(small, out=tmp_path / "runs")
    assert finished.metrics["provenance"]["data"] == noted == Checkpoint.load(begun.checkpoint_path).data


def test_changed_sentences_are_noticed_too(tmp_path):
    made = tmp_path / "made.txt"
    made.write_text("so\tR\ncool\tA\n\n" * 12)
    experiment = Experiment(task="tagged_file", data=str(made), model="window_tagger", epochs=1, batch_size=4)
    finished, begun = run(experiment, out=tmp_path / "runs"), cut_off(experiment, tmp_path / "cut")
    made.write_text(made.read_text() + "very\tR\ngood\tA\n\n")
    for path in (finished.path, begun.path):
        problem, _ = refused(experiment, out=path.parent)
        assert problem == f"The data of the task 'tagged_file' changed since '{path}' was begun."


def test_a_finished_run_of_a_published_data_set_is_told_of_without_reading_it(tmp_path, monkeypatch):
    experiment = Experiment(epochs=1, train_examples=100, model={"name": "mlp", "hidden_units": [4]})
    finished = run(experiment, out=tmp_path)
    monkeypatch.setattr(changes, "load_task", None)
    assert run(experiment, out=tmp_path).metrics == finished.metrics


def test_runs_that_train_together_are_refused_as_one_alone_is(small, folder, tmp_path):
    begun = [cut_off(small.replace(seed=seed), tmp_path / "runs") for seed in (0, 1)]
    add_image(folder)
    with pytest.raises(KactError, match="changed since"):
        kact.run_many([small.replace(seed=seed) for seed in (0, 1)], out=tmp_path / "runs", together="yes")
    assert not any(one.finished for one in begun)


# --- studies ---


def study_of(folder, tmp_path, seeds):
    text = f"""compare = "activation"
seeds = {seeds}
[base]
task = "image_folder(image_size=8)"
data = "{folder}"
epochs = 1
batch_size = 4
model = "mlp"
"model.hidden_units" = [4]
[grid]
activation = ["relu", "mish"]
"""
    (tmp_path / "own.toml").write_text(text)
    return load_study(tmp_path / "own.toml")


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_study_does_not_mix_runs_of_different_data(seeds, folder, tmp_path):
    rows = run_study(study_of(folder, tmp_path, 1), tmp_path / "out")
    add_image(folder)
    pool = PoolHere()
    with pytest.raises(KactError) as raised:
        run_study(study_of(folder, tmp_path, seeds), tmp_path / "out", pool)
    assert raised.value.problem == CHANGED.format(tmp_path / "out")
    assert raised.value.next_step == "Give another --out, to train on what is there now."
    assert pool.done == [] and StudyDirectory(tmp_path / "out").table.rows() == rows
    assert len(run_study(study_of(folder, tmp_path, seeds), tmp_path / "another")) == 2 * seeds


def test_a_study_goes_on_with_the_same_data_and_keeps_its_rows_when_that_is_gone(folder, tmp_path):
    rows = run_study(study_of(folder, tmp_path, 1), tmp_path / "out")
    more = run_study(study_of(folder, tmp_path, 2), tmp_path / "out")
    assert len(more) == 4 and [row for row in more if row.seed == 0] == rows
    shutil.rmtree(folder)
    pool = PoolHere()
    assert run_study(study_of(folder, tmp_path, 2), tmp_path / "out", pool) == more and pool.done == []


@pytest.mark.parametrize("lost", ["row", "rest of a run"])
def test_a_study_looks_at_runs_that_its_table_knows_nothing_of(lost, folder, tmp_path):
    study = study_of(folder, tmp_path, 1)
    rows = run_study(study, tmp_path / "out")
    (tmp_path / "out" / "results.sqlite").unlink()
    if lost == "rest of a run":
        experiments = [Run.load(tmp_path / "out" / row.path).experiment for row in rows]
        shutil.rmtree(tmp_path / "out" / "runs")
        (tmp_path / "out" / "runs").mkdir()
        cut_off(experiments[0], tmp_path / "out" / "runs")
    add_image(folder)
    pool = PoolHere()
    with pytest.raises(KactError) as raised:
        run_study(study, tmp_path / "out", pool)
    assert raised.value.problem == CHANGED.format(tmp_path / "out") and pool.done == []


def test_what_a_run_was_begun_with_is_known_at_any_time_unless_it_is_damaged(small, tmp_path):
    begun = cut_off(small, tmp_path / "runs")
    noted = begun.begun_with[0]
    content = bytearray(begun.checkpoint_path.read_bytes())
    content[len(content) // 2] ^= 1
    begun.checkpoint_path.write_bytes(content)
    assert begun.begun_with[0] == ""
    begun.checkpoint_path.unlink()
    assert begun.begun_with[0] == "" and run(small, out=tmp_path / "runs").metrics["provenance"]["data"] == noted
    assert begun.begun_with[0] == noted and len(noted) == 64
