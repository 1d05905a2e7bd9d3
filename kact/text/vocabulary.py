"""Vocabulary: what a tagger knows of words, built from the training split alone, and the file that a run keeps it in.

It turns tokens into the named arrays that a tagger takes. In tables of embeddings row 0 is padding, then come the rows
for what is not known, then what is.

>>> known = Vocabulary.build([["so", "cool"]], tags=["A", "R"])
>>> known.encode(["so", "what"])["word"].tolist()
[3, 1]
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kact.errors import KactError
from kact.storage.structure import fault
from kact.text import spelling
from kact.text.clusters import PREFIX_BITS, Clusters

FORMAT, VERSION = "kact vocabulary", 1
UNKNOWN_WORD = 1
WORD_CHARACTERS = 20  # that a character convolution sees: the first and the last ten of longer words

_COUNT_SCALE = 5.0  # brings the logarithm of a word's count to about 1
_AFFIXES = len(spelling.PREFIXES) + len(spelling.SUFFIXES)
_MOST = 10**15  # that a word may be counted; far from what a float cannot tell apart
_PICTURE = {  # of the file, as `kact.storage.structure` takes it
    "format": str, "version": int, "tags": [str], "words": {str: int}, "affixes": [[str]], "shapes": [str],
    "characters": str, "clusters": ({str: [(str, int)]}, None), "name_lists": ({str: [str]}, None),
}  # fmt: skip
_OFTEN_AFFIX, _OFTEN_SHAPE = 2, 3  # times in train, from which on an affix or a shape has an embedding of its own


def occurrences(count: np.ndarray) -> np.ndarray:
    """Return how often train has words, from their feature `count`; a float64 array of the same shape.

    Example:
        >>> occurrences(Vocabulary.build([["so", "so", "cool"]], tags=["A"]).encode(["so", "what"])["count"])
        array([[2.],
               [0.]])
    """
    return np.rint(np.expm1(_COUNT_SCALE * count.astype(np.float64)))


class Feature(NamedTuple):
    """One input of a tagger.

    Attributes:
        width: values a token; None for one without an axis of its own.
        rows: of the table of embeddings that they index; 0 for plain numbers.
    """

    width: int | None
    rows: int


@dataclass
class Vocabulary:
    """Words and parts of words with their indices, and what is known of words beforehand.

    Attributes:
        tags: the labels, in order.
        words: normal forms in train, commonest first, with how often they came.
        affixes: for each of the seven affixes of a word, the strings that train has twice or more.
        shapes: that train has three times or more.
        characters: in train; empty where the model looks at none.
        clusters: None where the model uses none.
        name_lists: likewise; each list's names in lower case.
    """

    tags: tuple[str, ...]
    words: dict[str, int]
    affixes: tuple[tuple[str, ...], ...]
    shapes: tuple[str, ...]
    characters: str = ""
    clusters: Clusters | None = None
    name_lists: Mapping[str, frozenset[str]] | None = None
    _rows: dict[str, dict[Any, int]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        affixes = [(slot, text) for slot, known in enumerate(self.affixes) for text in known]
        paths = sorted({path for path, _ in self.clusters.words.values()}) if self.clusters else []
        prefixes = sorted({(slot, path[:bits]) for path in paths for slot, bits in enumerate(PREFIX_BITS)})
        # Rows start after padding and what is not known: one row for words, shapes and characters, one a slot else.
        self._rows = {
            "word": {word: row for row, word in enumerate(self.words, 2)},
            "affixes": {key: row for row, key in enumerate(affixes, 1 + _AFFIXES)},
            "shape": {one: row for row, one in enumerate(self.shapes, 2)},
            "characters": {one: row for row, one in enumerate(self.characters, 2)},
            "clusters": {key: row for row, key in enumerate(prefixes, 1 + len(PREFIX_BITS))},
        }

    @classmethod
    def build(
        cls,
        sentences: Iterable[Sequence[str]],
        tags: Sequence[str],
        *,
        characters: bool = False,
        clusters: Clusters | None = None,
        name_lists: Mapping[str, frozenset[str]] | None = None,
    ) -> Vocabulary:
        """Return the vocabulary of the training sentences.

        Args:
            sentences: tokens of each.
            tags: the labels, in order.
            characters: whether the model looks at single characters.
            clusters, name_lists: what is known beforehand, if the model uses it.
        """
        counts = Counter(token for sentence in sentences for token in sentence)
        words: Counter[str] = Counter()
        affixes: list[Counter[str]] = [Counter() for _ in range(_AFFIXES)]
        shapes: Counter[str] = Counter()
        letters: Counter[str] = Counter()
        for token, count in counts.items():
            normal = spelling.normalise(token)
            words[normal] += count
            shapes[spelling.shape(token)] += count
            for slot, affix in enumerate(spelling.affixes(normal)):
                affixes[slot][affix] += count
            letters.update(set(token))
        return cls(
            tags=tuple(tags),
            words=dict(sorted(words.items(), key=lambda item: (-item[1], item[0]))),
            affixes=tuple(
                tuple(sorted(affix for affix, count in slot.items() if affix and count >= _OFTEN_AFFIX))
                for slot in affixes
            ),
            shapes=tuple(sorted(one for one, count in shapes.items() if count >= _OFTEN_SHAPE)),
            characters="".join(sorted(letters)) if characters else "",
            clusters=clusters,
            name_lists=name_lists,
        )

    @property
    def inputs(self) -> dict[str, Feature]:
        """The inputs that `encode` makes, by name."""
        rows = {name: 2 + len(known) for name, known in self._rows.items()}
        found = {
            "word": Feature(None, rows["word"]),
            "affixes": Feature(_AFFIXES, rows["affixes"] + _AFFIXES),
            "shape": Feature(None, rows["shape"]),
            "spelling": Feature(len(spelling.questions("")), 0),
            "count": Feature(1, 0),
        }
        if self.characters:
            found["characters"] = Feature(WORD_CHARACTERS, rows["characters"])
        if self.clusters is not None:
            found["clusters"] = Feature(len(PREFIX_BITS), rows["clusters"] + len(PREFIX_BITS))
            found["cluster_count"] = Feature(1, 0)
        if self.name_lists is not None:
            found["names"] = Feature(2 * len(self.name_lists), 0)
        return found

    def encode(self, tokens: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the named arrays of tokens: `(tokens,)` or `(tokens, width)`, int32 indices or float32 numbers."""
        different = list(dict.fromkeys(tokens))
        position = {token: index for index, token in enumerate(different)}
        order = np.array([position[token] for token in tokens], np.int64)
        described = [self._describe(token) for token in different]
        arrays = {}
        for name, feature in self.inputs.items():
            shape = (len(different),) if feature.width is None else (len(different), feature.width)
            values = np.array([one[name] for one in described], np.int32 if feature.rows else np.float32)
            arrays[name] = values.reshape(shape)[order]
        return arrays

    def _describe(self, token: str) -> dict[str, Any]:
        normal = spelling.normalise(token)
        if normal not in self.words and spelling.is_emoji(token):
            token = normal = spelling.FACE
        rows = self._rows
        affixes = enumerate(spelling.affixes(normal))
        described: dict[str, Any] = {
            "word": rows["word"].get(normal, UNKNOWN_WORD),
            "affixes": [rows["affixes"].get((slot, affix), 1 + slot) for slot, affix in affixes],
            "shape": rows["shape"].get(spelling.shape(token), 1),
            "spelling": spelling.questions(token),
            "count": [math.log1p(self.words.get(normal, 0)) / _COUNT_SCALE],
        }
        if self.characters:
            half = WORD_CHARACTERS // 2
            seen = token if len(token) <= WORD_CHARACTERS else token[:half] + token[-half:]
            known = [rows["characters"].get(one, 1) for one in seen]
            described["characters"] = known + [0] * (WORD_CHARACTERS - len(known))
        if self.clusters is not None:
            path, count = self.clusters.find(token) or ("", 0)
            described["clusters"] = [
                rows["clusters"].get((slot, path[:bits]), 1 + slot) if path else 1 + slot
                for slot, bits in enumerate(PREFIX_BITS)
            ]
            described["cluster_count"] = [math.log1p(count) / 15]
        if self.name_lists is not None:
            bare = spelling.straight(token).strip("#@'\".,!?:;()*-").removesuffix("'s")
            among = [bare.lower() in names for names in self.name_lists.values()]
            described["names"] = among + [one and bare[:1].isupper() for one in among]
        return described

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON, one entry a line."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "tags": list(self.tags),
            "words": self.words,
            "affixes": self.affixes,
            "shapes": self.shapes,
            "characters": self.characters,
            "clusters": None if self.clusters is None else self.clusters.words,
            "name_lists": None
            if self.name_lists is None
            else {name: sorted(names) for name, names in self.name_lists.items()},
        }
        path.write_text(json.dumps(content, ensure_ascii=True, indent=0), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` wrote.

        Raises:
            KactError: if the file cannot be read, is not a vocabulary, or is of a later version.
        """
        try:
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(str(path), error) from error

    @classmethod
    def parse(cls, text: str, where: str = "the text") -> Vocabulary:
        """Return the vocabulary that `save` wrote, or that travels in an exported network as `kact.vocabulary`.

        Args:
            text: JSON.
            where: it is from, for errors.

        Raises:
            KactError: if it is not a vocabulary, or is of a later version.
        """
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise ValueError(f"its format is {content['format']!r}")
            if isinstance(content["version"], int) and content["version"] > VERSION:
                raise KactError(
                    f"'{where}' is of version {content['version']}; this kact reads {VERSION}.", "Update kact."
                )
            if wrong := fault(content, _PICTURE) or _uncountable(content):
                raise ValueError(wrong)
            clusters, lists = content["clusters"], content["name_lists"]
            return cls(
                tags=tuple(content["tags"]),
                words=content["words"],
                affixes=tuple(tuple(known) for known in content["affixes"]),
                shapes=tuple(content["shapes"]),
                characters=content["characters"],
                clusters=None
                if clusters is None
                else Clusters({word: (path, count) for word, (path, count) in clusters.items()}),
                name_lists=None if lists is None else {name: frozenset(names) for name, names in lists.items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, KactError):
                raise
            raise _unusable(where, error) from error


def _uncountable(content: Mapping[str, Any]) -> str:
    """Return what is wrong with the counts and the clusters of a vocabulary that has all its parts, or ""."""
    counts = [*content["words"].values()]
    for word, known in (content["clusters"] or {}).items():
        if len(known) != 2 or not isinstance(known[0], str) or not isinstance(known[1], int):
            return f"the cluster of {word!r} is not a path and a count"
        counts.append(known[1])
    return "" if all(0 <= count <= _MOST for count in counts) else "a word's count is out of range"


def _unusable(where: str, error: Exception) -> KactError:
    return KactError(f"'{where}' is no vocabulary that kact wrote ({error}).", "Train the run anew.")
