"""A made district on disk, once per session, and copies of it with one thing changed: for the impact study's tests."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from evalkit.simulate import simulate_district, write_study

PLAN = {"id": "main", "method": "nearest", "distance": "logit", "caliper": 0.25,
        "covariates": ["prior_absence_rate", "pre_absence_rate", "econ_disadvantaged"]}
EFFECT = -12.0


@functools.cache
def district() -> Path:
    """600 students in 12 schools, 8 with mentors and 4 without, effect -12 days a year."""
    folder = Path(tempfile.mkdtemp(prefix="evalkit-test-")) / "district"
    made = simulate_district(n_students=600, n_schools=12, effect_days=EFFECT, seed=11, mentored_share=0.25,
                             records=False)
    write_study(folder, made)
    return folder


def study_with(target: Path, plan: dict[str, object] | None = None, *plans: dict[str, object],
               **changes: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """A copy of the district with its plan(s) replaced and tables changed (table=function of its text frame)."""
    shutil.copytree(district(), target, ignore=shutil.ignore_patterns("truth"))
    settings = (target / "study.toml").read_text(encoding="utf-8").split("[[analysis]]")[0]
    blocks = [PLAN | (plan or {}), *(PLAN | more for more in plans)]
    (target / "study.toml").write_text(settings + "".join(map(_toml, blocks)), encoding="utf-8")
    for name, change in changes.items():
        path = target / f"{name}.csv"
        change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)
    return target


def _toml(block: dict[str, object]) -> str:
    return "[[analysis]]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in block.items() if value is not None)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
