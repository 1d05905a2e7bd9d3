"""A long run: hundreds of small runs in one study, and whether memory, file handles, disk and time a run stay flat.

`python -m benchmarks.long_run` makes 500 runs (digits, a net of 8 units, 1 epoch) on 2 workers, looks at its processes
once a second, and prints a line for every 50 runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from kact.studies.directory import StudyDirectory

STUDY = """title = "A long run of small runs"
compare = "activation"
seeds = {seeds}
[base]
task = "digits"
epochs = 1
train_examples = 200
"model.hidden_units" = [8]
[grid]
activation = ["relu", "mish"]
"""
MEGABYTE = 1 << 20


@dataclass
class Sample:
    """What was seen at one moment.

    Attributes:
        seconds: since the start.
        runs: that are done.
        chief_bytes, worker_bytes: resident memory of the study's own process, and of its largest worker.
        handles: open files of the process that has most of them.
        threads: of the process that has most of them.
    """

    seconds: float
    runs: int
    chief_bytes: int
    worker_bytes: int
    handles: int
    threads: int


@dataclass
class Watch:
    """Looks at a study while it runs.

    Args:
        process: the study's own.
        directory: of the study.
    """

    process: subprocess.Popen[bytes]
    directory: StudyDirectory
    began: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list)

    def look(self) -> None:
        """Take a sample, unless the study is over or has no worker yet."""
        chief = self.process.pid
        workers = [one for one in _children(chief) if b"spawn_main" in _read(one, "cmdline")]
        everyone = [chief, *workers]
        if not workers:
            return
        self.samples.append(
            Sample(
                time.monotonic() - self.began,
                len(self.directory.table.statuses()),
                _resident(chief),
                max(_resident(one) for one in workers),
                max(_count(one, "fd") for one in everyone),
                max(_count(one, "task") for one in everyone),
            )
        )

    def at(self, runs: int) -> Sample:
        """Return the first sample with so many runs done, or the last one."""
        return next((one for one in self.samples if one.runs >= runs), self.samples[-1])


def main() -> int:
    """Run the study, and print how it went."""
    flags = argparse.ArgumentParser(prog="python -m benchmarks.long_run")
    flags.add_argument("--runs", type=int, default=500)
    flags.add_argument("--workers", type=int, default=2)
    flags.add_argument("--page", type=Path, help="where the table goes")
    given = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = long_run(Path(folder), given.runs, given.workers)
    print(text)
    if given.page is not None:
        from tests.chaos.table import put_into

        put_into(given.page, "long run", text)
    return 0


def long_run(folder: Path, runs: int, workers: int) -> str:
    """Return the figures of a study of so many runs, as Markdown."""
    (folder / "long.toml").write_text(STUDY.format(seeds=runs // 2))
    directory = StudyDirectory(folder / "study")
    command = ["-m", "kact", "study", "run", "long.toml", "--out", "study", "--workers", str(workers), "--quiet"]
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen([sys.executable, *command], cwd=folder, env=environment)
    watch, disk = Watch(process, directory), {}
    while process.poll() is None:
        watch.look()
        disk[watch.samples[-1].runs if watch.samples else 0] = _size(directory.path)
        time.sleep(1.0)
    if process.returncode or len(directory.table.rows()) != runs:
        raise RuntimeError(f"the study ended with code {process.returncode}")
    disk[runs] = _size(directory.path)
    return _table(watch, disk, runs, workers)


def _table(watch: Watch, disk: dict[int, int], runs: int, workers: int) -> str:
    step = max(runs // 10, 1)
    lines = [
        "| runs done | seconds a run | study's process, MB | largest worker, MB | most open files | most threads "
        "| disk a run, kB |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    before = watch.at(1)
    for done in range(step, runs + 1, step):
        now = watch.at(done)
        space = disk[min((one for one in disk if one >= done), default=runs)]
        pace = (now.seconds - before.seconds) / max(now.runs - before.runs, 1)
        lines.append(
            f"| {now.runs} | {pace:.2f} | {now.chief_bytes / MEGABYTE:.0f} | {now.worker_bytes / MEGABYTE:.0f} "
            f"| {now.handles} | {now.threads} | {space / max(now.runs, 1) / 1000:.1f} |"
        )
        before = now
    first, last = watch.at(runs // 5), watch.samples[-1]
    between = max(last.runs - first.runs, 1)
    grown = (last.worker_bytes - first.worker_bytes) / between / 1000
    grown_chief = (last.chief_bytes - first.chief_bytes) / between / 1000
    about = (
        f"{runs} runs on {workers} workers in {last.seconds:.0f} s. From run {first.runs} to run {last.runs} the "
        f"largest worker grew by {grown:.1f} kB a run, the study's own process by {grown_chief:.1f} kB a run, and the "
        f"open files by {last.handles - first.handles} in all."
    )
    return "\n".join([about, "", *lines])


def _children(process_id: int) -> list[int]:
    return [int(one) for one in _read(process_id, f"task/{process_id}/children").split()]


def _read(process_id: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{process_id}/{name}").read_bytes()
    except OSError:  # it has just ended
        return b""


def _resident(process_id: int) -> int:
    fields = _read(process_id, "statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def _count(process_id: int, name: str) -> int:
    try:
        return len(os.listdir(f"/proc/{process_id}/{name}"))
    except OSError:
        return 0


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except OSError:  # a temporary file that has just gone
            continue
    return total


if __name__ == "__main__":
    sys.exit(main())
