"""Files that strangers may send to the page, and run directories that it must live with."""

import io
import json
import shutil
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

from demo.models import BOX
from tests.image_sets import encoded, odd_images, turned

POLYGLOT = b"GIF89a/*<script>window.hacked=1</script>*/=1;" + b"<html><img src=x onerror='window.hacked=1'></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>window.hacked=1</script></svg>'
HTML_NAME = "<img src=x onerror=window.hacked=1>.png"


def huge_png(width=20_000, height=20_000):
    """Return a PNG of a few kilobytes that says it has 400 million pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * ((width // 8 + 1) * 2_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def good_pictures():
    """Return pictures of unusual kinds, all of which must be read, by file name."""
    red = Image.new("RGB", (30, 20), (200, 40, 40))
    return {
        **odd_images(),
        "photo.jpg": encoded(red, "JPEG"),
        "photo.webp": encoded(red, "WEBP"),
        "photo.tiff": encoded(red, "TIFF"),
        "alpha.png": encoded(red.convert("RGBA"), "PNG"),
        "palette.gif": encoded(red.quantize(4), "GIF"),
        "turned.jpg": turned(red),
        "mislabelled.png": encoded(red, "JPEG"),
        "large.png": encoded(Image.new("1", (4_000, 4_000)), "PNG"),
        HTML_NAME: encoded(red, "PNG"),
    }


def bad_pictures():
    """Return files that must be refused in words, with a word of the sentence, by file name."""
    whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype="uint8")), "PNG")
    eps = io.BytesIO()
    Image.new("RGB", (4, 4)).save(eps, "EPS")
    return {
        "corrupt.png": (b"\x89PNG\r\n\x1a\n" + b"x" * 50, "broken"),
        "truncated.png": (whole[: len(whole) // 2], "broken"),
        "empty.png": (b"", "empty"),
        "text.png": (b"just words", "broken"),
        "pixels.png": (b"just words", "broken"),  # what is wrong is not told by a word of the name
        "drawing.svg": (SVG, "SVG"),
        "polyglot.gif": (POLYGLOT, "broken"),
        "page.png": (b"<!DOCTYPE html><script>window.hacked=1</script>", "not a picture"),
        "starts-a-program.eps": (eps.getvalue(), "broken"),
        "bomb.png": (huge_png(), "16 million pixels"),
        "wide.png": (encoded(Image.new("1", (4_001, 4_000)), "PNG"), "16 million pixels"),
    }


def strange_runs(folder):
    """Write run directories that cannot be used, each for another reason, and one that can; return their folder."""
    source = BOX / "digits-relu"
    for name in ("good", "unfinished", "damaged", "no-json", "no-toml", "own-code", "own-model", "with-code"):
        shutil.copytree(source, folder / "study" / "runs" / name)
    at = folder / "study" / "runs"
    (at / "unfinished" / "metrics.json").unlink()
    (at / "damaged" / "model.keras").write_bytes(b"PK not a model")
    (at / "no-json" / "metrics.json").write_text("{")
    (at / "no-toml" / "experiment.toml").write_text("<script>window.hacked=1</script>")
    toml = (at / "own-code" / "experiment.toml").read_text()
    (at / "own-code" / "experiment.toml").write_text(toml.replace('"relu"', '"tests.demo_files_imported:act"'))
    (at / "own-model" / "experiment.toml").write_text(toml.replace('"cnn"', '"residual:Residual"'))
    _put_code_in(at / "with-code")
    return folder


def _put_code_in(run):
    """Give a run a model whose first layer is a Lambda with bytecode, and note its hash as the run's own."""
    from kact.storage.files import sha256

    model = run / "model.keras"
    with zipfile.ZipFile(model) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
    layer = {
        "module": "keras.layers", "class_name": "Lambda", "registered_name": None,
        "config": {"name": "evil", "trainable": True, "dtype": "float32", "function": code, "arguments": {}},
    }  # fmt: skip
    first = config["config"]["layers"][1]
    config["config"]["layers"][1] = {**first, **layer, "config": {**layer["config"], "name": first["config"]["name"]}}
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(model, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["provenance"]["files"]["model.keras"] = sha256(model)
    (run / "metrics.json").write_text(json.dumps(metrics))
