"""The command line of tuning: which search is meant, by flags and files.

>>> plan, options = parse_tune(["--task", "digits", "--tuner", "random", "--trials", "3"])
>>> plan.tuner, plan.trials, plan.base.epochs, list(plan.space.entries)
('random', 3, 20, ['learning_rate', 'l2', 'dropout'])
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from kact import backend, flags
from kact.command_line import read_config
from kact.errors import KactError
from kact.experiment import LARGEST_SEED, Experiment
from kact.settings import check_settings, setting
from kact.spec import choose
from kact.tasks import get_record
from tuning.plan import TUNERS, Plan
from tuning.space import DEFAULT_SEARCH, HYPERPARAMETERS, make_space
from tuning.space_file import SpaceFile, read_space, space_names

# Where nothing says how long, a search of a dozen trials should end while somebody waits on a laptop.
EPOCHS = {"digits": 20, "mnist": 3, "cifar10": 5, "stl10": 5, "twitter_pos": 5}
OTHER_EPOCHS = 10
TRIALS = 12
OTHER_NAMES = {"lr": "learning_rate", "bn": "batch_norm", "weight_decay": "l2", "wd": "l2"}


@dataclasses.dataclass(frozen=True)
class TuneOptions:
    """What is searched, and how."""

    task: str | None = setting(None, "data set; `kact list tasks` shows them; digits unless said")
    data: str | None = setting(None, "folder or file of one's own data, for tasks that take one")
    model: str | None = setting(None, "network or preset; the task's own unless said")
    activation: str | None = setting(None, "hidden non-linearity; relu unless said")
    epochs: int | None = setting(None, "of each trial, at most; fits the task unless said", at_least=1)
    train_examples: int | None = setting(None, "train on so many examples only", at_least=1)
    seed: int | None = setting(None, "of the search and of each trial's first execution", at_least=0)
    config: str | None = setting(None, "experiment to tune, in TOML, or a recipe's name; flags win over it")
    search: tuple[str, ...] = setting((), f"what is searched, of: {', '.join(HYPERPARAMETERS)}")
    space: str | None = setting(None, f"a space file of your own, or one of: {', '.join(space_names())}")
    tuner: str | None = setting(None, f"one of: {', '.join(TUNERS)}; bayesian unless said")
    trials: int | None = setting(None, f"at most; {TRIALS} unless said, or a whole grid, or one iteration of hyperband")
    executions: int = setting(1, "runs of each trial, a seed each")
    final_seeds: int = setting(3, "runs of the best and the default configuration at the end", at_least=1)
    workers: int = setting(1, "processes that try at once, one thread each", at_least=1)
    port: int | None = setting(None, "of this machine, for the workers' chief; a free one unless said", at_least=1)
    out: str = setting("runs/tuning", "directory of searches; each has one of its own in it")
    project: str | None = setting(None, "directory of this search, instead")
    device: str = setting("auto", "where to train", choices=backend.DEVICES)

    def __post_init__(self) -> None:
        check_settings(self)


DESCRIPTION = """Search learning rate, L2, dropout and more with KerasTuner, choosing by validation only.

Every trial is a kact run. The same command takes a stopped search up again, without repeating a finished trial, and
ends with the same trials. At the end the best configuration and the default one are trained with new seeds and scored
on test.
In the search's directory: best.toml (for `kact train --config`), trials.csv, report.html, runs/, final/.

Example: python -m tuning --task cifar --trials 8 --epochs 3 --search learning_rate dropout activation
"""


def parse_tune(arguments: Sequence[str], program: str = "python -m tuning") -> tuple[Plan, TuneOptions]:
    """Return the plan and the options that flags describe.

    Raises:
        KactError: for an unusable value.
        SystemExit: 0 after `--help`, 2 for an unknown or malformed flag.
    """
    options = TuneOptions(**flags.read(flags.of_settings(TuneOptions), arguments, program, DESCRIPTION))
    return make_plan(options), options


def make_plan(options: TuneOptions) -> Plan:
    """Return the plan that options describe: flags win over --config, and that over the space file.

    Raises:
        KactError: for an unusable value.
    """
    said = read_space(options.space) if options.space is not None else SpaceFile()
    given = dict(said.experiment)
    if options.config is not None:
        given |= read_config(options.config)
    for name in ("task", "data", "model", "activation", "epochs", "train_examples", "seed"):
        value = getattr(options, name)
        if value is not None:
            given[name] = value
    base = Experiment.from_dict(given)
    if "epochs" not in given:
        base = base.replace(epochs=EPOCHS.get(get_record(base.task).name, OTHER_EPOCHS))
    for name in options.search:
        if name in OTHER_NAMES:
            raise KactError(f"--search has {name!r} as {OTHER_NAMES[name]!r}.", f"Give --search {OTHER_NAMES[name]}.")
        choose(name, HYPERPARAMETERS, {}, "--search")
    names = options.search or (() if said.ranges else DEFAULT_SEARCH)
    tuner = choose(options.tuner or said.tuner or "bayesian", TUNERS, {}, "tuner")
    trials = options.trials
    if trials is None and tuner in ("bayesian", "random"):
        trials = TRIALS
    plan = Plan(base, make_space(names, base, said.ranges), tuner, trials, options.executions, said.study)
    last = base.seed + plan.executions - 1 + options.final_seeds
    if last > LARGEST_SEED:  # told now, not after the whole search
        raise KactError(
            f"The search takes the seeds from {base.seed} to {last}, and the largest that there is is {LARGEST_SEED}.",
            "Give a smaller --seed, or fewer --executions or --final-seeds.",
        )
    return plan


def project_of(plan: Plan, options: TuneOptions) -> Path:
    """Return the directory of a search."""
    return Path(options.project) if options.project is not None else Path(options.out) / plan.label


def role() -> str:
    """Return the part that this process plays: "chief", "worker", or "" where KerasTuner's own variables are not set.

    They are KERASTUNER_TUNER_ID ("chief", or a worker's name), KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT.

    Raises:
        KactError: if only some of them are set, or the port is none.
    """
    names = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
    given = {name: os.environ[name] for name in names if os.environ.get(name)}
    if not given:
        return ""
    missing = [name for name in names if name not in given]
    if missing:
        raise KactError(f"{', '.join(given)} is set, but {', '.join(missing)} is not.", "Set all three, or none.")
    if not given["KERASTUNER_ORACLE_PORT"].isdigit():
        raise KactError.parameter("KERASTUNER_ORACLE_PORT", given["KERASTUNER_ORACLE_PORT"], "a number")
    return "chief" if "chief" in given["KERASTUNER_TUNER_ID"] else "worker"
