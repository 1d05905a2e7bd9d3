"""Words: how they are normalised, found among clusters, kept in a vocabulary, cut from text."""

import json
import os
import time

import numpy as np
import pytest

from benchmarks.tweet_tokens import agreement, places
from kact.errors import KactError
from kact.tasks import load_task
from kact.tasks.tagging import Sentences
from kact.text import spelling
from kact.text.clusters import Clusters, read_clusters
from kact.text.encoded import EncodedSplit
from kact.text.tokens import tokenize
from kact.text.vocabulary import Vocabulary

pytestmark = pytest.mark.any_backend

ODD = ["", " ", "\0", "\ud800", "a" * 10_000, "😀" * 500, "שלום", "é" * 200, "!" * 5000, "\u200f", "🇨🇭", "\n"]


@pytest.mark.parametrize(
    ("token", "normal"),
    [
        ("Hello", "hello"),
        ("don’t", "don't"),
        ("@Some_One", "<@>"),
        ("http://t.co/Ab1", "<url>"),
        ("bit.ly/xyz", "<url>"),
        ("me@example.org", "<email>"),
        ("2010", "00"),
        ("10:30pm", "00:00pm"),
        ("yeeeees", "yees"),
        ("...", ".."),
        ("@", "@"),
    ],
)
def test_normal_forms(token, normal):
    assert spelling.normalise(token) == normal


def test_shapes_and_affixes():
    assert [spelling.shape(one) for one in ("RT", "iPhone", "don't", "10:30", "@Joe")] == [
        "X",
        "xXx",
        "x'x",
        "0:0",
        "@Xx",
    ]
    assert spelling.affixes("going") == ("g", "go", "goi", "g", "ng", "ing", "oing")


@pytest.mark.parametrize(
    ("yes", "no", "question"),
    [
        ("Joe", "joe", 0),
        ("NASA", "Nasa", 2),
        ("I", "It", 3),
        ("iPhone", "Iphone", 4),
        ("2nite", "tonight", 6),
        ("42", "4x2", 7),
        ("$5.00", "five", 8),
        ("a-b", "--", 9),
        ("don't", "'", 10),
        ("Joe's", "Joes", 12),
        ("?!", "a!", 13),
        ("@joe", "joe@", 14),
        ("#win", "#1", 15),
        ("www.x.org", "x", 16),
        (":-)", ":", 17),
        ("RT", "ART", 18),
        ("♥", "é", 19),
        ("sooo", "soo", 20),
    ],
)
def test_questions_tell_tokens_apart(yes, no, question):
    assert spelling.questions(yes)[question] and not spelling.questions(no)[question]


@pytest.mark.parametrize("token", ODD)
def test_any_token_is_described_at_once(token):
    known = Vocabulary.build(
        [["so", "cool"]],
        ("A", "B"),
        characters=True,
        clusters=Clusters({"so": ("01", 3)}),
        name_lists={"a": frozenset()},
    )
    began = time.perf_counter()
    arrays = known.encode([token])
    assert time.perf_counter() - began < 0.5
    for name, feature in known.inputs.items():
        assert arrays[name].shape == ((1,) if feature.width is None else (1, feature.width))
        if feature.rows:
            assert arrays[name].min() >= 0 and arrays[name].max() < feature.rows
    assert arrays["word"][0] >= 1, "row 0 is padding"


def test_an_emoji_that_train_never_had_is_taken_for_a_face():
    known = Vocabulary.build([["so", ":)", "👍"]], ("A", "E"), clusters=Clusters({":)": ("01", 3)}))
    face, met, new, sign = (known.encode([token]) for token in (":)", "👍", "😂😂", "★"))
    assert all(np.array_equal(new[name], face[name]) for name in known.inputs)
    assert met["word"][0] not in (1, face["word"][0]) and sign["word"][0] == 1


# --- clusters ---

