"""Command lines: every command of kact, of tuning and of the page, with arguments that somebody might type."""

import contextlib
import functools
import shutil
from unittest import mock

import pytest
from hypothesis import strategies as st

from kact.errors import KactError
from tests.fuzz import made, samples
from tests.fuzz.targets import MOST_LINES, target, untouched

pytestmark = pytest.mark.any_backend

_PLACES = (
    "run",
    "tagger",
    "study",
    "photographs",
    "picture.png",
    "text.txt",
    "run.toml",
    "study.toml",
    "none",
    ".",
    "",
)
_TEXTS = (
    "1",
    "0",
    "-1",
    "3.5",
    "1e400",
    "9" * 30,
    "nan",
    "",
    " ",
    "--",
    "-",
    "é",
    "\ud800",
    "a\nb",
    "=",
    "2/3",
    "x" * 600,
)
_TASKS = ("digits", "digits(a=1)", "image_folder", "image_folder(image_size=0)", "tagged_file", "digitz")
values = st.one_of(
    st.sampled_from(_PLACES), st.sampled_from(_TEXTS), st.sampled_from(_TASKS), made.words, st.integers().map(str)
)
flags_of_all = ("--out", "--format", "--help", "--json", "--top", "--nothing", "-h", "--=", "--config=", "---")


def arguments(*flags, positional=()):
    """Return a strategy for command lines of some flags, right and wrong values, and stray words."""
    one = st.one_of(
        st.tuples(st.sampled_from(flags), values),
        st.tuples(st.sampled_from(flags), values),
        st.tuples(st.sampled_from(flags)),
        st.builds(lambda flag, value: (f"{flag}={value}",), st.sampled_from(flags), values),
        st.tuples(st.sampled_from(flags_of_all)),
        st.tuples(values),
    )
    start = st.sampled_from([(), *((place,) for place in positional)])
    rest = st.lists(one, max_size=4)
    return st.builds(lambda first, rest: [*first, *(word for part in rest for word in part)], start, rest)


@contextlib.contextmanager
def _around():
    """Work in a folder that holds what `_PLACES` names; nothing of it may change, but for what commands write."""
    with samples.fresh() as folder:
        for name, made_once in (("run", samples.trained), ("tagger", samples.tagger), ("study", samples.study)):
            shutil.copytree(made_once(), folder / name)
        (folder / "photographs").symlink_to(samples.photographs())
        (folder / "picture.png").write_bytes(samples.pictures()["PNG RGB"])
        (folder / "text.txt").write_text("so cool\n")
        (folder / "run.toml").write_bytes((folder / "run" / "experiment.toml").read_bytes())
        (folder / "study.toml").write_bytes((folder / "study" / "study.toml").read_bytes())
        with contextlib.ExitStack() as held:
            for place in ("run", "tagger", "study", "photographs"):
                held.enter_context(untouched(folder / place))
            yield held.enter_context(samples.inside(folder))


def said_well(main, given):
    """Run a command; fail unless it ends with 0, or with 1 or 2 and a few words."""
    with _around() as (out, err):
        try:
            code = main(given)
        except SystemExit as left:
            code = left.code
    printed = err.getvalue()
    assert code in (0, 1, 2), (code, printed)
    assert "Traceback" not in printed + out.getvalue()
    if code == 2:
        assert printed.startswith("kact: ") and len(printed.splitlines()) <= MOST_LINES, printed


def _kact(given):
    from kact.__main__ import main

    return main(given)


@functools.cache
def _train_flags():
    import dataclasses

    from kact.commands.train import TrainOptions
    from kact.experiment import Experiment
    from kact.models import MODELS

    kinds = (Experiment, TrainOptions, *MODELS.values())
    names = dict.fromkeys(field.name for kind in kinds for field in dataclasses.fields(kind))
    return [f"--{'no-' * negative}{name.replace('_', '-')}" for name in names for negative in (False, True)]


def _cheap(real):
    """Return `train.run`, but that what would take long, or is no data of here, is left out."""

    def run(experiment, **options):
        here = experiment.task == "digits" or experiment.task.startswith(("image_folder", "tagged_file"))
        sizes = [size for value in vars(experiment.model).values() for size in _numbers(value)]
        if not here or max(sizes, default=0) > 64 or len(sizes) > 8 or experiment.backbone not in (None, "run"):
            raise KactError("This one is left out: it takes long.")
        small = experiment.replace(epochs=1, train_examples=min(experiment.train_examples or 64, 64))
        return real(small, **{**options, "progress": None})

    return run


