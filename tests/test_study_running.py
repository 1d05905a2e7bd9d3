"""Running a study: what is missing and nothing twice, whatever goes wrong on the way."""

import contextlib
import dataclasses
import errno
import shutil
import sqlite3

import pytest

from kact import __main__ as command
from kact.errors import KactError
from kact.runs import Run
from kact.studies import console as study_console
from kact.studies import job as jobs
from kact.studies.console import StudyConsole
from kact.studies.directory import StudyDirectory
from kact.studies.job import Job, Outcome
from kact.studies.merge import merge_studies
from kact.studies.shard import Shard
from kact.studies.study import Study
from kact.studies.tune import Tune
from tests.studies import Notes, PoolHere, results, run_study, small_study, trained

pytestmark = pytest.mark.any_backend


def pretend(job):
    return None if job.prepare else trained(job.experiment)


def test_a_study_tunes_compares_and_is_not_run_again(tmp_path):
    study, notes, pool = small_study(tmp_path, seeds=1, tune=True), Notes(), PoolHere()
    rows = run_study(study, tmp_path / "out", pool, notes)
    assert notes.stages == [("tune", 4, 4, 0), ("compare", 2, 2, 0)] and notes.epochs == 6
    assert [row.stage for row in rows] == ["tune"] * 4 + ["compare"] * 2
    for activation in ("relu", "mish"):
        tuned = {
            row.cell["learning_rate"]: row.score("validation", "accuracy")
            for row in rows
            if row.stage == "tune" and row.cell["activation"] == activation
        }
        rates = {row.experiment["learning_rate"] for row in rows[4:] if row.cell == {"activation": activation}}
        assert rates == {max(tuned, key=tuned.get)}
    for row in rows:
        found = Run.load(tmp_path / "out" / row.path)
        assert found.metrics == row.metrics and found.history == row.history and row.attempts == 1
        assert not (found.path / "checkpoint.npz").exists(), "nobody goes on from it"
    again = PoolHere()
    assert run_study(study, tmp_path / "out", again) == rows and again.done == []
    # What the table forgot is taken from the run directories, without training.
    (tmp_path / "out" / "results.sqlite").unlink()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "runs").glob("*/metrics.json")}
    assert results(run_study(study, tmp_path / "out")) == results(rows)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("name", ["model.keras", "history.csv", "metrics.json", "experiment.toml"])
def test_a_run_whose_directory_was_damaged_is_made_again_and_counted_once(tmp_path, name):
    study = small_study(tmp_path, seeds=1)
    rows = run_study(study, tmp_path / "out")
    damaged = tmp_path / "out" / rows[0].path
    content = bytearray((damaged / name).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / name).write_bytes(content)
    pool = PoolHere()
    assert run_study(study, tmp_path / "out", pool) == rows
    assert [experiment.label for experiment in pool.done] == [damaged.name]
    made = Run.load(damaged)
    made.check_files()
    assert made.history == rows[0].history and made.metrics["test"] == rows[0].metrics["test"]


def test_a_run_whose_directory_is_gone_keeps_its_row(tmp_path):
    study = small_study(tmp_path, seeds=1)
    rows = run_study(study, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "runs")
    pool = PoolHere()
    assert run_study(study, tmp_path / "out", pool) == rows and pool.done == []


def test_more_seeds_are_added_to_what_is_there(tmp_path):
    pool = PoolHere(pretend)
    run_study(small_study(tmp_path, seeds=2), tmp_path / "out", pool)
    assert len(run_study(small_study(tmp_path, seeds=3), tmp_path / "out", pool)) == 6
    assert len(pool.done) == 6 and StudyDirectory(tmp_path / "out").study().seeds == (0, 1, 2)


def test_values_are_added_to_what_is_there(tmp_path):
    """A rate at the edge of what was tried is looked beyond, an activation more is compared: only what is new runs."""
    study, out = small_study(tmp_path, seeds=1, tune=True), tmp_path / "out"

    def by_rate(job):
        return None if job.prepare else trained(job.experiment, job.experiment.learning_rate)

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

    def by_rate(job):
        return None if job.prepare else trained(job.experiment, job.experiment.learning_rate)

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


