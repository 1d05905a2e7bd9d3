"""The pages of docs/results: a quick form's is of the study as it is, and stands in the list of all studies."""

from pathlib import Path

import pytest

from kact.studies.study import Study
from kact.studies.study_file import study_names

RESULTS = Path(__file__).parents[1] / "docs/results"
LIST = (RESULTS / "README.md").read_text(encoding="utf-8")


def test_every_bundled_study_is_in_the_list():
    assert [name for name in study_names() if f"`{name}`" not in LIST] == []


@pytest.mark.parametrize("name", [page.stem for page in sorted((RESULTS / "quick").glob("*.md"))])
def test_the_page_of_a_quick_form_says_what_was_run_and_what_it_cost(name):
    page = (RESULTS / f"quick/{name}.md").read_text(encoding="utf-8")
    assert page.startswith("> **This is the quick form") and f"\n# {Study.load(name, quick=True).title}\n" in page
    assert f"`kact study run {name} --quick" in page and " s by the clock" in page
    assert f"](quick/{name}.md)" in LIST
