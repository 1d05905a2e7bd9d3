"""Chief and workers as processes: killed in turn they come back, and the search is as if nothing had happened."""

import functools
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kact.errors import KactError
from kact.experiment import Experiment
from tests.tuning_children import die, die_once, give_up
from tests.tuning_runs import BASE
from tuning.distributed import free_port
from tuning.records import best, load_trials
from tuning.workers import Child, supervise

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]
ROOT = Path(__file__).parents[1]
TRIALS = 5
PATIENCE_SECONDS = 900  # of a machine that is busy with other things


def start(base, project, *flags, **variables):
    """Start a search of a few small trials as a process of its own."""
    command = [sys.executable, "-m", "tuning", "--config", str(base), "--tuner", "random", "--trials", str(TRIALS)]
    fixed = ["--search", "learning_rate", "dropout", "--final-seeds", "1", "--project", str(project)]
    return subprocess.Popen(
        [*command, *fixed, *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "torch", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    )


def processes(project):
    """Return name to process id of all children of a search: its chief, its workers, the runs of its end.

    Each prints into a log of its own name.
    """
    found = {}
    for entry in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            log = entry.readlink()
        except OSError:
            continue
        if log.parent == project / "logs":
            found[log.stem] = int(entry.parts[2])
    return found


def until(condition, what):
    """Wait for something to become true, and return it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited for ever for {what}")


def ended(process):
    """Wait for a search to end well, and return what it said."""
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    return said


def outcome(project):
    """Return the trials as a set, and the best of them."""
    trials = load_trials(project / "search")
    scores = {(str(dict(one.settings)), one.score("accuracy"), one.score("loss")) for one in trials}
    return scores, best(trials, "accuracy").settings, Experiment.load(project / "best.toml")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "base.toml"
    path.write_text(BASE.replace(epochs=6).to_toml())
    return path


@pytest.fixture(scope="module")
def undisturbed(base, tmp_path_factory):
    project = tmp_path_factory.mktemp("searches") / "undisturbed"
    ended(start(base, project))
    return outcome(project)


@pytest.mark.slow
def test_search_worker_and_chief_may_be_killed_in_turn(base, undisturbed, tmp_path):
    project = tmp_path / "killed"
    records = lambda: len(load_trials(project / "search")) if project.exists() else 0  # noqa: E731
    search = start(base, project, "--workers", "2")
    until(lambda: records() >= 1, "the first trial")
    first = processes(project)
    os.kill(first["tuner1"], signal.SIGSTOP)  # so that the search does not end while the others come back
    os.kill(first["tuner0"], signal.SIGKILL)
    until(lambda: processes(project).get("tuner0", first["tuner0"]) != first["tuner0"], "a worker of the same name")
    os.kill(first["chief"], signal.SIGKILL)
    until(lambda: processes(project).get("chief", first["chief"]) != first["chief"], "another chief")
    os.kill(first["tuner1"], signal.SIGCONT)
    until(lambda: records() >= 2, "a trial after that")
    search.kill()
    search.communicate()
    until(lambda: not processes(project), "the children to follow their parent")
    before = {path.parent.name: path.stat().st_mtime_ns for path in project.glob("runs/*/metrics.json")}
    said = ended(start(base, project, "--workers", "2"))
    assert outcome(project) == undisturbed
    assert f"{TRIALS} trials: {TRIALS} finished" in said
    after = {path.parent.name: path.stat().st_mtime_ns for path in project.glob("runs/*/metrics.json")}
    assert before.items() <= after.items()  # no finished run was made again
    assert not processes(project)


@pytest.mark.slow
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM])
def test_nobody_is_left_behind_when_the_search_is_stopped(blow, base, tmp_path):
    project = tmp_path / "stopped"
    search = start(base, project, "--workers", "2")
    until(lambda: set(processes(project)) == {"chief", "tuner0", "tuner1"}, "chief and workers")
    search.send_signal(blow)
    said, _ = search.communicate(timeout=PATIENCE_SECONDS)
    assert search.returncode == 130 and "Traceback" not in said, said
    until(lambda: not processes(project), "a child that had only just begun")


@pytest.mark.slow
def test_machines_that_share_a_directory_make_the_same_search(base, undisturbed, tmp_path):
    project = tmp_path / "machines"
    address = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(free_port())}
    workers = [start(base, project, **address, KERASTUNER_TUNER_ID=name) for name in ("left", "right")]
    chief = start(base, project, **address, KERASTUNER_TUNER_ID="chief")
    assert "runs no trial itself" in ended(chief)
    told = "".join(ended(worker) for worker in workers)
    assert told.count("accuracy") == TRIALS
    said = ended(start(base, project))  # trains the best again, and reports
    assert f"{TRIALS} are done" in said and outcome(project) == undisturbed


def test_a_process_that_dies_is_started_again_and_one_that_gives_up_is_not(tmp_path):
    mark = tmp_path / "mark"
    supervise([Child("once", functools.partial(die_once, mark))], tmp_path, lambda: 0)
    assert mark.exists()
    with pytest.raises(KactError, match=r"The search's lost cannot go on: No such data\."):
        supervise([Child("lost", give_up)], tmp_path, lambda: 0)
    with pytest.raises(KactError, match="cannot go on"):
        supervise([Child("ever", die)], tmp_path, lambda: 0)


@pytest.mark.parametrize("killed", ["parent", "nursery"])
def test_a_child_ends_when_its_parent_is_killed_and_is_replaced_when_the_nursery_is(killed, tmp_path):
    logs = tmp_path / "logs"
    parent = (
        "import pathlib; from tests.tuning_children import sleep; from tuning.workers import Child, supervise\n"
        f"supervise([Child('one', sleep)], pathlib.Path({str(logs)!r}), lambda: 0)"
    )
    running = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    first = until(lambda: processes(tmp_path), "the child")["one"]
    if killed == "nursery":
        status = Path(f"/proc/{first}/status").read_text()
        os.kill(int(status.split("PPid:")[1].split()[0]), signal.SIGKILL)
        until(lambda: processes(tmp_path).get("one", first) != first, "another child")
        until(lambda: not Path(f"/proc/{first}").exists(), "the first one to end")
    running.kill()
    running.wait()
    until(lambda: not processes(tmp_path), "the child to end")


NURSERY = """
import importlib.util, sys, threading
from pathlib import Path
import tuning.nursery
import keras
names = [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
assert [name for name in names if not name.startswith("jemalloc")] == names[:1], names  # pyarrow's sees to forks itself
keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(sys.argv[1])
assert "tensorflow" not in sys.modules
print("whole" if importlib.util.find_spec("tensorflow") else "not installed")
"""


def test_the_nursery_starts_no_thread_and_does_without_tensorflow(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", NURSERY, str(tmp_path / "model.keras")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == ("whole" if importlib.util.find_spec("tensorflow") else "not installed")
