"""The pages of docs/results: of the study as it is, from the rows that are kept, in the list of all studies."""

from pathlib import Path

import pytest

from kact.reports.findings import findings
from kact.reports.page import compose, escaped, markdown
from kact.reports.sources import gather
from kact.studies.directory import StudyDirectory
from kact.studies.study_file import load_study, study_names

RESULTS = Path(__file__).parents[1] / "docs/results"
LIST = (RESULTS / "README.md").read_text(encoding="utf-8")


def test_every_bundled_study_is_in_the_list():
    assert [name for name in study_names() if f"`{name}`" not in LIST] == []


@pytest.mark.parametrize("name", [page.stem for page in sorted((RESULTS / "quick").glob("*.md"))])
def test_the_page_of_a_quick_form_says_what_was_run_and_what_it_cost(name):
    page = (RESULTS / f"quick/{name}.md").read_text(encoding="utf-8")
    assert page.startswith("> **This is the quick form") and f"\n# {load_study(name, quick=True).title}\n" in page
    assert f"`kact study run {name} --quick" in page and " s by the clock" in page
    assert f"](quick/{name}.md)" in LIST


@pytest.mark.parametrize("name", [page.stem for page in sorted((RESULTS / "studies").glob("*.md"))])
def test_the_page_of_a_full_study_is_of_the_rows_that_are_kept_beside_it(name):
    page = (RESULTS / f"studies/{name}.md").read_text(encoding="utf-8")
    content = compose(findings(gather([str(RESULTS / "studies/rows" / name)])))
    kept, bundled = StudyDirectory(RESULTS / "studies/rows" / name).study(), load_study(name)
    assert (kept.seeds, list(kept.cells())) == (bundled.seeds, list(bundled.cells())), "its command runs something else"
    found = markdown(content)
    verdict, _, *more = content.answer
    answered = escaped(" ".join([verdict, *more]))
    assert f"](studies/{name}.md):** {answered} [What holds of it, and what does not](studies/{name}.md#conclu" in LIST
    scores = found.partition("\n## Scores\n")[2].partition("\n## ")[0]
    assert len(scores.splitlines()) > 4 and scores in page
    assert f"`kact study run {name}" in page and f"](studies/{name}.md)" in LIST
    assert len(content.conclusion.split()) > 40 and f"\n## Conclusion\n\n{content.conclusion}\n" in page
    whole = (RESULTS / f"studies/{name}.html").read_text(encoding="utf-8")
    assert f"({name}.html)" in page and found.splitlines()[0].lstrip("# ") in whole and "<h2>Conclusion</h2>" in whole
