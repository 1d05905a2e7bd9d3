"""Make the models in the box anew: train each recipe, keep what the page needs, say whose data it learned from.

python -m demo.training                  # all of demo/recipes
python -m demo.training cifar10-mish     # one
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from demo import familiarity
from demo.models import BOX
from kact import Experiment, KactError, Run, tasks
from kact import run as train
from kact.backend import select_default

RECIPES = Path(__file__).with_name("recipes")
KEPT = ("experiment.toml", "history.csv", "metrics.json", "model.keras", "vocabulary.json")  # no checkpoint


def names() -> list[str]:
    """Return the names of the recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def make(name: str, out: Path, box: Path = BOX) -> Path:
    """Train one model of the box, or go on where its run stopped, and return its directory.

    Args:
        name: of a recipe.
        out: where runs are trained.
        box: where the model goes.

    Raises:
        KactError: for an unknown name, or data that is not there.
    """
    if name not in names():
        raise KactError.parameter("model", name, "one of", choices=names())
    finished = train(Experiment.load(RECIPES / f"{name}.toml"), out=out)
    return pack(finished, box / name)


def pack(run: Run, target: Path) -> Path:
    """Copy what the page needs of a finished run, with the terms of its data, and the rule for unlike pictures."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in KEPT:
        if (run.path / name).is_file():
            shutil.copyfile(run.path / name, target / name)
    task = tasks.get_record(run.experiment.task)
    (target / "ATTRIBUTION.md").write_text(
        f"Trained on **{task.name}**: {task.summary}.\n\nSource: <{task.source}>\n\nTerms: {task.licence}.\n",
        encoding="utf-8",
    )
    if run.experiment.model.input == "image":
        familiarity.calibrate(target)
    return target


def main(arguments: Sequence[str]) -> int:
    """Make the models that are named, or all."""
    parser = argparse.ArgumentParser("python -m demo.training", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("models", nargs="*", help=f"of: {', '.join(names())}; all unless said")
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="where they are trained")
    given = parser.parse_args(arguments)
    for name in given.models or names():
        try:
            print(f"{name}: {make(name, given.out)}", flush=True)
        except KactError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    select_default()
    sys.exit(main(sys.argv[1:]))
