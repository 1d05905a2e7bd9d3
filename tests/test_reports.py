"""The page: what it says in which order, that it needs no other file, and that nothing in it is torn."""

import dataclasses
import itertools
import re
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from kact import stats
from kact.errors import KactError
from kact.reports import page, write
from kact.reports.findings import findings
from kact.reports.sources import gather
from kact.studies.tune import Tune
from tests.made_results import MEANS, made_row, made_rows, material, write_study

pytestmark = pytest.mark.any_backend

PUBLISHED = [{"cell": {"activation": "elu"}, "accuracy": 0.649, "loss": 0.95}]


class Reader(HTMLParser):
    """Collects the tags of a page with their attributes, and the text of its cells, row by row."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows, self._cell = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell = ""

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.rows[-1].append(self._cell)
            self._cell = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data

    def attributes(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    rates = [0.01, 0.1, 1.0]
    best = dict(zip(MEANS, (0.1, 0.1, 1.0), strict=True))
    rows = [
        dataclasses.replace(row, experiment=row.experiment | {"learning_rate": best[row.cell["activation"]]})
        for row in made_rows(MEANS)
    ]
    rows += [
        made_row({"activation": name, "learning_rate": rate}, 1000, 0.5 - abs(rate - best[name]), stage="tune")
        for name in MEANS
        for rate in rates
    ]
    return write_study(
        tmp_path_factory.mktemp("runs") / "made", rows, question="Which?", source="a course", study="1a",
        grid={"activation": list(MEANS)}, tune=Tune({"learning_rate": rates}, seeds=1), published=PUBLISHED,
        notes=["(open) optimizer: Adam"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(study):
    write.report([str(study)], formats=("md", "html", "csv"), live=False)
    return study / "report"


@pytest.fixture(scope="module")
def html(written):
    return (written / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def markdown(written):
    return (written / "report.md").read_text(encoding="utf-8")


def test_the_table_has_the_numbers_of_stats(study, html, markdown):
    scores = {name: [] for name in MEANS}
    for row in gather([str(study)]).compared:
        scores[row.cell["activation"]].append(row.score("test", "accuracy"))
    rows = {row[0]: row[1:] for row in Reader(html).rows if len(row) > 8 and row[0] in MEANS}
    for name, values in scores.items():
        found = stats.summary(values)
        low, high = (f"{100 * end:.2f}" for end in found.interval)
        mean, published, sd, interval, n = rows[name][:5]
        assert (mean, sd, interval, n) == (
            f"{100 * found.estimate:.2f}", f"{100 * found.sd:.2f}", f"{low} to {high}", "6"
        )  # fmt: skip
        assert published == ("64.90" if name == "elu" else "–")
        assert f"| {name} | {mean} | {published} | {sd} | {interval} | 6 |" in markdown


def test_the_pairs_have_the_differences_and_p_of_stats(study, html):
    by_seed = {name: {} for name in MEANS}
    for row in gather([str(study)]).compared:
        by_seed[row.cell["activation"]][row.seed] = row.score("test", "accuracy")
    _, scores = stats.aligned(by_seed)
    ranked = {name: scores[name] for name in sorted(scores, key=lambda name: -scores[name].mean())}
    found = stats.pairwise(ranked, np.random.default_rng(0), detect=0.01)
    rows = {row[0]: row for row in Reader(html).rows}
    for one in found.comparisons:
        row = rows[f"{one.first} − {one.second}"]
        assert float(row[2].replace("−", "-")) == pytest.approx(100 * one.difference.estimate, abs=0.006)
        holm = "<0.001" if one.p_holm < 0.001 else f"{one.p_holm:.3f}"
        assert row[5] == holm and row[7] == "6" and row[8] == str(one.needed.seeds)
        assert (row[1] == "no detectable difference") != one.detected


def test_what_rounds_to_zero_has_no_sign():
    scores = {"relu": (0.5, 0.6, 0.7), "elu": (0.50001, 0.6, 0.69998), "gelu": (0.9, 0.2)}
    rows = [made_row({"activation": name}, seed, one) for name, all in scores.items() for seed, one in enumerate(all)]
    (table,) = page.compose(findings(material(rows, figures=("bars",)))).comparisons
    assert ["0", "0 to 0"] in [list(row[2:4]) for row in table.rows]


def test_the_answer_comes_first_and_never_says_that_two_are_the_same(markdown, html):
    first = markdown.split("## ")[0]
    assert "gelu has the highest mean test accuracy, 64." in first and "detectably better than relu" in first
    assert "no detectable difference between it and elu" in first and "With 6 paired seeds" in first
    for text in (markdown, html):
        assert "the same as" not in text and "equally good" not in text
        assert (
            text.index("highest mean") < text.index("Scores") < text.index("How it was run") < text.index("cannot say")
        )


def test_the_page_asks_nothing_of_the_network_and_needs_no_other_file(html):
    read = Reader(html)
    for _, attributes in read.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert name not in attributes or attributes[name].startswith("data:"), attributes
    assert "@import" not in html and "url(" not in html and not read.attributes("link")


def test_the_page_can_be_heard_as_well_as_seen(html):
    read = Reader(html)
    images = read.attributes("img")
    assert len(images) >= 6 and all(len(one["alt"]) > 30 for one in images)
    assert all(one.get("scope") in ("col", "row") for one in read.attributes("th"))
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert {"lang": "en"} in read.attributes("html") and "prefers-color-scheme: dark" in html and "@media print" in html


def test_the_figures_are_whole_and_beside_the_markdown(written, markdown):
    named = re.findall(r"\]\((figures/[^)]+)\)", markdown)
    assert len(named) >= 6 and len(set(named)) == len(named)
    for name in named:
        ElementTree.parse(written / name)
    assert sorted(named) == sorted(f"figures/{file.name}" for file in (written / "figures").iterdir())


def test_markdown_renders_every_table_whole(markdown):
    tables = re.findall(r"<table>.*?</table>", MarkdownIt("commonmark").enable("table").render(markdown), re.DOTALL)
    assert len(tables) == 4
    for table in tables:
        widths = {len(row) for row in Reader(table).rows}
        assert len(widths) == 1
    assert not any(line.endswith(" ") for line in markdown.splitlines())


def test_what_was_tuned_is_told_with_its_curve_and_its_edge(html, markdown):
    table = markdown.partition("chosen learning rate |")[2].partition("\n\n")[0]
    (elu,) = re.findall(r"\| elu \| 0\.1 \| ([\d.]+) \| \S+: ([\d.]+) \|", table)
    assert float(elu[0]) >= float(elu[1]), "the next best is no better"
    assert re.search(r"\| gelu \| 1 \| .* \| at the edge of what was tried: learning rate \|", table)
    assert "figures/tuning-learning-rate.svg" in markdown
    assert "For 1 choice the best learning rate is at the edge" in markdown


def test_how_it_was_run_and_what_it_cannot_say(html, markdown):
    for words in ("torch", "captured", "ab" * 32, "3.11.9", "training time, all runs", "(open) optimizer: Adam"):
        assert words in html, words
    assert "Published numbers come from other splits" in html and "one standard error" in markdown


def test_rows_come_as_csv_and_parquet(study, written, tmp_path):
    lines = (written / "rows.csv").read_text().splitlines()
    assert len(lines) == 1 + 18 + 9
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra report")
    write.report([str(study)], tmp_path, ("parquet",))
    assert parquet.read_table(tmp_path / "rows.parquet").num_rows == 27


def test_the_same_results_give_the_same_page(study, written, tmp_path):
    write.report([str(study)], tmp_path, ("md",))
    assert (tmp_path / "report.md").read_bytes() == (written / "report.md").read_bytes()
    one = "figures/confusion.svg"
    assert (tmp_path / one).read_bytes() == (written / one).read_bytes()


def test_labels_with_markup_stay_text(tmp_path):
    wild = "<script>alert(1)</script> | *x* `y` [z](w) $a$"
    rows = made_rows({wild: 0.6, "a&b": 0.5}, seeds=2)
    made = material(rows, title=wild, question=wild, notes=(wild,), figures=("bars",), remarks=(wild,))
    write.write(made, tmp_path, live=False)
    html, markdown = ((tmp_path / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert "<script" not in html and "&lt;script&gt;" in html
    assert Reader(html).rows[1][0] == wild
    rendered = MarkdownIt("commonmark").enable("table").render(markdown)
    assert "<script" not in rendered and "<em>" not in rendered and "href" not in rendered
    assert Reader(rendered).rows[1][0] == wild
    assert {len(row) for row in Reader(rendered).rows if row and row[0] in (wild, "a&b")} == {8}


def test_a_conclusion_beside_the_results_is_in_the_report(study, tmp_path):
    beside = Path(shutil.copytree(study, tmp_path / "study")) / "conclusion.md"
    beside.write_text("**GELU** is [ahead](https://a.example).\n\n<b>Of</b> ![a](https://b.example/c.png) little.\n")
    write.report([str(beside.parent)], tmp_path, live=False)
    html, markdown = ((tmp_path / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert f"\n## Conclusion\n\n{beside.read_text()}\nBy whoever ran the study" in markdown
    assert '<p><strong>GELU</strong> is <a href="https://a.example">ahead</a>.</p>' in html
    assert "&lt;b&gt;Of" in html and 'src="https' not in html  # no HTML, and nothing that a page would fetch
    assert html.index("<h2>Conclusion") < html.index("<h2>Scores") and html.count("<h2>Conclusion") == 1
    beside.write_bytes(b"\xff")
    with pytest.raises(KactError, match=r"conclusion.md': it is not UTF-8 text"):
        write.report([str(beside.parent)], tmp_path)
    beside.unlink()
    write.report([str(beside.parent)], tmp_path, ("md",))
    assert "Conclusion" not in (tmp_path / "report.md").read_text()


def test_quick_is_said_before_anything_else():
    made = page.compose(findings(material(made_rows(MEANS), quick=True, figures=("bars",))))
    assert page.markdown(made).startswith("> **This is the quick form of the study")
    html = page.html(made, {"bars": (".svg", b"<svg/>")}, live=False)
    assert html.index('class="warning"') < html.index("<h1>") < html.index('class="answer"')
    assert "its numbers tell nothing" in html


def test_missing_extras_name_themselves(monkeypatch, tmp_path):
    for name in ("plotly", "plotly.offline", "plotly.graph_objects", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    curves = material(made_rows(MEANS, seeds=2), figures=("curves",))
    with pytest.raises(KactError, match=r"plotly(.|\n)*kact\[report\]"):
        write.write(curves, tmp_path, ("html",), live=True)
    with pytest.raises(KactError, match=r"pyarrow(.|\n)*kact\[report\]"):
        write.write(curves, tmp_path, ("parquet",))
    write.write(curves, tmp_path, ("html",))
    assert (tmp_path / "report.html").stat().st_size < 500_000  # the static figure stands


def test_curves_can_be_explored_without_the_network(tmp_path):
    pytest.importorskip("plotly", reason="needs the extra report")
    write.write(material(made_rows(MEANS, seeds=2), figures=("curves",)), tmp_path, ("html",), live=True)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(text) < 4_000_000  # plotly.js alone is 4.8 MB as it comes
    read = Reader(text)
    assert not any("src" in one for one in read.attributes("script"))
    assert read.attributes("button") == [{"type": "button", "data-figure": "curves", "hidden": None}]
    assert '"relu"' in text and "DecompressionStream" in text
