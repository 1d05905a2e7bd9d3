"""The `kact` command: `kact train`, `kact predict`, `kact inspect`, `kact list`; each takes `--help`."""

import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from kact import backend
from kact.command_line import guarded, train_command
from kact.errors import KactError
from kact.inspection import FIGURES
from kact.spec import choose

if TYPE_CHECKING:
    from kact.predict import TaggedToken

_USAGE = """usage: kact COMMAND ...

Which activation function, and does it matter? Train the same network with each, and see.

commands:
  train      train one network with one activation
  predict    label images, or tag words, with a trained run
  inspect    show what a run was and how it ended; draw its feature maps, kernels, curves, confusion
  export     write a run's network as ONNX, OpenVINO or PyTorch, checked
  study      run a grid of experiments and seeds, to its end: list, show, run, status, stop, export, merge
  report     say what a study found, or any runs: one page with intervals, figures, and what it cannot say
  list       activations, models, presets, tasks, recipes, optimizers, schedules, initializers

`kact COMMAND --help` says more of each. Start with: kact train
"""


_INSPECT = """Show what a run was, its experiment, how it ended, its scores and layers; or what a task's data is.
With a flag for a figure it draws that instead and prints where it is.

  kact inspect RUN                                  what was run, in words, with the names of its layers
  kact inspect RUN --test 10                        feature maps of the first ten test images
  kact inspect RUN --feature-maps cat.png dog.jpg   feature maps of images of your own
  kact inspect RUN --test 10 --layer conv1          what an earlier layer makes of them
  kact inspect RUN --kernels --curves --confusion   three figures
  kact inspect RUN --curves --out curves.svg        one figure, where and as you want it
  kact inspect cifar10                              a task: classes by split, pixels, what a test image weighs
  kact inspect cifar10 --samples --counts           images of each class, and how often each class comes
"""


_EXPORT = """Write a run's network to a file that needs neither kact nor Keras.
The file takes batches of any size and, of a tagger, sentences of any length. It is run beside the model before it is
handed over, and deleted if it differs. Labels, inputs (shapes, units, a tagger's vocabulary), task and the run's hash
travel in it.

  kact export RUN                                        RUN/model.onnx, for ONNX Runtime
  kact export RUN --format openvino --out net/model.xml  model.xml and model.bin, for OpenVINO
  kact export RUN --format torch                         RUN/model.pt2, for torch.export.load("model.pt2").module()

The labels: onnx.load(F).metadata_props, openvino.Core().read_model(F).get_rt_info(["kact", "labels"]), or in PyTorch
  about = {"kact.labels": ""}; torch.export.load(F, extra_files=about)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one `kact` command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # one's own `module:function` lies here; `python -m` looks here by itself
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
        images: Annotated[
            tuple[str, ...],
            tyro.conf.Positional,
            tyro.conf.arg(help="image files; for a tagger, files with a text a line, or - for standard input"),
        ] = (),
        text: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(help="a text to tag")] = (),
        gold: Annotated[
            str | None, tyro.conf.arg(metavar="FILE", help="score a tagger on `token TAB tag` lines instead")
        ] = None,
        json_: Annotated[bool, tyro.conf.arg(name="json", help="print one JSON object a line")] = False,
        top: Annotated[int, tyro.conf.arg(help="labels to print an image")] = 3,
    ) -> int:
        """Label images with the model of a trained run, likeliest first; or tag the words of texts."""
        backend.select_default()
        from kact.predict import Predictor

        if not images and not text and gold is None:
            raise KactError("There is nothing to predict.", 'Give image files, or --text "..." for a tagger.')
        predictor = Predictor(run)
        if gold is not None:
            _print_scores(predictor.score_tagged(gold), json_)
            return 0
        if text or predictor.task.input == "words":
            texts = [*text, *(line for file in images for line in _lines(file))]
            _print_tagged(texts, predictor.tag(texts), json_)
            return 0
        for image, found in zip(images, predictor.predict(images), strict=True):
            ranked = list(found.probabilities.items())[: max(top, 1)]
            if json_:
                print(json.dumps({"image": image, "label": found.label, "probabilities": found.probabilities}))
            else:
                print(f"{image}: " + "  ".join(f"{label} {probability:.3f}" for label, probability in ranked))
        return 0

    return tyro.cli(predict, args=arguments, prog="kact predict")


def _lines(file: str) -> list[str]:
    """Return the lines of a text file, or of standard input for "-"."""
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise KactError(f"Line {line} of '{file}' is not UTF-8 text.", "Save the file as UTF-8.") from None
    except OSError as error:
        raise KactError(
            f"Cannot read '{file}': {error.strerror}.", "Give a text file, or - for standard input."
        ) from None


def _print_tagged(texts: Sequence[str], found: "Sequence[Sequence[TaggedToken]]", as_json: bool) -> None:
    """Print token, tag and probability a line, with a blank line after each text; or one JSON object a text."""
    for text, tokens in zip(texts, found, strict=True):
        if as_json:
            print(json.dumps({"text": text, "tokens": [dataclasses.asdict(one) for one in tokens]}))
            continue
        for one in tokens:
            print(f"{one.token}\t{one.tag}\t{one.probability:.4f}")
        print()


def _print_scores(scores: dict[str, Any], as_json: bool) -> None:
    """Print a tagger's scores on gold tags, in a line or as one JSON object."""
    if as_json:
        print(json.dumps(scores))
        return
    print(
        f"accuracy {scores['accuracy']:.4f} of {scores['examples']:,} tokens  loss {scores['loss']:.4f}"
        f"  macro F1 {scores['f1']:.4f}  sentences without an error {scores['sequence_accuracy']:.4f}"
        f" of {scores['sentences']:,}"
    )
    if scores["unknown_tags"]:
        named = ", ".join(f"{tag} ({count})" for tag, count in scores["unknown_tags"].items())
        print(f"wrong in any case, as the run knows no such tags: {named}")


