"""The published files of `twitter_pos`: where they are, what they must hold, and the tags in them.

>>> FILES["dev"].path
'twpos-data-v0.3/oct27.splits/oct27.dev'
"""

from __future__ import annotations

from typing import Any

from kact.tasks.public_file import PublicFile

HOMEPAGE = "http://www.ark.cs.cmu.edu/TweetNLP"
TAGS = tuple("NO^SZLMVAR!DP&TXY#@~UE$,G")

_HOME = "twpos-data-v0.3/oct27.splits"
_URL = f"https://raw.githubusercontent.com/brendano/ark-tweet-nlp/37b10b3a0ff0d6ab2c7c0a5cb05eac8f02f11be4/data/{_HOME}"

FILES: dict[str, PublicFile] = {
    part: PublicFile(f"{_HOME}/oct27.{part}", f"{_URL}/oct27.{part}", digest, size)
    for part, digest, size in (
        ("train", "e55a63da62838a28b308bd1be0b5c903ac242ef208dc59838f4b39aa33b11948", 110_737),
        ("dev", "046e9c57ed2549b4dec08a9a7bccf8ec7f742faaa7b55d840408f2dfd1356851", 36_996),
        ("test", "77f868fcd300d0acdd7bb8db28c961fcbe50d9cd0d48046e8fbec4b9f86bf814", 53_792),
    )
}


def recorded_files() -> dict[str, Any]:
    """Return what TFDS checks each file against, by its address."""
    from tensorflow_datasets.core.download.checksums import UrlInfo

    return {
        file.url: UrlInfo(size=file.size_bytes, checksum=file.sha256, filename=file.path) for file in FILES.values()
    }
