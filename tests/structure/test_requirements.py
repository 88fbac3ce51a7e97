"""docs/requirements.md: every requirement has a row, and what a row names exists."""

import ast
import re

from source_tree import PACKAGE, ROOT

PAGE = ROOT / "docs" / "requirements.md"


def rows():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| R\d+ ", line)]


def sections(report: str) -> set[str]:
    """Functions of a report that give a Section."""
    tree = ast.parse((PACKAGE / "reports" / f"{report}.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)
            and ast.unparse(node.returns or ast.Constant(None)) == "Section"}


def test_every_requirement_has_one_row():
    assert [row[0] for row in rows()] == [f"R{number}" for number in range(1, 108)]


def test_what_a_row_names_exists():
    wrong = []
    for name, served, where, how in rows():
        if served not in ("yes", "part", "no") or (served != "yes" and not how):
            wrong.append(f"{name}: served is {served}, and says nothing of what is missing")
        for place in (part.strip() for part in where.split(";")):
            if place.startswith("docs/"):
                found = (ROOT / place).is_file()
            elif place == "papers":
                found = (PACKAGE / "reports" / "papers.py").is_file()
            else:
                report, _, section = (part.strip() for part in place.partition(":"))
                stem = PACKAGE / "reports" / f"{report}.py"
                notebook = ROOT / "notebooks" / f"{report}.ipynb"
                found = stem.is_file() and section in sections(report) and notebook.is_file()
            if not found:
                wrong.append(f"{name}: {place} does not exist")
    assert not wrong, wrong


def test_the_count_at_the_end_is_right():
    states = [row[1] for row in rows()]
    text = f"{states.count('yes')} served, {states.count('part')} in part, {states.count('no')} not."
    assert text in PAGE.read_text(encoding="utf-8")
