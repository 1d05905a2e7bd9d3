"""The results table: whole rows whatever happens, each run once, and errors that say how to go on."""

import csv
import math
import multiprocessing
import sqlite3

import pytest

from kact import __main__ as command
from kact.errors import KactError
from kact.studies import flat
from kact.studies.results import VERSION, ResultsTable
from kact.studies.row import ResultRow

pytestmark = pytest.mark.any_backend

SCORES = {"accuracy": 0.5, "loss": 1.0}


def made(seed=0, status="finished", accuracy=0.5, **changes):
    metrics = None if status == "failed" else {"test": {**SCORES, "accuracy": accuracy}, "epochs": 2}
    values = {
        "hash": "ab",
        "seed": seed,
        "stage": "compare",
        "cell": {"activation": "relu", "units": (8, 8)},
        "experiment": {"task": "digits", "model": {"name": "mlp"}},
        "status": status,
        "metrics": metrics,
        "history": [{"epoch": 1, "train_loss": 0.5}],
    }
    return ResultRow(**{**values, **changes})


@pytest.fixture
def table(tmp_path):
    table = ResultsTable(tmp_path / "results.sqlite", timeout_seconds=0.2)
    for seed in range(40):
        table.add(made(seed))
    return table


def test_rows_come_back_as_they_were_in_their_order(table):
    rows = table.rows()
    assert rows == [made(seed) for seed in range(40)]
    table.add(made(stage="tune"))
    assert len(table.rows("tune")) == 1 and len(table.rows("compare")) == 40 and len(table.rows()) == 41


def test_what_is_not_a_number_comes_back_as_such(tmp_path):
    table = ResultsTable(tmp_path / "results.sqlite")
    table.add(made(status="diverged", history=[{"epoch": 1, "train_loss": math.nan}], metrics={"test": None}))
    assert math.isnan(table.rows()[0].history[0]["train_loss"]) and table.rows()[0].score("test", "loss") is None


def test_a_run_is_there_once_and_only_a_failure_gives_way(table):
    table.add(made(3, accuracy=0.9))
    assert len(table.rows()) == 40 and table.rows()[3].score("test", "accuracy") == 0.5
    table.add(made(50, status="failed"))
    table.add(made(50))
    assert [row.status for row in table.rows() if row.seed == 50] == ["finished"]


def test_no_file_and_an_empty_one_hold_nothing(tmp_path):
    assert ResultsTable(tmp_path / "none.sqlite").rows() == []
    (tmp_path / "empty.sqlite").touch()
    assert ResultsTable(tmp_path / "empty.sqlite").rows() == []


@pytest.mark.parametrize("length", [50, 4096, 20_000])
def test_a_truncated_table_is_named_and_can_be_made_again(table, length):
    table.path.write_bytes(table.path.read_bytes()[:length])
    for spoiled in (table.rows, table.check, lambda: table.add(made(99))):
        with pytest.raises(KactError, match=r"(?s)results\.sqlite' are damaged.*Move it away.*study run"):
            spoiled()
        break_the_log(table)


def break_the_log(table):
    for name in ("-wal", "-shm"):
        table.path.with_name(table.path.name + name).unlink(missing_ok=True)


def test_overwritten_pages_are_found_before_a_study_goes_on(table):
    with open(table.path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(KactError, match="damaged"):
        table.check()


def test_no_flipped_byte_is_believed(table, rng):
    rows, whole = table.rows(), table.path.read_bytes()
    found = 0
    for place in rng.integers(0, len(whole), 400):
        table.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.integers(8)]) + whole[place + 1 :])
        try:
            assert table.rows() == rows, f"byte {place}"  # one that no row is in
        except KactError as error:
            found += "damaged" in str(error) or "of version" in str(error)
    assert found > 200


