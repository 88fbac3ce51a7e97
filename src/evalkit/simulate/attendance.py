"""From who was absent to what a school's export holds: exception rows with local codes, tardies, missed periods."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.simulate import settings as s
from evalkit.simulate.people import Roster
from evalkit.simulate.planted import Planted

_CODE = {name: k for k, name in enumerate(s.CODE_NAMES)}
HALF = np.array([s.CODES[name][2] for name in s.CODE_NAMES])


def own_barriers(rng: np.random.Generator, roster: Roster, *, alike: bool = False) -> np.ndarray:
    """Each student's main barrier, as an index into settings.BARRIERS, by the level's weights (alike: one level's)."""
    weights = np.array([row[:3] for row in s.BARRIERS.values()], dtype=float)
    main = np.empty(roster.n, dtype=int)
    for level in range(3):
        rows = np.flatnonzero(roster.level == level)
        share = weights[:, 1 if alike else level]
        main[rows] = rng.choice(len(weights), rows.size, p=share / share.sum())
    return main


def unknown_shares(roster: Roster, *, alike: bool = False) -> np.ndarray:
    """Share of absences without a reason by school: a fifth, and two fifths in the first high school (assumption)."""
    share = np.full(len(roster.school_id), s.UNKNOWN_REASON_SHARE - 0.04)
    high = np.flatnonzero(roster.school_level == 2)
    if high.size and len(share) > 1 and not alike:
        share[high[0]] = 0.42
    return share


def draw_codes(
    rng: np.random.Generator,
    roster: Roster,
    rows: np.ndarray,
    days: np.ndarray,
    school: np.ndarray,
    barrier: np.ndarray,
    planted: Planted,
    alike: bool,
) -> np.ndarray:
    """A local code for every absence. The student's own barrier gives two of five; planted reasons come first."""
    n = len(rows)
    code: np.ndarray = np.empty(n, dtype=np.int16)
    level = roster.level[rows]
    for number, name in enumerate(s.LEVELS):
        weights = s.KNOWN_WEIGHTS["middle" if alike else name]
        names = np.array([_CODE[key] for key in weights])
        share = np.array(list(weights.values()), dtype=float)
        here = level == number
        code[here] = rng.choice(names, int(here.sum()), p=share / share.sum())
    own = np.array([_CODE.get(row[3], -1) for row in s.BARRIERS.values()])[barrier[rows]]
    code = np.where((own >= 0) & (rng.random(n) < 0.4), own, code)
    unknown = rng.random(n) < unknown_shares(roster, alike=alike)[school]
    code = np.where(unknown, rng.choice([_CODE[c] for c in s.UNKNOWN_CODES], n, p=s.UNKNOWN_WEIGHTS), code)
    for who, when, reason, strength in planted.reasons:
        touched = np.isin(rows, who) & np.isin(days, when) & (rng.random(n) < strength)
        code = np.where(touched, _CODE[reason], code)
    return code


def absence_rows(
    rng: np.random.Generator,
    roster: Roster,
    absent: np.ndarray,
    school_on: np.ndarray,
    barrier: np.ndarray,
    planted: Planted,
    *,
    alike: bool = False,
) -> pd.DataFrame:
    """One row per absence: row (student), day, school, code (index), days (1 or 0.5)."""
    rows, days = np.nonzero(absent & (school_on >= 0))
    school = school_on[rows, days]
    code = draw_codes(rng, roster, rows, days, school, barrier, planted, alike)
    return pd.DataFrame({"row": rows, "day": days, "school": school, "code": code, "days": HALF[code]})


def tardy_rows(
    rng: np.random.Generator, absent: np.ndarray, school_on: np.ndarray, propensity: np.ndarray, share: float = 0.02
) -> pd.DataFrame:
    """Tardies, in-school suspensions and field trips on days present; students who miss more come late more."""
    lean = np.exp(0.5 * (propensity - propensity.mean()))
    chance = (share * lean / lean.mean())[:, None]
    rows, days = np.nonzero((rng.random(absent.shape, dtype=np.float32) < chance) & ~absent & (school_on >= 0))
    code = rng.choice([_CODE["T"], _CODE["SI"], _CODE["FT"]], len(rows), p=[0.96, 0.02, 0.02])
    return pd.DataFrame({"row": rows, "day": days, "school": school_on[rows, days], "code": code, "days": 0.0})


def event_table(events: pd.DataFrame, roster: Roster, dates: pd.DatetimeIndex) -> pd.DataFrame:
    """The `attendance_event` table: exceptions only, the district's own codes."""
    events = events.sort_values(["row", "day"], kind="stable")
    return pd.DataFrame(
        {
            "student_id": roster.student_id[events["row"]],
            "school_id": roster.school_id[events["school"]],
            "date": dates[events["day"]].to_numpy(),
            "code_local": np.array(s.CODE_NAMES)[events["code"]],
        }
    )


def period_table(
    rng: np.random.Generator,
    roster: Roster,
    absent: np.ndarray,
    school_on: np.ndarray,
    dates: pd.DatetimeIndex,
    planted: Planted,
) -> pd.DataFrame:
    """The `attendance_period` table: missed periods (1-7) of high school students who were in school that day."""
    rows = np.flatnonzero(roster.grade >= 9)
    if rows.size == 0:
        return pd.DataFrame(columns=["student_id", "school_id", "date", "period"])
    chance = np.full((rows.size, 7), 0.0025)
    chance[:, [0, 6]] = 0.004
    if planted.skippers is not None:
        chance[planted.skippers[rows], 0] = 0.016
    present = ~absent[rows] & (school_on[rows] >= 0)
    pieces = []
    for period in range(7):
        who, day = np.nonzero(present & (rng.random(present.shape, dtype=np.float32) < chance[:, [period]]))
        pieces.append(pd.DataFrame({"row": rows[who], "day": day, "period": str(period + 1)}))
    table = pd.concat(pieces, ignore_index=True).sort_values(["row", "day", "period"], kind="stable")
    row, day = table["row"].to_numpy(), table["day"].to_numpy()
    return pd.DataFrame(
        {
            "student_id": roster.student_id[row],
            "school_id": roster.school_id[school_on[row, day]],
            "date": dates[day].to_numpy(),
            "period": table["period"].to_numpy(),
            "code_local": "CC",
            "minutes_scheduled": 48,
            "minutes_present": 0,
        }
    )


def code_table(school_years: list[int], district_id: str) -> pd.DataFrame:
    """The `code_table`: the district's codes, the same in every year."""
    rows = [
        {
            "district_id": district_id,
            "school_year": str(year),
            "code_local": code,
            "description": row[0],
            "status": row[1],
            "counts_absent": row[2],
            "counts_enrolled": True,
            "is_tardy": row[3],
            "is_excused": row[4],
            "is_suspension": row[5],
            "pattern": row[6],
        }
        for year in school_years
        for code, row in s.CODES.items()
    ]
    return pd.DataFrame(rows)


def totals_table(
    events: pd.DataFrame,
    spans_school: np.ndarray,
    roster: Roster,
    school_year: int,
    *,
    prior: bool,
) -> pd.DataFrame:
    """The `prior_year` table: days enrolled and absent of everyone enrolled that year."""
    enrolled = (spans_school >= 0).sum(axis=1)
    absent = np.bincount(events["row"], weights=events["days"], minlength=roster.n)
    last = np.where(spans_school[:, -1] >= 0, spans_school[:, -1], spans_school.max(axis=1))
    suspended = np.bincount(events.loc[events["code"].eq(_CODE["SO"]), "row"], minlength=roster.n)
    table = pd.DataFrame(
        {
            "student_id": roster.student_id,
            "school_year": str(school_year),
            "days_enrolled": enrolled.astype(float),
            "days_absent": absent,
            "chronically_absent": 10 * absent >= enrolled,
            "school_id": roster.school_id[np.maximum(last, 0)],
            "grade_level": np.array(s.GRADES)[np.clip(roster.grade - int(prior), 0, 12)],
            "suspensions": suspended,
        }
    )
    return table[enrolled > 0].reset_index(drop=True)
