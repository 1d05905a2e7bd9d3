"""The TFDS builder of `twitter_pos`: the tweets with their tags, prepared and read without TensorFlow.

Importing this imports TFDS and registers the builder there, so that the set is then reached as any other:

>>> import tensorflow_datasets as tfds
>>> tfds.builder_cls("twitter_pos").VERSION
Version('0.3.0')
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from kact.tasks.tagging import read_tagged
from kact.tasks.twitter_pos_files import FILES, HOMEPAGE, TAGS, recorded_files

_DESCRIPTION = """
English tweets of 27 October 2010, cut into tokens by hand, each token with one of 25 part-of-speech tags: the Oct27
splits of the ARK Twitter Part-of-Speech Annotated Data, release 0.3, licensed under CC BY 3.0 by K. Gimpel et al.
Examples come in the order of the published files.
"""

_CITATION = """
@inproceedings{gimpel-etal-2011-part,
  title = {Part-of-Speech Tagging for {T}witter: Annotation, Features, and Experiments},
  author = {Gimpel, Kevin and Schneider, Nathan and O'Connor, Brendan and Das, Dipanjan and Mills, Daniel and
    Eisenstein, Jacob and Heilman, Michael and Yogatama, Dani and Flanigan, Jeffrey and Smith, Noah A.},
  booktitle = {Proceedings of the 49th Annual Meeting of the Association for Computational Linguistics: Human Language
    Technologies},
  year = {2011},
  pages = {42--47},
  url = {https://aclanthology.org/P11-2008},
}

@techreport{owoputi-oconnor-2012-part,
  title = {Part-of-Speech Tagging for {T}witter: Word Clusters and Other Advances},
  author = {Owoputi, Olutobi and O'Connor, Brendan},
  institution = {Machine Learning Department, Carnegie Mellon University},
  number = {CMU-ML-12-107},
  year = {2012},
  note = {What release 0.3 changed},
}
"""


class TwitterPos(tfds.core.GeneratorBasedBuilder):
    """Tweets as lists of tokens and of tags, in the published splits train, dev and test.

    The published files are taken from TFDS's manual folder or fetched, and checked against their SHA-256 by TFDS.
    """

    VERSION = tfds.core.Version("0.3.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"0.3.0": "The corpus' own release 0.3."}
    # TFDS would look for them in a file beside this module.
    url_infos = recorded_files()

    def _info(self) -> tfds.core.DatasetInfo:
        tags = tfds.features.ClassLabel(names=TAGS)
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "tokens": tfds.features.Sequence(tfds.features.Text()),
                    "tags": tfds.features.Sequence(tags),
                }
            ),
            disable_shuffling=True,  # keep the published order
            homepage=HOMEPAGE,
            citation=_CITATION,
            license="CC BY 3.0",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        # `download`, as what else fetches would unpack with TensorFlow.
        paths = dl_manager.download({part: file.url for part, file in FILES.items()})
        return {part: self._generate_examples(path) for part, path in paths.items()}

    def _generate_examples(self, path: Any) -> Iterator[tuple[int, dict[str, Any]]]:
        sentences, _ = read_tagged(path)
        for number, (tokens, tags) in enumerate(zip(sentences.tokens, sentences.tags, strict=True)):
            yield number, {"tokens": list(tokens), "tags": list(tags)}
