"""Searches: honest scores, the same again with the same seed, and nothing lost or repeated after a kill."""

import json
import math
import shutil

import pytest

import kact
from kact.errors import KactError
from kact.runs import Run
from tests.tuning_runs import BASE, FakeRuns, cheap_accuracy, small_plan, write_run
from tuning.oracles import Resumable
from tuning.plan import TUNERS, Place, claim
from tuning.records import STATUSES, Execution, Trial, best, counts, load_trials
from tuning.search import Tuner

pytestmark = pytest.mark.any_backend
TRIALS = {"random": 7, "bayesian": 6, "hyperband": None, "grid": None}


@pytest.fixture
def fake(monkeypatch):
    runs = FakeRuns()
    monkeypatch.setattr(kact, "run", runs)
    return runs


def plan_of(tuner):
    """Return a plan of this tuner, long enough to be broken off in its middle."""
    return small_plan(tuner, TRIALS[tuner], base=BASE.replace(epochs=9 if tuner == "hyperband" else 2))


def search(plan, project, **rest):
    """Search in this process and return the records of all trials."""
    claim(plan, project)
    Tuner(plan, Place(project), **rest).search()
    return load_trials(project / "search")


def told(trials):
    """Return all of the records that must not depend on kills; seconds may."""
    return [
        (trial.name, dict(trial.settings), trial.asked_epochs, one.seed, one.accuracy, one.loss, one.epochs)
        for trial in trials
        for one in trial.executions
    ]


def test_a_search_trains_for_real_and_says_the_same_again(tmp_path):
    plan = small_plan(trials=2, executions=2)
    first, again = search(plan, tmp_path / "a"), search(plan, tmp_path / "b")
    assert told(first) == told(again)
    assert len({str(one.settings) for one in first}) == 2
    for trial in first:
        assert [one.seed for one in trial.executions] == [0, 1]  # none averaged away
        runs = [Run.load(tmp_path / "a" / one.run) for one in trial.executions]
        for run, one in zip(runs, trial.executions, strict=True):
            assert run.experiment.dropout == trial.settings["dropout"] and run.experiment.seed == one.seed
            rows = [(row["validation_accuracy"], -row["validation_loss"]) for row in run.history]
            assert (one.accuracy, -one.loss) == max(rows)  # the best epoch, by the experiment's own rule
        assert trial.score("accuracy") == sum(one.accuracy for one in trial.executions) / 2
    kerastuner = json.loads((tmp_path / "a" / "search" / "trial_1" / "trial.json").read_text())
    assert kerastuner["status"] == "COMPLETED" and kerastuner["score"] == first[1].score("accuracy")


def test_another_seed_is_another_search(tmp_path, fake):
    plans = [small_plan(base=BASE.replace(seed=seed)) for seed in (0, 1, 2)]
    found = [search(plan, tmp_path / str(plan.base.seed)) for plan in plans]
    assert all(trials[0].settings["learning_rate"] == BASE.learning_rate for trials in found)  # the default is first
    settings = [str(one.settings) for trials in found for one in trials[1:]]
    assert len(set(settings)) == len(settings)  # KerasTuner's own sequences overlap for seeds next to each other
    assert [one.executions[0].seed for one in found[2]] == [2] * 4


def test_hyperband_goes_on_from_its_shorter_runs_to_the_same_scores(tmp_path):
    base = BASE.replace(epochs=3)
    trials = search(small_plan("hyperband", 4, base=base), tmp_path)
    longer = [trial for trial in trials if trial.asked_epochs == 3]
    shorter = [trial for trial in trials if trial.asked_epochs == 1]
    one = next(trial for trial in longer if any(trial.settings == other.settings for other in shorter))
    straight = kact.run(base.replace(**one.settings), out=tmp_path / "straight")
    assert straight.history == Run.load(tmp_path / one.executions[0].run).history


