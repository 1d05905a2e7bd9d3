"""What a token's spelling says: its normal form, its affixes, its shape, and a row of yes-or-no questions.

After the lexical features of K. Gimpel et al., Part-of-Speech Tagging for Twitter (2011), and O. Owoputi et al.,
Improved Part-of-Speech Tagging for Online Conversational Text with Word Clusters (2013).

>>> normalise("Sooooo"), normalise("@Jane"), normalise("2morrow"), shape("McDonald's")
('soo', '<@>', '0morrow', "XxXx'x")
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 100  # characters of a token that are looked at; longer ones are links or noise
PREFIXES = (1, 2, 3)
SUFFIXES = (1, 2, 3, 4)
FACE = ":)"  # what stands for an emoji that train never had

_QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'", "“": '"', "”": '"', "´": "'"})
_MENTION = re.compile(r"@\w+", re.ASCII)
_HASHTAG = re.compile(r"#\w*[^\W\d]\w*")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(\.[\w-]{1,64}){1,8}", re.ASCII)
_URL = re.compile(
    r"(https?:|www\.)\S*|[\w-]{1,64}(\.[\w-]{1,64}){0,8}\.(com|net|org|ly|co|me|fm|tv|gd|uk|info)(/\S*)?", re.I
)
_REPEATED = re.compile(r"(.)\1{2,}", re.DOTALL)
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"[$£€#]?\d[\d.,:/-]*(st|nd|rd|th|am|pm|k|m|s|%)?", re.I)
_EMOTICON = re.compile(
    r"[<>]?[:;=8xX][-o*'^]?[()\[\]dDpPoO/\\|*3]+|[()\[\]dD/\\|]+[-o*'^]?[:;=8]|<3+|[xX]D+|[-^oO.>=TtuU][_.-]+[-^oO.<=TtuU]"
)


def is_emoji(token: str) -> bool:
    """Return whether a token is made of emoji, with their joiners and variants, such as are younger than the corpus.

    Example:
        >>> is_emoji("👍🏽"), is_emoji("♥"), is_emoji("👍ok")
        (True, False, False)
    """
    plain = token[:LONGEST]
    signs = all(unicodedata.category(one) in ("So", "Sk", "Cf", "Mn", "Me") for one in plain)
    return signs and any("\U0001f000" <= one <= "\U0001faff" for one in plain)


def straight(token: str) -> str:
    """Return the token with straight quotes, cut to the first 100 characters.

    Example:
        >>> straight("don’t")
        "don't"
    """
    return token[:LONGEST].translate(_QUOTES)


def stand_in(token: str) -> str | None:
    """Return "<@>", "<url>" or "<email>" for what is one, else None.

    Example:
        >>> stand_in("@jane"), stand_in("bit.ly/x"), stand_in("word")
        ('<@>', '<url>', None)
    """
    if _MENTION.fullmatch(token):
        return "<@>"
    if _EMAIL.fullmatch(token):
        return "<email>"
    return "<url>" if _URL.fullmatch(token) else None


def squash(token: str, most: int) -> str:
    """Return the token with each run of one character cut to `most`.

    Example:
        >>> squash("noooo", 2), squash("noooo", 1)
        ('noo', 'no')
    """
    if most < 2:
        return "".join(one for one, before in zip(token, "\0" + token, strict=False) if one != before)
    return _REPEATED.sub(lambda run: run[0][:most], token)


def normalise(token: str) -> str:
    """Return the form under which a token is looked up: lower case, straight quotes, digits as 0, repeats cut to 2."""
    plain = straight(token)
    return stand_in(plain) or squash(_DIGIT.sub("0", plain.lower()), 2)


def affixes(normal: str) -> tuple[str, ...]:
    """Return the prefixes of 1-3 and the suffixes of 1-4 characters of a normal form; "" for those it is too short for.

    Example:
        >>> affixes("can")
        ('c', 'ca', '', 'n', 'an', '', '')
    """
    starts = (normal[:size] if len(normal) > size else "" for size in PREFIXES)
    ends = (normal[-size:] if len(normal) > size else "" for size in SUFFIXES)
    return (*starts, *ends)


def shape(token: str) -> str:
    """Return the token's shape: X, x and 0 for capitals, small letters and digits, each run once, the rest as it is.

    Example:
        >>> shape("iPhone4S"), shape("!!!")
        ('xXx0X', '!')
    """
    plain = straight(token)[:32]
    marks = ("X" if one.isupper() else "x" if one.isalpha() else "0" if one.isdigit() else one for one in plain)
    return squash("".join(marks), 1)


def questions(token: str) -> tuple[bool, ...]:
    """Return 21 answers about a token's spelling, in a fixed order.

    Example:
        >>> len(questions("RT")), len(questions(""))
        (21, 21)
    """
    plain = straight(token)
    letters = [one for one in plain if one.isalpha()]
    upper = sum(one.isupper() for one in letters)
    is_word = bool(letters) and len(letters) == len(plain)
    standing = stand_in(plain)
    return (
        plain[:1].isupper(),
        plain[:1].isupper() and upper == 1 and len(letters) > 1,
        upper > 1 and upper == len(letters),
        upper == 1 and len(plain) == 1,
        upper > 0 and not plain[:1].isupper(),
        is_word and upper == 0,
        any(one.isdigit() for one in plain),
        plain.isdigit(),
        bool(_NUMBER.fullmatch(plain)),
        "-" in plain and bool(letters),
        "'" in plain and bool(letters),
        "." in plain and bool(letters),
        plain.lower().endswith(("'s", "s'")),
        not any(one.isalnum() for one in plain),
        standing == "<@>",
        bool(_HASHTAG.fullmatch(plain)),
        standing == "<url>" or standing == "<email>",
        bool(_EMOTICON.fullmatch(plain)),
        plain in ("RT", "rt", "Rt", "via", "MT", "RT:"),
        any(unicodedata.category(one) in ("So", "Sk", "Cs") for one in plain if ord(one) > 127),
        bool(_REPEATED.search(plain)),
    )
