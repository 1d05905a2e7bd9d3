"""Text into tokens, as nltk's TweetTokenizer makes them, mended where the Twitter corpus cuts differently.

The mends: curly apostrophes become straight ones first; runs of !, ? and dots stay together at their length; money,
times, abbreviations with dots or slashes, and hyphenated faces are one token each.

>>> tokenize("ikr!!!! don’t go w/ @jane's AT&T $5.00")
['ikr', '!!!!', "don't", 'go', 'w/', "@jane's", 'AT&T', '$5.00']
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})
_RUN = re.compile(r"[!?][!?.]+|\.{2,}|-{2,}|\*{2,}|([^\w\s])\1{3,}")  # nltk cuts runs to three, or apart
_WHOLE = re.compile(
    r"""[$£€]?\d+([.,:]\d+)*(%|[kmKM]|[ap]m|st|nd|rd|th)?   # $5.00  8:30  25%  10k  3rd
    | \#\d+
    | @\w{1,40}'s
    | ([A-Za-z]\.){2,6}                                      # U.S.  a.m.
    | (Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|etc)\.
    | \w{1,3}/ | \w/\w                                       # w/  b/c
    | [A-Z]{1,3}&[A-Z]{1,3}                                  # AT&T  R&B
    | [-~>^=oO][_.]{1,6}[-~<^=oO] | <3+ | \^{2} | <<+ | >>+
    """,
    re.VERBOSE,
)
_LONGEST_CHUNK = 200  # characters without a space; nltk's patterns slow down beyond, so such a chunk is cut


def tokenize(text: str) -> list[str]:
    """Return the tokens of a text; none for one that is empty or blank.

    Null bytes and other control characters count as spaces.
    """
    tokens: list[str] = []
    for chunk in _CONTROL.sub(" ", html.unescape(text)).translate(_APOSTROPHES).split():
        for start in range(0, len(chunk), _LONGEST_CHUNK):
            part = chunk[start : start + _LONGEST_CHUNK]
            tokens += [part] if _WHOLE.fullmatch(part) else _cut(part)
    return [clean for token in tokens if (clean := _CONTROL.sub("", token))]  # nltk decodes entities once more


def _cut(chunk: str) -> list[str]:
    """Cut a chunk without spaces: around runs of punctuation first, then as nltk does."""
    if "://" in chunk or chunk.startswith("www."):
        return _tokenizer()(chunk)
    tokens: list[str] = []
    end = 0
    for run in [*_RUN.finditer(chunk), None]:
        between = chunk[end : run.start() if run else None]
        if between:
            tokens += [between] if _WHOLE.fullmatch(between) else _tokenizer()(between)
        if run:
            tokens.append(run[0])
            end = run.end()
    return tokens


@functools.cache
def _tokenizer() -> Callable[[str], Any]:
    from nltk.tokenize.casual import TweetTokenizer  # importing nltk takes a second

    return TweetTokenizer(match_phone_numbers=False).tokenize
