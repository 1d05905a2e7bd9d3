"""What is typed and written by hand: specs, experiments, studies, spaces."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import strategies as st

from kact import activations, curves, optimizers, recipes, tasks
from kact.experiment import Experiment
from kact.spec import parse_spec
from kact.studies import study_file
from kact.studies.study import Study
from kact.studies.study_file import load_study
from kact.tasks.augmentation import parse_augmentations
from tests.fuzz import made, samples
from tests.fuzz.targets import target, untouched, works_or_says

pytestmark = pytest.mark.any_backend

_NAMES = sorted([*activations.ACTIVATIONS, *activations.ALIASES, *optimizers.OPTIMIZERS, *optimizers.SCHEDULES])
_VALUES = ("1", "-0.0", "1e999", "1e-320", "10**400", "9" * 400, "True", "None", "'a'", "[1]", "-", "1j", "nan", "()")
_PARAMETERS = ("alpha", "lower", "upper", "negative_slope", "beta", "b", "momentum", "warmup_epochs", "pixels", "**a")
written = st.builds(
    lambda name, pairs: f"{name}({', '.join(f'{key}={value}' for key, value in pairs)})",
    st.sampled_from(_NAMES),
    st.lists(st.tuples(st.sampled_from(_PARAMETERS), st.sampled_from(_VALUES) | st.text(max_size=8)), max_size=3),
)
deep = st.builds(lambda mark, count: "elu(alpha=" + mark * count, st.sampled_from("([{-+~"), st.integers(1, 480))
specs = st.one_of(st.sampled_from(_NAMES), written, deep, st.text(max_size=40), made.words)

_RECIPES = [tomllib.loads(recipes.config_path(name).read_text(encoding="utf-8")) for name in recipes.recipe_names()]
_FULL = Experiment(backbone=None, patience=3, stop_below=0.1, augment=("flip",), l2=1e-4, schedule="cosine").to_dict()
_STUDIES = [
    (Path(study_file.__file__).parent / f"{name}.toml").read_text(encoding="utf-8") for name in study_file.study_names()
]


@target(120, spec=specs)
def test_specs(spec):
    """A spec is parsed, has one spelling, and can be drawn, or says what is wrong with it."""
    works_or_says(lambda: parse_spec(spec, "activation"))
    if ":" not in spec:  # names a function, whose module is imported; a fuzzer should import nothing
        found = works_or_says(lambda: activations.canonical_spec(spec))
        assert found is None or activations.canonical_spec(found) == found
        works_or_says(lambda: activations.recommended_initializer(spec))
    for canonical in (optimizers.canonical_optimizer, optimizers.canonical_schedule):
        found = works_or_says(lambda canonical=canonical: canonical(spec))
        assert found is None or canonical(found) == found
    works_or_says(lambda: parse_augmentations((spec,)))
    works_or_says(lambda: tasks.canonical_task(spec, None))


@target(40, spec=specs.filter(lambda spec: ":" not in spec), low=made.leaves, high=made.leaves, points=made.leaves)
def test_curves(spec, low, high, points):
    """A curve of any activation, between any ends, is finite in number or refused."""
    numbers = [one if isinstance(one, int | float) else 1.0 for one in (low, high)]
    count = points if isinstance(points, int) else 11
    found = works_or_says(lambda: curves.sample(spec, *numbers, count))
    assert found is None or len(found.x) == len(found.y) == len(found.slope) == count


def _of_an_experiment(text):
    found = works_or_says(lambda: Experiment.from_toml(text))
    if found is not None:
        assert Experiment.from_toml(found.to_toml()) == found
        assert Experiment.from_toml(found.to_toml()).hash == found.hash
        assert "/" not in found.label and found.label not in (".", "..") and len(found.label) < 255


@target(80, given=made.changed(_FULL) | st.sampled_from(_RECIPES).flatmap(made.changed) | made.trees)
def test_experiments(given):
    """An experiment of changed values is whole, or refused; one that is whole survives its own file."""
    if isinstance(given, dict):
        _of_an_experiment(_written(given))


@target(40, content=made.broken(Experiment().to_toml().encode()) | made.broken(made.as_toml(_RECIPES[0])))
def test_experiment_files(content):
    """An experiment's file of any bytes."""
    with samples.fresh() as folder:
        (folder / "run.toml").write_bytes(content)
        with untouched(folder):
            works_or_says(lambda: Experiment.load(folder / "run.toml"))


@target(60, given=st.sampled_from(_STUDIES).map(tomllib.loads).flatmap(made.changed), quick=st.booleans())
def test_studies(given, quick):
    """A study of changed values: its file, its cells, its own file again."""
    text = _written(given)
    found = works_or_says(lambda: study_file.from_toml(text, "made", quick))
    if found is not None:
        _of_a_study(found)


@target(30, content=st.sampled_from(_STUDIES).flatmap(lambda text: made.broken(text.encode())), quick=st.booleans())
def test_study_files(content, quick):
    """A study's file of any bytes."""
    with samples.fresh() as folder:
        (folder / "made.toml").write_bytes(content)
        with untouched(folder):
            found = works_or_says(lambda: load_study(folder / "made.toml", quick))
    if found is not None:
        _of_a_study(found)


_FACTORS = st.sampled_from(
    ["activation", "learning_rate", "model.hidden_units", "model", "epochs", "seed", "task", "label.depth", "", "x"]
)
_GRIDS = st.dictionaries(_FACTORS, st.one_of(made.trees, st.lists(made.leaves, max_size=4)), max_size=3)


@target(80, base=_GRIDS, grid=_GRIDS, zips=st.lists(_GRIDS, max_size=2), compare=_FACTORS, seeds=made.leaves)
def test_grids(base, grid, zips, compare, seeds):
    """A grid of any values in Python."""
    found = works_or_says(lambda: Study(base=base, grid=grid, zips=zips, compare=compare, seeds=seeds))
    if found is not None:
        _of_a_study(found)


def _of_a_study(study):
    from itertools import islice

    from kact.studies.show import describe

    for stage in ("tune", "compare"):
        assert study.run_count(stage) >= 0
    works_or_says(lambda: list(islice(study.experiments("compare"), 3)))
    text = study_file.to_toml(study)
    assert study_file.from_toml(text, "made").name == study.name
    works_or_says(lambda: describe(study))


def _written(tree):
    return made.as_toml(tree).decode()


_SPACE = {
    "tuner": "grid",
    "experiment": {"task": "digits", "epochs": 2},
    "learning_rate": {"low": 1e-4, "high": 0.1, "scale": "log", "points": 3},
    "l2": {"values": [0.0, 1e-4]},
    "dropout": {"low": 0.0, "high": 0.5, "zero": 0.2},
    "activation": {"values": ["relu", "mish"]},
}


@target(60, given=made.changed(_SPACE), tuner=st.sampled_from(["grid", "random", "hyperband", "bayesian"]))
def test_spaces(given, tuner):
    """A space file of changed values, and the plan that comes of it."""
    from tuning.command_line import TuneOptions, make_plan

    def plan():
        found = make_plan(TuneOptions(space=str(folder / "space.toml"), tuner=tuner, trials=3))
        return found.label, found.to_toml(), found.most_trials, found.most_epochs

    with samples.fresh() as folder:
        (folder / "space.toml").write_bytes(made.as_toml(given))
        with untouched(folder):
            works_or_says(plan)
