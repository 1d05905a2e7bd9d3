"""Fetching a data set and preparing it for TFDS without TensorFlow.

TFDS's own builders of these sets decode archives and encode images with TensorFlow. Here a subclass of each, with the
same name, version and features, does that with tarfile, gzip and Pillow, so that the set lands in the folder where TFDS
itself looks for it. The download and its check against TFDS's recorded SHA-256 are TFDS's.

>>> encode_png(np.zeros((2, 2), np.uint8))[1:4]
b'PNG'
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kact.errors import KactError

if TYPE_CHECKING:
    from kact.tasks.prepared import PreparedSet

Example = tuple[int, dict[str, Any]]  # the key, by which TFDS shuffles, and the features

_ANSWER_SECONDS = 10.0  # a host that has not answered by then counts as out of reach
_log = logging.getLogger("kact")


def encode_png(image: np.ndarray) -> bytes:
    """Return the PNG file of an image.

    Args:
        image: `(height, width)` or `(height, width, 3)`, uint8.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG")
    return buffer.getvalue()


def prepare(prepared_set: PreparedSet, root: Path) -> None:
    """Download a data set and write it below `root` as TFDS would, in the array_record format.

    TFDS writes into a folder of another name and renames it when all is there, so a preparation that was interrupted
    leaves nothing that would be taken for the set.

    Args:
        prepared_set: what to fetch.
        root: TFDS's data folder.

    Raises:
        KactError: without a network, with a download whose checksum is wrong, or where `root` cannot be written.
    """
    import filelock
    import requests
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    folder = root / prepared_set.name / prepared_set.version
    missing = _not_downloaded(prepared_set, root / "downloads")
    for url in missing[:1]:  # TFDS retries for minutes, so the first host is asked once beforehand
        _check_reachable(url, folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(root / f".{prepared_set.name}.lock"):
            if folder.exists():  # another process was first
                return
            _log.warning("Preparing %s in %s, once%s.", folder.relative_to(root), root, _size(prepared_set, missing))
            with _chatter_off():
                _builder_class(prepared_set)(data_dir=root).download_and_prepare(
                    file_format="array_record",
                    download_config=tfds.download.DownloadConfig(
                        try_download_gcs=False, force_checksums_validation=True
                    ),
                )
    except NonMatchingChecksumError as error:
        raise KactError(
            f"A file downloaded for {prepared_set.name!r} is not the original: its SHA-256 is not the recorded one.",
            f"Delete the files of {prepared_set.name} in {root / 'downloads'} and run again.",
        ) from error
    except (requests.RequestException, tfds.download.DownloadError) as error:
        raise _unreachable(folder, ", ".join(missing), error) from error
    except OSError as error:
        raise KactError(
            f"The data set {prepared_set.name!r} could not be prepared in {root}: {error.strerror or error}.",
            "Set TFDS_DATA_DIR to a folder that can be written and has room for it.",
        ) from error


def _builder_class(prepared_set: PreparedSet) -> type:
    """Return a builder like TFDS's own of that name that needs no TensorFlow."""
    import tensorflow_datasets as tfds

    original: Any = tfds.builder_cls(prepared_set.name)

    class Builder(original, skip_registration=True):  # type: ignore[call-arg]
        name = prepared_set.name
        VERSION = tfds.core.Version(prepared_set.version)
        url_infos = recorded_files(prepared_set)  # TFDS would look for them beside this module

        def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Example]]:
            if prepared_set.label_names:
                self.info.features["label"].names = list(prepared_set.label_names)
            return prepared_set.examples(dl_manager.download(dict(prepared_set.urls)))

        def _generate_examples(self, *arguments: Any) -> Iterator[Example]:
            raise NotImplementedError("the splits come as generators")

    return Builder


def _not_downloaded(prepared_set: PreparedSet, downloads: Path) -> list[str]:
    """Return the URLs whose files are neither among TFDS's downloads nor laid into its `manual` folder by hand."""
    from tensorflow_datasets.core.download import resource

    recorded = recorded_files(prepared_set)
    missing = []
    for url in prepared_set.urls.values():
        stored_as = resource.get_dl_fname(url, recorded[url].checksum)
        places = (f"manual/{recorded[url].filename}", stored_as, f"{prepared_set.name}/{stored_as}")
        if not any((downloads / place).exists() for place in places):
            missing.append(url)
    return missing


def recorded_files(prepared_set: PreparedSet) -> dict[str, Any]:
    """Return what TFDS has recorded of a set's files: name, size and SHA-256 by URL."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import checksums

    # Older sets' files are recorded in one place for all, newer ones' beside each builder.
    return tfds.builder_cls(prepared_set.name).url_infos or checksums.get_all_url_infos()


def _size(prepared_set: PreparedSet, urls: list[str]) -> str:
    recorded = recorded_files(prepared_set)
    megabytes = sum(int(recorded[url].size) for url in urls) / 1e6
    return f"; downloading {megabytes:.0f} MB" if urls else ""


def _check_reachable(url: str, folder: Path) -> None:
    import requests

    try:
        with requests.get(url, stream=True, timeout=_ANSWER_SECONDS) as response:
            response.raise_for_status()
    except requests.RequestException as error:
        raise _unreachable(folder, url, error) from error


def _unreachable(folder: Path, url: str, error: Exception) -> KactError:
    name = f"{folder.parent.name}/{folder.name}"
    return KactError(
        f"The data set {name} is not in {folder.parent.parent}, and {url} cannot be reached ({type(error).__name__}).",
        f"Set TFDS_DATA_DIR to the folder that holds {name}, or connect to the network once.",
    )


@contextlib.contextmanager
def _chatter_off() -> Iterator[None]:
    """Keep TFDS's prints off standard output, and its progress bars out of log files."""
    import tensorflow_datasets as tfds

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
