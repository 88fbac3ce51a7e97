"""Rewrite what docs/ holds that can be made: the inventory, the data dictionary, and (with --examples) rendered pages.

Run: python scripts/make_docs.py [--examples]. The examples are partner copies of the made-up sample.
"""

import ast
import re
import shutil
import sys
import tempfile
from pathlib import Path

from evalkit import files
from evalkit.schemas.dictionary import data_dictionary

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "evalkit"
REPORTS = {"data_check": {}, "monthly_review": {"month": "2026-01"}, "impact_study": {}, "barrier_patterns": {},
           "celebration": {}}


def inventory() -> list[str]:
    """A line for every module: its path and the first line of its docstring."""
    rows = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stat().st_size:
            said = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
            rows.append((path.relative_to(PACKAGE).as_posix(), said))
    wide = max(len(name) for name, _ in rows)
    return [f"{name:<{wide}}  {said}" for name, said in rows]


def write_inventory() -> None:
    """The inventory block of docs/ARCHITECTURE.md."""
    page = ROOT / "docs" / "ARCHITECTURE.md"
    text = page.read_text(encoding="utf-8")
    block = "```inventory\n" + "\n".join(inventory()) + "\n```"
    files.write_text(page, re.sub(r"```inventory\n.*?```", lambda _: block, text, flags=re.S))


def write_examples() -> None:
    """docs/examples: each report for partners, and a picture of the first page of the team's monthly review."""
    from evalkit.run import run_report

    target = ROOT / "docs" / "examples"
    with tempfile.TemporaryDirectory() as folder:
        for report, params in REPORTS.items():
            made = run_report(report, "data/sample", params={**params, "audience": "partner"}, out=folder)
            for name in ("report.html", "report.pdf"):
                target.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(made / name, target / f"{report}{Path(name).suffix}")
        team = run_report("monthly_review", "data/sample", params=REPORTS["monthly_review"], out=folder)
        first_page(team / "report.pdf", target / "monthly-review.png")


def first_page(pdf: Path, picture: Path) -> None:
    """Page 1 as a picture, by poppler's pdftoppm; without it the picture stays as it is."""
    import subprocess

    if shutil.which("pdftoppm") is None:
        print("pdftoppm is not installed, so the picture in the README stays as it is.")
        return
    subprocess.run(["pdftoppm", "-r", "110", "-png", "-singlefile", "-l", "1", pdf, picture.with_suffix("")],
                   check=True)


if __name__ == "__main__":
    write_inventory()
    files.write_text(ROOT / "docs" / "data-dictionary.md", data_dictionary())
    if "--examples" in sys.argv:
        write_examples()