TABLE = Clusters(
    {
        "so": ("0110", 900),
        "soo": ("0111", 20),
        "<@MENTION>": ("0010", 99),
        "<URL-bit.ly>": ("00001", 50),
        "<URL-t.co>": ("00011", 40),
        "don't": ("1000", 70),
        "5": ("1111", 60),
        "goodbye": ("1100", 30),
        "win": ("1101", 30),
        "tonight": ("1110", 5),
    }
)


@pytest.mark.parametrize(
    ("token", "path"),
    [
        ("So", "0110"),
        ("soo", "0111"),
        ("soooooo", "0111"),
        ("@anyone", "0010"),
        ("http://bit.ly/abc", "00001"),
        ("http://unknown.org/abc", "00001"),
        ("t.co/abc", "00011"),
        ("DON’T", "1000"),
        ("7", "1111"),
        ("good-bye", "1100"),
        ("#win", "1101"),
        ('"tonight!', "1110"),
        ("tonite", None),
    ],
)
def test_a_token_finds_its_cluster_however_it_is_spelled(token, path):
    found = TABLE.find(token)
    assert (found and found[0]) == path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"01\tso\n", "Line 1"),
        (b"01\tso\t3\n012\tx\t3\n", "Line 2"),
        (b"01\tso\tmany\n", "Line 1"),
        (b"01\t\xff\t3\n", "not UTF-8"),
    ],
)
def test_damaged_clusters_are_named(tmp_path, content, words):
    (tmp_path / "paths").write_bytes(content)
    with pytest.raises(KactError, match=words):
        read_clusters(tmp_path / "paths")


# --- the vocabulary and its file ---


def vocabulary(**options):
    sentences = [["So", "coool", "!!"], ["so", "warming"], ["warning"]]
    return Vocabulary.build(sentences, ("A", "R"), **options)


def test_rows_are_given_to_what_train_has_often_enough():
    known = vocabulary()
    assert list(known.words) == ["so", "!!", "cool".replace("oo", "oo"), "warming", "warning"]
    assert "ing" in known.affixes[5] and "wa" in known.affixes[1]
    assert known.shapes == ("x",)
    encoded = known.encode(["so", "SO", "unheard"])
    assert encoded["word"][0] == encoded["word"][1] == 2 and encoded["word"][2] == 1
    assert encoded["count"][0] == encoded["count"][1] > encoded["count"][2] == 0


def test_affixes_of_one_slot_are_not_another_s():
    known = Vocabulary.build([["sets", "sits", "tos", "tis"]] * 2, ("A", "R"))
    row = known.encode(["sets"])["affixes"][0]
    assert row[0] != row[3], "the prefix s is not the suffix s"
    assert len(set(row)) == len(row)


def test_the_file_gives_back_the_same_arrays(tmp_path):
    known = vocabulary(characters=True, clusters=TABLE, name_lists={"female": frozenset({"anne"}), "male": frozenset()})
    known.save(tmp_path / "vocabulary.json")
    loaded = Vocabulary.load(tmp_path / "vocabulary.json")
    assert loaded.inputs == known.inputs and loaded.tags == known.tags
    tokens = ["So", "Anne's", "anne", "?", "cooool", "שלום", "@x"]
    for name, array in known.encode(tokens).items():
        np.testing.assert_array_equal(loaded.encode(tokens)[name], array)
    names = known.encode(["Anne's", "anne"])["names"]
    assert names.tolist() == [[1, 0, 1, 0], [1, 0, 0, 0]], "in a list; in it and with a capital"


@pytest.mark.parametrize(
    ("change", "words"),
    [({"format": "x"}, "no vocabulary"), ({"version": 99}, "version 99"), ({"words": None}, "no vocabulary")],
)
def test_another_file_is_refused(tmp_path, change, words):
    file = tmp_path / "vocabulary.json"
    vocabulary().save(file)
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(KactError, match=words):
        Vocabulary.load(file)
    file.write_text("{")
    with pytest.raises(KactError, match="no vocabulary"):
        Vocabulary.load(file)


