"""The page in a browser: upload, compare, tag, activations, results, errors; nothing asked of any other host.

Needs the extras demo and browser and Debian's Chromium. With KACT_BROWSER=required it fails where they are missing.
Screenshots go to KACT_SCREENSHOTS where that is set.
"""

import importlib.util
import os
import pathlib
import shutil

import pytest

from demo import pictures
from tests.demo_files import HTML_NAME, bad_pictures, good_pictures, strange_runs

CHROMIUM = os.environ.get("KACT_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
_MISSING = [name for name in ("gradio", "playwright") if importlib.util.find_spec(name) is None]
if not os.access(CHROMIUM, os.X_OK):
    _MISSING.append(f"Chromium at {CHROMIUM}")
_WORDS = f"missing: {', '.join(_MISSING)}; make test-demo installs the packages, apt-get install chromium the browser"

if _MISSING and os.environ.get("KACT_BROWSER") == "required":
    raise RuntimeError(f"KACT_BROWSER=required, and {_WORDS}")
pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.skipif(bool(_MISSING), reason=_WORDS),
]

REPORT = """# Made study

<script>window.hacked=1</script> <img src=x onerror="window.hacked=1">

![a figure](figure.png) ![elsewhere](https://example.org/x.png)

| activation | accuracy |
| --- | --- |
| mish | 0.5709 |
"""
LENGTHY = "my_own_activations_of_last_november"
SHORT, LONG = 15_000, 60_000  # milliseconds; a loaded machine may need them


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of a page with strange runs and a strange report, and every address that the browser asked for."""
    from playwright.sync_api import sync_playwright

    from tests.demo_server import served

    reports = tmp_path_factory.mktemp("results") / "made"
    reports.mkdir()
    pictures.drawings()["ship"].save(reports / "figure.png")
    (reports / "report.md").write_text(REPORT)
    runs = strange_runs(tmp_path_factory.mktemp("runs"))
    name_at_length(runs / "study" / "runs" / "own-code")
    with served("--runs", runs, "--results", reports.parent) as address, sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield address, browser
        browser.close()


@pytest.fixture(scope="module")
def visit(site):
    """Open the page once for all tests of this file, at a desk's width and in light."""
    address, browser = site
    page, asked = opened(address, browser, width=1280, height=900)
    yield page, asked
    page.context.close()


def name_at_length(run):
    """Give a run a name and an activation that have hardly a place to break a line at."""
    toml = run / "experiment.toml"
    toml.write_text(toml.read_text().replace("tests.demo_files_imported:act", f"{LENGTHY}:smooth_bump(width=0.5)"))
    run.rename(run.with_name(f"digits-mlp-{LENGTHY}_smooth_bump-1991a1e6-seed0"))


def opened(address, browser, width, height, scheme="light"):
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page, asked = context.new_page(), []
    page.set_default_timeout(LONG)
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(f"error: {error}"))
    page.goto(address)
    page.get_by_role("tab", name="Image").wait_for()
    return page, asked


def tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def send(page, name, content):
    """Put a file into the picture input once what is there, and what was said of it, is gone."""
    tab(page, "Image")
    clear = page.locator("#picture").get_by_label("Remove Image")
    if clear.count():
        clear.first.click()
        page.locator("#looks .kact-hint").wait_for()
    put(page, name, content)


def put(page, name, content):
    """Put a file into the picture input."""
    kind = "image/svg+xml" if name.endswith("svg") else "image/png"
    page.locator("#picture input[type=file]").first.set_input_files({"name": name, "mimeType": kind, "buffer": content})


def png(image):
    from tests.image_sets import encoded

    return encoded(image, "PNG")


def shot(page, name):
    if folder := os.environ.get("KACT_SCREENSHOTS"):
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(500)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def dismiss(page):
    """Close what was told, where it is not gone by itself."""
    page.evaluate("document.querySelectorAll('.toast-close').forEach(one => one.click())")
    page.locator(".toast-body").first.wait_for(state="detached")


