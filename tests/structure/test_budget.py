"""Short functions, small files. The lists of exceptions may shrink, not grow."""

import ast
from statistics import median, quantiles

from source_tree import functions, imports, inner_room, modules

MOST_LINES = 400
LONGER_FILES: set[str] = set()
MEDIAN, NINETIETH, LONGEST = 10, 30, 60


def test_files_are_small():
    longer = {module.name: module.n_lines for module in modules() if module.n_lines > MOST_LINES}
    assert set(longer) <= LONGER_FILES, f"split these by meaning: {longer}"
    assert set(longer) >= LONGER_FILES, f"no longer too long, take off the list: {LONGER_FILES - set(longer)}"


def test_functions_are_short():
    lines = [n for module in modules() for _, _, n in functions(module)]
    assert median(lines) <= MEDIAN, f"median body is {median(lines)} lines"
    assert quantiles(lines, n=10)[-1] <= NINETIETH, f"90th percentile is {quantiles(lines, n=10)[-1]} lines"


def test_no_function_is_a_chapter():
    long = [f"{module.name}:{line} {name} ({n} lines)" for module in modules()
            for name, line, n in functions(module) if n > LONGEST]
    assert not long, f"split these: {long}"


def test_what_other_rooms_use_says_what_it_does():
    """A function or class that another room imports has at least one line in the reader's words."""
    used = {name.rsplit(".", 1)[-1] for module in modules() for _, name in imports(module)
            if inner_room(name) not in (None, module.room)}
    silent = [f"{module.name}:{node.lineno} {node.name}" for module in modules() for node in module.tree.body
              if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in used and not ast.get_docstring(node)]
    assert not silent, f"one line in the reader's words is missing: {silent}"
