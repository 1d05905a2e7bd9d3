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
from kact.command_line import read_config
from kact.errors import KactError
from kact.experiment import Experiment
from kact.flags import Flag, call
from kact.reports import command as report_command
from kact.spec import choose
from kact.storage.files import atomic, explained
from kact.studies import command as study_command
from kact.studies.directory import differences
from kact.studies.study import Study
from kact.studies.study_file import load_study, to_toml
from kact.studies.tune import FIRST_SEED, Tune, seeds_of
from kact.tasks import get_record

_AROUND = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # times the optimizer's own learning rate
_ABOUT = """Compare activations in one network: each gets the learning rate that is best for it on validation, then all
are run with as many seeds as a difference takes to be seen. It is a study, kept as a TOML file to change or to go on
with; what was run before is not run again.

  kact compare relu mish tanh
  kact compare relu gelu bump:bump --task image_folder --data photos --epochs 10
  kact compare relu elu --config mine.toml --learning-rates 0.01 0.03 0.1 --seeds 10
"""


def main(arguments: list[str]) -> int:
    """Run `kact compare` and return its exit code."""

    def compare(
        candidates: Annotated[
            tuple[str, ...],
            Flag("two or more, such as relu, 'elu(alpha=2)', bump:bump", "ACTIVATION ...", positional=True),
        ],
        task: Annotated[str | None, Flag("what is learned; digits unless said (`kact list tasks`)")] = None,
        data: Annotated[str | None, Flag("file or folder of your own, for tasks that take one")] = None,
        model: Annotated[str | None, Flag("network or preset; the task's own unless said")] = None,
        epochs: Annotated[int | None, Flag("of each run")] = None,
        train_examples: Annotated[int | None, Flag("train on so many examples only")] = None,
        config: Annotated[str | None, Flag("any other setting: an experiment in TOML, or a recipe", "FILE")] = None,
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
        given = {} if config is None else read_config(config)
        said = {"task": task, "data": data, "model": model, "epochs": epochs, "train_examples": train_examples}
        given |= {name: value for name, value in said.items() if value is not None}
        study = study_of(candidates, given, learning_rates, seeds, tuning_seeds)
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
        run = ["run", str(file), "--out", str(folder), "--device", device]
        run += [] if workers is None else ["--workers", str(workers)]
        try:
            if code := study_command.main(run):
                return code
        except KeyboardInterrupt as stopped:
            told, _, by_study = str(stopped).rpartition("\n")
            raise KeyboardInterrupt(
                f"{told}\n  {shlex.join(['kact', 'compare', *arguments])}" if by_study else ""
            ) from None
        return report_command.main([str(folder)])

    return call(compare, arguments, "kact compare", _ABOUT)


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
