"""What a search leaves behind: `best.toml`, `trials.csv`, figures, and one page that needs no other file.

All of it is made from the records and runs on disk, and made anew whenever the command is given again.
"""

from __future__ import annotations

import base64
import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kact import plots
from kact.own_code import named_in
from kact.runs import Run
from kact.stats import ALPHA
from kact.storage.files import atomic
from kact.storage.seals import sealed_toml
from kact.wording import duration
from tuning import figures
from tuning.final import FINAL, Final, accuracy
from tuning.plan import Plan
from tuning.records import Trial, counts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True)
class Files:
    """Where everything is.

    Attributes:
        best: the configuration that `kact train --config` takes.
        trials: the table of trials.
        page: the page.
        finals: the directory of the runs that were scored on test, for the demo.
        own_code: whether those runs have an activation or a model of one's own.
    """

    best: Path
    trials: Path
    page: Path
    finals: Path
    own_code: bool = False

    @property
    def train_command(self) -> str:
        """The command that trains the best configuration."""
        return f"kact train --config {self.best}"

    @property
    def serve_command(self) -> str:
        """The command that serves it in a web page."""
        return f'make demo ARGS="--runs {self.finals}{" --own-code" if self.own_code else ""}"'


def write_report(plan: Plan, project: Path, trials: Sequence[Trial], final: Final) -> Files:
    """Write all files of a finished search and return where they are."""
    own = any(named_in(one.to_dict()) for one in (plan.base, final.chosen))
    table = write_trials(plan, project, trials)
    files = Files(project / "best.toml", table, project / "report.html", project / FINAL, own)
    with atomic(files.best) as temporary:
        temporary.write_text(sealed_toml(final.chosen.to_toml()), encoding="utf-8")
    with atomic(files.page) as temporary:
        temporary.write_text(_page(plan, project, trials, final, files), encoding="utf-8")
    return files


def write_trials(plan: Plan, project: Path, trials: Sequence[Trial]) -> Path:
    """Write a row a trial as CSV, numbers in full, with the scores of every execution, and return the file."""
    scores = [f"{name}_seed{seed}" for seed in plan.seeds for name in ("accuracy", "loss", "best_epoch")]
    columns = ["trial", "status", "epochs", *plan.space.entries, "accuracy", "loss", "seconds", *scores, "error"]
    file = project / "trials.csv"
    with atomic(file) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        for trial in trials:
            row: dict[str, Any] = {"trial": trial.name, "status": trial.status, "epochs": trial.asked_epochs}
            row |= {name: value for name, value in trial.settings.items() if name in plan.space.entries}
            if trial.status == "finished":
                row |= {"accuracy": trial.score("accuracy"), "loss": trial.score("loss")}
            row |= {"seconds": trial.seconds, "error": trial.error.replace("\n", " ")}
            for one in trial.executions:
                values = {"accuracy": one.accuracy, "loss": one.loss, "best_epoch": one.best_epoch}
                if one.seed in plan.seeds:
                    row |= {f"{name}_seed{one.seed}": value for name, value in values.items()}
            writer.writerow(row)
    return file


def verdict(final: Final) -> str:
    """Return in a sentence or two what the search gained, on validation and on test."""
    difference = final.test.difference
    if final.best_runs[0].experiment == final.default_runs[0].experiment:
        return (
            "No trial did better on validation than the first, which is the default configuration: best.toml holds it."
        )
    gained = f"{100 * difference.estimate:+.2f} points"
    if final.default_wins:
        first = "No trial did better on validation than the default configuration, which is what best.toml holds."
    else:
        first = f"The best is trial {final.best.name}."
    if final.test.n == 0:
        return f"{first} It and the default cannot be compared on test: no seed is finished by both."
    if final.test.test == "none":
        return f"{first} Its test accuracy differs from the default's by {gained} (n = {final.test.n}, no interval)."
    interval = "no interval, as all differences are alike"
    if difference.interval is not None:
        interval = "95 % interval {:+.2f} to {:+.2f}".format(*(100 * end for end in difference.interval))
    known = "" if final.test.p <= ALPHA else ": no detectable difference"  # by p, as reports do
    return (
        f"{first} On test, best trial minus default: {gained}, {interval}"
        f" (n = {final.test.n} new seeds, paired, p = {final.test.p:.3g}){known}."
    )


def _page(plan: Plan, project: Path, trials: Sequence[Trial], final: Final, files: Files) -> str:
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    shares = figures.importance(trials, plan.searched, plan.monitor)
    default = final.default.score(plan.monitor) if final.default.status == "finished" else None
    drawn = {
        "score_by_trial": figures.score_by_trial(trials, plan.monitor, default),
        "parallel_coordinates": figures.parallel_coordinates(trials, plan.searched, plan.monitor),
        "hyper_parameters": figures.scatter(trials, plan.searched, plan.monitor),
    }
    if shares is not None:
        drawn["importance"] = figures.importance_bars(shares)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        plan=plan,
        trials=trials,
        final=final,
        files=files,
        names=list(plan.space.entries),
        counts=counts(trials),
        verdict=verdict(final),
        rows=_final_rows(final),
        images={name: _image(figure, project / "figures" / f"{name}.png") for name, figure in drawn.items()},
        enough=figures.LEAST_FOR_IMPORTANCE,
        searched_for=duration(sum(trial.seconds for trial in trials)),
        best_toml=final.chosen.to_toml(),
        percent=lambda value: "" if value is None or math.isnan(value) else f"{100 * value:.2f}",
        short=lambda value: f"{value:.4g}" if isinstance(value, float) else str(value),
    )


def _final_rows(final: Final) -> list[tuple[str, list[str], str, str]]:
    """Return (name, test accuracy a seed, mean ± sd of test, mean ± sd of validation) in percent for both."""
    both = (("best trial", final.best_runs), ("default", final.default_runs))
    return [
        (name, [_percent(accuracy(run, "test")) for run in runs], _spread(runs, "test"), _spread(runs, "validation"))
        for name, runs in both
    ]


def _percent(value: float) -> str:
    return "diverged" if math.isnan(value) else f"{100 * value:.2f}"


def _spread(runs: Sequence[Run], split: str) -> str:
    values = [value for run in runs if math.isfinite(value := accuracy(run, split))]
    if not values:
        return "none finished"
    sd = f" ± {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.2f}{sd} (n = {len(values)})"


def _image(figure: Figure, path: Path) -> str:
    """Write a figure beside the page, and return it as the page holds it."""
    path.parent.mkdir(exist_ok=True)
    plots.write(figure, path)
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
