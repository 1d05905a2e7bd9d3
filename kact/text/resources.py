"""What is known of words beforehand: clusters from tweets without tags, and lists of names.

Both belong to the tagger of O. Owoputi et al. 2013 (http://www.ark.cs.cmu.edu/TweetNLP), are optional, and are found
or fetched as `kact.tasks.public_file` says.

>>> TWITTER_CLUSTERS.path, list(NAME_LISTS)[:2]
('twitter_word_clusters/6mpaths', ['celebs', 'family'])
"""

from __future__ import annotations

from kact.errors import KactError
from kact.tasks.public_file import PublicFile
from kact.text.clusters import Clusters, read_clusters

_ARK = "https://raw.githubusercontent.com/brendano/ark-tweet-nlp"
_CLUSTERS = (
    f"{_ARK}/0bbbb5c1e36f04ca9e8e0633f6ecd9b7b3566de3/ark-tweet-nlp/src/main/resources/edu/cmu/cs/lti/ark/ssl/pos"
)
_LISTS = f"{_ARK}/681d8c3ec53935d1b1ce53b8e38c1fd9ea50660f/ark-tweet-nlp/src/main/resources/cmu/arktweetnlp"

TWITTER_CLUSTERS = PublicFile(
    "twitter_word_clusters/6mpaths",
    f"{_CLUSTERS}/6mpaths",
    "63961360681878565b08906ff943491ae035496fc8d74fa669a2c35904f8cecc",
)

NAME_LISTS: dict[str, PublicFile] = {
    name: PublicFile(f"twitter_name_lists/{name}", f"{_LISTS}/{name}", digest)
    for name, digest in {
        "celebs": "16b6a33a5b7a701b404b32052da89a5bb78d6bf3ffffef73a78bbb45ffed8818",
        "family": "e01c2f970737e127833a4be4944f2af7da2deb6a41df9bacc2ecc5edc8553999",
        "female": "915667ce59584f7580f167f2357cb21696843839ed1dc727e27a2d29aeffc7ad",
        "male": "68ecec3aefa3c095373bd6a487de7178fb98145648d788c6808e51dd77e72865",
        "mobyplaces": "766f334ebf2b0ed496ebb59280d2aaea2295bfe17b80b3a096d879ba24dc7a9b",
        "proper_names": "e51b3408dae145b372db1e99697fcca6f0b10647fed577c44609923320c63b63",
    }.items()
}


def read_twitter_clusters() -> Clusters:
    """Return the Twitter word clusters.

    Raises:
        KactError: if they are neither there nor to be fetched, with the place where they belong, or are damaged.
    """
    return read_clusters(TWITTER_CLUSTERS.find())


def read_name_lists() -> dict[str, frozenset[str]]:
    """Return the names of each list, in lower case.

    Raises:
        KactError: if a list is neither there nor to be fetched, or is not UTF-8 text.
    """
    lists = {}
    for name, file in NAME_LISTS.items():
        try:
            lines = file.find().read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise KactError(f"'{file.place}' is not UTF-8 text (byte {error.start}).", "Place it again.") from None
        lists[name] = frozenset(line.strip().lower() for line in lines if line.strip())
    return lists
