"""What the directory of a begun study takes, seeds and values added, and what it refuses as another study."""

import contextlib
import dataclasses
import sqlite3

import pytest

from kact import __main__ as command
from kact.errors import KactError
from kact.studies.directory import StudyDirectory
from kact.studies.study import Study
from kact.studies.tune import Tune
from tests.studies import PoolHere, pretend, run_study, small_study, trained

pytestmark = pytest.mark.any_backend


def by_rate(job):
    return None if job.prepare else trained(job.experiment, job.experiment.learning_rate)


def test_more_seeds_are_added_to_what_is_there(tmp_path):
    pool = PoolHere(pretend)
    run_study(small_study(tmp_path, seeds=2), tmp_path / "out", pool)
    assert len(run_study(small_study(tmp_path, seeds=3), tmp_path / "out", pool)) == 6
    assert len(pool.done) == 6 and StudyDirectory(tmp_path / "out").study().seeds == (0, 1, 2)


def test_values_are_added_to_what_is_there(tmp_path):
    """A rate at the edge of what was tried is looked beyond, an activation more is compared: only what is new runs."""
    study, out = small_study(tmp_path, seeds=1, tune=True), tmp_path / "out"

    assert len(run_study(study, out, PoolHere(by_rate))) == 6
    wider = study.replace(tune=Tune({"learning_rate": [0.1, 0.01, 0.001]}))
    pool = PoolHere(by_rate)
    run_study(wider, out, pool)
    assert [experiment.learning_rate for experiment in pool.done] == [0.1] * 4, "tuned with it, then compared at it"
    rows = StudyDirectory(out).rows()
    assert {row.experiment["learning_rate"] for row in rows if row.stage == "compare"} == {0.1}
    more = wider.replace(grid={"activation": ["relu", "elu", "mish"]})
    pool = PoolHere(by_rate)
    run_study(more, out, pool)
    assert {experiment.activation for experiment in pool.done} == {"elu"} and len(pool.done) == 4
    assert len(StudyDirectory(out).rows()) == len(rows) + 4 and StudyDirectory(out).study() == more
    with pytest.raises(KactError, match="holds another study"):
        run_study(wider, out)


def test_while_a_rate_is_chosen_anew_no_run_counts_twice(tmp_path):
    study, out = small_study(tmp_path, seeds=1, tune=True), tmp_path / "out"

    run_study(study, out, PoolHere(by_rate))
    run_study(study.replace(tune=Tune({"learning_rate": [0.1, 0.01, 0.001]})), out, PoolHere(by_rate))
    longer = study.replace(tune=Tune({"learning_rate": [0.1, 0.01, 0.001]}, seeds=(1000, 1001)))
    with StudyDirectory(out).opened(longer):
        rows = [row for row in StudyDirectory(out).rows() if row.stage == "compare"]
    assert len(StudyDirectory(out).table.rows("compare")) == 4 and len(rows) == 2
    assert {row.experiment["learning_rate"] for row in rows} == {0.1}


def test_rows_are_added_to_a_zip_and_no_column(tmp_path):
    def zipped(**group):
        return Study(base={"task": "digits", "epochs": 1}, zips=[group], compare="dropout")

    with StudyDirectory(tmp_path / "out").opened(zipped(dropout=[0.0, 0.1], l2=[0.1, 0.0])):
        (tmp_path / "out" / "runs" / "digits-mlp-relu").mkdir()
    with StudyDirectory(tmp_path / "out").opened(zipped(l2=[0.1, 0.2, 0.0], dropout=[0.0, 0.3, 0.1])):
        pass
    for other in ({"dropout": [0.0, 0.3, 0.1]}, {"dropout": [0.0, 0.3, 0.1], "l2": [0.1, 0.2, 0.3]}):
        with pytest.raises(KactError, match="zip is"), StudyDirectory(tmp_path / "out").opened(zipped(**other)):
            pass


def test_another_study_does_not_go_into_the_same_directory(tmp_path):
    run_study(small_study(tmp_path), tmp_path / "out", PoolHere(pretend))
    with pytest.raises(KactError, match="holds another study"):
        run_study(small_study(tmp_path, epochs=2), tmp_path / "out")


