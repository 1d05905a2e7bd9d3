"""Files that are whole or not there, written beside their place, flushed and moved into it; and locks to wait for."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import logging
import os
import re
import socket
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from kact.errors import KactError

# What NumPy raises for an array or an archive of arrays that is not one, by where the damage is.
DAMAGED_ARRAYS = (
    OSError, ValueError, KeyError, TypeError, EOFError, SyntaxError, ArithmeticError, NotImplementedError,
    zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip
_SILENT_SECONDS = 10.0  # that somebody waits without being told for what
_LOOKED_SECONDS = 1.0  # in which whoever only looks whether a lock is free lets go of it again
_LONGEST_MACHINE = 40  # characters of its name in a file's
_log = logging.getLogger("kact")


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; when the block ends well, it takes the place of `path`, else it is removed.

    The temporary name keeps the suffix, which some writers insist on, and has this machine's name and this process's
    number in it, so that two that write the same file do not disturb each other.

    Raises:
        KactError: if the disk is full or the place cannot be written.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with atomic(target) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> target.read_text()
        'whole'
    """
    temporary = path.with_name(f"{_beginning(path)}{os.getpid()}.part{path.suffix}")
    try:
        with explained(path):
            _sweep(path)
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _beginning(path: Path) -> str:
    """Return how this machine's temporary names for a file begin: in a shared folder others have the same numbers."""
    machine = re.sub(r"\W+", "-", socket.gethostname())[:_LONGEST_MACHINE]
    return f".{path.stem}.{machine}."


def _sweep(path: Path) -> None:
    """Remove what processes of this machine left that were killed while they wrote a file."""
    for left in path.parent.glob(f"{glob.escape(_beginning(path))}*.part{glob.escape(path.suffix)}"):
        number = left.name.removesuffix(f".part{path.suffix}").rpartition(".")[2]
        if number.isdigit() and not _lives(int(number)):
            left.unlink(missing_ok=True)


def _lives(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return not _ended(process_id)


def _ended(process_id: int) -> bool:
    """Return whether a process is over, and only its parent has not looked yet; on Linux, elsewhere nobody can tell."""
    try:
        return Path(f"/proc/{process_id}/stat").read_bytes().rpartition(b") ")[2][:1] in (b"Z", b"X")
    except OSError:
        return False


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an operating-system error in the block into a `KactError` that names the place and the reason."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise KactError(
            f"Cannot write '{path}': there is a file where a folder should be.", "Choose another place."
        ) from error
    except OSError as error:
        raise KactError(
            f"Cannot write '{path}': {error.strerror or error}.",
            "Free some space or choose another place; what was finished before is kept.",
        ) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file for the length of the block; whoever waits long for another process is told so.

    Raises:
        OSError: if the file cannot be written.
        NotImplementedError: where the file system knows no locks.
    """
    import filelock

    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=_SILENT_SECONDS)
    except filelock.Timeout:
        _log.warning(
            "Another process has locked '%s'; waiting for it. If it is stopped, let it go on, or end it.", path
        )
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def held(folder: Path, busy: KactError) -> Iterator[None]:
    """Make a folder and keep it for one process, by its `.lock`, for the length of the block.

    Args:
        folder: made where it is not there.
        busy: raised where another process has it for longer than a look takes.

    Raises:
        KactError: `busy`, or one that says why the folder cannot be written.
    """
    import filelock

    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock", timeout=_LOOKED_SECONDS)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise busy from None
        except NotImplementedError:
            raise KactError(
                f"'{folder}' is on a file system that knows no locks.", "Choose a folder on another one."
            ) from None
    try:
        yield
    finally:
        lock.release()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
