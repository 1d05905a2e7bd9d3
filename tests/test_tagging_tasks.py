"""Tagged sentences from files: what is read, what is cut, what is refused with file and line."""

import hashlib
import http.server
import threading

import pytest

from kact.errors import KactError
from kact.tasks import get_record, get_task, load_task
from kact.tasks.public_file import PublicFile
from kact.tasks.tagging import parse_tagged
from kact.tasks.twitter_pos_files import FILES
from tests.corpus import TAGS, sentences, text_of, write_parts

pytestmark = pytest.mark.any_backend

# --- one's own files ---


def test_a_folder_gives_its_own_parts(tmp_path):
    data = load_task("tagged_file", data=str(write_parts(tmp_path)))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [120, 30, 40]
    assert data.task.labels == TAGS
    made = sentences(120, 0)
    assert [list(zip(*pair, strict=True)) for pair in zip(data.train.tokens, data.train.tags, strict=True)] == made


@pytest.mark.parametrize("names", [("train.tsv", "test.tsv"), ("oct.train", "oct.test"), ("TRAIN", "Test.txt")])
def test_parts_are_known_by_name_or_suffix_and_missing_ones_are_cut(tmp_path, names):
    for name, count in zip(names, (50, 20), strict=True):
        (tmp_path / name).write_text(text_of(sentences(count)))
    (tmp_path / "README").write_text("no data")
    data = load_task("tagged_file", data=str(tmp_path), validation_fraction=0.2)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [40, 10, 20]


def test_a_single_file_is_cut_by_sentence_and_always_alike(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text(text_of([[(f"w{i}", "N"), ("x", "V")] for i in range(100)]))
    one, other = (load_task("tagged_file", data=str(file)) for _ in range(2))
    assert one.train == other.train and one.test == other.test
    parts = [{tokens[0] for tokens in part.tokens} for part in (one.train, one.validation, one.test)]
    assert [len(part) for part in parts] == [72, 8, 20]
    assert len(set.union(*parts)) == 100, "every sentence is in one part"
    fewer = load_task("tagged_file", data=str(file), train_examples=10)
    assert len(fewer.train) == 10 and set(fewer.train.tokens) < set(one.train.tokens) and fewer.test == one.test


def test_the_validation_part_can_be_trained_on_as_well(tmp_path):
    folder = str(write_parts(tmp_path / "parts"))
    apart, both = (load_task("tagged_file", data=folder, train_on=on) for on in ("train", "train+validation"))
    assert both.train.tokens == apart.train.tokens + apart.validation.tokens and len(both.train) == len(both.train.tags)
    assert len(both.validation) == 0 and both.test == apart.test and both.fingerprint == apart.fingerprint
    (tmp_path / "mine.txt").write_text(text_of(sentences(50)))
    cut = load_task("tagged_file", data=str(tmp_path / "mine.txt"), train_on="train+validation")
    assert [len(part) for part in (cut.train, cut.validation, cut.test)] == [40, 0, 10]


def test_windows_line_ends_a_byte_order_mark_and_blank_lines():
    content = b"\xef\xbb\xbfa\tN\r\n\r\n \r\n\r\nb\tV\r\nc\tN\r\n\r\nd\tV"
    assert parse_tagged(content, "mine")[0].tokens == (("a",), ("b", "c"), ("d",))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["mine.txt", "no sentence"]),
        (b"a\tN\nb\n", ["Line 2", "mine.txt", "1 column, not 2"]),
        (b"a\tN\nb\tV\tx\n", ["Line 2", "mine.txt", "3 columns, not 2"]),
        (b"a\tN\n\n\xff\tV\n", ["Line 3", "mine.txt", "not UTF-8", "0xff"]),
        ("a\tN\n".encode("utf-16"), ["Line 1", "mine.txt", "not UTF-8"]),
        (b"a\t\n", ["Line 1", "empty tag"]),
        (b" \tN\n", ["Line 1", "empty token"]),
        (b"a\tN\n\nb\tV\n", ["only 2 sentences", "at least 4"]),
        (b"a\tN\n\nb\tV\n\nc\tN\n", ["only 3 sentences", "at least 4", "test and validation"]),
        (b"a\tN\n\nb\tN\n\nc\tN\n\nd\tN\n", ["one tag only", "'N'"]),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, content, words):
    (tmp_path / "mine.txt").write_bytes(content)
    with pytest.raises(KactError) as caught:
        load_task("tagged_file", data=str(tmp_path / "mine.txt"))
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_parts_of_which_training_knows_no_tag_are_refused(tmp_path):
    (tmp_path / "train.txt").write_text(text_of(sentences(20)))
    (tmp_path / "test.txt").write_text("a\tX1\n\nb\tX2\n")
    with pytest.raises(KactError, match=r"No tag of 'tagged_file.*'s test sentences"):
        load_task("tagged_file", data=str(tmp_path))


def test_places_that_hold_nothing(tmp_path):
    with pytest.raises(KactError, match="--data"):
        load_task("tagged_file")
    with pytest.raises(KactError, match=r"Cannot read '.*none.txt'"):
        load_task("tagged_file", data=str(tmp_path / "none.txt"))
    with pytest.raises(KactError, match="no train file"):
        load_task("tagged_file", data=str(tmp_path))
    for name in ("train.txt", "train.tsv"):
        (tmp_path / name).write_text("a\tN\n")
    with pytest.raises(KactError, match="two files for train"):
        load_task("tagged_file", data=str(tmp_path))


# --- the tweets ---


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    return tmp_path


def test_tweets_are_not_read_from_elsewhere():
    with pytest.raises(KactError, match="its own data"):
        load_task("tweets", data="mine.txt")


@pytest.fixture
def served(tmp_path):
    """A server on this machine, and what it gives for any address."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "list").write_bytes(b"anne\n")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_public_file_is_fetched_once_and_checked(root, served):
    original = hashlib.sha256(b"anne\n").hexdigest()
    file = PublicFile("names/list", f"{served}/list", original)
    assert file.find().read_bytes() == b"anne\n" and file.find() == root / "downloads" / "manual" / "names" / "list"
    other = PublicFile("names/other", f"{served}/list", "0" * 64)
    with pytest.raises(KactError, match="not the original: its SHA-256"):
        other.find()
    assert not other.place.exists()
    with pytest.raises(KactError, match="cannot be fetched"):
        PublicFile("names/gone", f"{served}/gone", original).find()


@pytest.mark.parametrize("name", ["twitter_pos", "tagged_file"])
def test_records(name):
    task = get_record(name)
    assert task.name == name and task.input == "words" and task.licence and "\n" not in task.summary
    assert len(set(task.labels)) == len(task.labels)
    assert all(len(file.sha256) == 64 and file.url.startswith("https://") for file in FILES.values())
    assert get_task("tweets").name == "twitter_pos"
