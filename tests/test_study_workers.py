"""Workers: a process that dies takes no run with it, and none outlives the study; killed anywhere, it all comes out."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from kact.studies.directory import StudyDirectory
from kact.studies.job import Job
from kact.studies.workers import WorkerPool
from tests.studies import Notes, results, run_study, small_study

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds its processes in /proc"),
]

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 400


def wait_until(true, what):
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def alive(process_id):
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def workers_of(process_id):
    """Return the worker processes of a study's process: its children but for the one that tracks resources."""
    try:
        children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
        return [int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def test_a_worker_that_is_killed_is_replaced_and_its_run_begun_again(tmp_path):
    study = small_study(tmp_path, seeds=2, activations=("relu",), epochs=2)
    pool, killed = WorkerPool(1, tmp_path / "log"), []

    class KillFirst(Notes):
        def epochs_done(self, epochs):
            if not killed:
                killed.extend(pool.process_ids)
                os.kill(pool.process_ids[0], signal.SIGKILL)

    notes = KillFirst()
    try:
        rows = run_study(study, tmp_path / "out", pool, notes)
        assert [row.status for row in rows] == ["finished"] * 2 and sorted(row.attempts for row in rows) == [1, 2]
        assert notes.lost == ["Its worker process was killed by SIGKILL (out of memory?)."]
        assert pool.process_ids != killed and len(pool.process_ids) == 1, "one worker did the rest"
        ended = pool.process_ids
    finally:
        pool.close()
    assert all_dead(ended)
    assert results(rows) == results(run_study(study, tmp_path / "here")), "as in this process"


def test_after_a_run_that_failed_the_next_begins_in_another_process(tmp_path, capfd):
    pool = WorkerPool(1, tmp_path / "nowhere" / "log")  # which cannot be written
    job = Job(next(small_study(tmp_path).experiments("compare"))[1].replace(train_examples=50_000), str(tmp_path))
    try:
        pool.submit(job)
        first = pool.process_ids
        (event,) = until_told(pool)
        assert event.outcome.status == "failed" and "train_examples" in event.outcome.error
        assert pool.free == 1 and pool.process_ids == [] and all_dead(first)
    finally:
        pool.close()
    assert "Traceback" not in capfd.readouterr().err


def until_told(pool):
    while not (events := [event for event in pool.events(1.0) if event.kind != "epoch"]):
        pass
    return events


def test_a_worker_has_one_thread_and_leaves_this_process_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    pool = WorkerPool(1)
    try:
        pool.submit(Job(next(small_study(tmp_path).experiments("compare"))[1], str(tmp_path), prepare=True))
        started = Path(f"/proc/{pool.process_ids[0]}/environ")
        wait_until(lambda: b"OMP_NUM_THREADS" in started.read_bytes(), "its start")
        assert b"OMP_NUM_THREADS=1" in started.read_bytes().split(b"\0") and os.environ["OMP_NUM_THREADS"] == "7"
        assert pool.free == 0
    finally:
        pool.close()


def all_dead(process_ids):
    return not any(alive(one) for one in process_ids)


def has_come_to(process, directory, rows, worker):
    """Return whether a study has so many rows, and a worker if there must be one; or has ended."""
    ready = len(directory.table.rows()) >= rows and (not worker or workers_of(process.pid))
    return ready or process.poll() is not None


def begin(tmp_path):
    command = [sys.executable, "-m", "kact", "study", "run", str(tmp_path / "small.toml"), "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open(tmp_path / "printed", "ab") as printed:
        return subprocess.Popen(
            [*command, "--out", str(tmp_path / "out")], stdout=printed, stderr=printed, env=environment
        )


def test_a_signal_ends_a_study_quickly_with_what_to_type_next(tmp_path):
    study = small_study(tmp_path, seeds=30)
    directory = StudyDirectory(tmp_path / "out")
    process = begin(tmp_path)
    wait_until(lambda: len(directory.table.rows()) >= 1, "the first row")
    workers = workers_of(process.pid)
    assert workers
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 130
    wait_until(partial(all_dead, workers), "the workers to end")
    printed = (tmp_path / "printed").read_text()
    assert "runs are safe. Go on with:\n  kact study run" in printed and "Traceback" not in printed
    done = len(directory.table.rows())
    assert f"Stopped; {done} of 60 runs" in printed
    assert study.run_count("compare") == 60 and not directory.is_running()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_ten_times_a_study_ends_as_if_nothing_had_happened(tmp_path):
    study = small_study(tmp_path, seeds=4, activations=("relu", "mish"), tune=True, epochs=2)
    directory, kills = StudyDirectory(tmp_path / "out"), []
    dice = random.Random(0)
    process = begin(tmp_path)
    for kind in ["parent", "worker"] * 5:
        rows = len(directory.table.rows())
        # At once, somewhere in its start, or somewhere in the next run.
        begun = rows + dice.choice([0, 0, 1])
        wait_until(partial(has_come_to, process, directory, begun, kind == "worker"), "a row, or a worker")
        time.sleep(dice.uniform(0.0, 1.5))
        workers = workers_of(process.pid)
        if process.poll() is not None or (kind == "worker" and not workers):
            break
        os.kill(process.pid if kind == "parent" else workers[0], signal.SIGKILL)
        kills.append(kind)
        if kind == "parent":
            process.wait()
            wait_until(partial(all_dead, workers), "the workers to follow")
            process = begin(tmp_path)
    printed = (tmp_path / "printed").read_text()
    assert len(kills) == 10, f"it ended before it was killed ten times\n{printed}"
    assert process.wait(PATIENCE_SECONDS) == 0, printed
    assert "Traceback" not in printed
    rows = directory.table.rows()
    assert len(rows) == study.run_count("tune") + study.run_count("compare") == 12
    assert len(list(directory.runs.iterdir())) == 12, "no run was made that has no row"
    assert results(rows) == results(run_study(study, tmp_path / "undisturbed"))


def test_a_study_in_a_process_that_is_gone_leaves_no_worker(tmp_path):
    small_study(tmp_path, seeds=30)
    process = begin(tmp_path)
    wait_until(lambda: workers_of(process.pid), "a worker")
    workers = workers_of(process.pid)
    process.kill()
    process.wait()
    wait_until(partial(all_dead, workers), "the workers to follow")
    assert multiprocessing.active_children() == []
