"""Patterns with a known place: each raises some students' chance of absence on some days, and says so in the truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from evalkit.errors import must_be_one_of
from evalkit.simulate import settings as s
from evalkit.simulate.people import Roster


@dataclass
class Planted:
    """What was planted: cells with a multiplier, siblings who copy each other, reasons, and the list for the truth."""

    factors: list[tuple[np.ndarray, np.ndarray, float]] = field(default_factory=list)
    reasons: list[tuple[np.ndarray, np.ndarray, str, float]] = field(default_factory=list)
    copying: np.ndarray | None = None
    copied_days: np.ndarray | None = None
    skippers: np.ndarray | None = None
    truth: list[dict[str, object]] = field(default_factory=list)

    def add(
        self,
        rows: np.ndarray,
        days: np.ndarray,
        factor: float,
        *,
        reason: str = "",
        kind: str,
        group: str,
        pattern: str,
    ) -> None:
        self.factors.append((rows, days, factor))
        if reason:
            self.reasons.append((rows, days, reason, 0.75))
        self.truth.append(
            {
                "kind": kind,
                "group": group,
                "pattern": pattern,
                "n_students": len(rows),
                "n_days": len(days),
                "rate_ratio": factor,
            }
        )

    def apply(self, q: np.ndarray) -> np.ndarray:
        """`q` with the planted cells multiplied in place."""
        for rows, days, factor in self.factors:
            q[np.ix_(rows, days)] *= factor
        return q


def plan_patterns(
    rng: np.random.Generator, names: tuple[str, ...], roster: Roster, dates: pd.DatetimeIndex, early: np.ndarray
) -> Planted:
    """Choose a place for each named pattern. early: which school days end early."""
    planted = Planted()
    for name in names:
        must_be_one_of("planted", name, s.PATTERNS)
    makers = {
        "asthma_zip": _asthma,
        "monday_friday_grade": _monday_friday,
        "bus_route": _bus,
        "siblings": _siblings,
        "skip_first_period": _skip,
        "half_day_child_care": _half_days,
        "decoy": _decoy,
    }
    for name in s.PATTERNS:
        if name in names:
            makers[name](rng, planted, roster, dates, early)
    return planted


def _largest(values: np.ndarray) -> int:
    return int(np.bincount(values[values >= 0]).argmax())


def _asthma(
    rng: np.random.Generator, planted: Planted, roster: Roster, dates: pd.DatetimeIndex, early: np.ndarray
) -> None:
    zip_index = _largest(roster.zip_index)
    for month in (10, 11):
        planted.add(
            np.flatnonzero(roster.zip_index == zip_index),
            np.flatnonzero(dates.month == month),
            2.2,
            reason="EI",
            kind="calendar",
            group=f"zip5={roster.zip5[zip_index]}",
            pattern=f"month={dates[dates.month == month][0]:%Y-%m}",
        )


def _monday_friday(
    rng: np.random.Generator, planted: Planted, roster: Roster, dates: pd.DatetimeIndex, early: np.ndarray
) -> None:
    grade = 7 if (roster.grade == 7).any() else _largest(roster.grade)
    rows = np.flatnonzero(roster.grade == grade)
    for weekday, name in ((0, "Monday"), (4, "Friday")):
        planted.add(
            rows,
            np.flatnonzero(dates.weekday == weekday),
            1.9,
            kind="calendar",
            group=f"grade_level={s.GRADES[grade]}",
            pattern=f"weekday={name}",
        )


def _bus(
    rng: np.random.Generator, planted: Planted, roster: Roster, dates: pd.DatetimeIndex, early: np.ndarray
) -> None:
    route = _largest(roster.route)
    mornings = np.sort(rng.choice(np.arange(20, len(dates) - 20), 6, replace=False))
    planted.add(
        np.flatnonzero(roster.route == route),
        mornings,
        9.0,
        reason="UT",
        kind="shared",
        group=f"bus_route={roster.route_id[route]}",
        pattern="same_days",
    )


def _siblings(
    rng: np.random.Generator, planted: Planted, roster: Roster, dates: pd.DatetimeIndex, early: np.ndarray
) -> None:
    sizes = np.bincount(roster.household)
    homes = np.flatnonzero(sizes >= 2)
    chosen = rng.choice(homes, max(1, len(homes) // 4), replace=False)
    planted.copying = np.isin(roster.household, chosen)
    planted.copied_days = rng.random(len(dates)) < 0.5
    planted.truth.append(
        {
            "kind": "shared",
            "group": "household_id=all",
            "pattern": "same_days",
            "n_students": int(planted.copying.sum()),
            "n_days": int(planted.copied_days.sum()),
            "rate_ratio": float("nan"),
        }
    )


def _skip(
    rng: np.random.Generator, planted: Planted, roster: Roster, dates: pd.DatetimeIndex, early: np.ndarray
) -> None:
    grade = 10 if (roster.grade == 10).any() else _largest(roster.grade)
    planted.skippers = roster.grade == grade
    planted.truth.append(
        {
            "kind": "runs",
            "group": f"grade_level={s.GRADES[grade]}",
            "pattern": "period=1",
            "n_students": int(planted.skippers.sum()),
            "n_days": len(dates),
            "rate_ratio": 4.0,
        }
    )


def _half_days(
    rng: np.random.Generator, planted: Planted, roster: Roster, dates: pd.DatetimeIndex, early: np.ndarray
) -> None:
    school = _largest(roster.school[roster.grade < 6]) if (roster.grade < 6).any() else _largest(roster.school)
    planted.add(
        np.flatnonzero(roster.school == school),
        np.flatnonzero(early),
        3.0,
        reason="UC",
        kind="calendar",
        group=f"school_id={roster.school_id[school]}",
        pattern="early_dismissal",
    )


def _decoy(
    rng: np.random.Generator, planted: Planted, roster: Roster, dates: pd.DatetimeIndex, early: np.ndarray
) -> None:
    """A route that is named in the truth and differs in nothing."""
    routes = np.unique(roster.route[roster.route >= 0])
    if routes.size > 1:
        quiet = next(int(route) for route in routes if route != _largest(roster.route))
        planted.truth.append(
            {
                "kind": "decoy",
                "group": f"bus_route={roster.route_id[quiet]}",
                "pattern": "nothing",
                "n_students": int((roster.route == quiet).sum()),
                "n_days": 0,
                "rate_ratio": 1.0,
            }
        )


def share_draws(draws: np.ndarray, planted: Planted, household: np.ndarray) -> np.ndarray:
    """Give the siblings of chosen households one draw on the chosen days: their totals stay, their days meet."""
    if planted.copying is None or planted.copied_days is None:
        return draws
    rows = np.flatnonzero(planted.copying)
    first = np.unique(household[rows], return_index=True)
    leader = rows[first[1]][np.searchsorted(first[0], household[rows])]
    days = np.flatnonzero(planted.copied_days)
    draws[np.ix_(rows, days)] = draws[np.ix_(leader, days)]
    return draws
