"""Planning: how many students does a study need? Before any outcome is there, from last year's attendance alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from evalkit.checks.context import DAYS
from evalkit.checks.power import students_needed, students_with_mentors
from evalkit.errors import UsageError, UserError, must_be_one_of

EFFECTS = (2.0, 3.0, 4.0, 6.0, 9.0)
WHO = ("prior_chronic", "all")


def planning_table(*, sd_days: float, effects: Sequence[float] = EFFECTS, share: float = 0.5, r2: float = 0.5,
                   per_mentor: float = 15.0, icc: float = 0.0, power: float = 0.80) -> pd.DataFrame:
    """Students needed, by effect. Grain: one row per effect (days a 180-day year).

    sd_days: SD of days absent a year; share: part of the students with a mentor; r2: what earlier attendance explains
    of it; per_mentor: students of one mentor; icc: how alike they are. Columns: effect_days, students, mentored,
    mentors, smallest_seen (the effect this many would show at this power). Raises UserError for an impossible value.
    """
    _must_be_shares(share=share, power=power)
    if not (0 <= r2 < 1 and 0 <= icc < 1 and per_mentor >= 1):
        raise UserError("r2 and icc lie from 0 to below 1, and a mentor has at least one student.",
                        remedy="For example r2 0.5, icc 0, 15 students per mentor.")
    rows = []
    for effect in effects:
        n = students_needed(effect, sd_days=sd_days, share=share, r2=r2, per_mentor=per_mentor, icc=icc, power=power)
        seen = students_with_mentors(n, per_mentor, icc, share=share, r2=r2).mdes(power=power) * sd_days
        rows.append({"effect_days": float(effect), "students": n, "mentored": round(share * n),
                     "mentors": -int(-share * n // per_mentor), "smallest_seen": seen})
    return pd.DataFrame(rows)


def _must_be_shares(**shares: float) -> None:
    for name, value in shares.items():
        if not 0 < value < 1:
            raise UserError(f"{name} must lie between 0 and 1.", remedy=f"For example {name} 0.5.")


def spread_of_days(study: Any, *, who: str = "prior_chronic") -> tuple[float, int]:
    """SD of last year's days absent per 180 days, and of how many students it is.

    who: prior_chronic (missed 10 % or more last year, the usual list to choose from) or all. Only the year before the
    reported one is read, so no outcome is looked at. Raises UserError without the table prior_year.
    """
    from evalkit import measures

    must_be_one_of("who", who, WHO)
    prior = measures.prior_rates(study, school_year=study.school_year - 1)
    rows = prior[prior["is_chronic"].fillna(False).astype(bool)] if who == "prior_chronic" else prior
    days = rows["prior_absence_rate"].dropna().astype(float) * DAYS
    if len(days) < 2 or not days.std(ddof=1) > 0:
        raise UserError("Last year's attendance of these students is not in the study, so its spread is not known.",
                        remedy="Add the table prior_year, or give --sd-days.")
    return float(days.std(ddof=1)), len(days)


def planning_lines(study: Any, *, sd_days: float = 0.0, effects: Sequence[float] | None = None,
                   who: str = "prior_chronic", **options: float) -> list[str]:
    """The answer in lines to read: what was assumed, students and mentors by effect, and what it leaves out."""
    n = 0
    if not sd_days and study is None:
        raise UsageError("Planning needs the spread of days absent.",
                         remedy="Name a study with last year's attendance, or give --sd-days 12.")
    if not sd_days:
        sd_days, n = spread_of_days(study, who=who)
    table = planning_table(sd_days=sd_days, effects=effects or EFFECTS, **options)
    source = f", from {n:,} students last year" if n else ""
    head = (f"Days absent a year differ by {sd_days:.1f} (one standard deviation{source}); earlier attendance explains "
            f"{options.get('r2', 0.5):.0%}; {options.get('per_mentor', 15):g} students per mentor; power "
            f"{options.get('power', 0.8):.0%} at 5%.")
    rows = [f"  {row.effect_days:g} days a year: {row.students:,} students, {row.mentored:,} with a mentor "
            f"({row.mentors:,} mentors)" for row in table.itertuples()]
    return [head, *rows, "For a lottery. Matching and drop-outs lose some students, so plan for more."]
