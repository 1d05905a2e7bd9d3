"""The cache of decoded arrays: a hit reads nothing, damage is mended, trouble with the disk costs only time."""

import errno
import json
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import filelock
import numpy as np
import pytest

import kact
from kact.errors import KactError
from kact.tasks import TASKS
from kact.tasks.cache import cache_root, load_arrays
from kact.tasks.task import Identity, RawArrays

pytestmark = pytest.mark.any_backend

ARRAYS = ["train_inputs", "train_labels", "test_inputs", "test_labels"]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("KACT_CACHE_DIR", str(tmp_path / "cache"))
    caplog.set_level(logging.WARNING, logger="kact")
    return tmp_path / "cache"


class Source:
    """A made data set that counts how often it is decoded."""

    def __init__(self, fill=0):
        self.reads = 0
        self.fill = fill

    def read(self):
        self.reads += 1
        labels = np.arange(40, dtype=np.int64) % 2
        inputs = np.full((40, 4, 4, 1), self.fill, np.uint8)
        return RawArrays(inputs, labels, inputs[:10].copy(), labels[:10].copy())

    def task(self, version="1.0", fingerprint="one"):
        return replace(
            TASKS["digits"],
            name="made",
            labels=("a", "b"),
            input_shape=(4, 4, 1),
            identify=lambda: Identity(version, fingerprint),
            read=self.read,
        )


def only_folder(cache):
    (folder,) = (path for path in (cache / "made").iterdir() if path.is_dir())
    return folder


def same(first, second):
    pairs = zip(first.raw.named().values(), second.raw.named().values(), strict=True)
    return first.fingerprint == second.fingerprint and all(np.array_equal(a, b) for a, b in pairs)


def test_a_hit_is_memory_mapped_and_decodes_nothing(cache, caplog):
    source = Source()
    first, second = load_arrays(source.task()), load_arrays(source.task())
    assert source.reads == 1 and same(first, second)
    for loaded in (first, second):
        assert all(isinstance(array, np.memmap) and array.mode == "r" for array in loaded.raw.named().values())
    assert sorted(path.name for path in only_folder(cache).iterdir()) == sorted(
        [*(f"{name}.npy" for name in ARRAYS), "manifest.json"]
    )
    assert not caplog.records


def test_copies_of_a_data_set_never_mix(cache):
    tasks = [
        Source(fill).task(version, fingerprint)
        for fill, (version, fingerprint) in enumerate([("1.0", "one"), ("1.0", "two"), ("2.0", "one")])
    ]
    for _ in range(2):
        assert [int(load_arrays(task).raw.train_inputs[0, 0, 0, 0]) for task in tasks] == [0, 1, 2]
    assert len({load_arrays(task).fingerprint for task in tasks}) == 3


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("damage", ["changed", "truncated", "empty", "missing", "garbage", "zip", "shape"])
def test_a_damaged_array_is_said_once_and_rebuilt(cache, caplog, name, damage):
    source = Source()
    sound = load_arrays(source.task())
    path = only_folder(cache) / f"{name}.npy"
    content = bytearray(path.read_bytes())
    path.unlink()  # the maps of `sound` keep the old file
    if damage == "changed":
        content[-1] ^= 1
    elif damage == "truncated":
        content = content[:-1]
    elif damage == "empty":
        content = bytearray()
    elif damage == "garbage":
        content = bytearray(b"\xff" * len(content))
    elif damage == "zip":
        content = bytearray(b"PK\x03\x04") + content
    elif damage == "shape":
        content = bytearray(bytes(content).replace(b"(40,", b"(20,").replace(b"(10,", b"(5, "))
    if damage != "missing":
        path.write_bytes(content)
    mended = load_arrays(source.task())
    assert source.reads == 2 and same(sound, mended)
    assert isinstance(mended.raw.train_inputs, np.memmap)
    (record,) = caplog.records
    assert str(path) in record.getMessage() and "damaged" in record.getMessage() and "\n" not in record.getMessage()
    caplog.clear()
    load_arrays(source.task())
    assert source.reads == 2 and not caplog.records


