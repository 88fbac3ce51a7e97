"""Law 1: one direction. A module imports only from its left, wherever in the file the import stands."""

import subprocess
import sys

import pytest
from source_tree import PLACE, Module, imports, inner_room, modules

SIMULATE_MAY_USE = {"errors", "files", "rules", "vocabulary", "schemas", "simulate"}
FREE = {"__init__.py"}


def test_a_module_imports_only_from_its_left():
    wrong = [f"{module.name}:{line} imports {name}" for module in modules() if module.name not in FREE
             for line, name in imports(module) if not _may_import(module, inner_room(name))]
    assert not wrong, "from its right (docs/ARCHITECTURE.md, law 1):\n" + "\n".join(wrong)


def _may_import(module: Module, room: str | None) -> bool:
    if room is None or room == module.room or room == "__version__":
        return True
    if module.room == "simulate":
        return room in SIMULATE_MAY_USE
    if room == "simulate":
        return module.room == "cli"
    return PLACE.get(room, 99) < PLACE.get(module.room, -1)


def test_every_room_has_a_place_in_the_order():
    rooms = {module.room for module in modules()} - {"__init__", "simulate"}
    assert rooms <= set(PLACE), f"rooms that law 1 does not know: {sorted(rooms - set(PLACE))}"


def test_no_drawer_called_utils():
    bad = {"util", "utils", "helper", "helpers", "common", "misc"}
    found = [module.name for module in modules() if bad & {part.removesuffix(".py") for part in module.path.parts}]
    assert not found, f"name these by what they do: {found}"


@pytest.mark.parametrize("name", ["evalkit", "evalkit.cli", "evalkit.run", "evalkit.errors", "evalkit.files"])
def test_importing_costs_nothing_heavy(name: str):
    """`evalkit --help` and a refusal must not wait for pandas."""
    code = f"import sys, {name}; print(sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = [m for m in ("pandas", "numpy", "scipy", "matplotlib", "papermill", "duckdb") if f"'{m}'" in done.stdout]
    assert not heavy, f"import {name} loads {heavy}"


def test_the_public_names_resolve():
    import evalkit

    missing = []
    for name in evalkit.__all__:
        try:
            getattr(evalkit, name)
        except (ImportError, AttributeError) as problem:
            missing.append(f"{name}: {problem}")
    assert not missing, missing