def test_hyperband_continues_runs_unless_the_schedule_forbids_it(tmp_path, fake):
    trials = search(plan_of("hyperband"), tmp_path / "constant")
    promoted = [
        (experiment, path) for experiment, path in zip(fake.asked, fake.continued, strict=True) if path is not None
    ]
    assert len(promoted) == 6 and len(trials) == 23  # the rungs of 9 epochs: 9+3+1, 5+2, 3
    for experiment, path in promoted:
        assert Run.load(path).experiment == experiment.replace(epochs=Run.load(path).experiment.epochs)
    fake.continued.clear()
    plan = small_plan("hyperband", None, base=BASE.replace(epochs=9, schedule="cosine"))
    search(plan, tmp_path / "cosine")
    assert fake.continued == [None] * 23


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_search_killed_anywhere_ends_as_if_nothing_had_happened(tuner, tmp_path, fake, monkeypatch):
    plan = plan_of(tuner)
    undisturbed = search(plan, tmp_path / "undisturbed")
    trained = len(fake.trained)
    real, left = Resumable.save, 0

    def save_or_die(oracle):
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed  # before the oracle's file is replaced, after the trial's
        real(oracle)

    monkeypatch.setattr(Resumable, "save", save_or_die)
    fake.trained.clear()
    for left in (2, 3, 4, 5, 6):  # noqa: B007 - save_or_die counts it down
        with pytest.raises(Killed):
            search(plan, tmp_path / "killed")
    left = 0
    again = search(plan, tmp_path / "killed")
    assert told(again) == told(undisturbed)
    assert len(fake.trained) == trained  # nothing was trained twice
    state = json.loads((tmp_path / "killed" / "search" / "oracle.json").read_text())
    assert sorted(state["end_order"]) == sorted(state["start_order"]) == [one.name for one in again]


def test_a_search_killed_in_a_run_takes_it_up(tmp_path, fake):
    plan = small_plan()
    whole = search(plan, tmp_path / "whole")
    rate = whole[2].settings["learning_rate"]
    fake.fail = lambda experiment: Killed() if experiment.learning_rate == rate else None
    with pytest.raises(Killed):
        search(plan, tmp_path / "broken")
    assert len(load_trials(tmp_path / "broken" / "search")) == 2
    fake.fail = lambda experiment: None
    assert told(search(plan, tmp_path / "broken")) == told(whole)


def test_a_finished_search_is_not_made_again(tmp_path, fake):
    first = search(small_plan(), tmp_path)
    fake.asked.clear()
    assert search(small_plan(), tmp_path) == first and fake.asked == []


def test_trials_that_diverge_late_or_fail_are_counted_and_never_chosen(tmp_path, fake):
    fake.score = lambda experiment: None if experiment.dropout > 0.3 else cheap_accuracy(experiment)
    fake.fail = lambda experiment: KactError("No such kernel.") if experiment.dropout < 0.1 else None
    trials = search(small_plan(trials=12), tmp_path)
    by_status = {status: [one for one in trials if one.status == status] for status in STATUSES}
    assert all(by_status.values())
    late = by_status["diverged"][0]
    assert late.executions[0].accuracy == 0.99  # better than all the others, before it diverged
    assert late.error == "the loss stopped being a number in epoch 2" and math.isnan(late.score("accuracy"))
    assert by_status["failed"][0].error == "No such kernel."
    chosen = best(trials, "accuracy")
    assert chosen.score("accuracy") == max(one.score("accuracy") for one in by_status["finished"])
    assert counts(trials) == "12 trials: " + ", ".join(f"{len(them)} {status}" for status, them in by_status.items())
    for one in trials:
        stored = json.loads((tmp_path / "search" / f"trial_{one.name}" / "trial.json").read_text())
        assert stored["status"] == ("COMPLETED" if one.status == "finished" else "FAILED")


def test_one_execution_that_diverges_is_enough(tmp_path, fake):
    fake.score = lambda experiment: None if experiment.seed == 1 else 0.9
    trials = search(small_plan(trials=2, executions=3), tmp_path)
    assert [one.status for one in trials] == ["diverged"] * 2 and best(trials, "accuracy") is None
    assert [len(one.executions) for one in trials] == [2, 2]  # the third could not save it


def test_an_exception_of_a_library_is_one_trials_failure(tmp_path, fake, capsys):
    fake.fail = lambda experiment: RuntimeError("a kernel failed") if experiment.dropout > 0.3 else None
    trials = search(small_plan(trials=6), tmp_path)
    assert {one.error for one in trials} == {"", "RuntimeError: a kernel failed"}
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_stops_the_search_and_fails_no_trial(tmp_path, fake):
    def full(experiment):
        error = KactError("Cannot write 'runs': No space left on device.", "Free some space.")
        error.__cause__ = OSError("No space left on device")
        return error if len(fake.trained) == 2 else None

    fake.fail = full
    with pytest.raises(KactError, match="No space left"):
        search(small_plan(), tmp_path)
    fake.fail = lambda experiment: None
    assert [one.status for one in search(small_plan(), tmp_path)] == ["finished"] * 4


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.")]
)
def test_a_machine_without_memory_stops_the_search_and_fails_no_trial(tmp_path, fake, error):
    fake.fail = lambda experiment: error if len(fake.trained) == 2 else None
    with pytest.raises(KactError, match=r"No memory is left\.\nEnd other programs"):
        search(small_plan(), tmp_path)
    fake.fail = lambda experiment: None
    assert [one.status for one in search(small_plan(), tmp_path)] == ["finished"] * 4