def test_no_damage_to_a_header_goes_through_or_crashes(cache, caplog):
    source = Source()
    sound = load_arrays(source.task())
    path = only_folder(cache) / "test_labels.npy"
    original = path.read_bytes()
    generator = np.random.Generator(np.random.PCG64(0))
    for _ in range(150):
        content = bytearray(original)
        for place in generator.integers(0, 70, size=generator.integers(1, 4)):
            content[place] = generator.integers(0, 256)
        path.unlink()
        path.write_bytes(content)
        assert same(sound, load_arrays(source.task()))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"arrays": {}}', '{"arrays": 3}', "\xff"])
def test_a_damaged_manifest_is_rebuilt(cache, caplog, text):
    source = Source()
    load_arrays(source.task())
    (only_folder(cache) / "manifest.json").write_text(text, encoding="latin-1")
    load_arrays(source.task())
    assert source.reads == 2 and "manifest.json" in caplog.text
    assert set(json.loads((only_folder(cache) / "manifest.json").read_text())["arrays"]) == set(ARRAYS)


def test_arrays_without_a_manifest_are_not_believed(cache):
    source = Source()
    load_arrays(source.task())
    (only_folder(cache) / "manifest.json").unlink()
    load_arrays(source.task())
    assert source.reads == 2


def test_damage_that_cannot_be_mended_names_the_file(cache):
    load_arrays(Source().task())
    path = only_folder(cache) / "train_inputs.npy"
    path.write_bytes(b"")

    def gone():
        raise KactError("The source is gone.", "Copy it again.")

    with pytest.raises(KactError, match=r"train_inputs\.npy is damaged.*The source is gone") as caught:
        load_arrays(replace(Source().task(), read=gone))
    assert caught.value.next_step == "Copy it again."


# --- folders that cannot be written ---


def check_without_cache(caplog, expected):
    source = Source(7)
    loaded = load_arrays(source.task())
    assert source.reads == 1 and not isinstance(loaded.raw.train_inputs, np.memmap)
    (record,) = caplog.records
    assert record.name == "kact" and expected in record.getMessage() and "\n" not in record.getMessage()
    return loaded


