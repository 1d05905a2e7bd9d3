"""Tagged sentences as arrays: every token's features one after another, cut into padded batches on demand.

>>> from kact.text.vocabulary import Vocabulary
>>> known = Vocabulary.build([["so", "cool"]], tags=["A", "R"])
>>> split = EncodedSplit.of([["so"], ["so", "cool"]], [[1], [1, 0]], known)
>>> inputs, labels = split.take([0, 1])
>>> inputs["word"].tolist(), labels.tolist()
([[3, 0], [3, 2]], [[1, -1], [1, 0]])
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kact.models.tagger import Tagger
from kact.storage.files import sha256
from kact.tasks.tagging import TaggedData, TaggingTask
from kact.text.clusters import PREFIX_BITS
from kact.text.resources import NAME_LISTS, TWITTER_CLUSTERS, read_name_lists, read_twitter_clusters
from kact.text.vocabulary import UNKNOWN_WORD, Vocabulary, occurrences

PADDING = -1  # the label of what is no token


@dataclass(frozen=True, eq=False)
class EncodedSplit:
    """The sentences of one split.

    Attributes:
        features: by name, `(tokens,)` or `(tokens, width)`.
        labels: `(tokens,)`, int64; the number of tags stands for a tag that train never had.
        starts: `(sentences + 1,)`, int64: sentence i is tokens `starts[i]` to `starts[i + 1]`.
        unseen: `(tokens,)`, bool: whether train never has the token, in whatever case.
    """

    features: Mapping[str, np.ndarray]
    labels: np.ndarray
    starts: np.ndarray
    unseen: np.ndarray

    @classmethod
    def of(
        cls,
        sentences: Sequence[Sequence[str]],
        labels: Sequence[Sequence[int]],
        vocabulary: Vocabulary,
        seen: frozenset[str] = frozenset(),
    ) -> EncodedSplit:
        """Encode sentences.

        Args:
            sentences: tokens of each.
            labels: of each token.
            vocabulary: makes the features.
            seen: the tokens of train in lower case.
        """
        tokens = [token for sentence in sentences for token in sentence]
        return cls(
            features=vocabulary.encode(tokens),
            labels=np.array([label for sentence in labels for label in sentence], np.int64),
            starts=np.cumsum([0, *map(len, sentences)], dtype=np.int64),
            unseen=np.array([token.lower() not in seen for token in tokens], bool),
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each sentence, `(sentences,)`."""
        return np.diff(self.starts)

    def take(self, indices: ArrayLike, steps: int | None = None) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Gather a batch of sentences.

        Args:
            indices: `(batch,)`.
            steps: the length to pad to; the longest sentence's if None.

        Returns:
            Features `(batch, steps)` or `(batch, steps, width)`, and labels `(batch, steps)`, -1 where there is none.
        """
        chosen = np.asarray(indices, np.int64)
        lengths = self.lengths[chosen]
        steps = max(int(lengths.max(initial=1)) if steps is None else steps, 1)
        rows = self.starts[chosen][:, None] + np.arange(steps)  # (batch, steps)
        real = np.arange(steps) < lengths[:, None]
        rows = np.where(real, rows, 0)
        inputs = {}
        for name, values in self.features.items():
            gathered = values[rows] if len(values) else np.zeros((*rows.shape, *values.shape[1:]), values.dtype)
            gathered[~real] = 0
            inputs[name] = gathered
        labels = np.where(real, self.labels[rows], PADDING) if len(self.labels) else np.full(rows.shape, PADDING)
        return inputs, labels

    def dropped(self, generator: np.random.Generator, words: float, clusters: float) -> EncodedSplit:
        """Return the split with some tokens' words, and some tokens' clusters, made unknown.

        What is hidden most are rare words, so that the row for unknown words learns from such as are unknown later.

        Args:
            generator: draws which.
            words: a word that train has n times is hidden with chance `words / (words + n)`.
            clusters: the share of tokens whose cluster is hidden.

        Source: E. Kiperwasser and Y. Goldberg 2016, https://arxiv.org/abs/1603.04351, section 4.
        """
        features = dict(self.features)
        drawn = generator.random((2, len(self.labels)))
        if words:
            hidden = drawn[0] < words / (words + occurrences(features["count"])[:, 0])
            features["word"] = np.where(hidden, np.int32(UNKNOWN_WORD), features["word"])
            features["count"] = np.where(hidden[:, None], np.float32(0), features["count"])
        if clusters and "clusters" in features:
            none = 1 + np.arange(len(PREFIX_BITS), dtype=np.int32)
            features["clusters"] = np.where(drawn[1][:, None] < clusters, none, features["clusters"])
            features["cluster_count"] = np.where(drawn[1][:, None] < clusters, np.float32(0), features["cluster_count"])
        return dataclasses.replace(self, features=features)


@dataclass(frozen=True, eq=False)
class EncodedData:
    """A tagging task with its splits as arrays.

    Attributes:
        task: the record, with its labels.
        train, validation, test: encoded.
        version: of the data.
        fingerprint: of the data.
        vocabulary: what the splits were encoded with, and later texts will be.
        resources: SHA-256 hex digests of what was known of words beforehand, by name.
        unknown_tags: for each split, the tags that train never has, with how often they come.
    """

    task: TaggingTask
    train: EncodedSplit
    validation: EncodedSplit
    test: EncodedSplit
    version: str
    fingerprint: str
    vocabulary: Vocabulary
    resources: dict[str, str]
    unknown_tags: dict[str, dict[str, int]]


def encode_data(data: TaggedData, tagger: Tagger) -> EncodedData:
    """Build the vocabulary from the training sentences alone, and encode every split with it.

    Args:
        data: the sentences.
        tagger: says which features are used.

    Raises:
        KactError: if something that is known of words beforehand was asked for and is not to be had.
    """
    vocabulary = Vocabulary.build(
        data.train.tokens,
        data.task.labels,
        characters=tagger.character_filters > 0,
        clusters=read_twitter_clusters() if tagger.clusters else None,
        name_lists=read_name_lists() if tagger.name_lists else None,
    )
    files = {"clusters": [TWITTER_CLUSTERS] if tagger.clusters else []}
    files["name_lists"] = list(NAME_LISTS.values()) if tagger.name_lists else []
    row = {tag: index for index, tag in enumerate(data.task.labels)}
    seen = frozenset(token.lower() for sentence in data.train.tokens for token in sentence)
    splits = {
        name: EncodedSplit.of(
            part.tokens, [[row.get(tag, len(row)) for tag in tags] for tags in part.tags], vocabulary, seen
        )
        for name, part in (("train", data.train), ("validation", data.validation), ("test", data.test))
    }
    return EncodedData(
        task=data.task,
        **splits,
        version=data.version,
        fingerprint=data.fingerprint,
        vocabulary=vocabulary,
        resources={
            name: hashlib.sha256("".join(sha256(file.place) for file in used).encode()).hexdigest()
            for name, used in files.items()
            if used
        },
        unknown_tags={
            name: dict(Counter(tag for tags in part.tags for tag in tags if tag not in row))
            for name, part in (("train", data.train), ("validation", data.validation), ("test", data.test))
        },
    )
