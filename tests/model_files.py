"""Model files that somebody might hand over: each a run's, with something wrong in it, and its hash noted as right."""

import functools
import io
import json
import shutil
import zipfile

import h5py
import numpy as np

from demo.models import BOX
from kact.storage.files import sha256

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
RUN = BOX / "digits-relu"


def copied_run(folder, parts):
    """Copy a small run's directory, put a model file of these members into it, and note its hash as the run's own."""
    run = folder / "run"
    shutil.copytree(RUN, run)
    with zipfile.ZipFile(run / "model.keras", "w") as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return noted(run)


def noted(run):
    """Note the hash of a run's model as what the run wrote."""
    metrics = json.loads((run / "metrics.json").read_text())
    metrics.pop("sha256", None)
    metrics["provenance"]["files"]["model.keras"] = sha256(run / "model.keras")
    (run / "metrics.json").write_text(json.dumps(metrics))
    return run


@functools.cache
def sound():
    """Return the members of the run's own model."""
    with zipfile.ZipFile(RUN / "model.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_config(change):
    """Return the members of a model whose layers `change` was let loose on."""
    config = json.loads(sound()[CONFIG])
    change(config["config"]["layers"])
    return [*{**sound(), CONFIG: json.dumps(config).encode()}.items()]


def with_weights(change):
    """Return the members of a model whose HDF5 file `change` was let loose on."""
    buffer = io.BytesIO(sound()[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        change(file)
    return [*{**sound(), WEIGHTS: buffer.getvalue()}.items()]


def _layer(layers, kind):
    return next(one for one in layers if one["class_name"] == kind)


def _lambda(layers):
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
    layer = _layer(layers, "Flatten")
    layer |= {"module": "keras.layers", "class_name": "Lambda", "registered_name": None}
    layer["config"] = {"name": layer["config"]["name"], "function": code}


def _class_of(module, name, registered=None, **config):
    def change(layers):
        layer = _layer(layers, "Flatten")
        layer |= {"module": module, "class_name": name, "registered_name": registered}
        layer["config"] = {"name": layer["config"]["name"], **config}

    return change


def _function(layers):
    _layer(layers, "Dense")["config"]["activation"] = {
        "module": "os", "class_name": "function", "config": "system", "registered_name": "system",
    }  # fmt: skip


def _own_function(layers):
    for layer in layers:
        if layer["class_name"] == "ActivationLayer":
            layer["config"]["spec"] = "os:system"


def _large(layers):
    _layer(layers[::-1], "Dense")["config"]["units"] = 10**9


def _first(file):
    """Return the group and the name of the first array in a file of weights."""
    found = []
    file.visititems(lambda name, one: found.append(name) if isinstance(one, h5py.Dataset) else None)
    group, _, name = found[0].rpartition("/")
    return file[group], name


def _replaced(**how):
    def change(file):
        group, name = _first(file)
        del group[name]
        group.create_dataset(name, **how)

    return change


def _linked(link):
    def change(file):
        group, name = _first(file)
        del group[name]
        group[name] = link

    return change


# By name: the members, and a word of the message.
EVIL = {
    "lambda": (lambda: with_config(_lambda), "code of its own"),
    "traversal": (lambda: [*sound().items(), ("../outside.txt", b"hello")], "outside of it"),
    "absolute": (lambda: [*sound().items(), ("/tmp/outside.txt", b"hello")], "outside of it"),
    "another-member": (lambda: [*sound().items(), ("assets/a.py", b"hello")], "no saved model has"),
    "twice": (lambda: [*sound().items(), (CONFIG, b"{}")], "no saved model has"),
    "foreign-class": (lambda: with_config(_class_of("os", "system")), "neither of Keras nor of kact"),
    "foreign-package": (lambda: with_config(_class_of("my.layers", "Mine", "my>Mine")), "neither of Keras nor of kact"),
    "unknown-of-kact": (lambda: with_config(_class_of("kact.x", "X", "kact>X")), "no layer 'kact>X'"),
    "foreign-function": (lambda: with_config(_function), "neither of Keras nor of kact"),
    "own-function": (lambda: with_config(_own_function), "nobody named in this process"),
    "no-layer": (lambda: with_config(_class_of("keras.utils", "get_file")), "cannot be read as a model"),
    "reads-files": (
        lambda: with_config(_class_of("keras.layers", "TextVectorization", vocabulary="/etc/passwd")),
        "reads other files",
    ),
    "no-json": (lambda: [*{**sound(), CONFIG: b"{"}.items()], "JSONDecodeError"),
    "deep-json": (lambda: [*{**sound(), CONFIG: b"[" * 100_000}.items()], "Recursion"),
    "no-model": (lambda: [*{**sound(), CONFIG: b"[1, 2]"}.items()], "cannot be read as a model"),
    "no-config": (lambda: [("metadata.json", b"{}"), (WEIGHTS, sound()[WEIGHTS])], "no config.json"),
    "no-weights": (lambda: [(CONFIG, sound()[CONFIG])], "no model.weights.h5"),
    "no-hdf5": (lambda: [*{**sound(), WEIGHTS: b"weights"}.items()], "cannot be read as a model"),
    "large-layer": (lambda: with_config(_large), "weights, and"),
    "other-size": (lambda: with_weights(_replaced(data=np.zeros((3, 3, 9, 9), "float32"))), "shape"),
    "shape-bomb": (
        lambda: with_weights(_replaced(shape=(1 << 20, 1 << 20), dtype="float32", chunks=(1, 64), compression="gzip")),
        "say that they are of",
    ),
    "soft-link": (lambda: with_weights(_linked(h5py.SoftLink("/layers"))), "link to another place"),
    "external-link": (lambda: with_weights(_linked(h5py.ExternalLink("/etc/passwd", "/"))), "link to another place"),
    "external-array": (
        lambda: with_weights(_replaced(shape=(4,), dtype="uint8", external=[("/etc/passwd", 0, 4)])),
        "in another file",
    ),
}  # fmt: skip


def evil_run(folder, name):
    """Make the run of a name of `EVIL`, and return it with the word that must be told."""
    parts, word = EVIL[name]
    return copied_run(folder, parts()), word


def bomb(folder):
    """Make a run whose model file is small and unpacks to 200 MB."""
    run = copied_run(folder, sound().items())
    with zipfile.ZipFile(run / "model.keras", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(CONFIG, sound()[CONFIG])
        archive.writestr(WEIGHTS, bytes(200 << 20))
    return noted(run)
