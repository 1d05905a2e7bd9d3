import dataclasses
import itertools
import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest
from markdown_it import MarkdownIt

from kact import stats
from kact.errors import KactError
from kact.reports import figures, page, tables, write
from kact.reports.answer import answer
from kact.reports.conditions import limits
from kact.reports.findings import findings
from kact.reports.material import Material
from kact.reports.numbers import key
from kact.reports.sources import gather, of_study, telling
from kact.studies.study import Study
from kact.studies.study_file import study_names
from kact.studies.tune import Tune
from tests.made_results import made_row, made_rows, write_study

pytestmark = pytest.mark.skipif(
    os.environ.get("KERAS_BACKEND", "torch") != "torch", reason="the same on every backend"
)  # fmt: skip

MEANS = {"relu": 0.60, "elu": 0.64, "gelu": 0.642}
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


def material(rows, **about):
    values = {"activation": tuple(dict.fromkeys(row.cell["activation"] for row in rows))}
    return Material(**{"name": "made", "rows": tuple(rows), "factors": values, **about})


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    rates = [0.01, 0.1, 1.0]
    rows = made_rows(MEANS)
    rows += [
        made_row({"activation": name, "learning_rate": rate}, 1000, 0.5 - abs(rate - best), stage="tune")
        for name, best in zip(MEANS, (0.1, 0.1, 1.0), strict=True)
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
    assert "| elu | 0.1 |" in markdown and "| gelu | 1 | at the edge of what was tried: learning rate |" in markdown
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


def test_quick_is_said_before_anything_else():
    made = page.compose(findings(material(made_rows(MEANS), quick=True, figures=("bars",))))
    assert page.markdown(made).startswith("> **This is the quick form of the study")
    html = page.html(made, {"bars": (".svg", b"<svg/>")}, live=False)
    assert html.index('class="warning"') < html.index("<h1>") < html.index('class="answer"')
    assert "its numbers tell nothing" in html


def test_one_seed_tells_nothing():
    found = findings(material(made_rows(MEANS, seeds=1), figures=("bars",)))
    assert answer(found)[1].startswith("Each was run with one seed only, and nothing can be told from one seed")
    made = page.compose(found)
    assert all("nothing can be told" in row for row in made.comparisons[0].rows)
    assert any("One seed a cell" in line for line in made.limits)


def test_seeds_that_no_two_have_in_common_tell_nothing():
    rows = [*made_rows({"relu": 0.5}, seeds=3), *made_rows({"elu": 0.6}, seeds=1)]
    said = answer(findings(material(rows)))
    assert said[1].startswith("No two have more than one seed in common, and nothing can be told")


def test_runs_that_all_failed_or_diverged_make_a_page_that_says_so():
    rows = [made_row({"activation": name}, 0, None, status="failed", error="no memory") for name in MEANS]
    rows += [made_row({"activation": name}, 1, None, status="diverged") for name in MEANS]
    made = page.compose(findings(material(rows)))
    assert made.answer == (
        "No run has a test score, so nothing can be told.",
        "3 runs failed and 3 runs diverged; the table below says which.",
    )  # fmt: skip
    assert {row[5] for row in made.scores.rows} == {"1, 1"}
    assert "3 runs failed and left no score: no memory (3)." in made.limits
    assert page.markdown(made)


def test_too_few_seeds_for_any_difference_are_said_to_be_so():
    rows = [made_row({"activation": name}, seed, score) for name, seed, score in
            (("relu", 0, 0.1), ("relu", 1, 0.6), ("elu", 0, 0.7), ("elu", 1, 0.5))]  # fmt: skip
    assert answer(findings(material(rows)))[1].startswith("2 paired seeds are too few")


def test_failures_are_counted_and_their_seeds_left_out_of_pairs():
    rows = made_rows({"relu": 0.6, "elu": 0.7})
    rows[0] = made_row({"activation": "relu"}, 0, None, status="diverged")
    found = findings(material(rows, figures=("bars",)))
    relu = next(row for row in page.compose(found).scores.rows if row[0] == "relu")
    assert relu[4:6] == ("5", "0, 1") and found.comparisons[0].n == 5


def test_a_study_half_done_says_how_much_is_missing(tmp_path):
    folder = write_study(tmp_path / "half", made_rows(MEANS, seeds=2), grid={"activation": list(MEANS)})
    made = page.compose(findings(of_study(folder)))
    assert made.missing == "6 of 18 runs are done; this is what they say."
    assert "12 of 18 runs are missing yet" in " ".join(made.limits)


def test_a_lower_loss_is_better():
    found = findings(material(made_rows(MEANS), score="loss"))
    assert found.places[0].best == "gelu"
    assert answer(found)[0].startswith("gelu has the lowest mean test loss")
    assert "gelu is better" in {row[1] for row in page.compose(found).comparisons[0].rows}


def test_cells_of_a_grid_are_compared_within_their_place():
    rows = [
        row for size, shift in ((16, 0.0), (64, 0.1))
        for row in made_rows({name: mean + shift for name, mean in MEANS.items()}, cell={"batch_size": size})
    ]  # fmt: skip
    found = findings(material(rows, factors={"batch_size": (16, 64), "activation": tuple(MEANS)}))
    assert [place.name for place in found.places] == ["batch size 16", "batch size 64"]
    assert len(found.comparisons) == 6 and found.best_cell.others == {"batch_size": 64}
    assert "Over 2 values of batch size" in answer(found)[0] and "at batch size 64" in answer(found)[0]


def test_tasks_are_put_together_and_ranked():
    rows = [row for task in ("digits", "mnist", "stl10") for row in made_rows(MEANS, cell={"task": task})]
    found = findings(material(rows, factors={"task": ("digits", "mnist", "stl10"), "activation": tuple(MEANS)}))
    made = page.compose(found)
    assert [row[0] for row in made.over_tasks.rows] == ["gelu", "elu", "relu"]
    values = np.array([[row.score("test", "accuracy") for row in rows if row.cell["activation"] == "gelu"]] * 1)
    pooled = stats.interquartile_mean(values.reshape(3, 6), np.random.default_rng(0))
    assert made.over_tasks.rows[0][1] == f"{100 * pooled.estimate:.2f}"
    ranks = next(one for one in made.figures if one.name == "critical_difference")
    assert "gelu 1.00" in ranks.alt and "relu 3.00" in ranks.alt


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


def test_figures_are_those_that_a_study_asks_for():
    rows = [row for rate in (0.1, 0.2, 0.3) for row in made_rows(MEANS, seeds=2, cell={"dropout": rate})]
    about = {"factors": {"dropout": (0.1, 0.2, 0.3), "activation": tuple(MEANS)}}
    asked = ("sensitivity:dropout", "heat_map:dropout:activation")
    made = page.compose(findings(material(rows, figures=asked, **about)))
    assert [one.name for one in made.figures] == ["sensitivity_dropout", "heat_map_dropout_activation"]
    chosen = [one.name for one in page.compose(findings(material(rows, **about))).figures]
    assert {"bars", "sensitivity_dropout", "heat_map_dropout_activation", "curves", "confusion"} <= set(chosen)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("barz", "Did you mean 'bars'"), ("heat_map:activation", "heat_map:FACTOR:FACTOR"), ("bars:activation", "bars"),
        ("sensitivity:activation", "numbers"), ("sensitivity:activatoin", "Did you mean 'activation'"),
    ],
)  # fmt: skip
def test_a_figure_that_is_not_there_is_refused_with_what_is(asked, words):
    with pytest.raises(KactError, match=words):
        page.compose(findings(material(made_rows(MEANS, seeds=2), figures=(asked,))))


