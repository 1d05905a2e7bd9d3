"""The layout of the page, and which view each button calls.

`build(Catalogue([BOX]), find_reports(HOUSE))` returns the Gradio blocks; `demo.__main__` serves them.
"""

from __future__ import annotations

import functools
import html
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import gradio as gr

from demo import knobs, pictures, results, uploads, views
from demo.inputs import Picture
from demo.models import Catalogue
from demo.serving import bounded
from kact import KactError, activations

CSS = Path(__file__).with_name("page.css")
QUEUE, TOGETHER = 100, 4  # requests that wait at most; that are answered at once
KEPT_SECONDS = 600  # uploads
SESSIONS = 200  # of visitors, kept at most: each takes some 160 kB, and each call of an endpoint is one

_SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
THEME = gr.themes.Base(
    primary_hue="teal", secondary_hue="teal", neutral_hue="slate", radius_size="lg", font=_SYSTEM, font_mono=_MONO
).set(
    body_background_fill="#f7f9fa",
    body_background_fill_dark="#10161c",
    block_background_fill="white",
    block_background_fill_dark="#18212a",
    button_primary_background_fill="#0f766e",
    button_primary_background_fill_hover="#115e59",
    button_primary_background_fill_dark="#0f766e",
    button_primary_text_color="white",
)

TWEETS = [
    "ikr smh he asked fir yo last name so he can add u on fb lololol",
    "@jane I'm gonna see Inception tonight!!! #cantwait :D http://example.org/x",
    "New album out now, 10 songs for $5 \U0001f600\U0001f3fd\nthere's no way lebron leaves cleveland\n"
    "RT @bob: good morning y'all",
]
_CHOOSE = "Choose a picture: each model says what it sees, side by side."
_PRIVATE: dict[str, Any] = {"api_visibility": "private"}


def build(catalogue: Catalogue, reports: dict[str, results.Report]) -> gr.Blocks:
    """Return the page.

    Args:
        catalogue: its networks.
        reports: its results.
    """
    with gr.Blocks(title="kact", delete_cache=(KEPT_SECONDS, KEPT_SECONDS), analytics_enabled=False) as page:
        _html(
            '<header class="kact-head"><h1>kact</h1><p>Which activation function, and does it matter? '
            "Try the same network with different ones.</p></header>"
        )
        with gr.Tab("Image", id="image"):
            _image(catalogue)
        with gr.Tab("Tweets", id="tweets"):
            _tweets(catalogue)
        with gr.Tab("Activations", id="activations"):
            _activations(catalogue)
        with gr.Tab("Results", id="results"):
            _results(reports)
        with gr.Tab("Models", id="models"):
            table = _html(views.models_page(catalogue))
        page.load(lambda: views.models_page(catalogue), None, table, **_PRIVATE)
        _endpoints(catalogue)
    page.queue(max_size=QUEUE, default_concurrency_limit=TOGETHER)
    return page


def _image(catalogue: Catalogue) -> None:
    choices = views.models_choices(catalogue, "image")
    chosen = _first(choices, "cifar10-relu", "cifar10-mish")
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            picture = Picture.make("Picture: upload, paste or webcam", elem_id="picture", height=300)
            keys = gr.Dropdown(
                choices, value=chosen, multiselect=True, max_choices=views.MOST_LOOKS, label="Models, up to four"
            )
            button = gr.Button("What is it?", variant="primary")
            _html('<p class="kact-small">Examples, drawn for this page</p>')
            with gr.Row(elem_classes="kact-examples"):
                examples = {
                    path: gr.Button(name, icon=path, size="sm", min_width=96) for name, path in _examples().items()
                }
        with gr.Column(scale=2, min_width=320):
            answer = _html(_hint(_CHOOSE), elem_id="looks")
    told = gr.State("")  # why the last file was no picture, until its removal is answered

    def answered(path: str | None, chosen_keys: list[str], why: str) -> tuple[Any, str, str]:
        if path is None:
            return gr.skip(), why or _hint(_CHOOSE), ""
        try:
            picture_given = uploads.read_picture(path, Picture.folder())
        except KactError as error:
            words = _refusal(html.escape(str(error), quote=False))
            return None, words, words  # the browser could only draw it as broken
        return gr.skip(), views.look_page(catalogue, picture_given, chosen_keys), ""

    def refused(words: str) -> tuple[Any, str, str]:
        return gr.skip(), _refusal(words), ""

    for path, example in examples.items():
        fit = _first(choices, "digits-relu") if example.value == "three" else chosen
        show = functools.partial(_example, path, fit)
        example.click(show, keys, [picture, keys], show_progress="hidden", **_PRIVATE)
    for event in (picture.change, button.click, keys.change):
        event(
            bounded(answered, refused), [picture, keys, told], [picture, answer, told], show_progress="minimal",
            show_progress_on=answer, trigger_mode="always_last", **_PRIVATE,
        )  # fmt: skip