def press_tag(page, answer):
    """Press Tag until the answer is there: twice at most, as an answer was lost on its way to a busy browser once."""
    from playwright.sync_api import TimeoutError as NotYet

    button = page.get_by_role("button", name="Tag", exact=True)
    button.click()
    try:
        answer.wait_for(timeout=SHORT)
    except NotYet:
        button.click()
        answer.wait_for()


def test_a_picture_is_looked_at_by_two_networks_side_by_side(visit):
    page, _ = visit
    send(page, "ship.png", png(pictures.drawings()["ship"]))
    page.locator("#looks .kact-card").nth(1).wait_for()
    cards = page.locator("#looks .kact-card")
    assert cards.count() == 2 and {"photographs · relu", "photographs · mish"} == set(
        cards.locator("h3").all_inner_texts()
    )
    assert cards.locator(".kact-bars tbody tr").count() == 10
    assert page.get_by_alt_text("as the network sees it").count() == 2
    assert page.get_by_alt_text("feature maps of the last convolution").count() == 2
    shot(page, "image-light")


def test_noise_gets_a_plain_word(visit):
    page, _ = visit
    send(page, "noise.png", png(pictures.made_pictures()["noise"][0]))
    page.get_by_text("Unlike its training pictures.").first.wait_for()


def test_an_example_answers_at_one_click(visit):
    page, _ = visit
    tab(page, "Image")
    page.locator("#picture").get_by_label("Remove Image").first.click()
    page.locator("#looks .kact-hint").wait_for()
    page.get_by_role("button", name="airplane").click()
    page.locator("#looks .kact-card").first.wait_for()


@pytest.mark.parametrize("name", ["truncated.png", "drawing.svg", "polyglot.gif", "bomb.png"])
def test_bad_pictures_are_told_and_harm_nothing(visit, name):
    page, _ = visit
    content, word = bad_pictures()[name]
    send(page, name, content)
    refusal = page.locator("#looks").get_by_role("alert").filter(has_text=word)
    refusal.wait_for()
    said = refusal.inner_text()
    assert "/tmp" not in said and "Traceback" not in said and ".py" not in said
    assert page.evaluate("window.hacked") is None


def test_a_file_that_is_no_picture_takes_the_place_of_the_older_answer(visit):
    page, _ = visit
    send(page, "ship.png", png(pictures.drawings()["ship"]))
    page.locator("#looks .kact-card").nth(1).wait_for()
    words = bad_pictures()["text.png"][0]
    put(page, "text.png", words)  # without taking the ship away first
    page.locator("#looks").get_by_role("alert").wait_for()
    page.locator("#picture").get_by_label("Remove Image").wait_for(state="detached")  # nor is a broken picture left
    page.wait_for_timeout(1_000)  # what follows from its removal
    assert page.locator("#looks").get_by_role("alert").count() == 1
    assert page.locator("#looks .kact-card").count() == page.locator("#picture img").count() == 0
    page.get_by_role("button", name="What is it?").click()
    page.locator("#looks .kact-hint").wait_for()
    assert page.locator(".toast-body").count() == 0 and page.get_by_text("Error", exact=True).count() == 0


def test_an_example_comes_with_a_model_that_knows_such_pictures(visit):
    page, _ = visit
    tab(page, "Image")
    for example, model in (("three", "digits · relu"), ("ship", "photographs · relu")):
        page.get_by_role("button", name=example).click()
        page.locator("#looks .kact-card h3", has_text=model).first.wait_for()


def test_a_file_name_with_html_is_only_a_name(visit):
    page, _ = visit
    send(page, HTML_NAME, good_pictures()[HTML_NAME])
    page.locator("#looks .kact-card").first.wait_for()
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None


def test_a_file_beyond_ten_megabytes_is_told(visit):
    page, _ = visit
    send(page, "large.png", b"\x89PNG\r\n\x1a\n" + b"\0" * (11 * 2**20))
    page.locator(".toast-body, #picture .error").filter(has_text="10").first.wait_for()
    dismiss(page)


