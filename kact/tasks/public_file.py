"""Public files that are read as they are: laid by hand into TFDS's manual folder, or fetched there once.

The folder is `TFDS_DATA_DIR/downloads/manual`, TFDS's own place for files that are put there by hand.

>>> PublicFile("words/list", "https://example.org/list", "00").place.parts[-4:]
('downloads', 'manual', 'words', 'list')
"""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from kact.errors import KactError
from kact.files import atomic, explained, sha256
from kact.tasks.prepared import data_dir

_ANSWER_SECONDS = 10.0
_log = logging.getLogger("kact")


@dataclass(frozen=True)
class PublicFile:
    """One file of a public data set.

    Attributes:
        path: below the manual folder.
        url: where it was published.
        sha256: of the original, in hexadecimal.
        size_bytes: of the original, where somebody needs to know.
    """

    path: str
    url: str
    sha256: str
    size_bytes: int = 0

    @property
    def place(self) -> Path:
        """Where the file lies, or will."""
        return data_dir(os.environ) / "downloads" / "manual" / self.path

    def find(self) -> Path:
        """Return the file's path, after fetching it where it is not there.

        A file that was laid there by hand is taken as it is; if it is not the original, the log says so.

        Raises:
            KactError: if it is not there and cannot be fetched, or what was fetched is not the original.
        """
        place = self.place
        if not place.is_file():
            self._fetch(place)
        elif sha256(place) != self.sha256:
            _log.warning("%s is not the published file (its SHA-256 differs); it is used as it is.", place)
        return place

    def _fetch(self, place: Path) -> None:
        import requests

        try:
            with requests.get(self.url, timeout=_ANSWER_SECONDS) as response:
                response.raise_for_status()
                content = response.content
        except requests.RequestException as error:
            raise KactError(
                f"'{place}' is not there, and {self.url} cannot be reached ({type(error).__name__}).",
                "Lay the file there by hand, set TFDS_DATA_DIR to the folder that holds it, or connect to the network.",
            ) from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise KactError(
                f"What {self.url} gave is not the original file: its SHA-256 is not the recorded one.",
                f"Lay the original at '{place}' by hand.",
            )
        with explained(place):
            place.parent.mkdir(parents=True, exist_ok=True)
        with atomic(place) as temporary:
            temporary.write_bytes(content)
