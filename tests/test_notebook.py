"""The notebook, executed from its first cell to its last by a kernel of its own, without the network."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.documents import ROOT

pytestmark = pytest.mark.any_backend
NOTEBOOK = ROOT / "examples" / "own-activation.ipynb"
MOST_LINES = 40  # of code, the two files that it writes left out


def test_it_goes_from_an_activation_to_a_report_and_a_page(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # nobody's own start-up files
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    folder = tmp_path / "examples"
    folder.mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    said = "\n".join(str(output) for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    assert "bump:bump" in said and "IFrame" in said and "http://127.0.0.1:" in said
    assert (folder / "runs/bump/report/report.html").is_file()
    assert sum(bool(output) for cell in notebook.cells for output in cell.get("outputs", ())) >= 5


def test_it_is_kept_without_outputs_and_short():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    lines = [line for source in code if not source.startswith("%%writefile") for line in source.splitlines()]
    assert len([line for line in lines if line.strip()]) <= MOST_LINES
