"""The tags of tweets in words, and the colour of each: one a kind of word, never told by colour alone.

Words after the annotation guidelines of K. Gimpel et al., Part-of-Speech Tagging for Twitter (2011).

>>> meaning("V"), family("V")
('verb', 'verb')
"""

from __future__ import annotations

TAGS: dict[str, tuple[str, str]] = {  # tag: (in words, family of colour)
    "N": ("common noun", "noun"),
    "^": ("proper noun", "noun"),
    "S": ("noun with possessive", "noun"),
    "Z": ("proper noun with possessive", "noun"),
    "L": ("noun and verb in one, as in I'm", "verb"),
    "M": ("proper noun and verb in one", "verb"),
    "Y": ("there with a verb, as in there's", "verb"),
    "X": ("there, as in there are", "function"),
    "O": ("pronoun", "pronoun"),
    "V": ("verb", "verb"),
    "A": ("adjective", "modifier"),
    "R": ("adverb", "modifier"),
    "!": ("interjection", "interjection"),
    "D": ("determiner", "function"),
    "P": ("preposition or subordinating conjunction", "function"),
    "&": ("coordinating conjunction", "function"),
    "T": ("verb particle", "function"),
    "#": ("hashtag", "online"),
    "@": ("mention of somebody", "online"),
    "~": ("mark of a retweet or a continued tweet", "online"),
    "U": ("address: URL or e-mail", "online"),
    "E": ("emoticon or emoji", "interjection"),
    "$": ("number", "other"),
    ",": ("punctuation", "other"),
    "G": ("anything else: abbreviation, foreign word, fragment", "other"),
}


def meaning(tag: str) -> str:
    """Return a tag in words; itself where it is not of the Twitter corpus."""
    return TAGS[tag][0] if tag in TAGS else tag


def family(tag: str) -> str:
    """Return the family whose colour a tag has."""
    return TAGS[tag][1] if tag in TAGS else "other"
