"""Fetching a data set and preparing it for TFDS without TensorFlow.

The download, its check against the recorded SHA-256, and the format that is written are TFDS's. Files that were laid
into TFDS's manual folder are taken from there, after the same check.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kact.errors import KactError
from kact.storage.files import locked

if TYPE_CHECKING:
    from kact.tasks.prepared import PreparedSet

_ANSWER_SECONDS = 10.0  # a host that has not answered by then counts as out of reach
_log = logging.getLogger("kact")


def prepare(prepared_set: PreparedSet, root: Path, manual: Path) -> None:
    """Download a data set and write it below `root` as TFDS would, in the array_record format.

    TFDS writes into a folder of another name and renames it when all is there, so a preparation that was interrupted
    leaves nothing that would be taken for the set.

    Args:
        prepared_set: what to fetch.
        root: TFDS's data folder, or one like it.
        manual: TFDS's folder of files that were laid there by hand; nothing is written into it.

    Raises:
        KactError: without a network, with a file whose checksum is wrong, or where `root` cannot be written.
    """
    import requests
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    folder = root / prepared_set.name / prepared_set.version
    missing = _not_at_hand(prepared_set, root / "downloads", manual)
    for url in missing[:1]:  # TFDS retries for minutes, so the first host is asked once beforehand
        _check_reachable(prepared_set, url, manual)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locked(root / f".{prepared_set.name}.lock"):
            if folder.exists():  # another process was first
                return
            _log.warning("Preparing %s in %s, once%s.", folder.relative_to(root), root, _size(prepared_set, missing))
            with _chatter_off():
                prepared_set.builder_class()(data_dir=root).download_and_prepare(
                    file_format="array_record",
                    download_config=tfds.download.DownloadConfig(
                        try_download_gcs=False, force_checksums_validation=True, manual_dir=manual
                    ),
                )
    except NonMatchingChecksumError as error:
        raise KactError(
            f"A file of {prepared_set.name!r} is not the original: its SHA-256 is not the recorded one.",
            f"Delete the files of {prepared_set.name} in {root / 'downloads'} and {manual} and run again.",
        ) from error
    except (requests.RequestException, tfds.download.DownloadError) as error:
        raise _unreachable(prepared_set, missing[0], manual, error) from error
    except OSError as error:
        raise KactError(
            f"The data set {prepared_set.name!r} could not be prepared in {root}: {error.strerror or error}.",
            "Set TFDS_DATA_DIR to a folder that can be written and has room for it.",
        ) from error


def _not_at_hand(prepared_set: PreparedSet, downloads: Path, manual: Path) -> list[str]:
    """Return the URLs whose files are neither among TFDS's downloads nor laid into its `manual` folder by hand."""
    from tensorflow_datasets.core.download import resource

    missing = []
    for url, recorded in prepared_set.recorded_files().items():
        stored_as = resource.get_dl_fname(url, recorded.checksum)
        places = (manual / recorded.filename, downloads / stored_as, downloads / prepared_set.name / stored_as)
        if not any(place.exists() for place in places):
            missing.append(url)
    return missing


def _size(prepared_set: PreparedSet, urls: list[str]) -> str:
    recorded = prepared_set.recorded_files()
    megabytes = sum(int(recorded[url].size) for url in urls) / 1e6
    return f"; downloading {megabytes:.0f} MB" if urls else ""


def _check_reachable(prepared_set: PreparedSet, url: str, manual: Path) -> None:
    import requests

    try:
        with requests.get(url, stream=True, timeout=_ANSWER_SECONDS) as response:
            response.raise_for_status()
    except requests.RequestException as error:
        raise _unreachable(prepared_set, url, manual, error) from error


def _unreachable(prepared_set: PreparedSet, url: str, manual: Path, error: Exception) -> KactError:
    name = f"{prepared_set.name}/{prepared_set.version}"
    return KactError(
        f"The data set {name} is not in {manual.parents[1]}, and {url} cannot be reached ({type(error).__name__}).",
        f"Set TFDS_DATA_DIR to the folder that holds {name}, connect to the network once, or lay the file by hand at "
        f"'{manual / prepared_set.recorded_files()[url].filename}'.",
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
