"""What mentors write in their log: contacts a-h. Mentors differ, as they do: some greet daily, some hardly write."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.simulate.people import Roster


@dataclass(frozen=True)
class Habit:
    """How one kind of mentor works: chances per school day, and share of absences answered (all assumptions)."""

    share: float
    greet: float
    meet: float
    other: float
    call: float


HABITS = (Habit(0.45, 0.66, 0.17, 0.10, 0.80), Habit(0.37, 0.32, 0.10, 0.07, 0.58), Habit(0.18, 0.08, 0.04, 0.03, 0.25))
"""Diligent, middling, and little: together about 2.7 held contacts a student a week."""

MET_IN_TIME, MET_LATE = 0.72, 0.13
"""Share of families met within ten school days, and later."""

NO_LOG = 0.2
"""Share of mentors who leave one month without a log."""

OTHERS = ("c_track_celebrate", "f_connect_resource", "g_notes")
WITH = {"e_family_intro": "family", "f_connect_resource": "agency", "b_call_absent": "family"}
MODES = {"e_family_intro": "phone", "g_notes": "letter"}
COLUMNS = (
    "contact_id",
    "student_id",
    "mentor_id",
    "date",
    "activity",
    "mode",
    "with_whom",
    "status",
    "minutes",
    "group_size",
    "needs_team",
    "entered_date",
)


def contact_table(
    rng: np.random.Generator,
    roster: Roster,
    assignments: pd.DataFrame,
    absent: np.ndarray,
    dates: pd.DatetimeIndex,
    last: int,
) -> pd.DataFrame:
    """The `contact` table: planned contacts, calls on absences, family introductions, team meetings; attempts kept."""
    place = pd.Index(roster.student_id).get_indexer(assignments["student_id"])
    begin = dates.get_indexer(assignments["begin_date"])
    end = np.where(assignments["end_date"].isna(), last, dates.searchsorted(assignments["end_date"], side="right") - 1)
    mentors = np.sort(assignments["mentor_id"].unique())
    habits, silent = _habits(rng, len(mentors)), _silent_months(rng, len(mentors))
    who = pd.Index(mentors).get_indexer(assignments["mentor_id"])
    months = dates.month.to_numpy()
    pieces = []
    for k in range(len(assignments)):
        span = np.arange(begin[k], max(min(end[k], last), begin[k]) + 1)
        rows = _one_pair(rng, span, absent[place[k]], habits[who[k]])
        pieces.append(rows[months[rows["day"]] != silent[who[k]]].assign(pair=k))
    return _as_table(rng, pd.concat(pieces, ignore_index=True), assignments, mentors, dates, last)


def _habits(rng: np.random.Generator, n: int) -> list[Habit]:
    """A kind for every mentor, spread evenly over the list so that a small school has more than one kind."""
    shares = np.cumsum([habit.share for habit in HABITS])
    places = (np.arange(n) + 0.5) / n
    kinds = np.searchsorted(shares, rng.permutation(places), side="right")
    return [HABITS[min(kind, len(HABITS) - 1)] for kind in kinds]


def _silent_months(rng: np.random.Generator, n: int) -> np.ndarray:
    """The month a mentor left without a log; 0 for most."""
    month = rng.choice([11, 1, 2, 3, 4], n)
    return np.where(rng.random(n) < NO_LOG, month, 0)


def _one_pair(rng: np.random.Generator, span: np.ndarray, absent: np.ndarray, habit: Habit) -> pd.DataFrame:
    """One pairing's contacts by school day."""
    own = rng.gamma(25, 1 / 25)  # the same mentor meets one student a little more than another
    parts = []
    for activity, chance in (("a_greet", habit.greet), ("d_meeting", habit.meet), ("", habit.other)):
        day = span[rng.random(span.size) < min(chance * own, 0.95)]
        if activity == "a_greet":  # nobody writes down a greeting that could not happen, but one in thirty
            day = day[~absent[day] | (rng.random(day.size) < 0.03)]
        kinds = np.full(day.size, activity) if activity else rng.choice(OTHERS, day.size, p=[0.55, 0.2, 0.25])
        parts.append(pd.DataFrame({"day": day, "activity": kinds}))
    parts.append(_introduction(rng, span))
    rows = _with_status(rng, pd.concat(parts, ignore_index=True), absent)
    return pd.concat([rows, _calls(rng, span, absent, habit)], ignore_index=True)