def test_a_second_process_is_told_of_the_first(tmp_path, capsys):
    study = small_study(tmp_path)
    with StudyDirectory(tmp_path / "out").opened(study):
        arguments = ["study", "run", str(tmp_path / "small.toml"), "--out", str(tmp_path / "out")]
        assert command.main(arguments) == 2
        said = capsys.readouterr()
        assert "Another process is running the study" in said.err and said.out.startswith("2 seeds are few: ")
        assert command.main(["study", "status", str(tmp_path / "out")]) == 0
        assert "4 of 4 missing\nrunning" in capsys.readouterr().out


@pytest.mark.parametrize("wanted", ["status", "stop", "export"])
def test_a_quick_form_is_not_taken_for_the_study_itself(tmp_path, monkeypatch, capsys, wanted):
    run_study(small_study(tmp_path), tmp_path / "runs" / "two-quick", PoolHere(pretend))
    monkeypatch.chdir(tmp_path)
    for given in ("two", "tow-quick"):
        assert command.main(["study", wanted, given]) == 2
        said = capsys.readouterr().err
        assert f"No study was begun in '{given}'" in said and "Did you mean 'two-quick'?" in said
    assert command.main(["study", wanted, "two-quick"]) == 0


def test_a_run_that_is_cut_off_is_begun_again_and_nothing_else_is(tmp_path):
    lost = []

    def cut_off(job):
        if not job.prepare and not lost:
            lost.append(job)
            return "Its worker process was killed by SIGKILL."
        return pretend(job)

    notes = Notes()
    rows = run_study(small_study(tmp_path), tmp_path / "out", PoolHere(cut_off), notes)
    assert sorted(row.attempts for row in rows) == [1, 1, 1, 2] and len(notes.lost) == 1
    assert notes.epochs == 4


