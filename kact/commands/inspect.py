"""`kact inspect`: what a run was and how it ended, what a task's data is, and figures of both."""

from collections.abc import Sequence
from typing import Annotated

from kact.errors import KactError
from kact.flags import Flag, call
from kact.inspection.run import FIGURES

_ABOUT = """Show what a run was, its experiment, how it ended, its scores and layers; or what a task's data is.
With a flag for a figure it draws that instead and prints where it is.

  kact inspect RUN                                  its settings, how it ended, its scores and layers
  kact inspect RUN --test 10                        feature maps of the first ten test images
  kact inspect RUN --feature-maps cat.png dog.jpg   feature maps of images of your own
  kact inspect RUN --test 10 --layer conv1          what an earlier layer makes of them
  kact inspect RUN --kernels --curves --confusion   three figures
  kact inspect RUN --curves --out curves.svg        one figure, where and as you want it
  kact inspect cifar10                              a task: classes by split, pixels, what a test image weighs
  kact inspect cifar10 --samples --counts           images of each class, and how often each class comes
"""


def main(arguments: list[str]) -> int:
    """Run `kact inspect` and return its exit code."""

    def inspect(
        run: Annotated[str, Flag("directory of a finished run, or a task", "RUN", positional=True)],
        feature_maps: Annotated[
            tuple[str, ...],
            Flag("draw what --layer makes of each image, and its prediction", "IMAGE ..."),
        ] = (),
        test: Annotated[int, Flag("draw the feature maps of the first so many test images")] = 0,
        layer: Annotated[
            str | None,
            Flag("whose maps; the activation behind the last convolution unless said", "NAME"),
        ] = None,
        kernels: Annotated[bool, Flag("draw the weights of the first layer as images")] = False,
        curves: Annotated[bool, Flag("draw loss and accuracy by epoch, train and validation")] = False,
        confusion: Annotated[bool, Flag("draw which test classes are taken for which")] = False,
        diagnostics: Annotated[
            bool, Flag("draw dead units and gradients by layer (of a run trained with --diagnose)")
        ] = False,
        samples: Annotated[bool, Flag("of a task: draw training images of each class")] = False,
        counts: Annotated[
            bool, Flag("of a task: draw how often each class or tag comes, and sentence lengths")
        ] = False,
        data: Annotated[str | None, Flag("of a task for data of your own: where it is", "PATH")] = None,
        out: Annotated[
            str | None,
            Flag("of the figure, .png or .svg; RUN/figures/WHAT.png unless said", "FILE"),
        ] = None,
        format: Annotated[str, Flag("png or svg, where --out is not given")] = "png",
    ) -> int:
        from kact.inspection.task import inspect_task, is_task

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
        return _inspect_run(run, chosen, feature_maps, test, layer, out, format)

    return call(inspect, arguments, "kact inspect", _ABOUT)


def _inspect_run(
    path: str, chosen: Sequence[str], images: Sequence[str], test: int, layer: str | None, out: str | None, kind: str
) -> int:
    """Print what a run was, or draw the chosen figures of it and print where they are."""
    from kact.describe import print_run
    from kact.inspection.run import draw
    from kact.runs import Run

    if (out is not None or layer is not None) and not chosen:
        raise KactError("There is no figure to draw.", "Say which: --test 10, --kernels, --curves or --confusion.")
    if out is not None and len(chosen) > 1:
        raise KactError("--out names one file, and this draws several figures.", "Ask for one, or leave --out away.")
    found = Run.load(path)
    if not chosen:
        print_run(found)
        return 0
    for name in chosen:
        print(draw(found, name, images=images, test=test, layer=layer, out=out, kind=kind))
    return 0