def test_hidden_words_are_unknown_in_every_way(rng):
    known = vocabulary(clusters=TABLE)
    split = EncodedSplit.of([["so", "warming"]] * 500, [[0, 1]] * 500, known)
    hidden = split.dropped(rng, words=0.5, clusters=0.2)
    unknown = hidden.features["word"] == 1
    assert unknown[0::2].mean() == pytest.approx(0.5 / 2.5, abs=0.06), "train has it twice"
    assert unknown[1::2].mean() == pytest.approx(0.5 / 1.5, abs=0.06), "train has it once"
    assert (hidden.features["count"][unknown] == 0).all() and (hidden.features["count"][~unknown] > 0).all()
    nowhere = (hidden.features["clusters"] == known.encode(["zzz"])["clusters"]).all(axis=1)
    assert nowhere[0::2].mean() == pytest.approx(0.2, abs=0.05)
    assert (hidden.features["cluster_count"][nowhere] == 0).all()
    assert (split.features["word"] != 1).all(), "the split itself is as it was"


# --- from text to tokens ---


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        (" \n\t ", []),
        ("\0\0", []),
        ("a\0b", ["a", "b"]),
        ("I don’t know!!!!!!", ["I", "don't", "know", "!!!!!!"]),
        ("w/ @jane's $5.00 AT&T", ["w/", "@jane's", "$5.00", "AT&T"]),
        ("the U.S. at 5:30pm", ["the", "U.S.", "at", "5:30pm"]),
        ("see http://t.co/a?b=1 #fun :-)", ["see", "http://t.co/a?b=1", "#fun", ":-)"]),
        ("wait...what?!", ["wait", "...", "what", "?!"]),
        ("<3 &amp; &#0;", ["<3", "&", "\ufffd"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("😀😀 😀😂", ["😀😀", "😀", "😂"]),
        ("👨‍👩‍👧‍👦👍🏽 🇨🇭🇩🇪 ❤️lol", ["👨‍👩‍👧‍👦", "👍🏽", "🇨🇭", "🇩🇪", "❤", "lol"]),
        ("\u200fשלום\u200f zero\u200bwidth", ["שלום", "zero", "width"]),
        ("($5.00), 10/27/2010. $3,500", ["(", "$5.00", "),", "10/27/2010", ".", "$3,500"]),
        ("U.S., @joe's: he/she", ["U.S.", ",", "@joe's", ":", "he/she"]),
        ('said "no." any1 4ever 2nite', ["said", '"', "no", '."', "any1", "4ever", "2nite"]),
        ("hi:) :)) :-(( ♥♥♥ --> <==", ["hi", ":)", ":))", ":-((", "♥♥♥", "-->", "<=="]),
        ("“quoted” y’all… -said again-", ["“", "quoted", "”", "y'all", "…", "-said", "again-"]),
        ("\ud800x", ["x"]),
    ],
)
def test_tokens(text, tokens):
    assert tokenize(text) == tokens


@pytest.mark.realdata
@pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set")
def test_most_tweets_are_cut_as_in_the_corpus():
    part = load_task("tweets").validation
    alike = sum(places(tokens) == places(tokenize(" ".join(tokens))) for tokens in part.tokens)
    assert alike >= 0.93 * len(part), "what it was when the mends were made; 0.86 before"


@pytest.mark.parametrize(
    "piece", ["a", "a.", "(", "http://", "😀", "x ", "&amp;", "1,", "-", "@", "'", "א", "a-", "1/", ":)", "<-"]
)
def test_ten_thousand_characters_are_cut_in_no_time(piece):
    text = piece * (10_000 // len(piece))
    began = time.perf_counter()
    tokens = tokenize(text)
    assert time.perf_counter() - began < 2
    assert "".join(tokens) == text.replace(" ", "").replace("&amp;", "&")


def test_the_agreement_with_gold_tokens_counts_places():
    part = Sentences((("so", "cool!"), ("don’t", "go")), (("R", "A"), ("V", "V")))
    assert agreement(part) == "precision 0.6000, recall 0.7500 of 4 tokens; 1 of 2 tweets cut alike"
