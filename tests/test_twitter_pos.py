"""The tweets through TFDS: prepared by kact's builder without TensorFlow, and the same as in the published files."""

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import kact
from kact.errors import KactError
from kact.tasks import load_task, twitter_pos
from kact.tasks.tagging import read_tagged
from tests.corpus import lay_tweets, sentences
from tests.test_tasks_prepared import HIDE_TENSORFLOW

pytestmark = pytest.mark.any_backend

ROOT = Path(kact.__file__).parents[1]
PARTS = {"train": "train", "dev": "validation", "test": "test"}


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("KACT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "tfds"


def below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def check_read(files):
    """The task's data is that of the files, in their order, with the fingerprint of their bytes."""
    data = load_task("tweets")
    digests = ""
    for part, name in PARTS.items():
        expected, digest = read_tagged(files[part])
        assert getattr(data, name) == expected
        digests += digest
    assert data.fingerprint == hashlib.sha256(digests.encode()).hexdigest() and data.version == "0.3"


def test_what_is_prepared_from_the_manual_folder_is_what_the_files_hold(root, monkeypatch, tmp_path):
    import tensorflow_datasets as tfds

    lay_tweets(root, monkeypatch, train=30)
    check_read({part: file.place for part, file in twitter_pos.FILES.items()})
    (root / "downloads").rename(tmp_path / "away")
    check_read({part: tmp_path / "away" / "manual" / file.path for part, file in twitter_pos.FILES.items()})
    source = tfds.data_source("twitter_pos", split="dev", data_dir=root, download=False)  # as any other set of TFDS
    first = sentences(10, 1)[0]
    assert [token.decode() for token in source[0]["tokens"]] == [token for token, _ in first]
    info = source.dataset_info
    assert [info.features["tags"].feature.int2str(tag) for tag in source[0]["tags"]] == [tag for _, tag in first]
    assert tuple(info.features["tags"].feature.names) == twitter_pos.TWITTER_POS.labels
    assert "Gimpel" in info.citation and "CC BY 3.0" in info.description and "CC BY" in info.redistribution_info.license


def test_a_folder_that_may_only_be_read_is_left_as_it_is(root, monkeypatch, tmp_path):
    lay_tweets(root, monkeypatch)
    before = below(root)
    root.chmod(0o555)  # root may write nevertheless, and must not
    try:
        check_read({part: file.place for part, file in twitter_pos.FILES.items()})
        check_read({part: file.place for part, file in twitter_pos.FILES.items()})
        assert below(root) == before
    finally:
        root.chmod(0o755)
    assert (tmp_path / "cache" / "tensorflow_datasets" / "twitter_pos" / "0.3.0" / "dataset_info.json").is_file()


@pytest.fixture
def served(tmp_path):
    """A folder, and the address on this machine where its files are to be had."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(tmp_path / "served"))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path / "served", f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_files_are_fetched_and_checked(root, monkeypatch, served):
    folder, address = served
    lay_tweets(folder, monkeypatch, address)
    dev = (folder / "dev").read_bytes()
    (folder / "dev").write_bytes(dev.replace(b"\tN", b"\tV"))
    with pytest.raises(KactError, match="SHA-256 is not the recorded one"):
        load_task("tweets")
    assert not (root / "twitter_pos" / "0.3.0").exists()
    (folder / "dev").write_bytes(dev)
    check_read({part: folder / part for part in PARTS})


def test_other_files_laid_by_hand_are_refused_and_told_their_task(root, monkeypatch):
    lay_tweets(root, monkeypatch)
    place = twitter_pos.FILES["dev"].place
    place.write_text("so\tR\n")
    with pytest.raises(KactError, match=r"oct27\.dev' is not the published file") as caught:
        load_task("tweets")
    assert f"--task tagged_file --data {place.parent}" in caught.value.next_step
    assert not (root / "twitter_pos").exists()


@pytest.mark.parametrize("damage", ["no shard", "truncated", "other tweets"])
def test_a_damaged_copy_is_not_believed(root, monkeypatch, damage):
    lay_tweets(root, monkeypatch)
    load_task("tweets")
    shard = root / "twitter_pos" / "0.3.0" / "twitter_pos-test.array_record-00000-of-00001"
    if damage == "no shard":
        shard.unlink()
    elif damage == "truncated":
        shard.write_bytes(shard.read_bytes()[:-1])
    else:
        shard.write_bytes(shard.with_name(shard.name.replace("test", "dev")).read_bytes())
    with pytest.raises(KactError, match=r"incomplete or damaged: .*test"):
        load_task("tweets")


def test_tweets_that_are_not_there_are_told_where_to_lie(root, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(KactError) as caught:
        load_task("tweets")
    place = root / "downloads" / "manual" / "twpos-data-v0.3" / "oct27.splits" / "oct27.train"
    assert str(place) in caught.value.next_step and "TFDS_DATA_DIR" in caught.value.next_step
    assert len(str(caught.value).splitlines()) == 2 and not root.exists()


PREPARE_AND_READ = """
import kact, kact.tasks
assert "tensorflow_datasets" not in sys.modules
import pathlib, pytest
from tests.corpus import lay_tweets
lay_tweets(pathlib.Path(sys.argv[1]), pytest.MonkeyPatch())
data = kact.tasks.load_task("tweets")
print(len(data.train), len(data.validation), len(data.test), "tensorflow" in sys.modules)
"""


def test_preparing_and_reading_do_without_tensorflow(root):
    command = [sys.executable, "-W", "error", "-c", HIDE_TENSORFLOW + PREPARE_AND_READ, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["10", "10", "10", "False"], done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("Preparing twitter_pos/0.3.0 in ")] == []


@pytest.mark.realdata
@pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set")
def test_the_tweets_themselves():
    data = load_task("tweets")
    parts = (data.train, data.validation, data.test)
    assert [len(part) for part in parts] == [1000, 327, 500]
    assert [sum(map(len, part.tokens)) for part in parts] == [14619, 4823, 7152]
    assert {tag for tags in data.train.tags for tag in tags} == set(data.task.labels)
    assert {tag for part in parts for tags in part.tags for tag in tags} <= set(data.task.labels)
    assert data.fingerprint == "dd058f17bcc1e4ce2da04f74e1d4ab4da6366d4d5ea364c213c89d038afd5b37", "of all runs so far"
    if twitter_pos.FILES["train"].place.is_file():
        check_read({part: file.place for part, file in twitter_pos.FILES.items()})