def test_tweets_are_tagged_with_a_legend(visit):
    page, _ = visit
    tab(page, "Tweets")
    page.locator("#tweet textarea").fill(
        "so cool <script>window.hacked=1</script> ${window.hacked=1} {{7*7}}\nשלום he is"
    )
    press_tag(page, page.locator("#tagged .kact-token").first)
    assert page.locator("#tagged .kact-card").count() == 2  # the page opens on two taggers
    assert page.locator("#tagged .kact-line").count() == 4
    assert page.locator("#tagged .kact-legend").get_by_text("adverb").count() == 1
    assert page.locator("#tagged bdi", has_text="7*7").count() or page.locator("#tagged bdi", has_text="7").count()
    assert page.evaluate("window.hacked") is None


def test_an_example_tweet_is_tagged_at_one_click(visit):
    page, _ = visit
    tab(page, "Tweets")
    page.get_by_role("button", name="I'm gonna see Inception").click()
    page.locator("#tagged .kact-token", has_text="Inception").first.wait_for()
    assert "#cantwait" in page.locator("#tweet textarea").input_value()
    shot(page, "tweets-example")


def test_two_taggers_show_where_they_differ_and_how_sure_they_are(visit):
    page, _ = visit
    tab(page, "Tweets")
    page.locator("#tweet textarea").fill(
        "ikr smh he asked fir yo last name so he can add u on fb lololol\nwanna go tho af lowkey"
    )
    page.get_by_label("Show probabilities").check()
    press_tag(page, page.locator("#tagged .kact-token .kact-number").nth(39))  # the choice alone shows no numbers
    assert page.locator("#tagged .kact-card").count() == 2
    page.get_by_text("tagged differently").wait_for()
    link = page.get_by_role("link", name="Download as TSV")
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "tags.tsv"
    shot(page, "tweets-light")


def test_a_text_that_cannot_be_tagged_takes_the_place_of_the_older_answer(visit):
    page, _ = visit
    tab(page, "Tweets")
    for text, word in (("", "no text"), ("a" * 12_000, "12,000 characters"), ("\n" * 3, "no text")):
        page.locator("#tweet textarea").fill(f"so cool #before{len(text)}")
        press_tag(page, page.locator("#tagged .kact-token", has_text=f"#before{len(text)}").first)
        page.locator("#tweet textarea").fill(text)
        press_tag(page, page.locator("#tagged").get_by_role("alert").filter(has_text=word))
        assert page.locator("#tagged .kact-token").count() == 0
        assert page.get_by_label("Tab-separated values").all_text_contents() in ([], [""])
        assert page.locator(".toast-body").count() == 0 and page.get_by_text("Error", exact=True).count() == 0


