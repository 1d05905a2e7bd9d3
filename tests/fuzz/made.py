"""What targets are fed: odd values, and whole things with something changed in them."""

import copy
import json

import tomli_w
from hypothesis import strategies as st

NAMES = (
    "relu", "mish", "elu(alpha=2)", "digits", "image_folder", "tagged_file", "mlp", "cnn", "lenet", "bilstm_tagger",
    "sgd", "adam", "cosine", "none", "auto", "activation", "learning_rate", "seeds", "model.hidden_units", "cpu",
)  # fmt: skip
_LEAVES = (
    "", " ", "..", "/", "\0", "\ud800", "é" * 300, "0" * 400, "(", "a:b", "a.b", "nan", "-1", "1e999", "true",
    -1, 0, 1, 2, 2**31, 2**63, 10**400, 0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), None, True, False,
    [], {}, [[]], [{}], {"": ""}, {"name": "mlp"}, ["relu", "mish"], ["relu", "relu"], [1, "a"], *NAMES,
)  # fmt: skip

words = st.one_of(st.sampled_from(NAMES), st.text(max_size=30), st.from_regex(r"[a-z_]{1,8}\([a-z]{1,4}=.{0,8}\)"))
leaves = st.one_of(st.sampled_from(_LEAVES), st.integers(), st.floats(), st.text(max_size=20))
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3))


@st.composite
def changed(draw, tree):
    """Return a tree of tables and lists with one to three of its values replaced, taken out or put in."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        node = tree
        while isinstance(node, dict | list) and node:
            key = draw(st.sampled_from(sorted(node, key=str))) if isinstance(node, dict) else draw(_index(node))
            if isinstance(node[key], dict | list) and node[key] and draw(st.integers(0, 4)):
                node = node[key]
                continue
            what = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
            if what == "remove":
                del node[key]
            elif what == "add" and isinstance(node, dict):
                node[draw(words)] = copy.deepcopy(draw(trees))  # the next change may be to this one
            else:
                node[key] = copy.deepcopy(draw(st.one_of(leaves, trees)))
            break
    return tree


def _index(listed):
    return st.integers(0, len(listed) - 1)


@st.composite
def damaged(draw, content):
    """Return bytes with one to four changes: bytes replaced, taken out, put in or doubled, or the rest cut off."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.sampled_from([1, 1, 1, 2, 4, 16, 300]))
        what = draw(st.sampled_from(["replace", "replace", "remove", "insert", "double", "cut", "zeros"]))
        if what == "replace":
            new = draw(st.binary(min_size=1, max_size=length))
            content[at : at + len(new)] = new
        elif what == "remove":
            del content[at : at + length]
        elif what == "insert":
            content[at:at] = draw(st.binary(max_size=length))
        elif what == "double":
            content[at:at] = content[at : at + length]
        elif what == "cut":
            del content[at:]
        else:
            content[at : at + length] = bytes(len(content[at : at + length]))
    return bytes(content)


def broken(content, largest=400):
    """Return a strategy for damaged forms of some bytes, and for bytes of no kind."""
    deep = st.sampled_from([b"[" * 20_000, b'{"a":' * 20_000, b"a=" + b"[" * 20_000, b"a." * 2_000 + b"a=1"])
    return st.one_of(damaged(content), damaged(content), damaged(content), st.binary(max_size=largest), deep)


def as_json(tree):
    """Return JSON as Python writes it, NaN and lone surrogates too."""
    return json.dumps(tree).encode()


def as_toml(tree):
    """Return a tree as TOML, without what TOML has no word for."""
    return tomli_w.dumps(_sayable(tree)).encode("utf-8", "replace")


def _sayable(tree):
    if isinstance(tree, dict):
        return {key.encode("utf-8", "replace").decode(): _sayable(one) for key, one in tree.items() if one is not None}
    if isinstance(tree, list | tuple):
        return [_sayable(one) for one in tree if one is not None]
    if isinstance(tree, str):
        return tree.encode("utf-8", "replace").decode()
    return tree
