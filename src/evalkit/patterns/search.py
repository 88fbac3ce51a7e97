"""Everything that is searched, in one table with one false-discovery control."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import must_be_one_of
from evalkit.patterns.calendar import COLUMNS, find_calendar
from evalkit.patterns.cells import SURE, find_cells
from evalkit.patterns.grid import DayGrid, day_grid
from evalkit.patterns.peel import explain
from evalkit.patterns.reasons import find_reasons, with_reasons
from evalkit.patterns.runs import find_runs
from evalkit.patterns.shadows import explain_by_days, within_parents
from evalkit.patterns.shared import find_late_mornings, find_shared

KINDS = ("reasons", "calendar", "shared", "runs")
FIGURES = ("rate_ratio", "ci_low", "ci_high", "p_value", "excess_days")
WORTH_SAYING = 1.15
"""A finding differs by at least 15 %: in a large district smaller differences are sure and useless."""


def find_patterns(
    study: Any, *, kinds: tuple[str, ...] = KINDS, seed: int = 20260, n_permutations: int = 120
) -> pd.DataFrame:
    """Search a study's groups for patterns of absence of the four kinds.

    Grain: kind x group x pattern, every one that was searched, plus everyone's profile under group "all" (no test).
    Columns: n_students, rate_ratio with ci_low and ci_high (95 %), p_value, q_value (Benjamini-Hochberg over all rows
    with a test), n_absences, n_days, excess_days, is_finding, explained_by (a stronger finding that accounts for it:
    the figures of such a row are what is left beside that finding).
    Subgroups of two columns ("grade_level=07 & zip5=...") are chosen on half of the households and tested on the other
    (`cells.find_cells`); their tests are in the same count.
    Needs dated absences and days enrolled.
    """
    from evalkit.panel import absences

    return search_grid(
        day_grid(study),
        with_reasons(absences(study)),
        missed_periods(study.table("attendance_period")),
        kinds=kinds,
        seed=seed,
        n_permutations=n_permutations,
    )


def search_grid(
    grid: DayGrid,
    absences: pd.DataFrame,
    periods: pd.DataFrame | None = None,
    *,
    kinds: tuple[str, ...] = KINDS,
    seed: int = 20260,
    n_permutations: int = 120,
) -> pd.DataFrame:
    """`find_patterns` on a grid and frames that are at hand."""
    for kind in kinds:
        must_be_one_of("kinds", kind, KINDS)
    parts = {
        "reasons": lambda: find_reasons(grid, absences),
        "calendar": lambda: find_calendar(grid),
        "shared": lambda: find_shared(grid, n_permutations=n_permutations, seed=seed),
        "runs": lambda: find_runs(grid, periods, seed=seed + 1),
    }
    found = [parts[kind]() for kind in KINDS if kind in kinds]
    if "shared" in kinds:
        found.append(find_late_mornings(grid, absences, n_permutations=n_permutations, seed=seed + 3))
    found.append(find_cells(grid, absences, kinds=kinds, seed=seed + 2))
    found = [part for part in found if len(part)]
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)
    table = table.astype(dict.fromkeys(FIGURES, "float64"))
    return _judged(within_parents(grid, explain_by_days(grid, explain(grid, _judged(table)))))


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    """The table with q over all that has a p, and what is a finding by it. What a stronger finding explains counts as
    searched, and not as found: it does not make the next one look surer."""
    p = table["p_value"].to_numpy(dtype=float)
    q = q_values(p)
    if "explained_by" in table:
        own = table["explained_by"].eq("").to_numpy()
        q = np.where(own, q_values(np.where(own | np.isnan(p), p, 1.0)), q)
    sure = (q < SURE) & (table["rate_ratio"] >= WORTH_SAYING) & table["group"].ne("all")
    return table.assign(q_value=q, is_finding=sure)


def q_values(p: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg q-values (1995); a missing p stays missing and does not count."""
    q = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return q


def n_searched(table: pd.DataFrame) -> int:
    """How many group x pattern pairs were tested."""
    return int(table["p_value"].notna().sum())


def missed_periods(periods: pd.DataFrame) -> pd.DataFrame | None:
    """Rows of attendance_period in which the period was missed: no minutes present, or no minutes given at all."""
    if not len(periods) or "period" not in periods:
        return None
    present = (
        pd.to_numeric(periods["minutes_present"], errors="coerce")
        if "minutes_present" in periods
        else pd.Series(0, periods.index)
    )
    scheduled = (
        pd.to_numeric(periods["minutes_scheduled"], errors="coerce")
        if "minutes_scheduled" in periods
        else pd.Series(np.nan, periods.index)
    )
    return periods[(present.isna() & scheduled.isna()) | (present.fillna(0) * 2 <= scheduled.fillna(1))]
