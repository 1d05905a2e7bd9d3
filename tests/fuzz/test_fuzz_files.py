"""Files that kact reads: results, tagged sentences, clusters, names, vocabularies, weights, runs, searches, caches."""

import contextlib
import functools
import hashlib
import io
import json
import os
import sqlite3
import tomllib

import numpy as np
import pytest
from hypothesis import strategies as st

from kact.runs import Run
from kact.runs.checkpoint import Checkpoint
from kact.studies.results import ResultsTable
from kact.tasks.tagging import parse_tagged
from kact.text.vocabulary import Vocabulary
from kact.training.diary import read_diary
from tests.fuzz import made, samples
from tests.fuzz.targets import target, untouched, works_or_says

pytestmark = pytest.mark.any_backend

drawn = st.data()


def _results(folder):
    """Read a study's results in every way that a command does."""
    from kact.reports.sources import of_study
    from kact.studies.flat import flat_epochs, flat_runs

    table = ResultsTable(folder / "results.sqlite")
    works_or_says(table.statuses)
    rows = works_or_says(table.rows)
    if rows is not None:
        works_or_says(lambda: (flat_runs(rows), flat_epochs(rows), of_study(folder)))


@target(40, data=drawn)
def test_results_databases(data):
    """A results database of any bytes."""
    source = samples.study()
    content = data.draw(made.broken((source / "results.sqlite").read_bytes()))
    with samples.fresh(source / "study.toml") as folder:
        (folder / "results.sqlite").write_bytes(content)
        with untouched(folder):
            _results(folder)
        works_or_says(ResultsTable(folder / "results.sqlite").check)


@target(60, data=drawn)
def test_rows_of_results(data):
    """A results database that is whole, with a value in it that kact would not write."""
    source = samples.study()
    column = data.draw(st.sampled_from(["cell", "experiment", "metrics", "history", "status", "seed", "stage", "path"]))
    with samples.fresh(source / "study.toml", source / "results.sqlite") as folder:
        with contextlib.closing(sqlite3.connect(folder / "results.sqlite")) as connection, connection:
            stored = connection.execute(f"SELECT {column} FROM runs").fetchone()[0]
            new = data.draw(
                made.changed(json.loads(stored)).map(json.dumps)
                if isinstance(stored, str) and stored[:1] in "[{"
                else st.one_of(made.leaves.filter(_storable), st.binary(max_size=20))
            )
            with contextlib.suppress(sqlite3.Error, OverflowError, UnicodeEncodeError):
                connection.execute(f"UPDATE runs SET {column} = ? WHERE rowid = 1", (new,))
        _results(folder)


def _storable(value):
    return value is None or isinstance(value, str | float | bool) or (isinstance(value, int) and abs(value) < 2**63)


_TAGGED = b"ikr\t!\nsmh\tG\n\nso\tR\ncool\tA\n"


@target(60, content=made.broken(_TAGGED))
def test_tagged_files(content):
    """Tagged sentences of any bytes."""
    from kact.tasks import load_task

    found = works_or_says(lambda: parse_tagged(content, "made"))
    with samples.fresh() as folder:
        (folder / "train.txt").write_bytes(content)
        with untouched(folder):
            for place in (folder, folder / "train.txt"):
                works_or_says(lambda place=place: load_task("tagged_file", data=str(place)))
    assert found is None or len(found[0].tokens) == len(found[0].tags) > 0


_CLUSTERS = b"0110\tso\t900\n0111\tcool\t50\n00\t<URL-example.org>\t7\n"


@target(60, content=made.broken(_CLUSTERS), tokens=st.lists(st.text(max_size=30), max_size=4))
def test_clusters(content, tokens):
    """Brown clusters of any bytes, and any token looked up in them."""
    from kact.text.clusters import read_clusters

    with samples.fresh() as folder:
        (folder / "6mpaths").write_bytes(content)
        with untouched(folder):
            found = works_or_says(lambda: read_clusters(folder / "6mpaths"))
    if found is not None:
        works_or_says(lambda: Vocabulary.build([["so"]], ["R"], clusters=found).encode([*tokens, "so"]))


