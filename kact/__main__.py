"""The `kact` command: `kact train`, `kact predict`, `kact inspect`, `kact list`; each takes `--help`."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated

from kact import backend
from kact.command_line import guarded, train_command
from kact.spec import choose

_USAGE = """usage: kact COMMAND ...

Which activation function, and does it matter? Train the same network with each, and see.

commands:
  train      train one network with one activation
  predict    label images with a trained run
  inspect    show what a run was and how it ended
  list       activations, models, presets, tasks, optimizers, schedules, initializers

`kact COMMAND --help` says more of each. Start with: kact train
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one `kact` command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(_USAGE, end="")
        return 0
    if given[0] == "--version":
        print(f"kact {backend.versions()['kact']}")
        return 0

    def work() -> int:
        name = choose(given[0], _COMMANDS, {}, "command", "See them with `kact --help`.")
        return _COMMANDS[name](given[1:])

    return guarded(work)


def _train(arguments: list[str]) -> int:
    return train_command(arguments, "kact train")


def _predict(arguments: list[str]) -> int:
    import tyro

    def predict(
        run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help="directory of a finished run")],
        images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(help="image files")],
        json_: Annotated[bool, tyro.conf.arg(name="json", help="print one JSON object a line")] = False,
        top: Annotated[int, tyro.conf.arg(help="labels to print an image")] = 3,
    ) -> int:
        """Label images with the model of a trained run, likeliest first."""
        backend.select_default()
        from kact.predict import Predictor

        for image, found in zip(images, Predictor(run).predict(images), strict=True):
            ranked = list(found.probabilities.items())[: max(top, 1)]
            if json_:
                print(json.dumps({"image": image, "label": found.label, "probabilities": found.probabilities}))
            else:
                print(f"{image}: " + "  ".join(f"{label} {probability:.3f}" for label, probability in ranked))
        return 0

    return tyro.cli(predict, args=arguments, prog="kact predict")


def _inspect(arguments: list[str]) -> int:
    import tyro

    def inspect(run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help="directory of a finished run")]) -> int:
        """Show what a run was: its experiment, how it ended, its scores, its layers, its versions."""
        from kact.describe import print_run
        from kact.runs import Run

        print_run(Run.load(run))
        return 0

    return tyro.cli(inspect, args=arguments, prog="kact inspect")


def _list(arguments: list[str]) -> int:
    import tyro

    def list_(
        what: Annotated[
            str,
            tyro.conf.Positional,
            tyro.conf.arg(help="activations, models, presets, tasks, optimizers, schedules or initializers"),
        ],
    ) -> int:
        """Show what there is to choose from."""
        from kact.describe import print_list

        print_list(what)
        return 0

    return tyro.cli(list_, args=arguments, prog="kact list")


_COMMANDS = {"train": _train, "predict": _predict, "inspect": _inspect, "list": _list}

if __name__ == "__main__":
    sys.exit(main())
