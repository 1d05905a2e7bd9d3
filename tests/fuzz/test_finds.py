"""What fuzzing found, each as the smallest input that showed it."""

import contextlib
import dataclasses
import hashlib
import io
import json
import sqlite3
import zipfile

import numpy as np
import pytest

from kact import Experiment, KactError, Run
from kact.images import open_image
from kact.runs.checkpoint import Checkpoint
from kact.studies.merge import merge_studies
from kact.studies.results import ResultsTable
from kact.studies.row import row_fault
from kact.studies.study import Study
from kact.studies.study_file import load_study
from kact.text.clusters import read_clusters
from kact.text.vocabulary import Vocabulary
from tests.fuzz import samples
from tests.fuzz.targets import bounded

pytestmark = pytest.mark.any_backend

DEEP_TOML = "a = " + "[" * 20_000
LARGE_TOML = "epochs = " + "9" * 5_000
DEEP_JSON = "[" * 200_000


@pytest.mark.parametrize("text", [DEEP_TOML, LARGE_TOML], ids=["deep", "large"])
def test_toml_beyond_what_python_reads(text, tmp_path):
    file = tmp_path / "a.toml"
    file.write_text(text)
    for read in (Experiment.load, load_study):
        with pytest.raises(KactError, match=r"is not valid TOML"):
            read(file)


@pytest.mark.parametrize("text", [DEEP_TOML, LARGE_TOML], ids=["deep", "large"])
def test_toml_of_searches_beyond_what_python_reads(text, tmp_path):
    from tuning.plan import Plan, claim
    from tuning.space import make_space
    from tuning.space_file import read_space

    (tmp_path / "search.toml").write_text(text)
    with pytest.raises(KactError, match=r"is not valid TOML"):
        read_space(str(tmp_path / "search.toml"))
    base = Experiment()
    with pytest.raises(KactError, match=r"is damaged"):
        claim(Plan(base, make_space(["dropout"], base), "random", trials=1), tmp_path)


def test_tables_in_tables_beyond_what_python_writes():
    with pytest.raises(KactError, match="too long to write"):
        Experiment(seed=10**5_000)
    with pytest.raises(KactError) as caught:
        Experiment(activation="x" * 400)
    assert len(str(caught.value)) < 1_500


def test_json_beyond_what_python_reads(tmp_path):
    from tuning.clock import measure
    from tuning.records import Trial

    with samples.fresh(samples.trained()) as folder:
        run = folder / samples.trained().name
        (run / "metrics.json").write_text(DEEP_JSON)
        with pytest.raises(KactError, match=r"metrics\.json' is damaged"):
            Run.load(run)
    with pytest.raises(KactError, match="is no vocabulary"):
        Vocabulary.parse(DEEP_JSON)
    (tmp_path / "executions.json").write_text(DEEP_JSON)
    with pytest.raises(KactError, match="is damaged"):
        Trial.load(tmp_path)
    (tmp_path / "probe").mkdir()
    (tmp_path / "probe" / "pace.json").write_text(DEEP_JSON)
    with pytest.raises(KactError, match="is damaged"):
        measure(Experiment(), tmp_path, "cpu")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda metrics: metrics.pop("stopped_by"), "stopped_by is missing"),
        (lambda metrics: metrics.update(stopped_by="boredom"), "stopped_by is 'boredom'"),
        (lambda metrics: metrics["timing"].update(train_seconds="long"), "train_seconds is 'long', not a number"),
        (lambda metrics: metrics["provenance"].update(files=[]), "files is"),
        (lambda metrics: metrics["test"]["confusion"].pop(), "confusion is not of 10 classes"),
        (lambda metrics: metrics["timing"].pop("images_per_second"), "neither images nor tokens"),
    ],
)
def test_metrics_that_no_run_has(change, word):
    with samples.fresh(samples.trained()) as folder:
        file = folder / samples.trained().name / "metrics.json"
        metrics = json.loads(file.read_text())
        metrics.pop("sha256", None)
        change(metrics)
        file.write_text(json.dumps(metrics))
        with pytest.raises(KactError, match="is not of a run that kact made: .*" + word):
            Run.load(file.parent)


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("cell", '"relu"', "cell is 'relu', not a table"),
        ("cell", '{"activation": {"a": 1}}', "activation is"),
        ("experiment", '{"model": "mlp"}', "model is 'mlp'"),
        ("metrics", '"x"', "metrics is 'x'"),
        ("history", "[1]", "history[0] is 1"),
        ("status", "won", "status is 'won'"),
        ("path", "../../elsewhere", "outside of the study"),
        ("path", b"runs", "path is b'runs'"),
        ("metrics", "{", ""),
        ("metrics", b"\xff", ""),
    ],
)
def test_rows_that_kact_never_writes(column, value, word):
    source = samples.study()
    if word:
        row = dataclasses.asdict(ResultsTable(source / "results.sqlite").rows()[0])
        assert row_fault(row) == ""
        assert word in row_fault(row | {column: json.loads(value) if value[:1] in ("{", "[", '"') else value})
    with samples.fresh(source) as folder:
        file = folder / source.name / "results.sqlite"
        with contextlib.closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(f"UPDATE runs SET {column} = ? WHERE rowid = 1", (value,))
        with pytest.raises(KactError, match="are damaged"):
            ResultsTable(file).rows()


