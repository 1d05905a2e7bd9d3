"""Public files by their address: fetched whole, checked, and put in place in one step, or not at all.

>>> import tempfile
>>> download("http://localhost:9/weights.pth", Path(tempfile.mkdtemp()) / "weights.pth", next_step="Fetch it yourself.")
Traceback (most recent call last):
kact.errors.KactError: http://localhost:9/weights.pth cannot be fetched (ConnectionError).
Fetch it yourself.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from kact.errors import KactError
from kact.storage.files import atomic

_SECONDS = 30.0  # without a byte; a host that is silent for so long counts as out of reach
_CHUNK_BYTES = 1 << 20
_DIGITS = 16  # of a SHA-256 that an error tells
_log = logging.getLogger("kact")


def download(url: str, target: Path, *, next_step: str, sha256_prefix: str = "") -> str:
    """Fetch a file, unless what comes is not the one that is meant.

    Args:
        url: its public address.
        target: where it goes; the folder must exist.
        next_step: what to do where there is no network.
        sha256_prefix: the first hexadecimal digits that its SHA-256 must have; "" where nobody has published it.

    Returns:
        The SHA-256 of what came, in hexadecimal.

    Raises:
        KactError: if the address cannot be reached, the file is cut off or another, or the place cannot be written.
    """
    import requests

    digest = hashlib.sha256()
    with atomic(target) as temporary, open(temporary, "wb") as file:
        try:
            with requests.get(url, stream=True, timeout=_SECONDS) as response:
                response.raise_for_status()
                size = int(response.headers.get("Content-Length", 0))
                _log.warning("Downloading %s%s, once.", url, f" ({size / 1e6:.0f} MB)" if size else "")
                for chunk in response.iter_content(_CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
        except requests.RequestException as error:  # in here, as it is an OSError too, and no fault of the disk
            raise KactError(f"{url} cannot be fetched ({type(error).__name__}).", next_step) from error
        check_sha256(digest.hexdigest(), sha256_prefix, url)
    return digest.hexdigest()


def check_sha256(found: str, prefix: str, what: str | Path) -> None:
    """Raise a `KactError` unless a SHA-256 begins as it should.

    Args:
        found: in hexadecimal.
        prefix: how it should begin.
        what: the file or address, named in the error.
    """
    if not found.startswith(prefix):
        wanted = prefix[:_DIGITS]
        raise KactError(
            f"'{what}' is damaged or not the original: its SHA-256 begins with {found[: len(wanted)]}, not {wanted}.",
            "Delete it if it is on your disk, and run again: it is fetched anew.",
        )
