"""Text into tokens, as nltk's TweetTokenizer makes them, mended where the Twitter corpus cuts differently.

The mends: curly apostrophes become straight ones first, and what has no width is left out; runs of punctuation, arrows
and repeated marks stay together at their length; money, dates, times, abbreviations with dots or slashes, words with
digits, words that end in an ellipsis or a hyphen, and hyphenated faces are one token each.

>>> tokenize("ikr!!!! don’t go w/ @jane's AT&T ($5.00).")
['ikr', '!!!!', "don't", 'go', 'w/', "@jane's", 'AT&T', '(', '$5.00', ').']
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b\ud800-\udfff]")
# Marks of direction, byte order and variants of signs; joiners stay, which hold emoji together.
_INVISIBLE = re.compile(r"[\u200e\u200f\u202a-\u202e\u2060-\u2069\ufe0e\ufe0f\ufeff]")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})
_FACE = r"[<>]?[:;=][-o*'^]?(?:[()\[\]DPp/\\|3*])+"
_RUN = re.compile(
    rf"""[<>]?[-=]{{2,}}>+ | =+> | <+[-=]+                      # arrows
    | (?!{_FACE})(?:[.?!,"'…]|[:;](?![-o*'^]?[()\[\]DPp/\\|3*])){{2,}}
    | ([^\w\s])\1+                                           # nltk cuts runs to three, or apart
    """,
    re.VERBOSE,
)
_WHOLE = r"""(?:
    [$£€]?\d+(?:[.,:/-]\d+)*(?:%|[kmKM]|[ap]m|st|nd|rd|th|¢|€)?  # $5.00  8:30  10/27/2010  25%  10k  3rd
    | \#\d+
    | @\w{1,40}'s
    | (?:[A-Za-z]\.){2,6}                                    # U.S.  a.m.
    | (?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|etc)\.
    | \w{1,3}/ | [^\W\d]+/[^\W\d]+                           # w/  b/c  he/she
    | [A-Z]{1,3}&[A-Z]{1,3}                                  # AT&T  R&B
    | [^\W\d_]+\d+ | \d+-[^\W\d_]+                           # any1  3-day
    | -[^\W\d_]{2,} | [^\W\d_]{2,}-                          # -said  again-
    | [^\W_]+…
    | [-~>^=oO][_.]{1,6}[-~<^=oO] | <3+ | \^{2} | ¯\\_\(ツ\)_/¯
    )"""
_EDGED = re.compile(rf"""(?P<before>[("'\[]?)(?P<whole>{_WHOLE}|{_FACE})(?P<after>[.,!?:;"')\]…]*)""", re.VERBOSE)
_LONGEST_CHUNK = 200  # characters without a space; nltk's patterns slow down beyond, so such a chunk is cut


def tokenize(text: str) -> list[str]:
    """Return the tokens of a text; none for one that is empty or blank.

    Null bytes and other control characters count as spaces.
    """
    tokens: list[str] = []
    plain = _INVISIBLE.sub("", _CONTROL.sub(" ", html.unescape(text)))
    for chunk in plain.translate(_APOSTROPHES).split():
        for start in range(0, len(chunk), _LONGEST_CHUNK):
            tokens += _cut(chunk[start : start + _LONGEST_CHUNK])
    return [clean for token in tokens if (clean := _CONTROL.sub("", token))]  # nltk decodes entities once more


def _cut(chunk: str) -> list[str]:
    """Cut a chunk without spaces: off what is whole, then around runs of punctuation, then as nltk does."""
    if "://" in chunk or chunk.startswith("www."):
        return _tokenizer()(chunk)
    if edged := _EDGED.fullmatch(chunk):
        return [part for part in edged.group("before", "whole", "after") if part]
    tokens: list[str] = []
    end = 0
    for run in [*_RUN.finditer(chunk), None]:
        between = chunk[end : run.start() if run else None]
        if between:
            edged = _EDGED.fullmatch(between)
            tokens += edged.group("before", "whole", "after") if edged else _tokenizer()(between)
        if run:
            tokens.append(run[0])
            end = run.end()
    return [token for token in tokens if token]


@functools.cache
def _tokenizer() -> Callable[[str], Any]:
    from nltk.tokenize.casual import TweetTokenizer  # importing nltk takes a second

    return TweetTokenizer(match_phone_numbers=False).tokenize
