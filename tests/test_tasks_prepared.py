"""Data sets in TFDS's folder: prepared from the originals' own formats and read back, without TensorFlow, offline."""

import gzip
import io
import json
import logging
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

import kact
from kact.errors import KactError
from kact.tasks import cifar10, mnist, preparation, stl10
from kact.tasks.prepared import data_dir

ROOT = Path(kact.__file__).parents[1]

# TFDS asks `find_spec` and `sys.modules` whether TensorFlow is there; both say no, as on a machine without it.
HIDE_TENSORFLOW = """
import sys

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] == "tensorflow" else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
"""


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    monkeypatch.setenv("KACT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return tmp_path / "tfds"


def pixels(count, *shape):
    return np.random.Generator(np.random.PCG64(count)).integers(0, 256, (count, *shape), dtype=np.uint8)


def write_cifar_archive(path):
    """Six batches in CIFAR-10's binary format: five of 4 training records, one of 10 test records."""
    batches = {f"data_batch_{number}.bin": 4 for number in range(1, 6)} | {"test_batch.bin": 10}
    everything = {}
    with tarfile.open(path, "w:gz") as tar:
        start = 0
        for name, count in batches.items():
            images, labels = pixels(100, 32, 32, 3)[start : start + count], np.arange(start, start + count) % 10
            everything[name] = images, labels
            planes = images.transpose(0, 3, 1, 2).reshape(count, -1)
            content = np.concatenate([labels[:, None].astype(np.uint8), planes], axis=1).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            start += count
    train = [everything[name] for name in batches if name.startswith("data")]
    return {"train": [np.concatenate(part) for part in zip(*train, strict=True)], "test": everything["test_batch.bin"]}


def write_mnist_files(folder):
    """Four files in MNIST's IDX format, gzipped: 20 training and 10 test examples."""
    paths, parts = {}, {}
    for split, count in (("train", 20), ("test", 10)):
        images, labels = pixels(count, 28, 28), (np.arange(count) % 10).astype(np.uint8)
        for kind, array in (("images", images), ("labels", labels)):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            paths[f"{split}_{kind}"] = folder / f"{split}-{kind}.gz"
            paths[f"{split}_{kind}"].write_bytes(gzip.compress(header + array.tobytes()))
        parts[split] = images[..., None], labels
    return paths, parts


def write_stl_archive(path):
    """STL-10's binary format: images as three planes of columns, labels from 1 on, a third part without labels."""
    parts = {}
    with tarfile.open(path, "w:gz") as tar:
        for split, count in (("test", 10), ("train", 20), ("unlabeled", 3)):
            images, labels = pixels(count, 96, 96, 3), np.arange(count) % 10
            contents = {"X": images.transpose(0, 3, 2, 1).tobytes()}
            if split != "unlabeled":
                contents["y"] = (labels + 1).astype(np.uint8).tobytes()
            for kind, content in contents.items():
                member = tarfile.TarInfo(f"stl10_binary/{split}_{kind}.bin")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            parts[split] = images, labels
    return parts


def stand_in(monkeypatch, paths):
    """Let the download return made files."""
    from tensorflow_datasets.core.download.download_manager import DownloadManager

    asked = []
    monkeypatch.setattr(preparation, "_check_reachable", lambda *arguments: None)
    monkeypatch.setattr(DownloadManager, "download", lambda self, urls: asked.append(urls) or paths)
    return asked


def check_same_examples(images, labels, expected):
    """TFDS shuffles what it writes, so examples are compared as a set."""

    def as_set(images, labels):
        return {(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)}

    assert as_set(images, labels) == as_set(*expected)


def check_read(prepared_set, expected):
    raw = prepared_set.read()
    for split in ("train", "test"):
        images, labels = getattr(raw, f"{split}_inputs"), getattr(raw, f"{split}_labels")
        assert images.dtype == np.uint8 and images.shape[1:] == prepared_set.image_shape and labels.dtype == np.int64
        check_same_examples(images, labels, expected[split])


def prepare_mnist(monkeypatch, root):
    paths, expected = write_mnist_files(root.parent)
    stand_in(monkeypatch, paths)
    mnist._SET.identify()
    return expected


# --- preparing ---


def test_cifar10_is_prepared_from_its_binary_format(monkeypatch, root, tmp_path, capfd, caplog):
    caplog.set_level(logging.WARNING, logger="kact")
    expected = write_cifar_archive(tmp_path / "made.tar.gz")
    asked = stand_in(monkeypatch, {"archive": tmp_path / "made.tar.gz"})
    identity = cifar10.CIFAR10.identify()
    assert asked == [{"archive": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"}]
    check_read(cifar10._SET, expected)
    assert cifar10.CIFAR10.identify() == identity and len(asked) == 1
    assert capfd.readouterr() == ("", "")
    (record,) = caplog.records
    assert "cifar10/3.0.2" in record.getMessage() and "170 MB" in record.getMessage()


def test_mnist_is_prepared_from_its_idx_format(monkeypatch, root):
    check_read(mnist._SET, prepare_mnist(monkeypatch, root))


def test_stl10_is_prepared_from_its_binary_format_with_the_part_without_labels(monkeypatch, root, tmp_path):
    import tensorflow_datasets as tfds

    expected = write_stl_archive(tmp_path / "made.tar.gz")
    asked = stand_in(monkeypatch, {"archive": tmp_path / "made.tar.gz"})
    stl10.STL10.identify()
    assert asked == [{"archive": "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"}]
    check_read(stl10._SET, expected)
    rest = list(tfds.data_source("stl10", split="unlabelled", data_dir=root, download=False))
    images = expected["unlabeled"][0]
    check_same_examples([e["image"] for e in rest], [e["label"] for e in rest], (images, [-1] * 3))


def test_tfds_finds_by_its_ordinary_name_what_was_prepared(monkeypatch, root, tmp_path):
    import tensorflow_datasets as tfds

    expected = write_cifar_archive(tmp_path / "made.tar.gz")
    stand_in(monkeypatch, {"archive": tmp_path / "made.tar.gz"})
    cifar10.CIFAR10.identify()
    source = tfds.data_source("cifar10", split="train", data_dir=root, download=False)
    examples = list(source)
    check_same_examples([e["image"] for e in examples], [e["label"] for e in examples], expected["train"])
    assert sorted(e["id"].decode() for e in examples) == [f"train_{number:05d}" for number in range(20)]
    assert tuple(source.dataset_info.features["label"].names) == cifar10.CIFAR10.labels
    info = json.loads((root / "cifar10/3.0.2/dataset_info.json").read_text())
    assert info["fileFormat"] == "array_record"


def test_every_url_has_a_recorded_checksum():
    for prepared_set in (cifar10._SET, mnist._SET, stl10._SET):
        recorded = prepared_set.recorded_files()
        for url in prepared_set.urls.values():
            assert len(recorded[url].checksum) == 64


def test_a_file_with_another_checksum_is_refused(monkeypatch, root):
    monkeypatch.setattr(preparation, "_check_reachable", lambda *arguments: pytest.fail("the file is at hand"))
    by_hand = root / "downloads" / "manual"
    by_hand.mkdir(parents=True)
    write_cifar_archive(by_hand / "cifar-10-binary.tar.gz")  # TFDS takes files laid here, and checks them
    with pytest.raises(KactError, match="SHA-256 is not the recorded one"):
        cifar10.CIFAR10.identify()
    assert not cifar10._SET.folder.exists()


def test_an_interrupted_preparation_is_begun_again(monkeypatch, root, tmp_path):
    paths, expected = write_mnist_files(tmp_path)
    stand_in(monkeypatch, paths)
    encode, calls = mnist.encode_png, []

    def interrupted(image):
        calls.append(1)
        if len(calls) == 25:  # all of train, half of test
            raise KeyboardInterrupt
        return encode(image)

    monkeypatch.setattr(mnist, "encode_png", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mnist.MNIST.identify()
    assert len(calls) == 25 and not mnist._SET.folder.exists()
    (root / "mnist" / "incomplete.ABCDEF_3.0.1").mkdir(parents=True)  # what a killed process leaves
    monkeypatch.setattr(mnist, "encode_png", encode)
    mnist.MNIST.identify()
    check_read(mnist._SET, expected)


def test_a_folder_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    paths, _ = write_mnist_files(tmp_path)
    stand_in(monkeypatch, paths)
    (tmp_path / "file").touch()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "file" / "tfds"))
    with pytest.raises(KactError, match="could not be prepared") as caught:
        mnist.MNIST.identify()
    assert "TFDS_DATA_DIR" in caught.value.next_step


@pytest.mark.parametrize("task", [mnist.MNIST, cifar10.CIFAR10, stl10.STL10], ids=lambda task: task.name)
def test_without_a_network_two_lines_say_what_to_do(monkeypatch, root, task):
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where nothing answers; no request leaves the machine
    start = time.monotonic()
    with pytest.raises(KactError) as caught:
        task.identify()
    assert time.monotonic() - start < 10
    first, second = str(caught.value).splitlines()
    assert task.name in first and str(root) in first and "://" in first
    assert "TFDS_DATA_DIR" in second and f"{task.name}/" in second
    assert not root.exists()


# --- reading ---


@pytest.mark.parametrize("damage", ["no info", "bad info", "no shard", "empty shard"])
def test_an_incomplete_folder_is_not_believed(monkeypatch, root, damage):
    prepare_mnist(monkeypatch, root)
    folder = mnist._SET.folder
    (shard,) = folder.glob("mnist-test.array_record*")
    if damage == "no info":
        (folder / "dataset_info.json").unlink()
    elif damage == "bad info":
        (folder / "dataset_info.json").write_text('{"fileFormat": ')
    elif damage == "no shard":
        shard.unlink()
    else:
        shard.write_bytes(b"")
    with pytest.raises(KactError, match=r"incomplete or damaged.*(dataset_info\.json|mnist-test)"):
        mnist.MNIST.identify()


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_a_damaged_shard_is_found_when_it_is_read(monkeypatch, root, damage):
    prepare_mnist(monkeypatch, root)
    (shard,) = mnist._SET.folder.glob("mnist-train.array_record*")
    content = bytearray(shard.read_bytes())
    if damage == "truncated":
        content = content[:-1]
    else:
        start = content.index(b"PNG")
        content[start : start + 200] = bytes(200)
    shard.write_bytes(content)
    with pytest.raises(KactError, match="train cannot be read"):
        mnist.MNIST.read()


@pytest.mark.parametrize("says", ["tfrecord", None])
def test_another_file_format_is_told_with_a_way_out(monkeypatch, root, says):
    prepare_mnist(monkeypatch, root)
    path = mnist._SET.folder / "dataset_info.json"
    info = json.loads(path.read_text())
    del info["fileFormat"]
    path.write_text(json.dumps(info | ({"fileFormat": says} if says else {})))
    with pytest.raises(KactError, match="stored as tfrecord, which needs TensorFlow") as caught:
        mnist.MNIST.identify()
    assert "another folder" in caught.value.next_step


def test_another_copy_has_another_fingerprint(monkeypatch, root):
    prepare_mnist(monkeypatch, root)
    first = mnist.MNIST.identify()
    (shard,) = mnist._SET.folder.glob("mnist-test.array_record*")
    content = bytearray(shard.read_bytes())
    content[100] ^= 1  # of the same size
    shard.write_bytes(content)
    assert mnist.MNIST.identify().fingerprint != first.fingerprint


def test_the_data_folder_follows_the_variable(monkeypatch, tmp_path):
    assert data_dir({"TFDS_DATA_DIR": str(tmp_path)}) == tmp_path
    assert data_dir({"TFDS_DATA_DIR": ""}) == data_dir({}) == Path.home() / "tensorflow_datasets"


# --- without TensorFlow ---

PREPARE_AND_READ = """
from pathlib import Path
from kact.tasks import load_task, preparation
from tensorflow_datasets.core.download.download_manager import DownloadManager

preparation._check_reachable = lambda *arguments: None
DownloadManager.download = lambda self, urls: {"archive": Path(sys.argv[1])}
data = load_task("cifar10", validation_fraction=0.5)
print(len(data.train), len(data.validation), len(data.test), "tensorflow" in sys.modules)
"""

READ_REAL = """
from kact.tasks import load_task
for name in ("mnist", "cifar10"):
    data = load_task(name)
    print(name, len(data.train), len(data.test), "tensorflow" in sys.modules)
"""


@pytest.mark.parametrize("prelude", [HIDE_TENSORFLOW, "import sys\n"], ids=["without tensorflow", "as installed"])
def test_preparing_and_reading_do_not_import_tensorflow(root, tmp_path, prelude):
    write_cifar_archive(tmp_path / "made.tar.gz")
    command = [sys.executable, "-W", "error", "-c", prelude + PREPARE_AND_READ, str(tmp_path / "made.tar.gz")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["10", "10", "10", "False"], done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("Preparing cifar10/3.0.2 in ")] == []


@pytest.mark.realdata
@pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set")
def test_the_real_sets_are_read_without_tensorflow():
    command = [sys.executable, "-W", "error", "-c", HIDE_TENSORFLOW + READ_REAL]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines() == ["mnist 54000 10000 False", "cifar10 45000 10000 False"], done.stderr
    assert done.stderr == ""