def test_a_part_whose_rows_point_elsewhere_is_not_merged(tmp_path):
    source = samples.study()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine.txt").write_text("mine")
    with samples.fresh(source) as folder:
        part = folder / source.name
        with contextlib.closing(sqlite3.connect(part / "results.sqlite")) as connection, connection:
            connection.execute("UPDATE runs SET path = '../kept' WHERE rowid = 1")
        (folder / "kept").mkdir()
        with pytest.raises(KactError, match="are damaged"):
            merge_studies(tmp_path / "whole", [part])
    assert (tmp_path / "kept" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "..", "../elsewhere", "/elsewhere", "a\0b"])
def test_a_study_is_not_called_what_no_directory_can_be(name):
    with pytest.raises(KactError, match="what a directory can be called"):
        Study(name=name, base={"task": "digits"}, grid={"activation": ["relu", "mish"]})


def test_what_sqlite_says_of_every_page_fits_a_line(tmp_path):
    from tests.made_results import made_rows, write_study

    rows = made_rows(dict.fromkeys(("relu", "mish", "elu", "selu"), 0.8), seeds=10)
    grid = {"activation": ["relu", "mish", "elu", "selu"]}
    file = write_study(tmp_path / "made", rows, grid=grid) / "results.sqlite"
    ResultsTable(file).check()
    content = bytearray(file.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 + 8 : page * 4096 + 60] = b"\xff" * 52
    file.write_bytes(content)
    with pytest.raises(KactError, match="are damaged") as caught:
        ResultsTable(file).check()
    assert len(str(caught.value).splitlines()) == 2 and len(caught.value.problem) < 500


_VOCABULARY = {
    "format": "kact vocabulary", "version": 1, "tags": ["A"], "words": {"so": 2}, "affixes": [["s"]], "shapes": ["x"],
    "characters": "", "clusters": {"so": ["0110", 900]}, "name_lists": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"words": ""}, {"words": {"so": -2}}, {"words": {"so": 10**400}}, {"version": "1"}, {"tags": None},
        {"clusters": {"so": ["0110"]}}, {"clusters": {"so": [1, 2]}}, {"clusters": {"so": ["0110", -9]}},
    ],
)  # fmt: skip
def test_vocabularies_that_kact_never_writes(change):
    assert Vocabulary.parse(json.dumps(_VOCABULARY)).encode(["so"])["word"].tolist() == [2]
    with pytest.raises(KactError, match="is no vocabulary that kact wrote"):
        Vocabulary.parse(json.dumps(_VOCABULARY | change))


def test_a_count_of_thousands_of_digits(tmp_path):
    (tmp_path / "6mpaths").write_text(f"0110\tso\t{'9' * 5_000}\n")
    with pytest.raises(KactError, match=r"Line 1 of .* is not `bits TAB word TAB count`"):
        read_clusters(tmp_path / "6mpaths")


def test_pictures_whose_decoder_gives_up(tmp_path):
    content = bytearray(samples.pictures()["DDS RGB"])
    content[80:84] = bytes(4)  # the flags of the pixels' format: NotImplementedError
    (tmp_path / "a.dds").write_bytes(content)
    with pytest.raises(KactError, match="cannot be read as an image"):
        open_image(tmp_path / "a.dds")


def test_weights_whose_pickle_takes_from_an_empty_stack(tmp_path):
    import torch

    from kact.models.alexnet_weights import read_state

    torch.save({"a": torch.zeros(2)}, tmp_path / "whole.pth")
    with zipfile.ZipFile(tmp_path / "whole.pth") as whole, zipfile.ZipFile(tmp_path / "cut.pth", "w") as cut:
        for name in whole.namelist():
            cut.writestr(name, b"\x80\x02." if name.endswith("data.pkl") else whole.read(name))
    with pytest.raises(KactError, match=r"cannot be read as weights alone \(IndexError\)"):
        read_state(tmp_path / "cut.pth")


@pytest.mark.parametrize(
    "change",
    [
        {"executions": []},
        {"executions": [{"seed": 0}]},
        {"settings": "dropout"},
        {"asked_epochs": "two"},
    ],
)
def test_records_of_trials_that_kact_never_writes(change, tmp_path):
    from tuning.records import Execution, Trial

    Trial("0", {"dropout": 0.1}, 2, (Execution(0, "finished", 0.9, 0.4, seconds=1.5),)).save(tmp_path)
    assert Trial.load(tmp_path).score("loss") == 0.4
    content = json.loads((tmp_path / "executions.json").read_text())
    content.pop("sha256", None)
    (tmp_path / "executions.json").write_text(json.dumps(content | change))
    with pytest.raises(KactError, match="is damaged"):
        Trial.load(tmp_path)


