"""twitter_pos: 1,827 English tweets of 27 October 2010, each token with one of 25 part-of-speech tags.

K. Gimpel, N. Schneider, B. O'Connor, D. Das, D. Mills, J. Eisenstein, M. Heilman, D. Yogatama, J. Flanigan and N. A.
Smith, Part-of-Speech Tagging for Twitter: Annotation, Features, and Experiments (ACL 2011); release 0.3, CC BY 3.0.
The tokens are the corpus' own, the splits those of the paper, and its dev part is the validation split.

They are read through TFDS, by the builder in `twitter_pos_builder.py`.

>>> len(TWITTER_POS.labels), TWITTER_POS.default_model
(25, 'bilstm_tagger')
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from kact.errors import KactError
from kact.storage.files import sha256
from kact.tasks.prepared import PreparedSet, damaged
from kact.tasks.tagging import Sentences, TaggedParts, TaggingTask, text_of
from kact.tasks.twitter_pos_files import FILES, HOMEPAGE, TAGS, recorded_files


@dataclass(frozen=True, eq=False)
class PreparedTweets(PreparedSet):
    """The tweets in TFDS's folder, prepared by a builder of our own."""

    splits: ClassVar[tuple[str, ...]] = ("train", "dev", "test")

    def builder_class(self) -> type:
        from kact.tasks.twitter_pos_builder import TwitterPos

        return TwitterPos

    def recorded_files(self) -> dict[str, Any]:
        return recorded_files()

    def read(self) -> dict[str, Sentences]:
        """Return each split's tweets, after fetching and preparing them where they are not there.

        Raises:
            KactError: as `find`, or if they are not the published ones.
        """
        if not self.folder.exists():
            _check_laid_by_hand()
        folder = self.find()
        read = {}
        for part in self.splits:
            read[part] = self.reading(part, _decode)
            if hashlib.sha256(text_of(read[part])).hexdigest() != FILES[part].sha256:
                raise damaged(folder, f"{part} does not hold the published tweets")
        return read


def _decode(source: Any) -> Sentences:
    records = source.__getitems__(range(len(source)))
    tags = source.dataset_info.features["tags"].feature.names
    return Sentences(
        tuple(tuple(token.decode() for token in record["tokens"]) for record in records),
        tuple(tuple(tags[tag] for tag in record["tags"]) for record in records),
    )


def _check_laid_by_hand() -> None:
    for file in FILES.values():
        if file.place.is_file() and sha256(file.place) != file.sha256:
            raise KactError(
                f"'{file.place}' is not the published file: its SHA-256 is not the recorded one.",
                f"Lay the original there; or, for tweets of your own: --task tagged_file --data {file.place.parent}",
            )


def _read(data: Path | None) -> TaggedParts:
    if data is not None:
        raise KactError(
            f"The task 'twitter_pos' has data of its own and cannot use '{data}'.", "Use --task tagged_file."
        )
    read = SET.read()
    digest = hashlib.sha256("".join(file.sha256 for file in FILES.values()).encode()).hexdigest()
    return TaggedParts(read["train"], read["dev"], read["test"], digest)


SET = PreparedTweets(name="twitter_pos", version="0.3.0")


TWITTER_POS = TaggingTask(
    name="twitter_pos",
    summary="1,000 + 327 + 500 tweets, a part of speech for each token",
    source=HOMEPAGE,
    licence="CC BY 3.0; K. Gimpel et al. (2011)",
    labels=TAGS,
    version="0.3",
    default_model="bilstm_tagger",
    needs_data=False,
    read=_read,
)
