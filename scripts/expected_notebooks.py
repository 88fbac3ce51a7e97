"""Execute every notebook on data/sample in a stock kernel and keep what nbval compares strictly: text/plain only.

`python scripts/expected_notebooks.py [--check]` writes tests/notebooks/expected/*.ipynb; with --check it only says what
would change (exit 1).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXPECTED = ROOT / "tests" / "notebooks" / "expected"


def plain(notebook: dict[str, Any]) -> dict[str, Any]:
    """The executed notebook with text/plain outputs only and no metadata but the kernel's name and the tags."""
    for number, cell in enumerate(notebook["cells"]):
        tags = cell["metadata"].get("tags", [])
        cell["metadata"], cell["id"] = ({"tags": tags} if tags else {}), f"cell-{number}"
        if cell["cell_type"] == "code":
            cell["outputs"] = [_plain_output(output) for output in cell["outputs"]]
    notebook["metadata"] = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                            "language_info": {"name": "python"}}
    return notebook


def _plain_output(output: dict[str, Any]) -> dict[str, Any]:
    if "data" in output:
        output["data"] = {"text/plain": output["data"]["text/plain"]}
        output["metadata"] = {}
    return output


def executed(path: Path) -> str:
    """One notebook as it must stand in tests/notebooks/expected."""
    from evalkit.kernels.execute import execute

    notebook = plain(json.loads(json.dumps(execute(path, {}, kernel="stock"))))
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    os.chdir(ROOT)
    EXPECTED.mkdir(parents=True, exist_ok=True)
    changed = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text, copy = executed(path), EXPECTED / path.name
        if not copy.is_file() or copy.read_text(encoding="utf-8") != text:
            changed.append(path.stem)
            if "--check" not in sys.argv:
                copy.write_text(text, encoding="utf-8", newline="\n")
    print(f"changed: {', '.join(changed)}" if changed else "nothing changed")
    sys.exit(1 if changed and "--check" in sys.argv else 0)


if __name__ == "__main__":
    main()
