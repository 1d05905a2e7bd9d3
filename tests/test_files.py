"""Files that are written whole or not at all, whoever else writes them and whatever was left by a killed process."""

import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from kact.errors import KactError
from kact.storage.files import atomic


def test_two_processes_may_write_one_file_and_what_a_killed_one_left_is_swept(tmp_path):
    target = tmp_path / "table [1].csv"
    ended = subprocess.Popen(["true"])
    ended.wait()
    with atomic(target) as temporary:
        temporary.write_text("whole")
    own = f".{os.getpid()}.part.csv"
    assert target.read_text() == "whole" and temporary.name.endswith(own)
    left = tmp_path / temporary.name.replace(own, f".{ended.pid}.part.csv")
    others = tmp_path / temporary.name.replace(own, f".{os.getppid()}.part.csv")
    for file in (left, others):
        file.write_text("half")
    with atomic(target) as temporary:
        temporary.write_text("whole")
    assert target.read_text() == "whole" and others.exists() and not left.exists()


def test_what_another_machine_writes_in_a_shared_folder_is_not_swept(tmp_path, monkeypatch):
    """Its processes have numbers of their own: none of them need be one here."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    for machine in ("one.example", "other.example"):
        monkeypatch.setattr(socket, "gethostname", lambda name=machine: name)
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: ended.pid)
            with contextlib.suppress(KeyboardInterrupt), atomic(tmp_path / "table.csv") as temporary:
                temporary.write_text("half")
                kept = temporary.rename(tmp_path / "kept")  # as if it were killed here
                raise KeyboardInterrupt
        kept.rename(temporary)
    with atomic(tmp_path / "table.csv") as mine:
        mine.write_text("whole")
    assert not temporary.exists(), "this machine's own is swept"
    (left,) = (file for file in tmp_path.iterdir() if file.name != "table.csv")
    assert "one-example" in left.name


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks /proc")
def test_who_is_over_and_not_yet_waited_for_is_dead(tmp_path):
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as ended:
        ended.stdout.read()  # until it has closed its end
        with atomic(tmp_path / "table.csv") as temporary:
            temporary.write_text("whole")
        left = tmp_path / temporary.name.replace(f".{os.getpid()}.", f".{ended.pid}.")
        left.write_text("half")
        until = time.monotonic() + 60
        while left.exists() and time.monotonic() < until:
            with atomic(tmp_path / "table.csv") as temporary:
                temporary.write_text("whole")
        assert not left.exists()


def test_a_full_disk_leaves_the_last_whole_file(tmp_path, monkeypatch):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    full_disk = pytest.raises(KactError, match=r"(?s)table\.csv': No space left on device.*Free some space")
    with full_disk, atomic(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["table.csv"]
