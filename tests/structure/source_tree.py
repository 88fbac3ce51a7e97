"""The source as data for the structure tests: modules, their rooms, imports and functions."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "evalkit"

ORDER: tuple[tuple[str, ...], ...] = tuple(tuple(names.split()) for names in (
    "errors", "files", "rules", "vocabulary", "schemas", "config", "engine", "sources", "study", "panel", "measures",
    "selection", "comparison", "estimators", "checks", "evidence pooling", "patterns programme", "disclosure",
    "wording", "tables", "figures", "render", "reports", "kernels", "run", "notes", "batch", "intake", "catalog", "cli",
    "__main__"))
PLACE = {room: number for number, rooms in enumerate(ORDER) for room in rooms}


@dataclass(frozen=True)
class Module:
    """One file: its path from the package, its room (top folder or stem), and its syntax tree."""

    path: Path
    name: str
    room: str
    tree: ast.Module
    n_lines: int


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        inner = path.relative_to(PACKAGE)
        room = inner.parts[0].removesuffix(".py")
        text = path.read_text(encoding="utf-8")
        found.append(Module(path, inner.as_posix(), room, ast.parse(text, inner.as_posix()), len(text.splitlines())))
    return tuple(found)


def imports(module: Module) -> list[tuple[int, str]]:
    """(line, dotted name) of every import, those inside functions too; `from a import b` gives a.b."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = ["evalkit", *Path(module.name).parent.parts]
                base = ".".join([*parents[:len(parents) - node.level + 1], *([node.module] if node.module else [])])
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return found


def inner_room(name: str) -> str | None:
    """The room of an `evalkit.x.y` name; None for other packages and for the package itself."""
    parts = name.split(".")
    return parts[1] if parts[0] == "evalkit" and len(parts) > 1 else None


def functions(module: Module) -> list[tuple[str, int, int]]:
    """(name, line, lines of body without its docstring) of every function and method."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            found.append((node.name, node.lineno, lines))
    return found


@cache
def committed() -> tuple[Path, ...]:
    """Files git knows of (committed or added); empty outside a checkout."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = done.stdout.decode("utf-8", "replace").split("\0") if done.returncode == 0 else []
    return tuple(path for path in (ROOT / name for name in names if name) if path.is_file())
