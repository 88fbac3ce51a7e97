"""Published effects as rows, and the banner that a very large effect raises."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

import pandas as pd

LARGE_DAYS, LARGE_G = 9.0, 0.4
"""standards 4: nothing published for mentoring is larger, so look for another reason first."""


def benchmarks() -> pd.DataFrame:
    """One row per study: study, design, result, days, g, note; label, detail and marker are for figures (days only)."""
    rows = tomllib.loads(files("evalkit.evidence").joinpath("benchmarks.toml").read_text(encoding="utf-8"))["benchmark"]
    return pd.DataFrame(rows, columns=["study", "design", "result", "days", "g", "note", "label", "detail", "marker"])


def banner(sizes: dict[str, Any]) -> str:
    """A warning sentence where the effect is larger than anything published; empty otherwise."""
    days, g = sizes.get("days_per_180"), sizes.get("hedges_g") or sizes.get("cox_index")
    large = [word for word, is_large in ((f"{abs(days or 0):.1f} days a year", abs(days or 0) > LARGE_DAYS),
                                         (f"an effect size of {abs(g or 0):.2f}", abs(g or 0) > LARGE_G)) if is_large]
    if not large:
        return ""
    return (f"This is very large ({' and '.join(large)}): no randomized study of mentoring found as much. "
            "Check regression to the mean, selection and follow-up before quoting it.")
