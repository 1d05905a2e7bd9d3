"""Public files that are read as they are: laid by hand into TFDS's manual folder, or fetched there once.

The folder is `TFDS_DATA_DIR/downloads/manual`, TFDS's own place for files that are put there by hand.

>>> PublicFile("words/list", "https://example.org/list", "00").place.parts[-4:]
('downloads', 'manual', 'words', 'list')
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from kact.storage.downloads import download
from kact.storage.files import explained, sha256
from kact.tasks.prepared import data_dir

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
            with explained(place):
                place.parent.mkdir(parents=True, exist_ok=True)
            download(
                self.url,
                place,
                next_step=f"Lay it at '{place}' by hand, set TFDS_DATA_DIR to the folder that holds it, or go online.",
                sha256_prefix=self.sha256,
            )
        elif sha256(place) != self.sha256:
            _log.warning("%s is not the published file (its SHA-256 differs); it is used as it is.", place)
        return place
