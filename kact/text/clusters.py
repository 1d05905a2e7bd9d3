"""Brown clusters of words: which cluster a token of a tweet falls into, spelled in whatever way.

The clusters are a binary tree; a word's place is a string of bits, and its first bits name larger clusters.
P. Brown et al., Class-based n-gram models of natural language (1992); the Twitter clusters are those of O. Owoputi et
al., Part-of-Speech Tagging for Twitter: Word Clusters and Other Advances (2012).

>>> clusters = Clusters({"so": ("0110", 900), "cool": ("0111", 50)})
>>> clusters.find("Sooooo"), clusters.find("cooool!"), clusters.find("zzz")
(('0110', 900), ('0111', 50), None)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from kact.errors import KactError
from kact.text import spelling

PREFIX_BITS = (2, 4, 6, 8, 12, 16)

Found = tuple[str, int]

_COUNT = re.compile(r"[0-9]{1,15}")
_HOST = re.compile(r"(?:https?://)?(?:www\.)?([\w.-]+)", re.I)
_EDGES = "\"'.,!?:;()[]{}*~_-…|"
_NUMBER = re.compile(r"[\d.,:/%$£€-]*\d[\d.,:/%$£€-]*")


class Clusters:
    """A table of words with their clusters, and the ways to find a token in it.

    Args:
        words: each word's path of bits and how often it was counted.
    """

    def __init__(self, words: Mapping[str, Found]) -> None:
        self.words = dict(words)
        self._squashed: dict[str, str] = {}
        self._hosts: dict[str, str] = {}
        for word in sorted(self.words, key=lambda word: (-self.words[word][1], word)):  # the commonest word wins
            self._squashed.setdefault(spelling.squash(word, 1), word)
            if word.startswith("<URL-"):
                self._hosts.setdefault("<url>", word)
            if word.isdigit():
                self._hosts.setdefault("0" * min(len(word), 5), word)

    def find(self, token: str) -> Found | None:
        """Return the path and the count of the first spelling of `token` that is in the table, or None."""
        return next((self.words[spelled] for spelled in self._spellings(token) if spelled in self.words), None)

    def _spellings(self, token: str) -> Iterator[str]:
        plain = spelling.straight(token)
        low = plain.lower()
        yield token[: spelling.LONGEST].lower()
        standing = spelling.stand_in(plain)
        if standing == "<@>":
            yield "<@MENTION>"
        if standing == "<url>":
            host = _HOST.match(plain)
            yield f"<URL-{host[1].lower() if host else ''}>"
            yield self._hosts.get("<url>", "")
        yield low
        for most in (3, 2, 1):
            yield spelling.squash(low, most)
        yield self._squashed.get(spelling.squash(low, 1), "")
        bare = low.strip(_EDGES)
        yield bare
        yield self._squashed.get(spelling.squash(bare, 1), "")
        if low.startswith("#"):
            yield low[1:]
        if bare.endswith("'s"):
            yield bare[:-2]
        if _NUMBER.fullmatch(low):
            yield self._hosts.get("0" * min(sum(one.isdigit() for one in low), 5), "")
        yield re.sub(r"[-'/]", "", bare)
        yield re.split(r"[-/]", bare)[-1]


def read_clusters(path: Path) -> Clusters:
    """Read a file of `bits TAB word TAB count` lines.

    Raises:
        KactError: for a line of another form, with its number.
    """
    words: dict[str, Found] = {}
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                parts = line.rstrip("\r\n").split("\t")
                if len(parts) != 3 or not set(parts[0]) <= {"0", "1"} or not _COUNT.fullmatch(parts[2]):
                    raise KactError(f"Line {number} of '{path}' is not `bits TAB word TAB count`.", "Place it again.")
                words[parts[1]] = (parts[0], int(parts[2]))
    except UnicodeDecodeError as error:
        raise KactError(f"'{path}' is not UTF-8 text (byte {error.start}).", "Place it again.") from None
    return Clusters(words)
