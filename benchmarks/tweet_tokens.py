"""How near kact's tokens come to the Twitter corpus' own: `python -m benchmarks.tweet_tokens --run RUN`.

Each tweet's gold tokens are joined with spaces and cut again, so what is seen is where a token is torn or two are
merged; which spaces the tweet itself had, the corpus does not say. With a run, also what is lost in tagging: the share
of gold tokens that are found and tagged right. Train and dev only: nothing about the tokenizer is chosen on test.
"""

from __future__ import annotations

import argparse
import html
import sys
from collections.abc import Sequence

from kact import backend
from kact.errors import KactError
from kact.tasks import TaggedData, load_task
from kact.tasks.tagging import Sentences
from kact.text.tokens import tokenize

Place = tuple[int, int]


def main(arguments: list[str] | None = None) -> int:
    """Print precision, recall and the share of tweets that are cut as in the corpus, for train and dev."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tweet_tokens", description=__doc__)
    parser.add_argument("--run", help="a tagger's run directory")
    given = parser.parse_args(arguments)
    backend.select_default()
    try:
        data = load_task("twitter_pos")
        assert isinstance(data, TaggedData)
        for name, part in (("train", data.train), ("dev", data.validation)):
            print(f"{name}: {agreement(part)}")
        if given.run:
            print(f"dev: {tagging(given.run, data.validation)}")
    except KactError as error:
        print(f"benchmarks.tweet_tokens: {error}", file=sys.stderr)
        return 2
    return 0


def places(tokens: Sequence[str]) -> list[Place]:
    """Return where each token begins and ends in the text without spaces, as the tokenizer spells it.

    Example:
        >>> places(["don’t", "go"])
        [(0, 5), (5, 7)]
    """
    found, end = [], 0
    for token in tokens:
        length = len("".join(html.unescape(token).split()))
        found.append((end, end + length))
        end += length
    return found


def agreement(part: Sentences) -> str:
    """Return in words how well the tokens of a part are found again."""
    gold = cut = same = alike = 0
    for tokens in part.tokens:
        expected, found = set(places(tokens)), set(places(tokenize(" ".join(tokens))))
        gold, cut, same = gold + len(expected), cut + len(found), same + len(expected & found)
        alike += expected == found
    return (
        f"precision {same / cut:.4f}, recall {same / gold:.4f} of {gold:,} tokens; "
        f"{alike} of {len(part)} tweets cut alike"
    )


def tagging(run: str, part: Sentences) -> str:
    """Return in words what a tagger gets right on gold tokens, and on the tokenizer's."""
    from kact.predict import Predictor

    predictor = Predictor(run)
    on_gold = predictor.tag_tokens(part.tokens)
    on_text = predictor.tag([" ".join(tokens) for tokens in part.tokens])
    right = {"gold tokens": 0, "text": 0}
    for tokens, tags, *found in zip(part.tokens, part.tags, on_gold, on_text, strict=True):
        expected = dict(zip(places(tokens), tags, strict=True))
        for name, tagged in zip(right, found, strict=True):
            at = places([one.token for one in tagged])
            right[name] += sum(expected.get(place) == one.tag for place, one in zip(at, tagged, strict=True))
    count = sum(map(len, part.tokens))
    return ", ".join(f"from {name} {number / count:.4f}" for name, number in right.items()) + " found and tagged right"


if __name__ == "__main__":
    sys.exit(main())
