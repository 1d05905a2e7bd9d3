"""`kact compare`: which of some activations is best, each with the learning rate that suits it. A study in one line.

>>> study = study_of(["relu", "swish"], {"task": "digits"})
>>> study.title, study.grid["activation"], study.tune.grid["learning_rate"], len(study.seeds)
('relu and silu on digits', ('relu', 'silu'), (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03), 6)
"""

from __future__ import annotations

import hashlib
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from kact import activations, backend, stats
from kact.errors import KactError
from kact.experiment import Experiment, default_model
from kact.experiment_flags import read_experiment
from kact.flags import Flag, of_function
from kact.reports import command as report_command
from kact.spec import choose
from kact.storage.files import atomic, explained
from kact.studies.directory import StudyDirectory, differences
from kact.studies.running import all_failed, ending, run_study
from kact.studies.study import Study
from kact.studies.study_file import load_study, to_toml
from kact.studies.tune import FIRST_SEED, Tune, seeds_of
from kact.tasks import get_record

_AROUND = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # times the optimizer's own learning rate
_COMPARED = ("activation", "learning_rate", "seed")  # each run has its own
_ABOUT = """Compare activations in one network: each gets the learning rate that is best for it on validation, then all
are run with as many seeds as a difference takes to be seen. It is a study, kept as a TOML file to change or to go on
with; what was run before is not run again.

  kact compare relu mish tanh
  kact compare relu gelu bump:bump --task image_folder --data photos --epochs 10
  kact compare relu elu --config mine.toml --learning-rates 0.01 0.03 0.1 --seeds 10

Every other setting of a training is a flag too, the sizes of the chosen --model among them; add --model NAME before
--help to see another's. --config FILE reads them from TOML or a recipe; flags win over it.
"""


def main(arguments: list[str]) -> int:
    """Run `kact compare` and return its exit code."""
    if any(word.partition("=")[0] == "--activation" for word in arguments):
        raise KactError(
            "There is no flag --activation here.", "Name what is compared by itself: kact compare relu mish"
        )
    experiment, wanted = read_experiment(arguments, "kact compare", _ABOUT, of_function(_compare), _COMPARED)
    return _compare(experiment, shlex.join(["kact", "compare", *arguments]), **wanted)


def _compare(
    experiment: Experiment,
    command: str,
    candidates: Annotated[
        tuple[str, ...],
        Flag("two or more, such as relu, 'elu(alpha=2)', bump:bump", "ACTIVATION ...", positional=True),
    ],
    learning_rates: Annotated[
        tuple[float, ...], Flag("what each is given to choose from; six around the optimizer's own unless said")
    ] = (),
    tuning_seeds: Annotated[int, Flag("runs of each rate that it is chosen by; more where rates are near")] = 1,
    seeds: Annotated[int | None, Flag("of each; as few as can show a difference unless said")] = None,
    workers: Annotated[int | None, Flag("processes; as many as CPU cores unless said")] = None,
    device: Annotated[str, Flag("auto, cpu or cuda")] = "auto",
    out: Annotated[str, Flag("where the study goes", "FOLDER")] = "runs",
) -> int:
    choose(device, backend.DEVICES, {}, "device")
    study = study_of(candidates, _said(experiment), learning_rates, seeds, tuning_seeds)
    folder = Path(out) / study.name
    file = folder.with_suffix(".toml")
    if file.exists() and (there := load_study(file)).replace(seeds=study.seeds) != study:
        changed = ": ".join(["", *differences(there, study)[:1]])
        raise KactError(
            f"'{file}' was changed since it was written{changed}.",
            f"Run it as it is: kact study run {file} --out {folder}. Or delete it, to begin with this line.",
        )
    with explained(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    with atomic(file) as temporary:
        temporary.write_text(to_toml(study), encoding="utf-8")
    total = sum(study.run_count(stage) for stage in ("tune", "compare"))
    print(f"{file}: {total} runs. How long they take: kact study show {file}")
    directory = StudyDirectory(folder)
    count = run_study(load_study(file), directory, command, workers, device=device)
    print(ending(directory, study, count))
    if all_failed(count):
        return 1
    return report_command.main([str(folder)])


def _said(experiment: Experiment) -> dict[str, Any]:
    """Return those of an experiment's settings that are not what its task and its model have by themselves."""
    settings = experiment.to_dict()
    kept: dict[str, Any] = {name: settings[name] for name in ("task", "data", "backbone", "model") if name in settings}
    by_itself = Experiment.from_dict(kept).to_dict()
    if experiment.model == default_model(experiment.task, experiment.backbone):
        del kept["model"]
    return kept | {name: value for name, value in settings.items() if value != by_itself.get(name)}


def study_of(
    candidates: Sequence[str],
    given: Mapping[str, Any],
    learning_rates: Sequence[float] = (),
    seeds: int | None = None,
    tuning_seeds: int = 1,
) -> Study:
    """Return the study that compares some activations.

    Args:
        candidates: specs of at least two different ones.
        given: the experiment's other settings, as `Experiment.from_dict` takes them.
        learning_rates: what each chooses from; six around the experiment's own if empty.
        seeds: how many; as many as the sign-flip test needs for so many pairs if None.
        tuning_seeds: how many, none of them compared, a rate is chosen by.

    Raises:
        KactError: for fewer than two, or a setting that cannot be used.
    """
    specs = list(dict.fromkeys(activations.canonical_spec(one) for one in candidates))
    if len(specs) < 2:
        only = f": {specs[0]} is all that is named" if len(candidates) > 1 else ""
        raise KactError(f"There is nothing to compare{only}.", "Name two activations or more: kact compare relu mish")
    base = {name: value for name, value in {"task": "digits", **given}.items() if name not in ("activation", "seed")}
    experiment = Experiment.from_dict(base)
    rates = list(learning_rates) or [float(f"{experiment.learning_rate * factor:.2g}") for factor in _AROUND]
    base.pop("learning_rate", None)
    tuning = seeds_of(tuning_seeds, "tuning_seeds", FIRST_SEED)
    described = [experiment.hash, specs, rates, *([tuning] if tuning_seeds > 1 else [])]
    digest = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:8]
    task = get_record(experiment.task).name
    return Study(
        name=f"compare-{task}-{experiment.model.name}-{digest}",
        header="Written by kact compare. Add activations or rates as you like: `kact study run` does what is missing.",
        title=f"{', '.join(specs[:-1])} and {specs[-1]} on {task}",
        question="Which activation is best, when each has the learning rate that suits it?",
        seeds=seeds_of(stats.seeds_for_sign_flip(math.comb(len(specs), 2)) if seeds is None else seeds, "seeds"),
        base=base,
        grid={"activation": specs},
        tune=Tune({"learning_rate": rates}, seeds=tuning),
    )