def _first(choices: list[tuple[str, str]], *wanted: str) -> list[str]:
    """Return the keys that are chosen at first: those that are wanted and there, else the first."""
    there = [key for _, key in choices]
    return [key for key in wanted if key in there] or there[:1]


def _example(path: str, fit: list[str], chosen: list[str]) -> tuple[str, Any]:
    """Return an example, and models that know such pictures where none of those that are chosen does."""
    return path, gr.skip() if set(fit) & set(chosen) else fit


def _tweets(catalogue: Catalogue) -> None:
    choices = views.models_choices(catalogue, "words")
    text = gr.Textbox(
        label="Text: each line is a tweet", lines=4, max_lines=12, placeholder="Write or paste a tweet", elem_id="tweet"
    )
    with gr.Row():
        keys = gr.Dropdown(
            choices, value=_first(choices, "tweets-relu", "tweets-gelu"), label="Models, one or two", scale=3,
            multiselect=True, max_choices=views.MOST_TAGGERS,
        )  # fmt: skip
        shown = gr.Checkbox(label="Show probabilities", scale=1, min_width=160)
    button = gr.Button("Tag", variant="primary")
    _html('<p class="kact-small">Examples</p>')
    with gr.Row(elem_classes="kact-examples"):  # not gr.Examples, whose route the page does not let through
        examples = {one: gr.Button(textwrap.shorten(one, 40, placeholder=" …"), size="sm") for one in TWEETS}
    answer = _html(
        _hint("Each token gets its part of speech, and where two models differ is marked."), elem_id="tagged"
    )
    with gr.Accordion("As tab-separated values, to copy", open=False):
        table = gr.Textbox(label="Tab-separated values", lines=6, max_lines=16, interactive=False, buttons=["copy"])

    def answered(given: str, chosen: list[str], probabilities: bool) -> tuple[str, str]:
        return views.tag_page(catalogue, given, chosen, bool(probabilities))

    def answered_if_any(given: str, chosen: list[str], probabilities: bool) -> tuple[Any, Any]:
        return answered(given, chosen, probabilities) if given and chosen else (gr.skip(), gr.skip())

    def tagged_example(example: str, chosen: list[str], probabilities: bool) -> tuple[str, str, str]:
        return example, *answered(example, chosen, probabilities)

    def refused(words: str) -> tuple[str, str]:
        return _refusal(words), ""

    def refused_example(words: str) -> tuple[Any, str, str]:
        return gr.skip(), *refused(words)

    for one, example in examples.items():
        show = functools.partial(tagged_example, one)
        example.click(
            bounded(show, refused_example), [keys, shown], [text, answer, table], show_progress="hidden", **_PRIVATE
        )
    given, shows = [text, keys, shown], [answer, table]
    button.click(bounded(answered, refused), given, shows, show_progress="minimal", **_PRIVATE)
    for event in (keys.change, shown.change):
        event(bounded(answered_if_any, refused), given, shows, show_progress="hidden", **_PRIVATE)


