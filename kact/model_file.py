"""Model files: what of a `.keras` archive is believed before Keras sees it, so that a stranger's file is only data.

Keras' own safe mode refuses code. Here whatever else a file could do is refused as well, in words: members outside of
the archive, sizes that it does not have, classes of other packages, layers that read files, and weights that are said
to be more than are there.

>>> read_model("no/such.keras")
Traceback (most recent call last):
kact.errors.KactError: 'no/such.keras' cannot be read as a model: there is no such file.
Train the run again, or give another.
"""

from __future__ import annotations

import io
import json
import math
import threading
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kact.errors import KactError

if TYPE_CHECKING:
    import h5py
    import keras

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MEMBERS = ("metadata.json", _CONFIG, _WEIGHTS)
# Layers of Keras that hold code, or that read whatever file their config names.
_CODE = ("Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
_READERS = ("TextVectorization", "StringLookup", "IntegerLookup", "IndexLookup")
_LONGEST = 200  # characters of what Keras says that are passed on


def read_model(path: str | Path) -> keras.Model:
    """Return the model in a `.keras` file, without its optimizer.

    Args:
        path: of a file that `keras.Model.save` wrote, of layers of Keras and of kact alone.

    Raises:
        KactError: for any other file. Nothing of it was run, and nothing was written.
    """
    import keras

    import kact.layers.saved  # noqa: F401  registers what the file may hold

    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            config = json.loads(archive.read(_CONFIG))
            stored = _stored_weights(path, archive.read(_WEIGHTS))
        _check_classes(path, config)
        declared = _declared_weights(config)
        if declared > stored:
            raise _refused(path, f"its layers have {declared:,} weights, and {stored:,} are stored")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of weights that do not fit right before it refuses them
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except KactError:
        raise
    except FileNotFoundError:
        raise _refused(path, "there is no such file") from None
    except Exception as error:  # zip, JSON, HDF5 and Keras raise whatever they please on a damaged or a made-up file
        raise _refused(path, _in_words(error)) from error


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    for name in names:
        if ".." in Path(name).parts or name.startswith(("/", "\\")) or ":" in name:
            raise _refused(path, f"its member {name!r} points outside of it", "unsafe")
        if name not in _MEMBERS or names.count(name) > 1:
            raise _refused(path, f"it has a member {name!r} that no saved model has")
    for name in (_CONFIG, _WEIGHTS):
        if name not in names:
            raise _refused(path, f"it has no {name}")
    unpacked, size = sum(member.file_size for member in members), path.stat().st_size
    if unpacked > size:  # Keras stores them as they are; what grows when it is unpacked has no end
        raise _refused(path, f"it is of {size:,} bytes and says that it unpacks to {unpacked:,}")


def _check_classes(path: Path, config: Any) -> None:
    """Raise for the first class or function in a config that is neither Keras' nor kact's, or holds code."""
    import keras

    for part in _described(config):
        name, module, registered = (part.get(key) for key in ("class_name", "module", "registered_name"))
        if name in _CODE:
            raise _refused(path, f"it holds code of its own (a layer {name}), which is never run", "unsafe")
        if name in _READERS:
            raise _refused(path, f"its layer {name} reads other files", "unsafe")
        if isinstance(registered, str) and registered.startswith("kact>"):
            if keras.saving.get_registered_object(registered) is None:
                raise _refused(path, f"this kact has no layer {registered!r}")
        elif not (module in (None, "builtins") or str(module).split(".")[0] == "keras"):
            raise _refused(path, f"its {name!r} of {module!r} is neither of Keras nor of kact", "unsafe")


def _described(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every table of a config that names a class."""
    left = [config]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if "class_name" in one:
                yield one
            left += one.values()
        elif isinstance(one, list):
            left += one


def _stored_weights(path: Path, content: bytes) -> int:
    """Return how many numbers an HDF5 file of weights holds, all of them in the file itself."""
    import h5py

    with h5py.File(io.BytesIO(content), "r") as file:
        return sum(math.prod(array.shape) for array in _arrays(path, file))


def _arrays(path: Path, group: h5py.Group) -> Iterator[h5py.Dataset]:
    import h5py

    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _refused(path, f"its weights {name!r} are a link to another place", "unsafe")
        found = group[name]
        if isinstance(found, h5py.Group):
            yield from _arrays(path, found)
        elif not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
            raise _refused(path, f"its weights {name!r} lie in another file", "unsafe")
        elif found.nbytes > found.id.get_storage_size():
            raise _refused(path, f"its weights {name!r} say that they are of {found.nbytes:,} bytes, and are not")
        else:
            yield found


def _declared_weights(config: Any) -> int:
    """Return how many weights a config's layers have, without making room for them."""
    import keras

    counted: list[int] = []
    failed: list[Exception] = []

    def count() -> None:
        try:
            with keras.StatelessScope(initialize_variables=False):  # variables get their shapes, and no values
                model = keras.saving.deserialize_keras_object(config, safe_mode=True)
                if not isinstance(model, keras.Model):
                    raise TypeError(f"it describes no model but {type(model).__name__}")
                counted.append(sum(math.prod(weight.shape) for weight in model.weights))
        except Exception as error:  # handed to the thread that waits
            failed.append(error)

    # Keras keeps names and variables without values in a state of each thread's own: this one takes them with it.
    thread = threading.Thread(target=count, name="weights counted")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return counted[0]


def _refused(path: Path, why: str, kind: str = "") -> KactError:
    return KactError(f"'{path}' cannot be read as a model: {why}.", "Train the run again, or give another.", kind=kind)


def _in_words(error: Exception) -> str:
    said = " ".join(str(error).split()).removesuffix(".")
    said = said if len(said) <= _LONGEST else said[:_LONGEST] + "…"
    return f"{said} ({type(error).__name__})" if said else type(error).__name__
