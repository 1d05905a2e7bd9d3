"""`kact study`: list, show, run, status, stop, export and merge studies."""

import shlex
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from kact import backend
from kact.errors import KactError, nearest
from kact.flags import Flag, call
from kact.spec import choose
from kact.studies.directory import StudyDirectory
from kact.studies.row import STAGES, STATUSES
from kact.studies.running import all_failed, ending, run_study, worker_count
from kact.studies.study import Study

USAGE = """usage: kact study COMMAND ...

Train a grid of experiments with several seeds to its end, whatever happens on the way. Bundled studies repeat published
ones; a TOML file makes one of your own (docs/studies.md).

commands:
  list       the bundled studies
  show       a study's cells, runs, and by a short probe the time and the disk that it will take
  run        run it, or whatever of it is missing; `--quick` in minutes, to see it work
  status     how far it is, also while it runs
  stop       stop it; what is done stays, and `run` goes on
  export     its results as CSV or Parquet
  merge      join the parts that machines made with `run --shard`

`kact study COMMAND --help` says more of each. Start with: kact study run digits-activations --quick
"""

_CONFIRM_ABOVE = 10_000  # runs
_ONLY = "these cells, such as activation=relu activation=elu"


def main(arguments: list[str]) -> int:
    """Run one `kact study` command and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    name = choose(arguments[0], _COMMANDS, {}, "study command", "See them with `kact study --help`.")
    return _COMMANDS[name](arguments[1:])


def _list(arguments: list[str]) -> int:
    def list_() -> int:
        """Show the bundled studies."""
        from kact.describe import print_table
        from kact.studies.study_file import load_study, study_names

        studies = sorted((load_study(name) for name in study_names()), key=lambda one: (not one.study, one.study))
        rows = [(one.name, one.study, str(sum(one.run_count(stage) for stage in STAGES)), one.title) for one in studies]
        print_table(("study", "number", "runs", "what"), rows)
        return 0

    return call(list_, arguments, "kact study list")


def _show(arguments: list[str]) -> int:
    def show(
        name: Annotated[str, Flag("a bundled study, or a TOML file", "NAME", positional=True)],
        quick: Annotated[bool, Flag("its quick form")] = False,
        only: Annotated[tuple[str, ...], Flag(_ONLY, "FACTOR=VALUE ...")] = (),
        probe: Annotated[bool, Flag("train no few steps of each network, by which time and disk are estimated")] = True,
        workers: Annotated[int | None, Flag("to estimate for; as many as CPU cores unless said")] = None,
    ) -> int:
        """Show what a study is, how many runs it has, and what it will cost."""
        from kact.studies.selection import Selection
        from kact.studies.show import describe, estimate_in_words
        from kact.studies.study_file import load_study
        from kact.wording import counted

        study = load_study(name, quick)
        selection = Selection.parse(study, only)
        print(describe(study))
        if only:
            print(f"of these {' '.join(only)}: {counted(selection.run_count(study), 'run')}")
        if probe:
            from kact.processes import one_thread
            from kact.startup import spare_tensorflow
            from kact.studies.probe import estimate

            with one_thread():  # as a worker trains
                spare_tensorflow()
                print(estimate_in_words(estimate(study, selection), worker_count(workers)))
        return 0

    return call(show, arguments, "kact study show")


def _run(arguments: list[str]) -> int:
    def run(
        name: Annotated[str, Flag("a bundled study, or a TOML file", "NAME", positional=True)],
        quick: Annotated[bool, Flag("its quick form: minutes, and proves nothing")] = False,
        out: Annotated[str | None, Flag("runs/NAME unless said; quick: runs/NAME-quick", "DIR")] = None,
        seeds: Annotated[int | None, Flag("compare with so many seeds, from 0")] = None,
        workers: Annotated[int | None, Flag("processes; as many as CPU cores unless said")] = None,
        only: Annotated[tuple[str, ...], Flag(_ONLY, "FACTOR=VALUE ...")] = (),
        shard: Annotated[str, Flag("run one part of all, such as 2/5", "N/COUNT")] = "1/1",
        cluster: Annotated[str | None, Flag("run on this Ray cluster; the directory must be shared", "ADDRESS")] = None,
        device: Annotated[str, Flag("auto, cpu or cuda")] = "auto",
        track: Annotated[
            str | None, Flag("log every run with tensorboard, trackio or wandb too, on this machine")
        ] = None,
        retry_failed: Annotated[bool, Flag("try recorded failures again")] = False,
        yes: Annotated[bool, Flag(f"do not ask before more than {_CONFIRM_ABOVE:,} runs")] = False,
        quiet: Annotated[bool, Flag("print the last line only")] = False,
    ) -> int:
        """Run a study, or whatever of it is missing. Ctrl-C stops it; the same command goes on.

        Where every run failed, the exit code is 1.
        """
        from kact.studies.selection import Selection
        from kact.studies.shard import Shard
        from kact.studies.study_file import load_study
        from kact.training.tracking import check_tracker

        study, part = load_study(name, quick), Shard.parse(shard)
        if seeds is not None:
            study = study.replace(seeds=seeds)
        selection = Selection.parse(study, only)
        choose(device, backend.DEVICES, {}, "device")
        if track is not None:
            check_tracker(track)
        _confirm(-(-selection.run_count(study) // part.count), yes)
        directory = StudyDirectory(Path(out) if out is not None else _default_directory(study))
        settings = {"shard": part, "selection": selection, "device": device, "track": track}
        command = shlex.join(["kact", "study", "run", *arguments])
        count = run_study(
            study, directory, command, workers, cluster=cluster, quiet=quiet, retry_failed=retry_failed, **settings
        )
        print(ending(directory, study, count) + f"\nnext kact report {directory.path}" * (not all_failed(count)))
        return int(all_failed(count))

    return call(run, arguments, "kact study run")


def _status(arguments: list[str]) -> int:
    def status(
        name: Annotated[str, Flag("a study that was begun, or its directory", "NAME", positional=True)],
    ) -> int:
        """Show how far a study is: runs finished, diverged, failed and missing, and the errors."""
        directory = _found(name)
        study, rows = directory.study(), directory.rows()
        print(f"{directory.path}: {study.title or study.name}{', quick form' if study.quick else ''}")
        for stage in STAGES:
            count = Counter(row.status for row in rows if row.stage == stage)
            if whole := study.run_count(stage):
                said = ", ".join(f"{count[one]} {one}" for one in STATUSES if count[one]) or "none finished"
                print(f"{stage:8} {said}, {whole - count.total()} of {whole} missing")
        for row in rows:
            if row.status == "failed":
                print(f"failed   {row.path} after {row.attempts} attempts: {' '.join(row.error.splitlines())}")
        print("running" if directory.is_running() else "not running")
        return 0

    return call(status, arguments, "kact study status")


def _stop(arguments: list[str]) -> int:
    def stop(
        name: Annotated[str, Flag("a study that runs, or its directory", "NAME", positional=True)],
    ) -> int:
        """Stop a study, here or on another machine that shares its directory. `kact study run` goes on."""
        directory = _found(name)
        print(f"{directory.path}: " + ("stopped." if directory.ask_to_stop() else "it was not running."))
        return 0

    return call(stop, arguments, "kact study stop")


def _export(arguments: list[str]) -> int:
    def export(
        name: Annotated[str, Flag("a study that was begun, or its directory", "NAME", positional=True)],
        out: Annotated[str | None, Flag(".csv or .parquet; results.csv beside the table unless said", "FILE")] = None,
        epochs: Annotated[bool, Flag("a line an epoch in place of a line a run")] = False,
    ) -> int:
        """Write a study's results as one flat table."""
        from kact.studies.flat import write

        directory = _found(name)
        target = Path(out) if out is not None else directory.path / ("epochs.csv" if epochs else "results.csv")
        print(f"{target}  ({write(directory.rows(), target, epochs):,} rows)")
        return 0

    return call(export, arguments, "kact study export")