def _activations(catalogue: Catalogue) -> None:
    start = ["relu", "mish", "elu"]
    own = {one.activation for one in catalogue.entries.values() if ":" in one.activation and not one.problem}
    specs = gr.Dropdown(
        sorted({*activations.ACTIVATIONS, *own}), value=start, multiselect=True, max_choices=knobs.MOST_CURVES,
        allow_custom_value=True, label="Activations, up to five: choose, or type one such as elu(alpha=2)",
        elem_id="specs",
    )  # fmt: skip
    with gr.Row():
        low = gr.Slider(-20, 0, value=-5, step=0.5, label="From")
        high = gr.Slider(0.5, 20, value=5, step=0.5, label="To")
    sliders = [gr.Slider(0, 1, visible=False, label="parameter") for _ in range(2 * knobs.MOST_CURVES)]
    answer = _html(views.curve_page(start), elem_id="curves")
    _turn_knobs(start, sliders)

    def answered(given: list[str], left: float, right: float) -> list[Any]:
        page, found = views.curve_page(given, left, right), knobs.knobs(given)
        return [page, *_updates(found, len(sliders))]

    def refused(words: str) -> list[Any]:
        return [_refusal(words), *[gr.skip()] * len(sliders)]

    def turned(number: int) -> Any:
        def change(given: list[str], value: float) -> Any:
            found = knobs.knobs(given)
            return knobs.turned(given, found[number], value) if number < len(found) else gr.skip()

        return bounded(change)

    for event in (specs.change, low.release, high.release):
        event(bounded(answered, refused), [specs, low, high], [answer, *sliders], show_progress="hidden", **_PRIVATE)
    for number, slider in enumerate(sliders):  # what changes the specs draws them anew
        slider.release(turned(number), [specs, slider], specs, show_progress="hidden", **_PRIVATE)


def _turn_knobs(specs: list[str], sliders: list[gr.Slider]) -> None:
    for slider, knob in zip(sliders, knobs.knobs(specs), strict=False):
        slider.visible, slider.label = True, f"{knob.spec}: {knob.parameter}"
        slider.minimum, slider.maximum, slider.value, slider.step = knob.low, knob.high, knob.value, 0.01


def _updates(found: list[knobs.Knob], count: int) -> list[Any]:
    shown = [
        gr.Slider(
            minimum=one.low, maximum=one.high, value=one.value, step=0.01, visible=True,
            label=f"{one.spec.partition('(')[0]}: {one.parameter}",
        )
        for one in found[:count]
    ]  # fmt: skip
    return shown + [gr.Slider(visible=False) for _ in range(count - len(shown))]


def _results(reports: dict[str, results.Report]) -> None:
    titles = list(reports)
    if not titles:
        _html(_hint("There are no results yet. `kact report` writes them; --results DIR shows them here."))
        return
    title = gr.Dropdown(titles, value=titles[0], label="Study", elem_id="report-choice")
    answer = _html(results.report_page(reports, titles[0]), elem_id="report")
    title.change(
        bounded(lambda chosen: results.report_page(reports, chosen)), title, answer, show_progress="minimal", **_PRIVATE
    )


def _endpoints(catalogue: Catalogue) -> None:
    def tag(text: str, model: str = "tweets-relu") -> list:
        return views.tag_values(catalogue, text, model)

    def activation(spec: str, low: float = -5.0, high: float = 5.0, points: int = 101) -> dict:
        return views.curve_values(spec, low, high, points)

    def models() -> list:
        return views.models_values(catalogue)

    def classify(picture: str | None, model: str) -> list:
        if picture is None:
            raise KactError("There is no picture.", "Upload one.")
        return views.look_values(catalogue, uploads.read_picture(picture, Picture.folder()), str(model).split(","))

    gr.api(bounded(tag), api_name="tag", api_description="Parts of speech of a text, line by line")
    gr.api(bounded(activation), api_name="activation", api_description="Values and slopes of an activation")
    gr.api(bounded(models), api_name="models", api_description="The networks of the page")
    with gr.Row(visible=False):
        given = Picture.make("picture")
        chosen = gr.Textbox("cifar10-relu", label="model")
        button, answer = gr.Button("Classify"), gr.JSON()
    button.click(
        bounded(classify), [given, chosen], answer, api_name="classify",
        api_description="Classes of a picture; models are separated by commas",
    )  # fmt: skip


def _examples() -> dict[str, str]:
    folder = Path(tempfile.mkdtemp(prefix="kact-demo-"))
    files = {name: str(folder / f"{name}.png") for name in pictures.drawings()}
    for name, drawing in pictures.drawings().items():
        drawing.save(files[name])
    return files


def _html(value: str, **options: Any) -> gr.HTML:
    return gr.HTML(value, apply_default_css=False, **options)  # the page's own style sheet is for both schemes


def _hint(words: str) -> str:
    return f'<p class="kact-hint">{words}</p>'


def _refusal(words: str) -> str:
    """Return what stands in place of an answer: an older one would seem to be of the input that was refused."""
    return f'<p class="kact-note" role="alert">{words}</p>'