def test_feature_maps_are_shown_where_inspect_drew_them(tmp_path):
    rows = made_rows(MEANS, seeds=1)
    folders = {row.path: tmp_path / row.path for row in rows}
    for row in rows:
        (tmp_path / row.path / "figures").mkdir(parents=True)
    made = material(rows, figures=("feature_maps",), folders=folders)
    said = page.compose(findings(made)).limits
    assert any("kact inspect" in line and "--test 10" in line for line in said)
    best, worst = rows[2], rows[0]
    (tmp_path / best.path / "figures" / "feature-maps.png").write_bytes(b"png")
    shown = page.compose(findings(made)).figures
    assert [one.name for one in shown] == ["feature_maps_best"] and "gelu" in shown[0].title
    (tmp_path / worst.path / "figures" / "feature-maps.png").write_bytes(b"png")
    assert [one.name for one in page.compose(findings(made)).figures] == ["feature_maps_best", "feature_maps_worst"]


@pytest.mark.parametrize("name", study_names())
def test_the_figures_and_published_numbers_of_a_bundled_study_can_be_had(name):
    study = Study.load(name)
    factors = telling(study)
    cells = [{**cell} for cell in study.cells()]
    shown = {tuple(key(cell[factor]) for factor in factors) for cell in cells}
    assert len(shown) == study.cell_count  # what is shown tells all cells apart
    made = Material(name, (), factors, study.compare)
    for asked in study.figures:
        figures.parse(findings(made), asked)
    rows = tuple(made_row(cell, 0, 0.5) for cell in cells)
    full = dataclasses.replace(made, rows=rows, score=study.score, published=tuple(study.published))
    table = tables.scores(findings(full))
    assert len(table.rows) == study.cell_count and {len(row) for row in table.rows} == {len(table.columns)}
    told = sum(
        value != "–"
        for row in table.rows
        for value, name in zip(row, table.columns, strict=True)
        if "published" in name
    )
    assert bool(told) == bool(study.published)


