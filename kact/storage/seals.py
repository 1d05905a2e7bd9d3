"""Seals: files in JSON and TOML that carry the SHA-256 of their own content, so that a damaged one is not believed.

A file without a seal, from before there were seals or written by hand, is taken as it is.

>>> import tempfile
>>> file = Path(tempfile.mkdtemp()) / "scores.json"
>>> _ = file.write_text(sealed_json({"accuracy": 0.98}))
>>> read_json(file)
{'accuracy': 0.98}
>>> _ = file.write_text(file.read_text().replace("0.98", "0.99"))
>>> read_json(file)
Traceback (most recent call last):
ValueError: its checksum does not fit its content
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_KEY, _DIGITS = "sha256", 64
_JSON = re.compile(rb'\{\n "sha256": "([0-9a-f]{64})",(?s:(.*))')
_TOML = re.compile(r"# sha256 ([0-9a-f]{64})\n?\Z")
_BROKEN = "its checksum does not fit its content"


def sealed_json(content: Mapping[str, Any], indent: int | None = None, *, allow_nan: bool = True) -> str:
    """Return an object as JSON whose first entry, `sha256`, is of all that follows it.

    Args:
        content: at least one entry.
        indent, allow_nan: of `json.dumps`.
    """
    body = json.dumps(content, indent=indent, allow_nan=allow_nan)[1:]
    return f'{{\n "{_KEY}": "{_digest(body)}",{body}'


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, without its seal.

    Raises:
        ValueError: if it is no object in JSON, or not as it was sealed.
        OSError: if it cannot be read.
    """
    whole = path.read_bytes()
    content = json.loads(whole)
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    first = next(iter(content), "")
    if first != _KEY and len(str(content.get(first))) != _DIGITS:  # the latter where it is the key that is damaged
        return content
    found = _JSON.fullmatch(whole)
    if found is None or found[1].decode() != hashlib.sha256(found[2]).hexdigest():
        raise ValueError(_BROKEN)
    del content[_KEY]
    return content


def sealed_toml(text: str) -> str:
    """Return a TOML text with a comment as its last line: the SHA-256 of all before.

    Example:
        >>> check_toml(sealed_toml("seeds = 5\\n"))
        >>> check_toml(sealed_toml("seeds = 5\\n").replace("5", "6", 1))
        Traceback (most recent call last):
        ValueError: its checksum does not fit its content
    """
    return f"{text}# {_KEY} {_digest(text)}\n"


def check_toml(text: str) -> None:
    """Raise unless a TOML text is as it was sealed, or has no seal.

    Raises:
        ValueError: if it was changed since.
    """
    found = _TOML.search(text)
    if found is not None and found[1] != _digest(text[: found.start()]):
        raise ValueError(_BROKEN)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
