"""Ants and bees: taken from where TFDS has hand-placed files, or fetched once; the published `val` is the test part."""

import logging
import os
import zipfile

import numpy as np
import pytest

from kact.errors import KactError
from kact.storage import downloads
from kact.tasks import get_task, hymenoptera, load_task
from tests.image_sets import encoded, noisy

pytestmark = pytest.mark.any_backend

COUNTS = {"train": 6, "val": 4}


@pytest.fixture
def root(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("KACT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    caplog.set_level(logging.WARNING, logger="kact")
    return tmp_path / "tfds" / "downloads" / "manual" / "hymenoptera_data"


def files():
    """Photographs by their place in the archive: ants reddish, bees greenish, 60x40 pixels."""
    colours = {"ants": (200, 60, 60), "bees": (60, 200, 60)}
    return {
        f"{part}/{name}/{number}.jpg": encoded(noisy(colour, 60, 40, seed=number), "JPEG")
        for part, count in COUNTS.items()
        for name, colour in colours.items()
        for number in range(count)
    } | {"train/ants/imageNotFound.gif": b"GIF89a"}


def place(root):
    for name, content in files().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def write_archive(path, extra=None):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files().items():
            archive.writestr(f"hymenoptera_data/{name}", content)
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return path


def serve(monkeypatch, archive):
    """Let the download bring `archive`."""

    def bring(url, target, *, next_step, sha256_prefix=""):
        asked.append(url)
        target.write_bytes(archive.read_bytes())
        return "0123abcd"

    asked = []
    monkeypatch.setattr(hymenoptera, "download", bring)
    return asked


def check(data, side):
    assert data.task.input_shape == (side, side, 3)
    assert (len(data.train) + len(data.validation), len(data.test)) == (12, 8)
    for split in (data.train, data.validation, data.test):
        inputs, labels = split.arrays()
        assert inputs.shape[1:] == (side, side, 3) and inputs.dtype == np.uint8
        assert np.array_equal(inputs[..., 0].mean(axis=(1, 2)) < inputs[..., 1].mean(axis=(1, 2)), labels == 1)


def test_files_placed_by_hand_are_read(root, monkeypatch, caplog):
    place(root)
    monkeypatch.setattr(hymenoptera, "download", lambda *a, **k: pytest.fail("nothing is to be fetched"))
    check(load_task("hymenoptera"), 224)
    check(load_task("hymenoptera(image_size=32)"), 32)
    assert all("{'train': 12, 'val': 8} photographs" in record.getMessage() for record in caplog.records)


def test_it_is_fetched_once_and_its_hash_written_down(root, monkeypatch, tmp_path, caplog):
    outside = {"hymenoptera_data/train/ants/../../../../evil.jpg": b"x", "__MACOSX/train/ants/a.jpg": b"x"}
    asked = serve(monkeypatch, write_archive(tmp_path / "made.zip", outside))
    for _ in range(2):
        check(load_task("hymenoptera(image_size=16)"), 16)
    assert asked == ["https://download.pytorch.org/tutorial/hymenoptera_data.zip"]
    assert (root / "SHA256").read_text() == "0123abcd  hymenoptera_data.zip\n"
    assert any("publisher gives none" in record.getMessage() for record in caplog.records)
    assert [path.name for path in root.parent.iterdir()] == ["hymenoptera_data"]
    assert not list(tmp_path.rglob("evil.jpg"))


@pytest.mark.parametrize("damage", ["no archive", "cut", "without bees", "a bomb"])
def test_another_archive_is_refused_and_leaves_nothing(root, monkeypatch, tmp_path, damage):
    archive = write_archive(tmp_path / "made.zip")
    if damage == "no archive":
        archive.write_bytes(b"<html>Not found</html>")
    elif damage == "cut":
        archive.write_bytes(archive.read_bytes()[:-300])
    elif damage == "without bees":
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr("hymenoptera_data/train/ants/a.jpg", b"x")
    else:
        monkeypatch.setattr(hymenoptera, "_LARGEST_FILE", 100)
    serve(monkeypatch, archive)
    with pytest.raises(KactError) as caught:
        load_task("hymenoptera")
    assert len(str(caught.value).splitlines()) <= 2
    assert not list(root.parent.iterdir())


def test_an_incomplete_folder_is_named(root):
    place(root)
    for file in (root / "val" / "bees").iterdir():
        file.unlink()
    with pytest.raises(KactError, match=r"val' should hold.*ants and bees"):
        load_task("hymenoptera")


def test_without_a_network_two_lines_say_what_to_do(root, monkeypatch):
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for variable in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where nothing answers; no request leaves the machine
    with pytest.raises(KactError, match=r"hymenoptera_data\.zip cannot be fetched") as caught:
        load_task("hymenoptera")
    assert str(root.parent) in caught.value.next_step
    assert not list(root.parent.iterdir())


def test_a_damaged_photograph_is_named(root):
    place(root)
    (root / "train" / "bees" / "3.jpg").write_bytes(b"text")
    with pytest.raises(KactError, match=r"train/bees/3\.jpg"):
        load_task("hymenoptera")


def test_the_default_size_is_the_record():
    assert get_task("hymenoptera").input_shape == hymenoptera.HYMENOPTERA.input_shape == (224, 224, 3)


def test_a_download_is_whole_and_right_or_not_there(tmp_path, monkeypatch):
    import hashlib
    import http.server
    import threading

    content = os.urandom(3_000_000)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404 if self.path == "/none" else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:1000] if self.path == "/cut" else content)

        def log_message(self, *arguments):
            pass

    for variable in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(variable, raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address, digest = f"http://127.0.0.1:{server.server_port}", hashlib.sha256(content).hexdigest()
    try:
        found = downloads.download(f"{address}/file", tmp_path / "whole", next_step="x", sha256_prefix=digest[:8])
        assert found == digest and (tmp_path / "whole").read_bytes() == content
        for path, prefix, words in (
            ("file", "ffffffff", "is damaged or not the original"),
            ("cut", "", "cannot be fetched"),
            ("none", "", "cannot be fetched"),
        ):
            with pytest.raises(KactError, match=words):
                downloads.download(f"{address}/{path}", tmp_path / "bad", next_step="x", sha256_prefix=prefix)
    finally:
        server.shutdown()
        server.server_close()
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]


@pytest.mark.realdata
@pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set")
def test_the_real_photographs():
    data = load_task("hymenoptera(image_size=64)")
    assert 240 <= len(data.train) + len(data.validation) <= 244 and len(data.test) == 153
    assert np.bincount(data.test.labels).tolist() == [70, 83]
    assert 20 < np.asarray(data.train.inputs).std() < 90
