"""twitter_pos: 1,827 English tweets of 27 October 2010, each token with one of 25 part-of-speech tags.

K. Gimpel, N. Schneider, B. O'Connor, D. Das, D. Mills, J. Eisenstein, M. Heilman, D. Yogatama, J. Flanigan and N. A.
Smith, Part-of-Speech Tagging for Twitter: Annotation, Features, and Experiments (ACL 2011); release 0.3, CC BY 3.0.
The tokens are the corpus' own, the splits those of the paper, and its dev part is the validation split.

>>> len(TWITTER_POS.labels), TWITTER_POS.default_model
(25, 'bilstm_tagger')
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from kact.errors import KactError
from kact.tasks.public_file import PublicFile
from kact.tasks.tagging import TaggedParts, TaggingTask, read_tagged

_HOME = "twpos-data-v0.3/oct27.splits"
_URL = f"https://raw.githubusercontent.com/brendano/ark-tweet-nlp/37b10b3a0ff0d6ab2c7c0a5cb05eac8f02f11be4/data/{_HOME}"

FILES: dict[str, PublicFile] = {
    part: PublicFile(f"{_HOME}/oct27.{part}", f"{_URL}/oct27.{part}", digest)
    for part, digest in {
        "train": "e55a63da62838a28b308bd1be0b5c903ac242ef208dc59838f4b39aa33b11948",
        "dev": "046e9c57ed2549b4dec08a9a7bccf8ec7f742faaa7b55d840408f2dfd1356851",
        "test": "77f868fcd300d0acdd7bb8db28c961fcbe50d9cd0d48046e8fbec4b9f86bf814",
    }.items()
}


def _read(data: Path | None) -> TaggedParts:
    if data is not None:
        raise KactError(
            f"The task 'twitter_pos' has data of its own and cannot use '{data}'.", "Use --task tagged_file."
        )
    read = {part: read_tagged(file.find()) for part, file in FILES.items()}
    digest = hashlib.sha256("".join(digest for _, digest in read.values()).encode()).hexdigest()
    return TaggedParts(read["train"][0], read["dev"][0], read["test"][0], digest)


TWITTER_POS = TaggingTask(
    name="twitter_pos",
    summary="1,000 + 327 + 500 tweets, a part of speech for each token",
    source="http://www.ark.cs.cmu.edu/TweetNLP",
    licence="CC BY 3.0; K. Gimpel et al. (2011)",
    labels=tuple("NO^SZLMVAR!DP&TXY#@~UE$,G"),
    version="0.3",
    default_model="bilstm_tagger",
    needs_data=False,
    read=_read,
)