@target(40, content=made.broken("Anne\nzoë\n\n".encode()), tokens=st.lists(st.text(max_size=30), max_size=4))
def test_name_lists(content, tokens):
    """Lists of names of any bytes."""
    from unittest import mock

    from kact.tasks.public_file import PublicFile
    from kact.text import resources

    with samples.fresh() as folder:
        (folder / "downloads" / "manual").mkdir(parents=True)
        (folder / "downloads" / "manual" / "names").write_bytes(content)
        lists = {"names": PublicFile("names", "http://localhost:9/names", "00")}
        with (
            mock.patch.object(resources, "NAME_LISTS", lists),
            mock.patch.dict(os.environ, {"TFDS_DATA_DIR": str(folder)}),
            untouched(folder),
        ):
            found = works_or_says(resources.read_name_lists)
    if found is not None:
        works_or_says(lambda: Vocabulary.build([["so"]], ["R"], name_lists=found).encode([*tokens, "so"]))


@functools.cache
def _vocabulary():
    return json.loads((samples.BOX / "tweets-relu" / "vocabulary.json").read_text(encoding="utf-8"))


_SMALL = {
    "format": "kact vocabulary", "version": 1, "tags": ["A", "R"], "words": {"so": 2, "cool": 1},
    "affixes": [["s"], ["so"], [], ["o"], [], [], []], "shapes": ["x"], "characters": "clos",
    "clusters": {"so": ["0110", 900]}, "name_lists": {"names": ["anne"]},
}  # fmt: skip


@target(80, tree=made.changed(_SMALL), tokens=st.lists(st.text(max_size=30), max_size=4))
def test_vocabularies(tree, tokens):
    """A tagger's vocabulary of changed values."""
    found = works_or_says(lambda: Vocabulary.parse(made.as_json(tree).decode()))
    if found is not None:
        works_or_says(lambda: found.encode([*tokens, "so"]))


@functools.cache
def _state():
    import torch

    from tests.test_alexnet_weights import small_state

    buffer = io.BytesIO()
    torch.save(small_state(), buffer)
    return buffer.getvalue()


@target(30, data=drawn)
def test_weights(data):
    """PyTorch weights of any bytes."""
    from kact.models.alexnet_weights import _read_converted, convert, read_state

    content = data.draw(made.broken(_state()))
    with samples.fresh() as folder:
        (folder / "weights.pth").write_bytes(content)
        with untouched(folder):
            works_or_says(lambda: convert(read_state(folder / "weights.pth")))
            assert _read_converted(folder / "weights.pth") is None


@functools.cache
def _array():
    buffer = io.BytesIO()
    np.save(buffer, np.arange(12, dtype=np.uint8).reshape(3, 4))
    return buffer.getvalue()


@target(30, data=drawn)
def test_caches(data):
    """A cached data set with a damaged file is decoded anew, and gives what it gave before."""
    from unittest import mock

    from kact.tasks.cache import load_arrays
    from kact.tasks.digits import DIGITS

    with samples.fresh() as folder, mock.patch.dict(os.environ, {"KACT_CACHE_DIR": str(folder)}):
        sound = load_arrays(DIGITS).fingerprint
        file = data.draw(st.sampled_from(sorted(one for one in folder.rglob("*") if one.suffix in (".npy", ".json"))))
        file.write_bytes(data.draw(made.broken(file.read_bytes())))
        assert load_arrays(DIGITS).fingerprint == sound


def _use(path):
    """Do with a run's directory all that needs no data set, and no model."""
    from kact.describe import print_run, summary
    from kact.reports.sources import of_runs
    from kact.studies.job import Outcome  # noqa: F401  what a study makes of a run

    found = works_or_says(lambda: Run.load(path))
    if found is None:
        return
    works_or_says(lambda: (found.history, found.diverged, summary(found)))
    works_or_says(lambda: print_run(found))
    works_or_says(lambda: of_runs([path]))
    works_or_says(lambda: found.model_path)


@target(60, data=drawn)
def test_metrics(data):
    """A run whose metrics.json has changed values."""
    source = samples.trained()
    metrics = json.loads((source / "metrics.json").read_text(encoding="utf-8"))
    tree = data.draw(made.changed(metrics) | made.trees)
    with samples.fresh(source) as folder:
        (folder / source.name / "metrics.json").write_bytes(made.as_json(tree))
        with untouched(folder), samples.inside(folder):
            _use(folder / source.name)