def test_what_differs_from_the_study_that_is_there_is_told(tmp_path, capsys):
    study = small_study(tmp_path, tune=True)
    run_study(study, tmp_path / "out", PoolHere(pretend))

    def refused(**changes):
        with pytest.raises(KactError) as raised, StudyDirectory(tmp_path / "out").opened(study.replace(**changes)):
            pass
        return raised.value.problem

    begun = f"'{tmp_path / 'out'}' holds another study: "
    rates = "[tune] learning_rate is [0.01, 0.001] there and [0.01, 0.03] here."
    assert refused(tune=Tune({"learning_rate": [0.01, 0.03]})) == begun + rates
    assert refused(tune=None).startswith(begun + "[tune] learning_rate is [0.01, 0.001] there and not given here; ")
    assert refused(quick=True) == begun + "quick is False there and True here."
    base = {"task": "digits", "epochs": 2, "l2": 0.1, "dropout": 0.5}
    assert refused(base=base).endswith("and 2 more.")
    many = [0.001 * i for i in range(1, 50)]
    assert refused(zips=[{"l2": many, "dropout": many[::-1]}]).count("there and") == 1


def test_a_study_of_which_no_run_was_begun_blocks_no_other(tmp_path):
    study = small_study(tmp_path, seeds=1)
    wrong = study.replace(base={**study.base, "task": "image_folder", "data": str(tmp_path / "nowhere")})
    with pytest.raises(KactError, match="nowhere"):
        run_study(wrong, tmp_path / "out")
    assert len(run_study(study, tmp_path / "out", PoolHere(pretend))) == 2
    with pytest.raises(KactError, match="holds another study"):
        run_study(wrong, tmp_path / "out")


def test_a_run_that_was_begun_keeps_its_place(tmp_path):
    with StudyDirectory(tmp_path / "out").opened(small_study(tmp_path)):
        (tmp_path / "out" / "runs" / "digits-mlp-relu").mkdir()
    with pytest.raises(KactError, match="holds another study"):
        run_study(small_study(tmp_path, epochs=2), tmp_path / "out")


def test_tuning_runs_of_another_length_do_not_go_into_the_same_directory(tmp_path):
    study = small_study(tmp_path, epochs=2, tune=True)
    run_study(study, tmp_path / "out", PoolHere(pretend))
    with pytest.raises(KactError, match="holds another study"):
        run_study(study.replace(tune=dataclasses.replace(study.tune, epochs=1)), tmp_path / "out")


def test_rows_of_other_seeds_and_of_rates_that_are_chosen_no_more_are_left_out(tmp_path, capsys):
    study = small_study(tmp_path, seeds=3, tune=True)
    first = run_study(study, tmp_path / "out", PoolHere(pretend))
    fewer = study.replace(seeds=2)
    run_study(fewer, tmp_path / "out", PoolHere(pretend))
    directory = StudyDirectory(tmp_path / "out")
    assert len(directory.table.rows()) == len(first) and {row.seed for row in directory.rows()} == {0, 1, 1000}
    rates = {row.experiment["learning_rate"] for row in directory.rows() if row.stage == "compare"}
    other = {row.cell["learning_rate"] for row in first if row.stage == "tune"} - rates
    for row in first:  # as if the rate that is best had failed before, and was tried again
        if row.stage == "tune" and row.cell["learning_rate"] in other:
            better = [{"epoch": 1, "validation_accuracy": 0.9, "validation_loss": 0.1}]
            with contextlib.closing(sqlite3.connect(directory.table.path)) as connection, connection:
                connection.execute("DELETE FROM runs WHERE hash = ? AND seed = ?", (row.hash, row.seed))
            directory.table.add(dataclasses.replace(row, history=better))
    assert [row.stage for row in directory.rows() if row.stage == "compare"] == []
    run_study(fewer, tmp_path / "out", PoolHere(pretend))
    assert {row.experiment["learning_rate"] for row in directory.rows() if row.stage == "compare"} == other
    assert command.main(["study", "status", str(tmp_path / "out")]) == 0
    assert "compare  4 finished, 0 of 4 missing" in capsys.readouterr().out
