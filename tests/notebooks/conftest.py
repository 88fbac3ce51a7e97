"""nbval compares every output kind it finds; the executed copies keep text/plain only (a digest of the numbers, small
to review), so the html a section also shows is left out of the comparison. Pages have tests of their own."""

from __future__ import annotations


def pytest_collection_modifyitems(items: list) -> None:
    """Leave text/html out of nbval's strict comparison."""
    for item in items:
        notebook = item.parent
        if hasattr(notebook, "skip_compare") and "text/html" not in notebook.skip_compare:
            notebook.skip_compare = (*notebook.skip_compare, "text/html")
