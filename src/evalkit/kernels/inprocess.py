"""The fast way: a papermill engine that runs the cells in this very process, so nothing is imported twice.

Cells see an ordinary namespace and IPython's own formatters, so outputs equal the stock kernel's (a test holds them
side by side). What needs a real kernel (magics, display(), top-level await) is left to the stock kernel.
"""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
from collections.abc import Mapping
from typing import Any

NEEDS_KERNEL = {"display", "get_ipython", "input"}


def can_run(notebook: Mapping[str, Any]) -> bool:
    """Whether every code cell is plain Python that needs no kernel."""
    return all(_is_plain(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")


def _is_plain(source: str | list[str]) -> bool:
    try:
        tree = ast.parse("".join(source))
    except SyntaxError:
        return False
    return not any((isinstance(node, ast.Name) and node.id in NEEDS_KERNEL) or isinstance(node, ast.Await)
                   for node in ast.walk(tree))


def uses_only_evalkit(notebook: Mapping[str, Any]) -> bool:
    """Whether the cells import nothing but evalkit, as ours do: what else a reader's cells do is not known to us."""
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names = [name for source in sources for name in _imported(source)]
    return all(name.partition(".")[0] == "evalkit" for name in names) and not any("day_name" in s for s in sources)


def _imported(source: str) -> list[str]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ["(not plain Python)"]
    return [name for node in ast.walk(tree) for name in (
        [alias.name for alias in node.names] if isinstance(node, ast.Import)
        else [node.module or ""] if isinstance(node, ast.ImportFrom) else [])]


def run_cells(notebook_manager: Any) -> None:
    """Run each code cell and keep its outputs. An exception ends the run as itself."""
    from IPython.core.formatters import DisplayFormatter

    formatter, names, count = DisplayFormatter(), {"__name__": "__main__"}, 0
    for index, cell in enumerate(notebook_manager.nb.cells):
        notebook_manager.cell_start(cell, index)
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = _run_cell(cell.source, names, formatter, count)
        notebook_manager.cell_complete(cell, cell_index=index)


def _run_cell(source: str, names: dict[str, Any], formatter: Any, count: int) -> list[Any]:
    """Outputs of one cell: what it printed, then the value of its last line."""
    from nbformat.v4 import new_output

    printed, warned = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(warned):
        value = _execute(source, names, f"<cell {count}>")
        data, metadata = formatter.format(value) if value is not None else ({}, {})
    outputs = [new_output("stream", name=name, text=text.getvalue())
               for name, text in (("stdout", printed), ("stderr", warned)) if text.getvalue()]
    if data:
        outputs.append(new_output("execute_result", data=data, metadata=metadata, execution_count=count))
    return outputs


def _execute(source: str, names: dict[str, Any], filename: str) -> Any:
    """Run the lines; the value of a last expression is returned, as a notebook shows it."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    body = ast.parse(source, filename).body
    last = body[-1] if body and not source.rstrip().endswith(";") else None
    if not isinstance(last, ast.Expr):
        exec(compile(ast.Module(body, []), filename, "exec"), names)
        return None
    exec(compile(ast.Module(body[:-1], []), filename, "exec"), names)
    return eval(compile(ast.Expression(last.value), filename, "eval"), names)
