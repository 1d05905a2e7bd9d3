"""The `kact` command: which command is meant, and where it is; each takes `--help`."""

import importlib
import os
import sys
from collections.abc import Sequence

from kact import backend
from kact.command_line import guarded
from kact.spec import choose

_USAGE = """usage: kact COMMAND ...

Which activation function, and does it matter? Train the same network with each, and see.

commands:
  compare    compare activations, each with its own learning rate, in one line: the answer, and its page
  train      train one network with one activation
  predict    label images, or tag words, with a trained run
  inspect    show what a run was and how it ended; draw its feature maps, kernels, curves, confusion
  export     write a run's network as ONNX, OpenVINO or PyTorch, checked
  study      run a grid of experiments and seeds, to its end: list, show, run, status, stop, export, merge
  report     say what a study found, or any runs: one page with intervals, figures, and what it cannot say
  list       activations, models, presets, tasks, recipes, optimizers, schedules, initializers

`kact COMMAND --help` says more of each. Start with: kact train
"""

_MODULES = {  # whose `main` does a command, imported when it is given
    "compare": "kact.compare",
    "train": "kact.commands.train",
    "predict": "kact.commands.predict",
    "inspect": "kact.commands.inspect",
    "export": "kact.commands.export",
    "study": "kact.studies.command",
    "report": "kact.reports.command",
    "list": "kact.commands.list",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one `kact` command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # one's own `module:function` lies here; `python -m` looks here by itself
    if not given or given[0] in ("-h", "--help", "help"):
        print(_USAGE, end="")
        return 0
    if given[0] == "--version":
        print(f"kact {backend.versions().get('kact', 'of a folder that is not installed')}")
        return 0

    def work() -> int:
        backend.select_default()  # before a module of one's own may import Keras
        name = choose(given[0], _MODULES, {}, "command", "See them with `kact --help`.")
        done: int = importlib.import_module(_MODULES[name]).main(given[1:])
        return done

    return guarded(work)


if __name__ == "__main__":
    sys.exit(main())