def test_a_network_too_large_for_a_gpu_fails_its_trial_alone(tmp_path, fake):
    error = RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    fake.fail = lambda experiment: error if len(fake.trained) == 2 else None
    statuses = [one.status for one in search(small_plan(), tmp_path)]
    assert statuses.count("failed") == 2 and statuses.count("finished") == 2


@pytest.mark.parametrize("name", ["oracle.json", "trial_1/trial.json", "trial_1/executions.json"])
@pytest.mark.parametrize("content", ["", "{}", '{"start_order": 3}', "[1]"])
def test_a_corrupt_file_is_named_with_how_to_go_on(name, content, tmp_path, fake):
    plan = small_plan()
    whole = search(plan, tmp_path)
    (tmp_path / "search" / name).write_text(content)
    with pytest.raises(KactError, match=r"Delete the folder") as found:
        search(plan, tmp_path)
    assert name in str(found.value)
    shutil.rmtree(tmp_path / "search")  # as it says
    fake.trained.clear()
    assert told(search(plan, tmp_path)) == told(whole) and fake.trained == []


def test_a_damaged_plan_is_named_and_its_remedy_works(tmp_path, fake):
    plan = small_plan()
    whole = search(plan, tmp_path)
    (tmp_path / "search.toml").write_text((tmp_path / "search.toml").read_text().replace("trials = 4", "trials = 5"))
    with pytest.raises(KactError, match=r"(?s)search\.toml' is damaged: its checksum.*Delete it and the folder"):
        claim(plan, tmp_path)
    (tmp_path / "search.toml").unlink()
    shutil.rmtree(tmp_path / "search")
    fake.trained.clear()
    assert told(search(plan, tmp_path)) == told(whole) and fake.trained == []


@pytest.mark.parametrize("name", ["oracle.json", "trial_1/trial.json", "trial_1/executions.json"])
def test_no_changed_score_of_a_search_is_believed(name, tmp_path, fake):
    search(small_plan(), tmp_path)
    file = tmp_path / "search" / name
    whole = file.read_text()
    place = max(i for i, mark in enumerate(whole) if mark.isdigit())
    file.write_text(whole[:place] + str((int(whole[place]) + 1) % 10) + whole[place + 1 :])
    with pytest.raises(KactError, match="checksum does not fit"):
        search(small_plan(), tmp_path)


def test_a_missing_trial_file_is_named(tmp_path, fake):
    search(small_plan(), tmp_path)
    (tmp_path / "search" / "trial_2" / "trial.json").unlink()
    with pytest.raises(KactError, match=r"trial_2.*damaged"):
        search(small_plan(), tmp_path)


def test_bayesian_optimisation_spends_its_trials_near_the_best(tmp_path, fake):
    plan = small_plan("bayesian", 10)
    trials = search(plan, tmp_path)
    first, last = trials[:4], trials[4:]
    assert max(one.score("accuracy") for one in last) > max(one.score("accuracy") for one in first)
    assert len({str(one.settings) for one in trials}) == 10  # no point twice


def test_a_grid_is_gone_through_once_and_whole(tmp_path, fake):
    plan = small_plan("grid", None, ranges={"l2": {"points": 2}, "batch_norm": {}})
    trials = search(plan, tmp_path)
    assert plan.most_trials == len(trials) == 3 * 3 * 3 * 2 == len({str(one.settings) for one in trials})
    assert [one.settings["batch_norm"] for one in trials[:4]] == [False, True, False, True]


def test_what_is_monitored_decides(tmp_path, fake):
    trials = search(small_plan(base=BASE.replace(monitor="loss")), tmp_path)
    state = json.loads((tmp_path / "search" / "trial_0" / "trial.json").read_text())
    assert state["score"] == trials[0].score("loss") and state["metrics"]["metrics"]["score"]["direction"] == "min"
    assert best(trials, "loss") == min(trials, key=lambda one: one.score("loss"))


def test_of_equal_accuracies_the_lower_loss_and_only_the_longest_runs():
    def trial(name, accuracy, loss, epochs=3):
        return Trial(name, {}, epochs, (Execution(0, "finished", accuracy=accuracy, loss=loss),))

    trials = [trial("0", 0.9, 0.5), trial("1", 0.9, 0.4), trial("2", 0.9, 0.4), trial("3", 0.95, 0.1, epochs=1)]
    assert best(trials, "accuracy").name == "1"


def test_a_run_is_recorded_without_a_look_at_its_test_score(tmp_path):
    write_run(tmp_path / "runs" / "one", BASE, 0.8)
    run = Run.load(tmp_path / "runs" / "one")
    del run.metrics["test"]
    assert Execution.of(run, tmp_path) == Execution(0, "finished", 0.8, pytest.approx(0.2), 2, 2, 0.2, "runs/one")