def _merge(arguments: list[str]) -> int:
    def merge(
        out: Annotated[str, Flag("directory of the whole study", "OUT", positional=True)],
        parts: Annotated[tuple[str, ...], Flag("directories of its parts", "DIR ...", positional=True)],
    ) -> int:
        """Join the parts of a study that several machines made with `--shard`; what is there already stays."""
        from kact.studies.merge import merge_studies

        added = merge_studies(Path(out), [Path(part) for part in parts])
        print(f"{out}  ({added:,} runs added; `kact study run` with --out {out} does what is still missing)")
        return 0

    return call(merge, arguments, "kact study merge")


def _confirm(runs: int, yes: bool) -> None:
    """Ask before a study that somebody may not have meant.

    Raises:
        KactError: if the answer is no, or nobody can be asked.
    """
    if runs <= _CONFIRM_ABOVE or yes:
        return
    if not sys.stdin.isatty():
        raise KactError(f"This study has {runs:,} runs, and nobody can be asked whether that is meant.", "Add --yes.")
    if input(f"This study has {runs:,} runs. Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise KactError(f"Nothing was run of the {runs:,} runs.", "Take values out of its grid, or answer y.")


def _default_directory(study: Study) -> Path:
    return Path("runs") / (f"{study.name}-quick" if study.quick else study.name)


def _found(name: str) -> StudyDirectory:
    """Return the directory of a study that was begun: as given, or below runs/."""
    runs = Path("runs")
    for path in (Path(name), runs / name):
        if (path / "study.toml").is_file():
            return StudyDirectory(path)
    known = [file.parent.name for file in sorted(runs.glob("*/study.toml"))]
    guess = f"{name}-quick" if f"{name}-quick" in known else nearest(name, known)
    meant = f" Did you mean {guess!r}?" if guess else ""
    raise KactError(
        f"No study was begun in '{name}' or 'runs/{name}'.{meant}",
        "Begin it with `kact study run`, or give its directory.",
    )


_COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "list": _list,
    "show": _show,
    "run": _run,
    "status": _status,
    "stop": _stop,
    "export": _export,
    "merge": _merge,
}