def test_a_run_that_fails_twice_is_recorded_and_the_others_go_on(tmp_path, capsys):
    def fail(job):
        failed = Outcome("failed", error="ValueError: no such thing")
        return failed if job.experiment.activation == "mish" and not job.prepare else pretend(job)

    pool = PoolHere(fail)
    rows = run_study(small_study(tmp_path), tmp_path / "out", pool)
    assert [(row.status, row.attempts) for row in rows if row.cell["activation"] == "mish"] == [("failed", 2)] * 2
    assert [row.status for row in rows if row.cell["activation"] == "relu"] == ["finished"] * 2
    assert command.main(["study", "status", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "2 finished, 2 failed, 0 of 4 missing" in printed and "ValueError: no such thing" in printed
    pool = PoolHere(pretend)
    assert run_study(small_study(tmp_path), tmp_path / "out", pool) == rows and not pool.done
    again = run_study(small_study(tmp_path), tmp_path / "out", pool, retry_failed=True)
    assert {row.status for row in again} == {"finished"} and len(pool.done) == 2


def test_an_error_in_training_becomes_a_failed_outcome(tmp_path, monkeypatch):
    experiment = next(small_study(tmp_path).experiments("compare"))[1]

    def explode(*given, **settings):
        raise MemoryError("no room")

    monkeypatch.setattr("kact.train.run", explode)
    outcome = jobs.carry_out(Job(experiment, str(tmp_path)))
    assert outcome.status == "failed" and outcome.error.startswith("MemoryError: no room (") and not outcome.disk_full


def test_activations_of_which_every_candidate_diverged_are_recorded_as_failed(tmp_path):
    def diverge(job):
        bad = job.experiment.activation == "mish" and job.experiment.seed >= 1000
        return Outcome("diverged", {"validation": None}) if bad and not job.prepare else pretend(job)

    rows = run_study(small_study(tmp_path, tune=True), tmp_path / "out", PoolHere(diverge))
    compared = {row.cell["activation"]: row for row in rows if row.stage == "compare"}
    assert compared["relu"].status == "finished" and compared["mish"].status == "failed"
    assert "Every candidate of learning_rate diverged" in compared["mish"].error


def test_missing_data_is_told_of_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    study = Study(base={"task": "image_folder", "data": str(tmp_path / "nowhere")}, grid={"activation": ["relu"]})
    pool = PoolHere()
    with pytest.raises(KactError, match="nowhere"):
        run_study(study, tmp_path / "out", pool)
    assert not pool.done and StudyDirectory(tmp_path / "out").table.rows() == []


def test_a_missing_backbone_is_told_of_before_anything_is_trained(tmp_path):
    base = {"task": "digits", "backbone": str(tmp_path / "nowhere")}
    pool = PoolHere()
    with pytest.raises(KactError, match="nowhere"):
        run_study(Study(base=base, grid={"activation": ["relu"]}), tmp_path / "out", pool)
    assert not pool.done and StudyDirectory(tmp_path / "out").table.rows() == []


def test_a_full_disk_stops_the_study_and_the_same_command_goes_on(tmp_path, monkeypatch):
    study = small_study(tmp_path)
    room = [2]

    def fill(job):
        if job.prepare:
            return None
        room[0] -= 1
        return trained(job.experiment) if room[0] >= 0 else Outcome("failed", error="Cannot write", disk_full=True)

    with pytest.raises(KactError, match=r"(?s)disk of .* is full.*Free some space.*same command"):
        run_study(study, tmp_path / "out", PoolHere(fill))
    assert len(StudyDirectory(tmp_path / "out").table.rows()) == 2
    room[0] = 9
    rows = run_study(study, tmp_path / "out", PoolHere(fill))
    assert [row.status for row in rows] == ["finished"] * 4


def test_a_write_that_finds_no_space_is_known_for_what_it_is(tmp_path, monkeypatch):
    experiment = next(small_study(tmp_path).experiments("compare"))[1]

    def no_space(*given, **settings):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kact.storage.files.os.fsync", no_space)
    outcome = jobs.carry_out(Job(experiment, str(tmp_path / "runs")))
    assert outcome.status == "failed" and outcome.disk_full and "No space left" in outcome.error


def test_a_study_stops_when_it_is_asked_to_and_goes_on_later(tmp_path):
    study, directory = small_study(tmp_path), StudyDirectory(tmp_path / "out")
    done = []

    def ask(job):
        if not job.prepare:
            done.append(job)
            (directory.path / "stop").touch()  # what `kact study stop` leaves
        return pretend(job)

    with pytest.raises(KeyboardInterrupt):
        run_study(study, directory.path, PoolHere(ask))
    assert len(directory.table.rows()) == len(done) == 1
    assert len(run_study(study, directory.path, PoolHere(pretend))) == 4
    assert not directory.ask_to_stop(), "nobody runs it any more"


def test_longer_runs_go_on_from_shorter_ones_as_one_curve(tmp_path):
    base = {"task": "digits", "train_examples": 100, "model.hidden_units": [8]}
    study = Study(base=base, grid={"activation": ["relu"], "epochs": [4, 2]}, compare="epochs", continue_epochs=True)
    rows = {row.cell["epochs"]: row for row in run_study(study, tmp_path / "out", PoolHere(size=2))}
    assert rows[4].history[:2] == rows[2].history and len(rows[4].history) == 4
    long, short = (row.metrics["timing"]["epoch_seconds"] for row in (rows[4], rows[2]))
    assert long[:2] == short, "they were not trained again"


def test_lengths_may_have_names(tmp_path):
    base = {"task": "digits", "train_examples": 100, "model.hidden_units": [8]}
    lengths = {"label.length": ["long", "short"], "epochs": [2, 1]}
    study = Study(base=base, zips=[lengths], compare="length", continue_epochs=True)
    rows = {row.cell["length"]: row for row in run_study(study, tmp_path / "out")}
    assert rows["long"].history[:1] == rows["short"].history and len(rows["long"].history) == 2


@pytest.mark.parametrize("tune", [False, True])
def test_shards_merge_to_the_whole_study(tmp_path, tune):
    def score(job):
        return None if job.prepare else trained(job.experiment, job.experiment.learning_rate * 10)

    study = small_study(tmp_path, seeds=3, activations=("relu", "elu", "mish"), tune=tune)
    whole = run_study(study, tmp_path / "whole", PoolHere(score))
    parts = [tmp_path / f"part{number}" for number in (1, 2)]
    counts = [
        len(run_study(study, part, PoolHere(score), shard=Shard(number, 2))) for number, part in enumerate(parts, 1)
    ]
    assert sum(counts) == len(whole) and min(counts) > 0
    assert merge_studies(tmp_path / "merged", parts) == len(whole)
    assert merge_studies(tmp_path / "merged", parts) == 0, "nothing is there twice"

    def facts(rows):
        return sorted((row.stage, row.hash, row.seed, str(row.cell), row.experiment["learning_rate"]) for row in rows)

    assert facts(StudyDirectory(tmp_path / "merged").table.rows()) == facts(whole)
    nothing = PoolHere(score)
    run_study(study, tmp_path / "merged", nothing)
    assert nothing.done == []


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
            better = {"validation": {"accuracy": 0.9, "loss": 0.1}, "test": None}
            with contextlib.closing(sqlite3.connect(directory.table.path)) as connection, connection:
                connection.execute("DELETE FROM runs WHERE hash = ? AND seed = ?", (row.hash, row.seed))
            directory.table.add(dataclasses.replace(row, metrics=row.metrics | better))
    assert [row.stage for row in directory.rows() if row.stage == "compare"] == []
    run_study(fewer, tmp_path / "out", PoolHere(pretend))
    assert {row.experiment["learning_rate"] for row in directory.rows() if row.stage == "compare"} == other
    assert command.main(["study", "status", str(tmp_path / "out")]) == 0
    assert "compare  4 finished, 0 of 4 missing" in capsys.readouterr().out


def test_parts_of_different_data_are_not_merged(tmp_path):
    study = small_study(tmp_path, seeds=3, activations=("relu", "elu", "mish"))

    def of(data):
        def score(job):
            made = trained(job.experiment)
            provenance = {"provenance": {"data": data}}
            return None if job.prepare else dataclasses.replace(made, metrics=made.metrics | provenance)

        return score

    parts = [tmp_path / f"part{number}" for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        run_study(study, part, PoolHere(of(f"{number}" * 64)), shard=Shard(number, 2))
    with pytest.raises(KactError, match=r"part2' and '.*part1' hold runs of the task 'digits' that saw different data"):
        merge_studies(tmp_path / "merged", parts)
    assert not (tmp_path / "merged").exists()


def test_each_run_is_tracked_where_that_is_asked_for(tmp_path, capsys):
    pytest.importorskip("tensorboard")
    rows = run_study(small_study(tmp_path, seeds=1, activations=("relu",)), tmp_path / "out", track="tensorboard")
    assert list((tmp_path / "out" / rows[0].path).glob("**/events.out.tfevents*"))
    assert command.main(["study", "run", str(tmp_path / "small.toml"), "--track", "tensorbord"]) == 2
    assert "Did you mean 'tensorboard'?" in capsys.readouterr().err


def test_merging_takes_the_run_directories_along_and_refuses_strangers(tmp_path):
    study = small_study(tmp_path, seeds=1)
    rows = run_study(study, tmp_path / "part", shard=Shard(1, 2))
    merge_studies(tmp_path / "merged", [tmp_path / "part"])
    assert Run.load(tmp_path / "merged" / rows[0].path).model_path.is_file()
    run_study(small_study(tmp_path, epochs=2), tmp_path / "other", PoolHere(pretend))
    with pytest.raises(KactError, match="another study"):
        merge_studies(tmp_path / "merged", [tmp_path / "part", tmp_path / "other"])
    with pytest.raises(KactError, match="no study in"):
        merge_studies(tmp_path / "merged", [tmp_path / "nowhere"])


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2"])
def test_a_shard_is_a_part_of_all(text):
    with pytest.raises(KactError, match="such as 2/5"):
        Shard.parse(text)


def test_what_is_shown_needs_no_clock_that_is_right(tmp_path, monkeypatch, capsys):
    now = iter(range(0, 10_000, 10))
    monkeypatch.setattr(study_console.time, "monotonic", lambda: next(now))
    monkeypatch.setattr("time.time", lambda: -1e9)  # the wall's clock may say anything
    console = StudyConsole()
    rows = run_study(small_study(tmp_path), tmp_path / "out", PoolHere(pretend), console)
    printed = capsys.readouterr().out
    assert "Comparing: 4 runs." in printed and "4/4 done, 0 failed" in printed
    assert console.finished() == "4 of 4 runs"
    console.stage_began("tune", 9, 9, [])
    assert console.finished() == "0 of 9 tuning runs"
    assert "2/4 done, 0 failed, 20 s left  |  " in printed and "best on validation" not in printed
    assert all(row.finished_at == -1e9 for row in rows)


def test_only_known_factors_can_be_tuned():
    with pytest.raises(KactError, match="learning_rte"):
        Study(base={"task": "digits"}, grid={"activation": ["relu"]}, tune=Tune({"learning_rte": [0.1]}))