def test_a_table_from_before_there_were_checksums_is_read_and_gets_them(table):
    rows = table.rows()
    with sqlite3.connect(table.path) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN sha256")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    assert table.rows() == rows
    table.add(made(40))
    assert table.rows() == [*rows, made(40)]
    with sqlite3.connect(table.path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        connection.execute("UPDATE runs SET metrics = replace(metrics, '0.5', '0.6') WHERE seed = 3")
    connection.close()
    with pytest.raises(KactError, match=r"damaged: the checksum of row 4 does not fit"):
        table.rows()


def test_another_version_is_refused(table):
    with sqlite3.connect(table.path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    for refused in (table.rows, table.check):
        with pytest.raises(KactError, match=rf"version {VERSION + 1}, and this kact reads version {VERSION}"):
            refused()


def test_some_other_database_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "other.sqlite") as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    connection.close()
    with pytest.raises(KactError, match="version 0"):
        ResultsTable(tmp_path / "other.sqlite").check()


def test_a_locked_table_is_said_to_be_so(table):
    holder = sqlite3.connect(table.path, isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(KactError, match=r"(?s)has locked.*Wait"):
            table.add(made(99))
        assert len(table.rows()) == 40, "readers go on"
    finally:
        holder.close()


def test_what_cannot_be_written_says_how_to_go_on(table, monkeypatch):
    real = sqlite3.connect
    read_only = table.path.absolute().as_uri() + "?mode=ro"
    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: real(read_only, uri=True))
    with pytest.raises(KactError, match=r"(?s)readonly.*writable"):
        table.add(made(99))


def test_a_full_disk_keeps_what_was_written(tmp_path, monkeypatch):
    table = ResultsTable(tmp_path / "results.sqlite")
    table.add(made())
    monkeypatch.setattr(table, "_connect", lambda: limited(tmp_path / "results.sqlite"))
    with pytest.raises(KactError, match=r"(?s)full.*Free some space"):
        table.add(made(1, error="x" * 1_000_000))
    assert [row.seed for row in table.rows()] == [0]


def limited(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA max_page_count = 8")
    return connection


def write_rows(path, count):
    for seed in range(count):
        ResultsTable(path).add(made(seed))


def test_others_read_while_it_is_written(tmp_path):
    path = tmp_path / "results.sqlite"
    writer = multiprocessing.get_context("spawn").Process(target=write_rows, args=(path, 60))
    writer.start()
    seen = []
    while writer.is_alive():
        seen.append(len(ResultsTable(path).rows()))
    writer.join()
    assert writer.exitcode == 0 and len(ResultsTable(path).rows()) == 60
    assert seen == sorted(seen), "rows never go away"


def test_flat_tables_hold_what_the_rows_do(table, tmp_path):
    table.add(made(60, status="failed", error="two\nlines"))
    assert flat.write(table.rows(), tmp_path / "runs.csv") == 41
    with open(tmp_path / "runs.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert lines[0]["cell.activation"] == "relu" and lines[0]["test.accuracy"] == "0.5" and lines[0]["seed"] == "0"
    assert lines[-1]["status"] == "failed" and lines[-1]["error"] == "two\nlines" and lines[-1]["test.accuracy"] == ""
    parquet = pytest.importorskip("pyarrow.parquet")
    flat.write(table.rows(), tmp_path / "epochs.parquet", epochs=True)
    columns = parquet.read_table(tmp_path / "epochs.parquet").to_pydict()
    assert columns["train_loss"] == [0.5] * 41 and columns["cell.units"][0] == "[8, 8]"


def test_what_tuning_runs_score_on_test_is_in_no_table():
    metrics = {"test": {**SCORES, "accuracy": 0.5}, "validation": {**SCORES, "accuracy": 0.6}}
    tuned, compared = (made(7, stage=stage, metrics=metrics) for stage in ("tune", "compare"))
    lines = flat.flat_runs([tuned, compared])
    assert [line["test.accuracy"] for line in lines] == [None, 0.5] and lines[0]["test.loss"] is None
    assert [line["validation.accuracy"] for line in lines] == [0.6, 0.6]


def test_tables_of_nothing_or_of_another_kind_are_refused(table, tmp_path, capsys):
    with pytest.raises(KactError, match="no results yet"):
        flat.write([], tmp_path / "x.csv")
    with pytest.raises(KactError, match=r"\.csv or \.parquet"):
        flat.write(table.rows(), tmp_path / "x.xlsx")
    assert command.main(["study", "export", str(tmp_path / "nowhere")]) == 2
    assert "No study was begun" in capsys.readouterr().err
