"""evalkit: did the mentors help, what do we do this month, what do we celebrate.

Names are imported when they are first used, so `import evalkit` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "open_study": "study", "Study": "study", "Rules": "rules", "attendance_panel": "panel",
    "choose_comparison": "comparison", "landmark_comparison": "comparison", "Comparison": "comparison",
    "estimate": "estimators", "Estimate": "estimators", "run_checks": "checks", "CheckResult": "checks",
    "publish": "render.publish", "Section": "render.blocks", "Released": "disclosure", "release_table": "disclosure",
    "run_report": "run", "students_needed": "checks.power", "UserError": "errors",
}
__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"evalkit.{_HOMES[name]}"), name)
    raise AttributeError(f"evalkit has no public name {name!r}; it has: {', '.join(sorted(_HOMES))}.")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
