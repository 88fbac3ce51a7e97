"""Strategies and outcomes (R88): each program and service beside similar students who had not begun it.

The planned comparison is made anew for each strategy, with the first day of that strategy as the start date. All of it
is exploratory; p values are corrected over the strategies (Benjamini & Hochberg 1995).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparison import landmark_comparison
from evalkit.config import AnalysisPlan
from evalkit.errors import UserError
from evalkit.estimators import estimate
from evalkit.estimators.multiple import benjamini_hochberg
from evalkit.programme import assignments
from evalkit.reports.impact_estimators import level_plan
from evalkit.reports.impact_groups import LEAST_PER_ARM, NUMBERS

MOST = 8
"""Strategies with the most students that are looked at, so that a long list of codes does not take hours."""
COLUMNS = ["strategy", "kind", "n", "n_comparison", "dose", *NUMBERS, "q_value"]
KINDS = {"program": "assignment", "service": "service", "approach": "service"}


def strategy_effects(study: Any, plan: AnalysisPlan) -> tuple[pd.DataFrame, str]:
    """Share of days missed, students with a strategy minus similar students before it. Grain: one row per strategy.

    strategy: an intervention_code of the table assignment (program) or service, or an approach of services. dose:
    sessions per student from the first one on. A strategy with fewer than 30 students on a side has no value. Also the
    sentence why there is no row.
    """
    found = [_one(study, plan, *strategy) for strategy in _strategies(study)]
    frame = pd.DataFrame(found, columns=COLUMNS).astype(dict.fromkeys((*NUMBERS, "dose", "q_value"), "float64"))
    known = frame["p_value"].notna()
    frame.loc[known, "q_value"] = benjamini_hochberg(frame.loc[known, "p_value"].to_numpy())
    why = "" if len(frame) else ("One program and no service: the planned result is about it. A second "
                                 "intervention_code, or the table service, would switch on a result for each strategy.")
    return frame, why


def _strategies(study: Any) -> Iterator[tuple[str, str, pd.DataFrame, float]]:
    """(strategy, kind, first days, dose), most students first; the same students under another name only once."""
    rows, seen = [], set()
    for kind, name, starts, dose in (*_programs(study), *_services(study)):
        who = frozenset(starts["student_id"])
        if who not in seen:
            seen.add(who)
            rows.append((name, kind, starts, dose))
    yield from sorted(rows, key=lambda row: -len(row[2]))[:MOST]


def _programs(study: Any) -> Iterator[tuple[str, str, pd.DataFrame, float]]:
    table = assignments(study)
    if "intervention_code" not in table or table["intervention_code"].nunique() < 2:
        return
    for code, part in table.dropna(subset=["intervention_code"]).groupby("intervention_code", sort=True):
        yield "program", str(code), _first(part, "begin_date"), np.nan


def _services(study: Any) -> Iterator[tuple[str, str, pd.DataFrame, float]]:
    table = study.table("service").dropna(subset=["student_id", "scheduled_date"])
    for kind, column in (("service", "intervention_code"), ("approach", "approach")):
        if column in table and table[column].notna().any():
            for code, part in table.dropna(subset=[column]).groupby(column, sort=True):
                starts = _first(part, "scheduled_date")
                yield kind, str(code), starts, len(part) / len(starts)


def _first(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The first day of each student, as the table assignment has it."""
    return rows.groupby("student_id", sort=True)[column].min().rename("begin_date").reset_index()


def _one(study: Any, plan: AnalysisPlan, name: str, kind: str, starts: pd.DataFrame, dose: float) -> dict[str, Any]:
    """The planned comparison with this strategy's first days as starts; without a value where it cannot be had."""
    row: dict[str, Any] = {"strategy": name, "kind": kind, "n": len(starts), "n_comparison": 0, "dose": dose}
    within = plan.comparison if plan.comparison == "comparison_schools" and kind == "program" else "within_school"
    own = replace(level_plan(study, plan), comparison=within, clock="begin")
    try:
        if len(starts) < LEAST_PER_ARM:
            return row
        comparison = landmark_comparison(replace(study, tables={**study.tables, "assignment": starts}), own)
        found = estimate(None, comparison, clustered_by=plan.clustered_by or None, seed=plan.seed, exploratory=True)
    except UserError:
        return row
    row |= {"n": found.n_treated, "n_comparison": found.n_comparison}
    if min(found.n_treated, found.n_comparison) < LEAST_PER_ARM or found.ci_low is None:
        return row
    return row | {key: getattr(found, key) for key in NUMBERS}
