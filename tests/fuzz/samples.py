"""Whole things that targets damage: runs, studies, files. Each is made once a process, below a folder that goes."""

import atexit
import contextlib
import functools
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

BOX = Path(__file__).parents[2] / "demo" / "models"


@functools.cache
def scratch():
    """Return a folder of this process."""
    folder = Path(tempfile.mkdtemp(prefix="kact-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def fresh(*sources):
    """Give a new folder with copies of files and folders in it, and take it away."""
    with tempfile.TemporaryDirectory(dir=scratch()) as name:
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, Path(name) / source.name, symlinks=True)
            else:
                shutil.copy(source, name)
        yield Path(name)


@functools.cache
def trained():
    """Return the directory of a small run of an mlp on digits, with a diary."""
    from kact import Experiment
    from kact.train import run

    with contextlib.redirect_stdout(io.StringIO()):
        experiment = Experiment(model={"name": "mlp", "hidden_units": [8]}, epochs=2, train_examples=200)
        made = run(experiment, out=scratch() / "runs", diagnose=True)
    return made.path


@functools.cache
def tagger():
    """Return a copy of the directory of a tagger's run."""
    return Path(shutil.copytree(BOX / "tweets-relu", scratch() / "tagger"))


@functools.cache
def study():
    """Return the directory of a small study with made results."""
    from tests.made_results import made_rows, write_study

    return write_study(
        scratch() / "made",
        made_rows({"relu": 0.8, "mish": 0.82}, seeds=2),
        grid={"activation": ["relu", "mish"]},
        seeds=2,
    )


@functools.cache
def photographs():
    """Return a folder with two classes of four small pictures."""
    folder = scratch() / "photographs"
    for name, colour in (("red", (200, 30, 30)), ("green", (30, 200, 30))):
        (folder / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (8, 8), colour).save(folder / name / f"{i}.png")
    return folder


@functools.cache
def pictures():
    """Return one small picture in each of many formats, as bytes by the format's name."""
    found = {}
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO", "TGA", "AVIF", "JPEG2000", "PCX", "DDS"):
        for mode in ("RGB", "P", "I;16"):
            buffer = io.BytesIO()
            with contextlib.suppress(OSError, KeyError, ValueError):
                picture = Image.linear_gradient("L").resize((16, 12)).convert("RGB" if mode == "RGB" else "L")
                (picture.convert("I;16") if mode == "I;16" else picture.convert(mode)).save(buffer, kind)
                found[f"{kind} {mode}"] = buffer.getvalue()
    return found


@contextlib.contextmanager
def inside(folder):
    """Work in a folder, without a word on the screen and with nothing to read from it; give what is said."""
    where, said = os.getcwd(), (io.StringIO(), io.StringIO())
    standard = sys.stdin
    os.chdir(folder)
    sys.stdin = io.TextIOWrapper(io.BytesIO(b"so cool\n"))
    try:
        with contextlib.redirect_stdout(said[0]), contextlib.redirect_stderr(said[1]):
            yield said
    finally:
        sys.stdin = standard
        os.chdir(where)