def test_runs_that_never_learned_are_told_where_others_did():
    rows = made_rows(MEANS)
    rows[:2] = [made_row({"activation": "relu"}, seed, 0.34) for seed in (0, 1)]
    assert "Of relu, 2 of 6 runs ended near chance: the mean is of two kinds of runs." in limits(
        findings(material(rows))
    )


def test_the_error_on_test_by_epoch_is_drawn_where_it_was_asked_for(tmp_path):
    rows = made_rows(MEANS, seeds=2)
    for row in rows:
        (tmp_path / row.path).mkdir(parents=True)
        (tmp_path / row.path / "test_curve.csv").write_text("epoch,test_curve_loss,test_curve_accuracy\n1,1.0,0.25\n")
    folders = {row.path: tmp_path / row.path for row in rows}
    made = material(rows, folders=folders, figures=("errors",))
    assert "75.0 (test)" in page.compose(findings(made)).figures[0].alt
    (tmp_path / rows[0].path / "test_curve.csv").write_text("epoch,test_curve_accuracy\n1,0.2")
    (tmp_path / rows[1].path / "test_curve.csv").write_text("epoch,test_curve_accuracy\n1,nonsense\n")
    broken = page.compose(findings(made))
    assert not broken.figures and any("test_curve.csv' is damaged" in line for line in broken.limits)


def test_values_of_any_length_fit_into_the_figures(tmp_path):
    long = "my_own_package.activations_of_all_sorts:" + "very_" * 20 + "long(alpha=0.1, beta=0.25)"
    rows = made_rows({long: 0.6, **MEANS}, seeds=2)
    asked = ("bars", "seconds", "loss_scatter", "curves")
    write.write(material(rows, figures=asked), tmp_path, ("md",))
    assert long in (tmp_path / "report.md").read_text().replace("\\", "")


def test_values_that_read_alike_are_refused():
    rows = [*made_rows({True: 0.6}, factor="batch_norm"), *made_rows({"yes": 0.6}, factor="batch_norm")]
    made = Material("made", tuple(rows), {"batch_norm": (True, "yes")}, compare="batch_norm")
    with pytest.raises(KactError, match="read alike"):
        findings(made)
