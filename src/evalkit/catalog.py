"""What this copy of evalkit has: its reports, estimators, checks, measures and sources, each from its own table."""

from __future__ import annotations

import json
from pathlib import Path

LISTS = ("reports", "estimators", "checks", "measures", "sources")


def listed(kind: str) -> list[tuple[str, str]]:
    """(name, one line) of everything of a kind."""
    if kind == "reports":
        from evalkit.kernels.notebooks import find_notebook, list_reports

        return [(name, _notebook_title(find_notebook(name))) for name in list_reports()]
    if kind == "estimators":
        from evalkit.estimators.table import ESTIMATORS

        return [(name, f"{row.label} ({row.paper})") for name, row in ESTIMATORS.items()]
    if kind == "checks":
        from evalkit.checks import CHECKS

        return [(name, f"{row.question} ({row.paper})") for name, row in CHECKS.items()]
    if kind == "measures":
        from evalkit.measures import MEASURES

        return list(MEASURES.items())
    from evalkit.sources import SOURCES

    return list(SOURCES.items())


def _notebook_title(path: Path) -> str:
    """The first heading of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lines = (line for cell in cells if cell["cell_type"] == "markdown" for line in "".join(cell["source"]).splitlines())
    return next((line.lstrip("# ").strip() for line in lines if line.startswith("#")), "")
