"""Run a report: `evalkit run monthly_review data/sample` against an empty notebook under stock papermill.

`python benchmarks/run_report.py [--repeats 5] [--write]`. Whole processes, started in turn so that both meet the
same load; the ratio of medians is what counts, seconds depend on the machine. --write puts the table into
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = "## Run a report"
TARGET = 3.0


def empty_notebook(folder: Path) -> Path:
    """A notebook of one cell that does nothing."""
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": "pass"}
    notebook = {"cells": [cell], "nbformat": 4, "nbformat_minor": 5,
                "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}}
    path = folder / "empty.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def measure(command: list[str]) -> tuple[float, float]:
    """Wall seconds and CPU seconds of one process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(repeats: int) -> dict[str, tuple[float, float]]:
    """Medians (wall, CPU) of each command over `repeats` rounds in turn, after one round nobody counts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = {
            "empty notebook, stock papermill": [sys.executable, "-m", "papermill", "--no-progress-bar",
                                                str(empty_notebook(folder)), str(folder / "out.ipynb")],
            "evalkit run monthly_review data/sample": [sys.executable, "-m", "evalkit", "run", "monthly_review",
                                                       "data/sample", "--out", str(folder / "reports")],
        }
        rounds: dict[str, list[tuple[float, float]]] = {key: [] for key in commands}
        for number in range(repeats + 1):
            for key, command in commands.items():
                seconds = measure(command)
                if number:
                    rounds[key].append(seconds)
    return {key: (statistics.median(w for w, _ in found), statistics.median(c for _, c in found))
            for key, found in rounds.items()}


def table(medians: dict[str, tuple[float, float]], repeats: int) -> str:
    """The section for docs/benchmarks.md."""
    base = medians["empty notebook, stock papermill"]
    lines = [f"| {key} | {wall:.1f} | {cpu:.1f} | {wall / base[0]:.2f} | {cpu / base[1]:.2f} |"
             for key, (wall, cpu) in medians.items()]
    return "\n".join([
        HEAD, "",
        f"Whole processes, medians of {repeats}, in turn in one window; target: at most {TARGET:g} times the empty",
        f"notebook. Python {platform.python_version()}, {os.cpu_count()} cores. All of a run is in it: reading and",
        "checking the sample (2,400 students, 69,000 attendance rows), the report, html, pdf, workbook, manifest.", "",
        "| command | seconds | CPU seconds | times, by the clock | times, by CPU |", "|---|---|---|---|---|",
        *lines, "",
        "```bash", "python benchmarks/run_report.py --write", "```", ""])


def write(section: str) -> None:
    """Replace or append the section of docs/benchmarks.md."""
    fresh = "# Benchmarks\n\nRatios count; seconds depend on the machine.\n"
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else fresh
    pattern = re.compile(re.escape(HEAD) + r"\n.*?(?=\n## |\Z)", re.S)
    found = pattern.search(page)
    page = page.replace(found.group(), section.rstrip() + "\n") if found else f"{page.rstrip()}\n\n{section}"
    PAGE.write_text(page.rstrip() + "\n", encoding="utf-8", newline="\n")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--write", action="store_true")
    given = options.parse_args()
    section = table(run(given.repeats), given.repeats)
    print(section)
    if given.write:
        write(section)


if __name__ == "__main__":
    main()
