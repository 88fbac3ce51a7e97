"""`make lint` and `make types` find nothing: the tools run here as they run there, over the whole repository."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASKED = {"ruff": ("check", ".", "--output-format", "concise"), "mypy": ()}
"""Tool -> its arguments in scripts/setup.py; ruff's findings one a line."""


@pytest.mark.slow
@pytest.mark.parametrize("tool", ASKED)
def test_nothing_is_found(tool):
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed; the extra [dev] of this package brings it (make env).")
    done = subprocess.run([sys.executable, "-m", tool, *ASKED[tool]], cwd=ROOT, check=False, capture_output=True,
                          text=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, f"{tool} finds:\n{done.stdout}{done.stderr}"
