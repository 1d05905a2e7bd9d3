"""What strangers send: pictures and texts, to the command line's predictor and to the page."""

import functools

import numpy as np
import pytest
from hypothesis import strategies as st

from kact.images import open_image, to_array
from kact.predict import Predictor
from kact.text.tokens import tokenize
from tests.fuzz import made, samples
from tests.fuzz.targets import target, untouched, works_or_says

pytestmark = pytest.mark.any_backend

drawn = st.data()
_CHUNKS = (
    "so", "coooool", "@jane", "#cantwait", ":-)", "<3", "http://a.b/c", "www.", "...", "!!!", "&amp;", "&#0;", "&lt;",
    "$5.00", "10/27/2010", "U.S.", "\u200d", "\ufe0f", "\U0001f600", "\U0001f468\u200d\U0001f469", "\n", "\t", "\r",
    "\x00", "\u202e", "a" * 300, "(" * 80, ":" * 150, "-" * 90, "@" * 60, "¯\\_(ツ)_/¯", "<b>", "1" * 120, "…", "İ",
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(_CHUNKS) | st.text(max_size=8), max_size=30).map("".join),
    st.lists(st.sampled_from(_CHUNKS) | st.text(max_size=8), max_size=30).map(" ".join),
    st.builds(lambda chunk, count: chunk * count, st.sampled_from(_CHUNKS), st.integers(1, 400)),
)


@st.composite
def pictures(draw):
    """Return bytes like those of a picture of some format."""
    return draw(made.broken(draw(st.sampled_from(sorted(samples.pictures().items())))[1]))


@functools.cache
def _predictor(name):
    return Predictor(samples.BOX / name)


@target(60, content=pictures(), fit=st.sampled_from(["stretch", "crop", "pad"]), channels=st.sampled_from([1, 3]))
def test_pictures(content, fit, channels):
    """A picture's file of any bytes is brought to the network's size, or refused."""
    with samples.fresh() as folder:
        (folder / "a.png").write_bytes(content)
        with untouched(folder):
            found = works_or_says(lambda: to_array(open_image(folder / "a.png"), (9, 7, channels), fit))
            assert found is None or (found.shape == (9, 7, channels) and found.dtype == np.uint8)
            said = works_or_says(lambda: _predictor("digits-relu").predict([folder / "a.png"]))
            assert (said is None) == (found is None)


@target(30, content=pictures())
def test_uploads(content):
    """A picture that is sent to the page."""
    pytest.importorskip("gradio")
    from demo import uploads, views

    with samples.fresh() as folder:
        (folder / "a.png").write_bytes(content)
        with untouched(folder):
            picture = works_or_says(lambda: uploads.read_picture(folder / "a.png", folder))
            if picture is not None:
                page = works_or_says(lambda: views.look_page(_catalogue(), picture, ["digits-relu"]))
                assert page and str(folder) not in page


@target(20, contents=st.lists(pictures(), max_size=3), data=drawn)
def test_image_folders(contents, data):
    """A folder of one's own images with files of any bytes, and of any names, among them."""
    from kact.tasks import load_task

    names = st.text(max_size=20).filter(lambda name: name.strip(". ") and not set(name) & {"/", "\0"})
    spec = data.draw(st.sampled_from(["image_folder(image_size=8)", "image_folder(image_size=8, unreadable='skip')"]))
    with samples.fresh(samples.photographs()) as folder:
        place = folder / "photographs"
        for content in contents:
            name = data.draw(names).encode("utf-8", "replace").decode()
            sort = data.draw(st.sampled_from(["red", "green", name, "train", "test"]))
            (place / sort).mkdir(exist_ok=True)
            (place / sort / (name[:60] + data.draw(st.sampled_from(["", ".png", ".jpg", ".tif"])))).write_bytes(content)
        with untouched(folder):
            works_or_says(lambda: load_task(spec, data=str(place)))


@target(80, text=texts)
def test_texts(text):
    """A text of any characters is cut into tokens that have something in them."""
    tokens = tokenize(text)
    assert all(token.strip() for token in tokens)


@target(40, text=texts)
def test_tagged_texts(text):
    """A text of any characters gets a tag a token."""
    found = _predictor("tweets-relu").tag([text, "so cool"])
    assert [one.token for one in found[0]] == tokenize(text) and len(found[1]) == 2
    assert all(0 <= one.probability <= 1 for one in found[0])


@functools.cache
def _catalogue():
    from demo.models import Catalogue

    return Catalogue([samples.BOX])


@target(30, text=texts | made.leaves, keys=st.lists(made.words | st.sampled_from(["tweets-relu", "tweets-gelu"])))
def test_texts_on_the_page(text, keys):
    """What is written into the page's text, and which models are asked."""
    pytest.importorskip("gradio")
    from demo import views

    found = works_or_says(lambda: views.tag_page(_catalogue(), text, keys))
    assert found is None or "<script" not in found[0].lower().replace("<script>", "", text.lower().count("<script"))
    works_or_says(lambda: views.tag_values(_catalogue(), text, "tweets-relu"))


@target(40, specs=st.lists(made.words, max_size=3) | made.trees, low=made.leaves, high=made.leaves, points=made.leaves)
def test_curves_on_the_page(specs, low, high, points):
    """Which activations the page is asked to draw, and between which ends."""
    pytest.importorskip("gradio")
    from demo import knobs, views

    works_or_says(lambda: views.curve_page(specs, low, high))
    one = specs[0] if isinstance(specs, list) and specs else specs
    works_or_says(lambda: views.curve_values(one, low, high, points))
    if isinstance(specs, list):
        works_or_says(lambda: knobs.knobs(specs))
