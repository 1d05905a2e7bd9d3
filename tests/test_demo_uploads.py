"""Strangers' pictures: all kinds that Pillow reads safely are read; the others are refused in words without a path."""

import pytest
from PIL import Image

from demo import uploads
from kact.errors import KactError
from tests.demo_files import bad_pictures, good_pictures
from tests.image_sets import encoded

pytestmark = pytest.mark.any_backend

GOOD, BAD = good_pictures(), bad_pictures()


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", GOOD)
def test_a_picture_of_any_kind_is_read(name, tmp_path):
    image = uploads.read_picture(write(tmp_path, name, GOOD[name]), tmp_path)
    assert image.width >= 1 and image.convert("RGB").getpixel((0, 0)) is not None


def test_a_turned_photograph_is_turned_back(tmp_path):
    assert uploads.read_picture(write(tmp_path, "turned.jpg", GOOD["turned.jpg"])).size == (30, 20)


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused_in_words_without_a_path(name, tmp_path):
    content, word = BAD[name]
    with pytest.raises(KactError, match=word) as told:
        uploads.read_picture(write(tmp_path, name, content), tmp_path)
    said = str(told.value)
    assert str(tmp_path) not in said and name not in said and len(said.splitlines()) <= 2


def test_a_file_elsewhere_is_refused(tmp_path):
    (tmp_path / "uploads").mkdir()
    secret = write(tmp_path, "secret.png", encoded(Image.new("RGB", (4, 4)), "PNG"))
    (tmp_path / "uploads" / "link.png").symlink_to(secret)
    for path in (secret, tmp_path / "uploads" / ".." / "secret.png", tmp_path / "uploads" / "link.png", "/etc/passwd"):
        with pytest.raises(KactError, match="no picture"):
            uploads.read_picture(path, tmp_path / "uploads")


def test_a_file_that_is_too_large_is_not_opened(tmp_path, monkeypatch):
    path = write(tmp_path, "large.png", b"\0" * (uploads.LARGEST_BYTES + 1))
    monkeypatch.setattr(uploads, "open_image", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(KactError, match="larger than 10 MB"):
        uploads.read_picture(path)
