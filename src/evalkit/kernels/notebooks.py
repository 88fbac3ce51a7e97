"""Find a report's notebook and read its parameters cell, without starting anything."""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import UserError, must_be_one_of
from evalkit.files import repository_root

TYPES = ("str", "int", "float", "bool")


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: `name: kind = default  # help`."""

    name: str
    kind: str
    default: Any
    help: str


def notebook_folder() -> Path:
    """./notebooks where it exists, else the checkout's, else those that came with the installed package."""
    root = repository_root()
    places = [Path.cwd() / "notebooks", *([root / "notebooks"] if root else []),
              Path(__file__).resolve().parent.parent / "notebooks"]
    for place in places:
        if any(place.glob("*.ipynb")):
            return place
    raise UserError("No notebooks were found.", remedy="Run evalkit from its checkout, or install it again.")


def sample_folder() -> Path:
    """The sample study: the checkout's data/sample, else the one that came with the installed package."""
    root = repository_root()
    places = [*([root / "data" / "sample"] if root else []), Path(__file__).resolve().parent.parent / "sample"]
    for place in places:
        if (place / "study.toml").is_file():
            return place
    raise UserError("The sample study data/sample was not found.", remedy="Make it: make sample.")


def list_reports() -> tuple[str, ...]:
    """Stems of the notebooks at hand."""
    return tuple(sorted(path.stem for path in notebook_folder().glob("*.ipynb") if not path.name.startswith(".")))


def find_notebook(report: str) -> Path:
    """The notebook of `report`; another name is refused with the choices."""
    must_be_one_of("REPORT", report, list_reports())
    return notebook_folder() / f"{report}.ipynb"


def read_parameters(notebook: Path) -> tuple[Parameter, ...]:
    """The parameters cell of a notebook, line by line."""
    return parse_parameters(parameters_source(json.loads(notebook.read_text(encoding="utf-8"))), notebook.name)


def parameters_source(notebook: Mapping[str, Any]) -> str:
    """The source of the one cell tagged `parameters`."""
    cells = [cell for cell in notebook["cells"] if "parameters" in cell.get("metadata", {}).get("tags", ())]
    if len(cells) != 1:
        raise UserError("A notebook must have exactly one cell tagged parameters.")
    source = cells[0]["source"]
    return source if isinstance(source, str) else "".join(source)


def parse_parameters(source: str, name: str) -> tuple[Parameter, ...]:
    """Lines of the form `name: type = literal  # help`; anything else is refused."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    found = []
    for line in ast.parse(source).body:
        if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None
                and ast.unparse(line.annotation) in TYPES):
            raise UserError("The parameters cell holds a line that is not `name: type = value  # help`.", file=name,
                            row=line.lineno, remedy=f"Types are {', '.join(TYPES)}; values are written out.")
        found.append(Parameter(line.target.id, ast.unparse(line.annotation), ast.literal_eval(line.value),
                               comments.get(line.lineno, "")))
    return tuple(found)
