"""Running a study: what is missing and nothing twice, whatever goes wrong on the way."""

import dataclasses
import errno
import shutil

import pytest

from kact import __main__ as command
from kact.errors import KactError
from kact.runs import Run
from kact.studies import console as study_console
from kact.studies import job as jobs
from kact.studies.console import StudyConsole
from kact.studies.directory import StudyDirectory
from kact.studies.job import Job, Outcome
from kact.studies.study import Study
from kact.studies.tune import Tune
from tests.studies import Notes, PoolHere, pretend, results, run_study, small_study, trained

pytestmark = pytest.mark.any_backend


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


def test_each_run_is_tracked_where_that_is_asked_for(tmp_path, capsys):
    pytest.importorskip("tensorboard")
    rows = run_study(small_study(tmp_path, seeds=1, activations=("relu",)), tmp_path / "out", track="tensorboard")
    assert list((tmp_path / "out" / rows[0].path).glob("**/events.out.tfevents*"))
    assert command.main(["study", "run", str(tmp_path / "small.toml"), "--track", "tensorbord"]) == 2
    assert "Did you mean 'tensorboard'?" in capsys.readouterr().err


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


def test_runs_that_diverged_are_counted_while_a_study_runs(tmp_path, capsys):
    def diverging(job):
        outcome = pretend(job)
        return dataclasses.replace(outcome, status="diverged") if outcome and job.experiment.seed == 1 else outcome

    run_study(small_study(tmp_path), tmp_path / "out", PoolHere(diverging), StudyConsole())
    printed = capsys.readouterr().out
    assert "4/4 done, 0 failed, 2 diverged" in printed and "seed 1: diverged, validation accuracy" in printed
    assert "seed 0: validation accuracy" in printed


def test_a_shard_without_a_run_is_no_failure(tmp_path):
    small_study(tmp_path, seeds=1, activations=("relu",))
    line = ["study", "run", str(tmp_path / "small.toml"), "--shard", "9/9", "--out", str(tmp_path / "out")]
    assert command.main([*line, "--workers", "1"]) == 0


def test_only_known_factors_can_be_tuned():
    with pytest.raises(KactError, match="learning_rte"):
        Study(base={"task": "digits"}, grid={"activation": ["relu"]}, tune=Tune({"learning_rte": [0.1]}))
