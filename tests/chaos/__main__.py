"""Chaos: `python -m tests.chaos --seed 0` lets faults befall kact's commands, and tells of each promise that breaks.

`--short` is what `make test` runs, in seconds; the whole is `make chaos`, which writes its table into a page.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

# Before anything is imported that reads them; no accelerator, as no process may be forked off one that uses it.
os.environ.update(KERAS_BACKEND="torch", OMP_NUM_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

from tests.chaos import siege, table
from tests.chaos.disk import Disk


def main():
    """Make all attempts, and return 1 if a promise broke."""
    flags = argparse.ArgumentParser(prog="python -m tests.chaos")
    flags.add_argument("--seed", type=int, default=0)
    flags.add_argument("--short", action="store_true", help="the form of `make test`")
    flags.add_argument("--only", default="", help="a command, or a command and a fault: train, study:SIGKILL")
    flags.add_argument("--page", type=Path, help="where the table of a whole siege goes")
    flags.add_argument("--results", type=Path, help="a JSON file of all attempts; those in it are not made again")
    given = flags.parse_args()
    scratch = _scratch()
    disk = Disk(scratch / "disk")
    try:
        command, _, fault = given.only.partition(":")
        plan = siege.SHORT if given.short else siege.LONG
        attempts = siege.Siege(given.seed, scratch, disk, plan, given.results).run(command, fault)
    finally:
        disk.close()
        shutil.rmtree(scratch, ignore_errors=True)
    broken = sum(bool(one.broken) for one in attempts)
    seeds = ", ".join(str(seed) for seed in sorted({one.seed for one in attempts}))
    about = [
        f"{len(attempts)} faults, {broken} promises broken; seed {seeds}, Python {platform.python_version()}, torch.",
        f"Full disk: {disk.how_full}. Read-only: {disk.how_read_only}.",
    ]
    text = table.markdown(attempts, about)
    print(text)
    if given.page is not None and not given.only:
        table.put_into(given.page, "chaos", text)
    return int(broken > 0)


def _scratch():
    """Return a folder for all that this leaves, in which other users may write too."""
    scratch = Path(tempfile.mkdtemp(prefix="chaos-"))
    os.chmod(scratch, 0o755)
    for name in ("output", "disk", "matplotlib", "tmp"):
        (scratch / name).mkdir()
        os.chmod(scratch / name, 0o777)
    os.environ.update(CHAOS_SCRATCH=str(scratch / "output"), MPLCONFIGDIR=str(scratch / "matplotlib"))
    os.environ["GIT_DIR"] = str(scratch / "none")  # reports name the commit, which not every user may ask for
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch / "tmp")
    return scratch


if __name__ == "__main__":
    sys.exit(main())
