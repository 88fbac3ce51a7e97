"""A district made without `evalkit.simulate`: plain independent draws from the design's words, written as a study
folder.

`evalkit.simulate` and the search share authors; this district does not know the search. Everyone shares a Friday and
winter profile, one storm day, one week of flu in all schools, and school breaks; then patterns are planted by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PLANTED = (
    "asthma_zip",
    "friday_grade",
    "bus_route",
    "siblings",
    "first_period",
    "half_days",
    "before_break",
    "late_bus",
)
CODES = [
    # code_local, description, status, counts_absent, is_tardy, is_excused, pattern
    ("ILL", "Illness", "ExcusedAbsence", 1, False, True, "health_physical"),
    ("APT", "Appointment", "ExcusedAbsence", 1, False, True, "health_appointment"),
    ("BUS", "Bus did not come", "UnexcusedAbsence", 1, False, False, "transportation"),
    ("CARE", "Looked after children", "UnexcusedAbsence", 1, False, False, "child_care"),
    ("UNX", "Unexcused", "UnexcusedAbsence", 1, False, False, ""),
    ("TDY", "Tardy", "Tardy", 0, True, False, ""),
]


def outside_study(folder: Path, *, seed: int, **options: Any) -> dict[str, tuple[str, str, str]]:
    """Write the district as a study folder; what was planted: name -> (kind, group, pattern). Options:
    `outside_tables`."""
    tables, truth = outside_tables(seed=seed, **options)
    folder.mkdir(parents=True, exist_ok=True)
    toml = '[study]\nname = "Outside"\nschool_year = 2025\n'
    (folder / "study.toml").write_text(toml, encoding="utf-8")
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, encoding="utf-8", lineterminator="\n")
    return truth


def outside_tables(
    *,
    seed: int,
    planted: tuple[str, ...] = PLANTED,
    n: int = 1_500,
    n_schools: int = 3,
    level: float = 0.06,
    times: float = 2.0,
) -> tuple[dict[str, pd.DataFrame], dict[str, tuple[str, str, str]]]:
    """The canonical tables, and what was planted. times: how many times the rate (a late or missing bus, siblings and
    first periods grow with it, see `_plant`); level: share of days missed, before everything else."""
    rng = np.random.default_rng(seed)
    dates = _dates()
    roster = _roster(rng, n, n_schools)
    q = _everyone(rng, roster, dates, level)
    code = np.where(rng.random(q.shape) < 0.55, "ILL", rng.choice(["APT", "BUS", "CARE", "UNX"], q.shape))
    truth, draws, tardy = _plant(rng, roster, dates, q, code, planted, times)
    absent = draws < q
    tardy &= ~absent
    return _tables(
        roster, dates, absent, tardy, code, _periods(rng, roster, dates, absent, planted, truth, times)
    ), truth


def outside_frames(**options: Any) -> tuple[tuple[Any, pd.DataFrame, pd.DataFrame], dict[str, tuple[str, str, str]]]:
    """What the panel would give for it: grid, absences and missed periods, without writing files; and the truth."""
    from evalkit.patterns.grid import make_grid

    tables, truth = outside_tables(**options)
    code = tables["code_table"].set_index("code_local")
    event = tables["attendance_event"].assign(date=lambda t: pd.to_datetime(t["date"]))
    event["absent_units"] = event["code_local"].map(code["counts_absent"])
    event["is_tardy"] = event["code_local"].map(code["is_tardy"])
    event["pattern"] = event["code_local"].map(code["pattern"])
    calendar = tables["calendar"].assign(date=lambda t: pd.to_datetime(t["date"]))
    spans = tables["enrollment"].assign(first_date=calendar["date"].min(), last_date=calendar["date"].max())
    periods = tables["attendance_period"].assign(date=lambda t: pd.to_datetime(t["date"]))
    return (make_grid(tables["student"], spans, event, calendar, calendar), event, periods), truth


def _dates() -> pd.DatetimeIndex:
    days = pd.bdate_range("2024-09-03", "2025-06-13")
    off = pd.DatetimeIndex(["2024-10-14", "2024-11-05", "2024-11-11", "2024-11-28", "2024-11-29", "2025-01-20",
                            "2025-03-14", "2025-05-26"])  # fmt: skip
    off = off.union(pd.bdate_range("2024-12-23", "2025-01-01")).union(pd.bdate_range("2025-02-17", "2025-02-21"))
    return days.difference(off.union(pd.bdate_range("2025-04-14", "2025-04-18")))


def half_days(dates: pd.DatetimeIndex) -> np.ndarray:
    """The last Wednesday of every month ends early."""
    wednesdays = pd.Series(dates[dates.weekday == 2])
    return dates.isin(wednesdays.groupby(wednesdays.dt.strftime("%Y-%m")).max())


def _roster(rng: np.random.Generator, n: int, n_schools: int) -> pd.DataFrame:
    home = np.repeat(np.arange(n), rng.choice([1, 2, 3], n, p=[0.5, 0.35, 0.15]))[:n]
    zips = rng.choice(["06101", "06102", "06103", "06104", "06105", "06106"], n)[home]
    route = np.where(rng.random(n)[home] < 0.7, [f"R{k:02d}" for k in rng.integers(1, 13, n)[home]], "")
    return pd.DataFrame(
        {
            "student_id": [f"{k:06d}" for k in rng.permutation(n)],
            "school_id": [f"{k:04d}" for k in rng.integers(1, n_schools + 1, n)[home]],
            "grade_level": [f"{k:02d}" for k in rng.integers(1, 10, n)],
            "sex": rng.choice(["Female", "Male"], n),
            "household_id": [f"H{k:05d}" for k in home],
            "zip5": zips,
            "bus_route": route,
            "own": rng.gamma(2.0, 0.5, n),
        }
    )


def _everyone(rng: np.random.Generator, roster: pd.DataFrame, dates: pd.DatetimeIndex, level: float) -> np.ndarray:
    """What no group has for itself: Fridays, winter, days round a break, a storm and a week of flu in all schools."""
    day = np.ones(len(dates))
    day[dates.weekday == 4] *= 1.3
    day[dates.month.isin([1, 2])] *= 1.25
    day[np.append(np.diff(dates.to_numpy()) > np.timedelta64(3, "D"), False)] *= 1.4
    q = np.clip(level * np.outer(roster["own"], day), 0, 0.9)
    storm, flu = int(rng.integers(60, 100)), int(rng.integers(80, 120))
    q[:, storm] = np.maximum(q[:, storm], 0.35)
    q[:, flu : flu + 5] = np.minimum(q[:, flu : flu + 5] + 0.08, 0.9)
    return q


def _plant(rng, roster, dates, q, code, planted, times):
    """Raise q in place; the draws (siblings share them), who was tardy, and the list of what was planted."""
    truth: dict[str, tuple[str, str, str]] = {}
    draws = rng.random(q.shape)
    tardy = rng.random(q.shape) < 0.03
    month, weekday = dates.strftime("%Y-%m"), dates.day_name()

    def raised(name, column, value, days, kind, pattern, reason="", factor=times):
        rows = np.flatnonzero(roster[column] == value)
        there = np.ix_(rows, np.flatnonzero(days))
        q[there] = np.minimum(q[there] * factor, 0.95)
        if reason:
            code[there] = np.where(rng.random(code[there].shape) < 0.7, reason, code[there])
        truth[name] = (kind, f"{column}={value}", pattern)

    if "asthma_zip" in planted:
        raised("asthma_zip", "zip5", "06103", month == "2025-02", "calendar", "month=2025-02", "ILL")
    if "friday_grade" in planted:
        raised("friday_grade", "grade_level", "07", weekday == "Friday", "calendar", "weekday=Friday")
    if "half_days" in planted:
        raised("half_days", "school_id", "0001", half_days(dates), "calendar", "early_dismissal", "CARE")
    if "before_break" in planted:
        before = np.append(np.diff(dates.to_numpy()) > np.timedelta64(3, "D"), False)
        raised("before_break", "school_id", "0002", before, "calendar", "before_holiday")
    if "bus_route" in planted:
        mornings = np.isin(np.arange(len(dates)), rng.choice(len(dates), 6, replace=False))
        raised("bus_route", "bus_route", "R05", mornings, "shared", "same_days", "BUS", factor=5 * times)
    if "late_bus" in planted:
        mornings = rng.choice(len(dates), 8, replace=False)
        rows = np.flatnonzero(roster["bus_route"] == "R08")
        tardy[np.ix_(rows, mornings)] |= rng.random((len(rows), 8)) < 0.3 * times
        truth["late_bus"] = ("shared", "bus_route=R08", "late_mornings")
    if "siblings" in planted:
        leader = roster.groupby("household_id")["own"].transform(lambda s: s.index[0]).to_numpy(dtype=int)
        shares = rng.random(q.shape) < 0.15 * times
        draws = np.where(shares, draws[leader], draws)
        truth["siblings"] = ("shared", "household_id=all", "same_days")
    return truth, draws, tardy


def _periods(rng, roster, dates, absent, planted, truth, times) -> pd.DataFrame:
    """Single periods missed on days present: everybody now and then, first period more often in grade 08."""
    rows, days = np.nonzero((rng.random(absent.shape) < 0.01) & ~absent)
    period = rng.integers(1, 8, len(rows))
    if "first_period" in planted:
        who = np.flatnonzero(roster["grade_level"] == "08")
        more, on = np.nonzero((rng.random((len(who), len(dates))) < 0.01 * times / 2) & ~absent[who])
        rows, days = np.append(rows, who[more]), np.append(days, on)
        period = np.append(period, np.ones(len(more), dtype=int))
        truth["first_period"] = ("runs", "grade_level=08", "period=1")
    return pd.DataFrame(
        {
            "student_id": roster["student_id"].to_numpy()[rows],
            "school_id": roster["school_id"].to_numpy()[rows],
            "date": dates[days].strftime("%Y-%m-%d"),
            "period": period,
            "minutes_scheduled": 45,
            "minutes_present": 0,
        }
    ).drop_duplicates(["student_id", "date", "period"])


def _tables(roster, dates, absent, tardy, code, periods) -> dict[str, pd.DataFrame]:
    text = dates.strftime("%Y-%m-%d")
    i, d = np.nonzero(absent | tardy)
    events = pd.DataFrame(
        {
            "student_id": roster["student_id"].to_numpy()[i],
            "school_id": roster["school_id"].to_numpy()[i],
            "date": text[d],
            "code_local": np.where(absent[i, d], code[i, d], "TDY"),
        }
    )
    spans = roster[["student_id", "school_id", "grade_level"]].assign(
        school_year=2025, entry_date=text[0], exit_date="", exit_type="", is_primary="true"
    )
    early = half_days(dates)
    calendar = pd.concat(
        pd.DataFrame({"school_id": s, "calendar_code": "REG", "date": text, "is_instructional": "true",
                      "day_type": np.where(early, "early_dismissal", "instructional")})
        for s in sorted(roster["school_id"].unique())
    )  # fmt: skip
    names = ["code_local", "description", "status", "counts_absent", "is_tardy", "is_excused", "pattern"]
    codes = pd.DataFrame(CODES, columns=names).assign(
        district_id="D1", school_year=2025, counts_enrolled=True, is_suspension=False
    )
    mentor = pd.DataFrame(
        {"student_id": roster["student_id"].head(5), "mentor_id": "M1", "begin_date": text[30], "end_date": ""}
    )
    return {
        "student": roster.drop(columns=["own", "school_id"]),
        "enrollment": spans,
        "calendar": calendar,
        "attendance_event": events,
        "code_table": codes,
        "assignment": mentor,
        "attendance_period": periods,
    }
