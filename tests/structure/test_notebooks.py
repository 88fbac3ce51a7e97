"""Law 6: thin notebooks. The recipe reads like a table of contents."""

import ast
import json
from dataclasses import fields
from importlib import import_module

import pytest
from source_tree import PACKAGE, ROOT

from evalkit.kernels.notebooks import read_parameters

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FORBIDDEN = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda, ast.ListComp,
             ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Try, ast.If, ast.With)


def code_cells(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_there_are_notebooks():
    assert {"data_check", "monthly_review", "impact_study", "barrier_patterns", "celebration"} <= {
        path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_thin(path):
    cells = ["".join(cell["source"]) for cell in code_cells(path)]
    assert len(cells) <= 10, f"{len(cells)} code cells"
    long = [number for number, source in enumerate(cells, 1) if len(source.splitlines()) > 8]
    assert not long, f"code cells longer than 8 lines: {long}"
    found = [f"cell {number}: {type(node).__name__}" for number, source in enumerate(cells, 1)
             for node in ast.walk(ast.parse(source)) if isinstance(node, FORBIDDEN)]
    assert not found, f"logic belongs in reports/{path.stem}.py: {found}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_carries_no_outputs_and_no_traces(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code_cells(path))
    assert "papermill" not in notebook["metadata"]
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_parameters_cell_equals_the_reports_params(path):
    cell = read_parameters(path)
    params = import_module(f"evalkit.reports.{path.stem}").Params
    stated = {p.name: (p.kind, p.default) for p in cell}
    wanted = {f.name: (str(getattr(f.type, "__name__", f.type)), f.default) for f in fields(params)}
    assert stated == wanted
    assert all(p.help for p in cell), f"without a word of help: {[p.name for p in cell if not p.help]}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_params_are_passed_on_one_to_one(path):
    """Every parameter of the cell reaches Params: one that is forgotten would be accepted and do nothing."""
    source = "\n".join("".join(cell["source"]) for cell in code_cells(path))
    call = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)
                and getattr(node.func, "attr", "") == "Params")
    passed = {k.arg: ast.unparse(k.value) for k in call.keywords}
    names = [parameter.name for parameter in read_parameters(path)]
    assert passed == {name: name for name in names}


def test_nbval_meets_only_the_executed_copies():
    """`pytest --nbval` runs every notebook below tests/: a strict run of one without outputs would test nothing."""
    others = [path for path in (ROOT / "tests").rglob("*.ipynb") if path.parent != ROOT / "tests/notebooks/expected"]
    assert others == []


def test_reports_and_notebooks_share_their_stems():
    def is_report(path):
        return any(isinstance(node, ast.ClassDef) and node.name == "Params"
                   for node in ast.parse(path.read_text(encoding="utf-8")).body)

    reports = {path.stem for path in (PACKAGE / "reports").glob("*.py") if path.stem != "params" and is_report(path)}
    assert reports == {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_executed_copy_stands_beside(path):
    copy = ROOT / "tests" / "notebooks" / "expected" / path.name
    assert copy.is_file(), "make notebooks writes it"
    expected = [cell["source"] for cell in code_cells(copy)]
    assert ["".join(s) for s in expected] == ["".join(c["source"]) for c in code_cells(path)], "run make notebooks"