@target(40, data=drawn)
def test_runs(data):
    """A run with one of its files of any bytes."""
    source = samples.trained()
    name = data.draw(st.sampled_from(["metrics.json", "experiment.toml", "history.csv", "diagnostics.csv"]))
    with samples.fresh(source) as folder:
        file = folder / source.name / name
        file.write_bytes(data.draw(made.broken(file.read_bytes())))
        with untouched(folder), samples.inside(folder):
            _use(file.parent)
            works_or_says(lambda: read_diary(file.parent / "diagnostics.csv"))


@target(40, data=drawn)
def test_checkpoints(data):
    """A checkpoint of any bytes; half of them with the checksum that goes with them, as somebody could make one."""
    from kact.train import run

    source = samples.trained()
    content = (source / "checkpoint.npz").read_bytes()
    made_up = data.draw(made.broken(content[:-32]))
    if data.draw(st.booleans()):
        made_up += hashlib.sha256(made_up).digest()
    with samples.fresh(source) as folder:
        path = folder / source.name
        (path / "metrics.json").unlink()
        (path / "checkpoint.npz").write_bytes(made_up)
        works_or_says(lambda: Checkpoint.load(path / "checkpoint.npz"))
        from kact import Experiment

        with samples.inside(folder):
            works_or_says(lambda: run(Experiment.load(path / "experiment.toml"), out=folder))


_SEARCH = {
    "pace.json": {"prepare_seconds": 0.1, "epoch_seconds": 0.1, "finish_seconds": 0.1},
    "executions.json": {
        "name": "0", "settings": {"dropout": 0.1}, "asked_epochs": 2,
        "executions": [
            {"seed": 0, "status": "finished", "accuracy": 0.9, "loss": 0.4, "best_epoch": 1, "epochs": 2,
             "seconds": 0.1, "run": "runs/a", "error": ""},
        ],
    },
}  # fmt: skip


@target(60, data=drawn)
def test_searches(data):
    """A search's directory with one of its files changed."""
    pytest.importorskip("keras_tuner")
    from kact import Experiment
    from tuning.clock import Pace, measure
    from tuning.plan import Plan, claim
    from tuning.records import best, counts, load_trials
    from tuning.report import write_trials
    from tuning.run import told
    from tuning.space import make_space

    base = Experiment(epochs=2)
    plan = Plan(base, make_space(["dropout"], base), "random", trials=2)
    name = data.draw(st.sampled_from(["pace.json", "executions.json", "search.toml"]))
    if name == "search.toml":
        content = data.draw(made.changed(tomllib.loads(plan.to_toml())).map(made.as_toml) | made.broken(b"a = 1\n"))
    else:
        sound = _SEARCH[name]
        content = data.draw(made.changed(sound).map(made.as_json) | made.broken(made.as_json(sound)))
    with samples.fresh() as folder:
        place = {"pace.json": "probe", "executions.json": "search/trial_0"}.get(name, ".")
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / name).write_bytes(content)
        with untouched(folder):
            if name == "search.toml":
                works_or_says(lambda: claim(plan, folder))
            elif name == "pace.json":
                found = works_or_says(lambda: measure(base, folder, "cpu"))
                assert found is None or (isinstance(found, Pace) and found.seconds(2, 3, 2) >= 0)
            else:
                trials = works_or_says(lambda: load_trials(folder / "search"))
                if trials is not None:
                    works_or_says(
                        lambda: (best(trials, "accuracy"), counts(trials), [told(one, "loss") for one in trials])
                    )
                    works_or_says(lambda: write_trials(plan, folder, trials))


@target(40, data=drawn)
def test_oracles(data):
    """A search's own state, as KerasTuner keeps it, of changed values or any bytes."""
    pytest.importorskip("keras_tuner")
    from kact import Experiment
    from tuning.plan import Place, Plan
    from tuning.search import Tuner
    from tuning.space import make_space

    base = Experiment(epochs=2)
    plan = Plan(base, make_space(["dropout"], base), "random", trials=2)
    with samples.fresh() as folder, samples.inside(folder):
        tuner = Tuner(plan, Place(folder))
        tuner.oracle.create_trial("tuner0")
        tuner.oracle.save()
        file = data.draw(st.sampled_from(sorted((folder / "search").rglob("*.json"))))
        sound = json.loads(file.read_text(encoding="utf-8"))
        file.write_bytes(data.draw(made.changed(sound).map(made.as_json) | made.broken(made.as_json(sound))))
        works_or_says(lambda: Tuner(plan, Place(folder)).oracle.create_trial("tuner0"))