def _inspect(arguments: list[str]) -> int:
    import tyro

    def inspect(
        run: Annotated[
            str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN", help="directory of a finished run, or a task")
        ],
        feature_maps: Annotated[
            tuple[str, ...],
            tyro.conf.arg(metavar="IMAGE ...", help="draw what --layer makes of each image, and its prediction"),
        ] = (),
        test: Annotated[int, tyro.conf.arg(help="draw the feature maps of the first so many test images")] = 0,
        layer: Annotated[
            str | None,
            tyro.conf.arg(metavar="NAME", help="whose maps; the activation behind the last convolution unless said"),
        ] = None,
        kernels: Annotated[bool, tyro.conf.arg(help="draw the weights of the first layer as images")] = False,
        curves: Annotated[bool, tyro.conf.arg(help="draw loss and accuracy by epoch, train and validation")] = False,
        confusion: Annotated[bool, tyro.conf.arg(help="draw which test classes are taken for which")] = False,
        diagnostics: Annotated[
            bool, tyro.conf.arg(help="draw dead units and gradients by layer (of a run trained with --diagnose)")
        ] = False,
        samples: Annotated[bool, tyro.conf.arg(help="of a task: draw training images of each class")] = False,
        counts: Annotated[
            bool, tyro.conf.arg(help="of a task: draw how often each class or tag comes, and sentence lengths")
        ] = False,
        data: Annotated[
            str | None, tyro.conf.arg(metavar="PATH", help="of a task for data of your own: where it is")
        ] = None,
        out: Annotated[
            str | None,
            tyro.conf.arg(metavar="FILE", help="of the figure, .png or .svg; RUN/figures/WHAT.png unless said"),
        ] = None,
        format: Annotated[str, tyro.conf.arg(help="png or svg, where --out is not given")] = "png",
    ) -> int:
        from kact.describe import print_run
        from kact.runs import Run
        from kact.task_inspection import inspect_task, is_task

        maps = bool(feature_maps) or test > 0
        asked = dict(zip(FIGURES, (maps, kernels, curves, confusion, diagnostics), strict=True))
        chosen = [name for name, wanted in asked.items() if wanted]
        if is_task(run):
            of_run = ["--test"] * (test != 0) + [f"--{name}" for name in chosen] + ["--layer"] * (layer is not None)
            return inspect_task(run, data, samples=samples, counts=counts, of_run=of_run, out=out, kind=format)
        if samples or counts or data is not None:
            raise KactError(
                f"--samples, --counts and --data are of a task, and '{run}' is a directory.", "Name the task instead."
            )
        if test < 0:
            raise KactError.parameter("test", test, "a number of images, at least 1")
        if (out is not None or layer is not None) and not chosen:
            raise KactError("There is no figure to draw.", "Say which: --test 10, --kernels, --curves or --confusion.")
        if out is not None and len(chosen) > 1:
            raise KactError(
                "--out names one file, and this draws several figures.", "Ask for one, or leave --out away."
            )
        if not chosen:
            print_run(Run.load(run))
            return 0
        backend.select_default()
        from kact.inspection import draw

        found = Run.load(run)
        for name in chosen:
            print(draw(found, name, images=feature_maps, test=test, layer=layer, out=out, kind=format))
        return 0

    return tyro.cli(
        inspect, args=arguments, prog="kact inspect", description=_INSPECT, config=(tyro.conf.FlagCreatePairsOff,)
    )


def _export(arguments: list[str]) -> int:
    import tyro

    def export(
        run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN", help="directory of a finished run")],
        format: Annotated[str, tyro.conf.arg(help="onnx, openvino or torch")] = "onnx",
        out: Annotated[
            str | None, tyro.conf.arg(metavar="FILE", help="RUN/model.onnx, model.xml or model.pt2 unless said")
        ] = None,
    ) -> int:
        backend.select_default()
        from kact.export import export as write

        written = write(run, format, out)
        of = " of {}, {} and {} tokens".format(*written.steps) if written.steps else ""
        print(
            f"{written.path}  (run on {written.examples} inputs in batches of 1, 3 and 8{of}:"
            f" differs from the model by at most {written.difference:.1e})"
        )
        return 0

    return tyro.cli(export, args=arguments, prog="kact export", description=_EXPORT)


def _study(arguments: list[str]) -> int:
    from kact.studies import command

    return command.main(arguments)


def _report(arguments: list[str]) -> int:
    from kact.reports.command import main as report

    return report(arguments)


def _list(arguments: list[str]) -> int:
    import tyro

    def list_(
        what: Annotated[
            str,
            tyro.conf.Positional,
            tyro.conf.arg(help="activations, models, presets, tasks, recipes, optimizers, schedules or initializers"),
        ],
    ) -> int:
        """Show what there is to choose from."""
        from kact.describe import print_list

        print_list(what)
        return 0

    return tyro.cli(list_, args=arguments, prog="kact list")


_COMMANDS = {
    "train": _train,
    "predict": _predict,
    "inspect": _inspect,
    "export": _export,
    "study": _study,
    "report": _report,
    "list": _list,
}

if __name__ == "__main__":
    sys.exit(main())
