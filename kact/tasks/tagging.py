"""Tagging tasks: sentences whose every token has a label, as tokens and as splits.

>>> sentences, _ = parse_tagged(b"ikr\\t!\\nsmh\\tG\\n\\nhe\\tO\\n", "made.txt")
>>> sentences.tokens, sentences.tags
((('ikr', 'smh'), ('he',)), (('!', 'G'), ('O',)))
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from kact.errors import KactError
from kact.spec import Literal


@dataclass(frozen=True)
class Sentences:
    """Tagged sentences as they are stored.

    Attributes:
        tokens: of each sentence, at least one.
        tags: of each token.
    """

    tokens: tuple[tuple[str, ...], ...]
    tags: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.tokens)

    def only(self, rows: Sequence[int] | np.ndarray) -> Sentences:
        """Return some of the sentences, in the order of `rows`."""
        return Sentences(tuple(self.tokens[row] for row in rows), tuple(self.tags[row] for row in rows))


class TaggedParts(NamedTuple):
    """What a tagging task reads.

    Attributes:
        train: sentences.
        validation, test: likewise; None where the data has no such part.
        digest: SHA-256 of all bytes that were read, in hexadecimal.
    """

    train: Sentences
    validation: Sentences | None
    test: Sentences | None
    digest: str


@dataclass(frozen=True)
class TaggingTask:
    """The record of one data set of tagged sentences.

    Attributes:
        name: what the user types.
        summary: one line for lists.
        source: URL of the data set's home page, or what it is made from.
        licence: its licence, or how its authors ask to be cited.
        labels: the tags in order; empty where the data itself says which there are.
        version: the data set's own.
        default_model: the model to train where the user names none.
        needs_data: whether the user must say where the data is.
        read: finds the data, fetching it where it is not there, and reads it; takes the user's place for it, or None.
    """

    name: str
    summary: str
    source: str
    licence: str
    labels: tuple[str, ...]
    version: str
    default_model: str
    needs_data: bool
    read: Callable[[Path | None], TaggedParts]

    input: ClassVar[str] = "words"
    input_shape: ClassVar[tuple[int, ...]] = ()  # a sentence has no fixed one
    parameters: ClassVar[Mapping[str, Literal]] = {}
    check_options: ClassVar[None] = None
    resolve: ClassVar[None] = None
    fit: ClassVar[str] = "none"


@dataclass(frozen=True)
class TaggedData:
    """A tagging task with its data, cut into the splits that an experiment uses.

    Attributes:
        task: the record, its labels filled in.
        train, validation: disjoint; the latter empty where it is trained on as well.
        test: scored once, at the end.
        version: the data set's own version.
        fingerprint: SHA-256 hex digest of the files.
    """

    task: TaggingTask
    train: Sentences
    validation: Sentences
    test: Sentences
    version: str
    fingerprint: str


def parse_tagged(content: bytes, where: str) -> tuple[Sentences, str]:
    """Parse `token TAB tag` lines, with a blank line between sentences.

    Args:
        content: of the file, UTF-8.
        where: its name, for errors.

    Returns:
        The sentences, and the SHA-256 hex digest of the content.

    Raises:
        KactError: for another encoding, another number of columns or an empty token or tag, with the line's number;
            or if there is no sentence at all.
    """
    tokens: list[tuple[str, ...]] = []
    tags: list[tuple[str, ...]] = []
    open_tokens: list[str] = []
    open_tags: list[str] = []
    for number, raw in enumerate([*content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), b""], start=1):
        try:
            line = raw.decode("utf-8").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise KactError(
                f"Line {number} of '{where}' is not UTF-8 text (byte {raw[error.start]:#04x}).",
                "Save the file as UTF-8.",
            ) from None
        if not line.strip(" \t"):
            if open_tokens:
                tokens.append(tuple(open_tokens))
                tags.append(tuple(open_tags))
                open_tokens, open_tags = [], []
            continue
        columns = line.split("\t")
        if len(columns) != 2:
            raise KactError(
                f"Line {number} of '{where}' has {len(columns)} column{'s' if len(columns) > 1 else ''}, not 2.",
                "Write `token TAB tag` on each line, and a blank line between sentences.",
            )
        token, tag = columns[0].strip(" "), columns[1].strip()  # a token may be an odd space of Unicode
        if not token or not tag:
            raise KactError(f"Line {number} of '{where}' has an empty {'tag' if token else 'token'}.", "Fill it in.")
        open_tokens.append(token)
        open_tags.append(tag)
    if not tokens:
        raise KactError(f"'{where}' holds no sentence.", "Write `token TAB tag` lines into it.")
    return Sentences(tuple(tokens), tuple(tags)), hashlib.sha256(content).hexdigest()


def text_of(sentences: Sentences) -> bytes:
    """Return the file that `parse_tagged` reads, as the Twitter corpus writes it: a blank line after each sentence.

    Example:
        >>> text_of(Sentences((("ikr", "smh"),), (("!", "G"),)))
        b'ikr\\t!\\nsmh\\tG\\n\\n'
    """
    blocks = zip(sentences.tokens, sentences.tags, strict=True)
    return "".join(
        "".join(f"{token}\t{tag}\n" for token, tag in zip(*block, strict=True)) + "\n" for block in blocks
    ).encode()


def read_tagged(path: Path) -> tuple[Sentences, str]:
    """Read a file as `parse_tagged` does.

    Raises:
        KactError: likewise, and if the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KactError(f"Cannot read '{path}': {error.strerror}.", "Give a file of `token TAB tag` lines.") from None
    return parse_tagged(content, str(path))