def _numbers(value):
    return [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, int)]


@target(25, given=arguments(*_train_flags()))
def test_train(given):
    """`kact train`; what it would train is cut down to an epoch of 64 digits, and left out where it is large."""
    from kact import train

    with mock.patch.object(train, "run", _cheap(train.run)):
        said_well(_kact, ["train", *given])


_RUNS = ("run", "tagger", "none", "study", "photographs", "run.toml")


@target(
    20, given=arguments("--text", "--gold", "--json", "--top", "--no-json", positional=_RUNS), images=st.lists(values)
)
def test_predict(given, images):
    """`kact predict`."""
    said_well(_kact, ["predict", *given, *images])


@target(
    15,
    given=arguments(
        "--feature-maps", "--test", "--layer", "--kernels", "--curves", "--confusion", "--diagnostics", "--samples",
        "--counts", "--data", "--out", "--format", positional=(*_RUNS, "digits"),
    ),
)  # fmt: skip
def test_inspect(given):
    """`kact inspect`."""
    said_well(_kact, ["inspect", *given])


@target(
    4, seconds=120, given=arguments("--format", "--out", positional=_RUNS), kind=st.sampled_from(["torch", "onx", ""])
)
def test_export(given, kind):
    """`kact export`."""
    said_well(_kact, ["export", *given, "--format", kind])


_STUDY = (
    "--quick",
    "--no-probe",
    "--workers",
    "--out",
    "--seeds",
    "--only",
    "--shard",
    "--device",
    "--track",
    "--epochs",
    "--yes",
)


@target(
    30,
    command=st.sampled_from(["list", "show", "run", "status", "stop", "export", "merge", "lst", "", "--help"]),
    given=arguments(*_STUDY, positional=("study", "study.toml", "tweets-window", "cifar-lenet", "none")),
)
def test_study(command, given):
    """`kact study COMMAND`; its workers, and the probe that trains, are left out."""
    from kact.studies import probe, running

    def left_out(*given, **options):
        raise KactError("This is left out.")

    with mock.patch.object(running, "_pool", left_out), mock.patch.object(probe, "estimate", left_out):
        said_well(_kact, ["study", command, *given])


@target(15, given=arguments(*_train_flags(), "--learning-rates", "--seeds", positional=("relu", "mish", "msih")))
def test_compare(given):
    """`kact compare`, up to where it would train."""
    from kact.studies import running

    def left_out(*given, **options):
        raise KactError("This is left out.")

    with mock.patch.object(running, "_pool", left_out):
        said_well(_kact, ["compare", "relu", "mish", *given])


@target(3, seconds=120, given=arguments("--out", "--runs", "--format", "--detect", "--interactive", positional=_RUNS))
def test_report(given):
    """`kact report`."""
    said_well(_kact, ["report", *given])


@target(25, given=st.lists(values | st.sampled_from(["list", "activations", "tasks", "--help", "--version"])))
def test_other_words(given):
    """`kact` with any words."""
    if given[:1] != ["train"]:
        said_well(_kact, given)


@functools.cache
def _tune_flags():
    import dataclasses

    from tuning.command_line import TuneOptions

    return ["--" + field.name.replace("_", "-") for field in dataclasses.fields(TuneOptions)]


@target(20, given=arguments(*_tune_flags()))
def test_tune(given):
    """`python -m tuning`, up to where it would train."""
    pytest.importorskip("keras_tuner")
    from tuning import run
    from tuning.__main__ import main
    from tuning.plan import claim

    def claimed(plan, project, options):
        claim(plan, project)
        return 0

    with mock.patch.object(run, "tune", claimed):
        said_well(main, given)


@target(20, given=arguments("--host", "--port", "--runs", "--results"))
def test_demo(given):
    """`python -m demo`, up to where it would serve."""
    pytest.importorskip("gradio")
    from demo import __main__ as demo
    from demo import app

    def left_out(*given):
        raise KactError("This is left out.")

    with mock.patch.object(app, "build", left_out):
        said_well(demo.main, given)