def test_a_cache_folder_that_is_a_file_is_done_without(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KACT_CACHE_DIR", str(tmp_path / "file"))
    check_without_cache(caplog, "made is not cached")


def test_a_read_only_folder_is_done_without_and_what_it_holds_is_used(monkeypatch, cache, caplog):
    source = Source()
    load_arrays(source.task())

    def refuse(self, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    # Rights do not bind the superuser, whom the tests may run as, so the calls that would fail are made to.
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert isinstance(load_arrays(source.task()).raw.train_inputs, np.memmap)
    assert source.reads == 1 and not caplog.records
    other = Source()
    load_arrays(other.task(fingerprint="other"))
    assert other.reads == 1 and "Permission denied" in caplog.text


def test_no_home_folder_is_done_without(monkeypatch, caplog):
    pwd = pytest.importorskip("pwd", reason="home folders are found otherwise on Windows")

    def nobody(user):
        raise KeyError(user)

    for variable in ("KACT_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert cache_root() is None
    check_without_cache(caplog, "no home folder")


@pytest.mark.skipif(sys.platform != "linux", reason="XDG is Linux's")
def test_the_xdg_folder_is_used_where_none_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("KACT_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "kact"


def test_the_fingerprint_is_the_same_with_and_without_a_cache(monkeypatch, tmp_path, caplog):
    cached = load_arrays(Source(7).task())
    (tmp_path / "file").touch()
    monkeypatch.setenv("KACT_CACHE_DIR", str(tmp_path / "file"))
    assert same(cached, check_without_cache(caplog, "not cached"))


@pytest.mark.parametrize("at", [1, 3])
def test_a_full_disk_leaves_no_half_file(monkeypatch, cache, caplog, at):
    save, calls = np.save, []

    def fill_up(stream, array, **options):
        calls.append(array)
        if len(calls) == at:
            stream.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(stream, array, **options)

    monkeypatch.setattr(np, "save", fill_up)
    check_without_cache(caplog, "No space left on device")
    assert list(only_folder(cache).iterdir()) == []


def test_a_killed_writer_leaves_nothing_that_is_believed(monkeypatch, cache):
    real_replace = os.replace

    def killed(source, target):
        if target.name == "test_inputs.npy":
            raise KeyboardInterrupt
        real_replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    source = Source()
    with pytest.raises(KeyboardInterrupt):
        load_arrays(source.task())
    monkeypatch.setattr(os, "replace", real_replace)
    load_arrays(source.task())
    assert source.reads == 2


# --- several at once ---

WORKER = """
import os, sys, time
from dataclasses import replace
import numpy as np
from kact.tasks import TASKS
from kact.tasks.cache import load_arrays
from kact.tasks.task import Identity, RawArrays

def read():
    with open(sys.argv[1], "a") as journal:
        journal.write("read\\n")
    time.sleep(0.5)  # so that the others arrive meanwhile
    inputs, labels = np.ones((2000, 32, 32, 3), np.uint8), np.arange(2000) % 10
    return RawArrays(inputs, labels, inputs[:10].copy(), labels[:10].copy())

task = replace(TASKS["cifar10"], name="made", identify=lambda: Identity("1", "one"), read=read)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
loaded = load_arrays(task)
print(type(loaded.raw.train_inputs).__name__, loaded.fingerprint, int(loaded.raw.train_inputs.sum()))
"""


def test_processes_at_once_decode_once_and_read_the_same(tmp_path):
    root = Path(kact.__file__).parents[1]
    arguments = [sys.executable, "-c", WORKER, str(tmp_path / "journal"), str(tmp_path / "go")]
    workers = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root)
        for _ in range(3)
    ]
    (tmp_path / "go").touch()
    results = [worker.communicate(timeout=60) for worker in workers]
    assert [error for _, error in results] == [""] * 3
    assert len({output for output, _ in results}) == 1
    assert results[0][0].startswith("memmap") and results[0][0].split()[-1] == str(2000 * 32 * 32 * 3)
    assert (tmp_path / "journal").read_text() == "read\n"


def test_who_waits_long_for_another_process_is_told_and_waits_on(cache, caplog, monkeypatch):
    monkeypatch.setattr("kact.storage.files._SILENT_SECONDS", 0.1)
    source = Source()
    load_arrays(source.task())
    (only_folder(cache) / "manifest.json").unlink()
    lock = f"{only_folder(cache)}.lock"
    with filelock.FileLock(lock):
        waiting = threading.Thread(target=load_arrays, args=[source.task()])
        waiting.start()
        while not caplog.messages:
            time.sleep(0.01)
        assert waiting.is_alive() and source.reads == 1
    waiting.join()
    assert [lock in said and "Another process" in said for said in caplog.messages] == [True]
    assert source.reads == 2


def test_a_reader_never_sees_a_cache_half_rebuilt(cache, caplog):
    source = Source()
    sound = load_arrays(source.task())
    stop = threading.Event()
    wrong = []

    def read():
        while True:
            try:
                return load_arrays(source.task())
            except SystemError as error:  # CPython 3.11 parses in one thread at a time; NumPy parses an array's header
                assert "recursion depth mismatch" in str(error)

    def read_all_the_time():
        while not stop.is_set():
            if not same(sound, read()):
                wrong.append(1)

    readers = [threading.Thread(target=read_all_the_time) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(20):
        (only_folder(cache) / "manifest.json").unlink(missing_ok=True)
        read()
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong and not caplog.records
