"""Runs and registries in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from kact import activations, optimizers
from kact.activations.own import probed_numbers
from kact.models import MODELS, PRESETS, initializers
from kact.recipes import config_path, recipe_names
from kact.runs import Run
from kact.runs.metrics import commonest_share, learned_nothing
from kact.spec import choose
from kact.tasks import ALIASES, TASKS
from kact.wording import short

_STOPS = {
    "epochs": "all epochs done",
    "patience": "no better validation score for as long as `patience` allows",
    "loss": "the training loss fell below `stop_below`",
    "diverged": "the loss stopped being a number: the run diverged",
}


def _remedy(metrics: Mapping[str, Any]) -> str:
    """Return what to do about a loss that is no number."""
    tried = probed_numbers()
    values = metrics["provenance"].get("activation") or []
    odd = [number for number, value in zip(tried, values, strict=False) if value is None]
    if odd:
        return f"Nor is what the activation makes of {odd[-1]:g} and of {len(odd) - 1} more of {len(tried)} numbers."
    return "Try a smaller learning rate."


def summary(run: Run) -> str:
    """Return the few lines that end a training: scores, where things are, what to do next."""
    metrics, timing = run.metrics, run.metrics["timing"]
    unit = "tokens" if "tokens_per_second" in timing else "images"
    lines = []
    if run.diverged:
        lines.append(f"DIVERGED in epoch {metrics['epochs']}: the loss is not a number. {_remedy(metrics)}")
    if metrics["test"]:
        lines.append(
            f"test accuracy {metrics['test']['accuracy']:.4f}  loss {metrics['test']['loss']:.4f}"
            f"  macro F1 {metrics['test']['f1']:.4f}"
            f"  (epoch {metrics['kept_epoch']} of {metrics['epochs']}; {_validation(metrics)})"
        )
        share = commonest_share(metrics["test"])
        if learned_nothing(metrics["test"]) and share != 1:  # a test set of one label says nothing of luck
            lines.append(f"It is no better than luck: one label for all gives {share:.4f}. Try another learning rate.")
    lines.append(
        f"{metrics['model']['parameters']:,} parameters  trained in {short(timing['train_seconds'])}"
        f"  {timing[f'{unit}_per_second']:,.0f} {unit}/s  {metrics['provenance']['device']}"
        f"  {metrics['provenance']['backend']}"
    )
    lines.append(f"run  {run.path}")
    lines.append(f"next kact inspect {run.path}")
    if metrics["test"]:
        lines.append(f"     kact predict {run.path} " + ('--text "..."' if unit == "tokens" else "--test 5"))
    return "\n".join(lines)


def _validation(metrics: Mapping[str, Any]) -> str:
    if metrics["validation"] is None:
        return "validation is trained on"
    return f"validation {metrics['validation']['accuracy']:.4f}"


def print_run(run: Run) -> None:
    """Print what was run, how it ended, its scores, its layers and what it ran on."""
    metrics = run.metrics
    print(run.experiment.to_toml())
    print(f"{metrics['status']}: {_STOPS[metrics['stopped_by']]}, after {metrics['epochs']} epochs\n")
    rows = [
        [split, *(f"{scores[name]:.4f}" for name in ("accuracy", "loss", "precision", "recall", "f1"))]
        for split in ("train", "validation", "test")
        if (scores := metrics[split])
    ]
    print_table(["split", "accuracy", "loss", "precision", "recall", "F1"], rows)
    if metrics["test"]:
        classes = metrics["test"]["per_class"].items()
        print_table(
            ["class (test)", "precision", "recall", "F1", "examples"],
            [
                [name, *(f"{one[key]:.4f}" for key in ("precision", "recall", "f1")), str(one["examples"])]
                for name, one in classes
            ],
        )
    print_table(
        ["layer", "kind", "output", "parameters"],
        [
            [
                layer["name"],
                layer["kind"],
                "x".join("?" if size is None else str(size) for size in layer["output_shape"]),
                f"{layer['parameters']:,}",
            ]
            for layer in metrics["model"]["layers"]
        ],
    )
    versions = "  ".join(f"{name} {version}" for name, version in metrics["provenance"]["versions"].items())
    print(summary(run).rsplit("\nnext", 1)[0])
    print(versions)


def print_list(what: str) -> None:
    """Print one registry: activations, models, presets, tasks, recipes, optimizers, schedules or initializers.

    Raises:
        KactError: for anything else, with the choices.
    """
    next_step = "Studies are listed by `kact study list`." if what in ("study", "studies") else ""
    heads, rows = _LISTS[choose(what, _LISTS, {}, "list", next_step)]
    print_table(heads, rows())


def _activation_rows() -> Iterable[Sequence[str]]:
    for name, one in activations.ACTIVATIONS.items():
        yield name, one.formula, _parameters(one.parameters), one.source


def _optimizer_rows() -> Iterable[Sequence[str]]:
    for name, one in optimizers.OPTIMIZERS.items():
        yield name, _parameters(one.parameters), str(one.learning_rate), one.source


def _task_rows() -> Iterable[Sequence[str]]:
    for name, task in TASKS.items():
        yield (
            " or ".join([name, *(alias for alias, meant in ALIASES.items() if meant == name)]),
            "x".join(map(str, task.input_shape)) or "words",
            str(len(task.labels) or "yours"),
            task.default_model,
            _parameters(task.parameters),
            task.summary,
        )


def _preset_rows() -> Iterable[Sequence[str]]:
    for name, one in PRESETS.items():
        yield name, one.study, one.model.name, f"{one.parameters:,}", one.summary


_LISTS = {
    "activations": (("name", "formula", "parameters", "source"), _activation_rows),
    "models": (("name", "what"), lambda: [(name, model.summary) for name, model in MODELS.items()]),
    "presets": (("name", "study", "model", "parameters", "what"), _preset_rows),
    "tasks": (("name", "input", "classes", "model", "options", "what"), _task_rows),
    "recipes": (("name", "what"), lambda: [(name, _first_comment(name)) for name in recipe_names()]),
    "optimizers": (("name", "parameters", "learning rate", "source"), _optimizer_rows),
    "schedules": (
        ("name", "parameters"),
        lambda: [(name, _parameters(values)) for name, values in optimizers.SCHEDULES.items()],
    ),
    "initializers": (("name",), lambda: [(name,) for name in initializers.SCHEMES]),
}


def _first_comment(recipe: str) -> str:
    return config_path(recipe).read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def _parameters(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of words under bold heads, as wide as the terminal is."""
    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, markup=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no width of its own
    console.print(table)
    console.print()