def _introduction(rng: np.random.Generator, span: np.ndarray) -> pd.DataFrame:
    """The family's introduction: in time, late or never (a pairing too short for it has none)."""
    draw = rng.random()
    wait = int(rng.integers(1, 11) if draw < MET_IN_TIME else rng.integers(12, 40))
    met = draw < MET_IN_TIME + MET_LATE and wait < span.size
    day = span[[wait]] if met else span[:0]
    return pd.DataFrame({"day": day, "activity": np.full(day.size, "e_family_intro")})


def _with_status(rng: np.random.Generator, rows: pd.DataFrame, absent: np.ndarray) -> pd.DataFrame:
    """Mode, with whom, status and minutes. In person on a day absent: mostly 'student absent', now and then held."""
    activity = rows["activity"]
    mode = activity.map(MODES).fillna("in_person").to_numpy()
    here = rng.choice(["held", "attempted", "cancelled"], len(rows), p=[0.93, 0.04, 0.03])
    gone = rng.choice(["held", "student_absent", "cancelled"], len(rows), p=[0.03, 0.90, 0.07])
    status = np.where((mode == "in_person") & absent[rows["day"]], gone, here)
    status = np.where(activity.isin(["a_greet"]) & ~absent[rows["day"]] | activity.eq("e_family_intro"), "held", status)
    short = np.where(
        activity.eq("a_greet"), 5, rng.choice([10, 15, 20, 30, 45], len(rows), p=[0.3, 0.25, 0.2, 0.2, 0.05])
    )
    return rows.assign(
        mode=mode,
        with_whom=activity.map(WITH).fillna("student"),
        status=status,
        minutes=np.where(status == "held", short, 0),
    )


def _calls(rng: np.random.Generator, span: np.ndarray, absent: np.ndarray, habit: Habit) -> pd.DataFrame:
    """Calls home on days absent; half are answered."""
    day = span[absent[span] & (rng.random(span.size) < habit.call)]
    status = rng.choice(["held", "no_answer", "attempted"], day.size, p=[0.58, 0.3, 0.12])
    return pd.DataFrame(
        {
            "day": day,
            "activity": "b_call_absent",
            "mode": rng.choice(["phone", "text", "home_visit"], day.size, p=[0.7, 0.27, 0.03]),
            "with_whom": "family",
            "status": status,
            "minutes": np.where(status == "held", 5, 0),
        }
    )


def _as_table(
    rng: np.random.Generator,
    rows: pd.DataFrame,
    assignments: pd.DataFrame,
    mentors: np.ndarray,
    dates: pd.DatetimeIndex,
    last: int,
) -> pd.DataFrame:
    pair, day = rows.pop("pair").to_numpy(), rows["day"].to_numpy()
    rows["student_id"] = assignments["student_id"].to_numpy()[pair]
    rows["mentor_id"] = assignments["mentor_id"].to_numpy()[pair]
    rows["date"] = dates[day].to_numpy()
    rows = pd.concat([rows, _team_rows(rng, mentors, dates, last)], ignore_index=True)
    rows = rows.sort_values(["date", "student_id"], kind="stable")
    late = rng.choice([0, 1, 3, 7, 21, 34], len(rows), p=[0.55, 0.18, 0.12, 0.09, 0.04, 0.02])
    rows["entered_date"] = rows["date"] + pd.to_timedelta(late, unit="D")
    rows["contact_id"] = [f"C{k + 1:05d}" for k in range(len(rows))]
    rows["group_size"] = np.where(rows["activity"].eq("d_meeting") & (rng.random(len(rows)) < 0.3), 3, 1)
    rows["needs_team"] = (rng.random(len(rows)) < 0.012) & rows["student_id"].ne("")
    return rows[list(COLUMNS)].reset_index(drop=True)


def _team_rows(rng: np.random.Generator, mentors: np.ndarray, dates: pd.DatetimeIndex, last: int) -> pd.DataFrame:
    """Team meetings (activity h) twice a month, each mentor at three of four; they have no student."""
    day = np.arange(15, last + 1, 10)
    who, when = np.nonzero(rng.random((mentors.size, day.size)) < 0.75)
    return pd.DataFrame(
        {
            "student_id": "",
            "mentor_id": mentors[who],
            "date": dates[day[when]].to_numpy(),
            "activity": "h_team_meeting",
            "mode": "in_person",
            "with_whom": "staff",
            "status": "held",
            "minutes": 45,
            "day": day[when],
        }
    )