def test_a_text_of_a_megabyte_is_told(visit):
    page, _ = visit
    tab(page, "Tweets")
    page.locator("#tweet textarea").evaluate(
        "(box) => { box.value = 'a'.repeat(1 << 20); box.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    press_tag(page, page.locator("#tagged").get_by_role("alert").filter(has_text="at most 10,000"))
    page.locator("#tweet textarea").fill("")


def test_activations_are_typed_and_turned(visit):
    page, _ = visit
    tab(page, "Activations")
    page.locator("#curves svg").wait_for()
    assert page.locator("#curves .kact-card h3").all_inner_texts() == ["relu", "mish", "elu"]
    box = page.get_by_label("Activations, up to five")
    box.click()
    box.fill("eluu")
    box.press("Enter")
    page.locator("#curves").get_by_role("alert").filter(has_text="Did you mean 'elu'").wait_for()
    assert page.locator(".toast-body").count() == page.locator("#curves svg").count() == 0
    box.press("Backspace")
    page.locator("#curves svg").wait_for()
    box.fill("leaky_relu(negative_slope=0.3)")
    box.press("Enter")
    page.locator("#curves h3", has_text="leaky_relu(negative_slope=0.3)").wait_for()
    slider = page.get_by_label("range slider for elu: alpha")
    slider.focus()
    slider.press("Home")
    slider.dispatch_event("pointerup")
    page.locator("#curves h3", has_text="elu(alpha=0.0").first.wait_for()
    shot(page, "activations-light")


def test_results_show_tables_and_figures_and_run_nothing(visit):
    page, _ = visit
    tab(page, "Results")
    page.locator("#report table").first.wait_for()
    box = page.locator("#report-choice input")
    box.click()
    page.get_by_role("option", name="Made study").click()
    page.locator("#report h1", has_text="Made study").wait_for()
    assert page.locator("#report img").count() == 1 and page.locator("#report td", has_text="0.5709").count() == 1
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None


def test_models_are_listed_with_those_that_are_broken(visit):
    page, _ = visit
    tab(page, "Models")
    table = page.locator(".kact-table")
    table.wait_for()
    page.reload()
    tab(page, "Models")
    table.get_by_text("cannot be used: ").nth(6).wait_for()  # the page is told of what was found since it started
    assert table.get_by_text("cannot be used: ").count() == 7 and table.get_by_text("cifar10-relu").count() == 1
    assert page.evaluate("window.hacked") is None


def test_why_a_run_cannot_be_used_is_read_without_scrolling(visit):
    page, _ = visit
    tab(page, "Models")
    reason = page.locator(".kact-models td", has_text="function of somebody's own")
    reason.wait_for()
    assert page.locator(".kact-models th", has_text=LENGTHY).count() == 1
    assert hidden_pixels(page) == 0, "the table is wider than its place"
    box, place = reason.bounding_box(), page.locator(".kact-scroll").bounding_box()
    assert box["x"] + box["width"] <= place["x"] + place["width"] + 1 and box["width"] >= 250
    shot(page, "models-light")


def hidden_pixels(page):
    """How far the table of models can be scrolled to the right."""
    return page.locator(".kact-scroll").evaluate("(one) => one.scrollWidth - one.clientWidth")


def test_the_browser_asked_no_other_host_and_met_no_error(visit, site):
    _, asked = visit
    address, _ = site
    assert len(asked) > 50
    assert [one for one in asked if not one.startswith((address, "data:", "blob:"))] == []


def test_everything_has_a_name_and_the_keyboard_reaches_it(visit):
    page, _ = visit
    tab(page, "Image")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input:not([type=file]), textarea, [role=tab]')]
        .filter(one => one.offsetParent && !(one.innerText || one.value || one.ariaLabel || one.title || one.placeholder
            || one.getAttribute('aria-labelledby') || one.labels?.length)).map(one => one.outerHTML.slice(0, 120))"""
    )
    assert unnamed == []
    page.get_by_role("tab", name="Image").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    reached = page.evaluate("document.activeElement.innerText")
    assert "Tweets" in reached or "Image" in reached
    assert page.locator("img:not([alt])").count() == 0


@pytest.mark.parametrize(("width", "height", "scheme"), [(390, 844, "light"), (390, 844, "dark"), (1280, 900, "dark")])
def test_phones_and_dark_schemes(site, width, height, scheme):
    address, browser = site
    page, asked = opened(address, browser, width, height, scheme)
    name = f"{'phone' if width < 500 else 'desk'}-{scheme}"
    send(page, "ship.png", png(pictures.drawings()["ship"]))
    page.locator("#looks .kact-card").first.wait_for()
    for place in ("Image", "Tweets", "Activations", "Results", "Models"):
        if page.get_by_role("tab", name=place, exact=True).count():
            tab(page, place)
        else:  # tabs that do not fit are behind a button
            page.get_by_label("More tabs").click()
            page.locator(".overflow-dropdown button", has_text=place).click()
        if place == "Tweets":
            page.locator("#tweet textarea").fill("ikr smh he asked fir yo last name so he can add u on fb lololol")
            page.get_by_role("button", name="Tag", exact=True).click()
            page.locator("#tagged .kact-token").first.wait_for()
        wide = page.evaluate("document.scrollingElement.scrollWidth")
        assert wide <= width, f"{place} is {wide} pixels wide"
        shot(page, f"{place.lower()}-{name}")
    assert [one for one in asked if not one.startswith((address, "data:", "blob:"))] == []
    page.context.close()