@pytest.mark.parametrize("pace", [{"epoch_seconds": "x"}, {"epoch_seconds": -1}, {"epoch_seconds": 1e400}, {}])
def test_a_pace_that_was_never_measured(pace, tmp_path):
    from tuning.clock import measure

    (tmp_path / "probe").mkdir()
    sound = {"prepare_seconds": 0.1, "epoch_seconds": 0.1, "finish_seconds": 0.1} if pace else {}
    (tmp_path / "probe" / "pace.json").write_text(json.dumps(sound | pace))
    with pytest.raises(KactError, match="is damaged"):
        measure(Experiment(), tmp_path, "cpu")


def test_a_checkpoint_with_a_right_checksum_and_nothing_in_it(tmp_path):
    for content in (b"", b"PK", b"hello"):
        (tmp_path / "checkpoint.npz").write_bytes(content + hashlib.sha256(content).digest())
        with pytest.raises(KactError, match="is damaged"):
            Checkpoint.load(tmp_path / "checkpoint.npz")
    archive = io.BytesIO()
    np.savez(archive, a=np.zeros(2))
    (tmp_path / "checkpoint.npz").write_bytes(archive.getvalue() + hashlib.sha256(archive.getvalue()).digest())
    with pytest.raises(KactError, match="is damaged"):
        Checkpoint.load(tmp_path / "checkpoint.npz")


def test_an_input_that_goes_on_for_ever_or_takes_all_memory_is_a_find():
    def endless():
        while True:
            with contextlib.suppress(Exception):
                sum(range(1000))

    with pytest.raises(AssertionError, match=r"more than 0\.2 s"), bounded(0.2):
        endless()
    with pytest.raises(MemoryError), bounded(size_bytes=1 << 28):
        bytearray(1 << 30)


@pytest.mark.parametrize(
    "text",
    [
        "grid = 1\n[quick]\nseeds = 1\n",
        'zip = ["a"]\n[quick]\nseeds = 1\n',
        "[quick]\nzip = [1]\n",
        'published = [{cell = 1}]\n[grid]\nactivation = "relu"\n[quick]\nseeds = 1\n',
        '[grid]\nactivation = [["relu", {a = 1}], "mish"]\n',
    ],
)
def test_studies_with_something_else_in_the_place_of_a_table(text, tmp_path):
    (tmp_path / "made.toml").write_text(text)
    with pytest.raises(KactError, match="The study"):
        load_study(tmp_path / "made.toml", quick=True)


@pytest.mark.parametrize("key", ["low", "high", "zero"])
def test_ranges_of_numbers_beyond_floats(key):
    from tuning.space import make_space

    with pytest.raises(KactError, match=f"'dropout: {key}' parameter must be a number"):
        make_space(["dropout"], Experiment(), {"dropout": {"low": 0.0, "high": 0.5, key: 10**400}})


def test_a_grid_of_more_points_than_memory_holds():
    from tuning.space import make_space

    with bounded(), pytest.raises(KactError, match="'dropout: points' parameter must be a whole number from 1 to 1000"):
        make_space(["dropout"], Experiment(), {"dropout": {"points": 10**9}})


def test_a_list_in_the_place_of_a_name():
    from tuning.space import make_space

    with pytest.raises(KactError, match="'dropout: scale' parameter must be one of"):
        make_space(["dropout"], Experiment(), {"dropout": {"scale": []}})


def test_a_search_whose_state_was_changed(tmp_path):
    pytest.importorskip("keras_tuner")
    from tuning.plan import Place, Plan
    from tuning.search import Tuner
    from tuning.space import make_space

    base = Experiment(epochs=2)
    plan = Plan(base, make_space(["dropout"], base), "random", trials=2)
    tuner = Tuner(plan, Place(tmp_path))
    tuner.oracle.create_trial("tuner0")
    tuner.oracle.save()
    file = tmp_path / "search" / "oracle.json"
    sound = json.loads(file.read_text())
    sound.pop("sha256", None)
    other = {"space": [], "values": {}}
    for change in ({"start_order": "0"}, {"end_order": 1}, {"retry_queue": None}, {"hyperparameters": other}):
        file.write_text(json.dumps(sound | change))
        with pytest.raises(KactError, match="is damaged"):
            Tuner(plan, Place(tmp_path))
    file.write_text(json.dumps(sound))
    assert Tuner(plan, Place(tmp_path)).oracle.start_order == ["0"]


def test_a_runs_experiment_that_is_nested_too_deep_to_be_hashed(tmp_path):
    path = tmp_path / "digits-mlp-relu-0123abcd-seed0" / "experiment.toml"
    path.parent.mkdir()
    path.write_text("a." * 2000 + "a = 1\n", encoding="utf-8")
    with pytest.raises(KactError):
        Experiment.load(path)
