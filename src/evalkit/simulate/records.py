"""What the programme writes down: mentors, assignments, barriers, referrals, resources."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.simulate import settings as s
from evalkit.simulate.people import Roster
from evalkit.simulate.programme import Starts

TYPES, TYPE_WEIGHTS = ("school_staff", "partner_staff", "volunteer", "college"), (0.45, 0.30, 0.15, 0.10)
CASELOAD = 9


def mentor_table(
    rng: np.random.Generator,
    roster: Roster,
    starts: Starts,
    school: np.ndarray,
    dates: pd.DatetimeIndex,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Mentors of the programme schools, and for each mentored student its mentor's number."""
    pieces, mentor = [], np.zeros(len(starts.row), dtype=int)
    total = 0
    for number in np.flatnonzero(roster.is_programme):
        rows = np.flatnonzero(school == number)
        n = max(1, -(-rows.size // CASELOAD)) if rows.size else 1
        mentor[rows] = total + rng.permutation(np.arange(rows.size) % n)
        pieces.append(np.full(n, number))
        total += n
    at = np.concatenate(pieces)
    applied = dates[0] - pd.to_timedelta(rng.integers(40, 120, total), unit="D")
    screened = applied + pd.to_timedelta(rng.integers(5, 25, total), unit="D")
    kind = rng.choice(TYPES, total, p=TYPE_WEIGHTS)
    table = pd.DataFrame(
        {
            "mentor_id": [f"M{k + 1:04d}" for k in range(total)],
            "mentor_type": kind,
            "school_id": roster.school_id[at],
            "applied_date": applied,
            "organization_id": np.where(kind == "school_staff", "", rng.choice(["O1", "O2", "O3"], total)),
            "screened_date": screened,
            "trained_date": screened + pd.to_timedelta(rng.integers(3, 15, total), unit="D"),
            "start_date": dates[0],
            "end_date": pd.NaT,
            "languages": rng.choice(["en", "en;es", "en;ht", "en;vi"], total, p=[0.6, 0.3, 0.05, 0.05]),
            "capacity": np.bincount(mentor, minlength=total) + rng.integers(-1, 4, total),
        }
    )
    return table, mentor


def assignment_table(
    rng: np.random.Generator,
    roster: Roster,
    starts: Starts,
    mentor: np.ndarray,
    mentors: pd.DataFrame,
    last_day: np.ndarray,
    dates: pd.DatetimeIndex,
) -> pd.DataFrame:
    """Pairings: most run to the year's end, a tenth end early, a few pass to a second mentor of the same school."""
    n = len(starts.row)
    draw = rng.random(n)
    length = rng.integers(30, 90, n)
    stop = np.where(draw < 0.10, np.minimum(starts.begin + length, last_day), last_day)
    left_school = (last_day < len(dates) - 1) & (stop == last_day)
    ended = (draw < 0.10) | left_school
    reason = np.where(
        left_school, "student_left", rng.choice(["goal_met", "family_declined", "mentor_left"], n, p=[0.4, 0.2, 0.4])
    )
    first = pd.DataFrame(
        {
            "student_id": roster.student_id[starts.row],
            "mentor_id": mentors["mentor_id"].to_numpy()[mentor],
            "begin_date": dates[starts.begin].to_numpy(),
            "end_date": np.where(ended, dates[stop].to_numpy(), np.datetime64("NaT")),
            "end_reason": np.where(ended, reason, ""),
            "intervention_code": "SUCCESS-MENTOR",
            "assigned_by": rng.choice(["threshold", "referral"], n, p=[0.8, 0.2]),
            "assigned_date": dates[starts.assigned].to_numpy(),
            "eligibility_value": starts.need.round(4),
            "diagnosis": "Low Attendance",
            "dosage_planned_min": rng.choice([20, 30, 45, 60], n, p=[0.2, 0.4, 0.3, 0.1]),
        }
    )
    again = first["end_reason"].eq("mentor_left") & (stop + 12 < last_day) & (rng.random(n) < 0.7)
    places = mentors["school_id"].to_numpy()[mentor]
    other = np.array(
        [rng.choice(np.flatnonzero(mentors["school_id"].to_numpy() == place)) for place in places[again]], dtype=int
    )
    begin = dates[np.minimum(stop[again] + 8, len(dates) - 1)].to_numpy()
    second = first[again].assign(
        mentor_id=mentors["mentor_id"].to_numpy()[other],
        begin_date=begin,
        assigned_date=begin,
        end_date=pd.NaT,
        end_reason="",
    )
    return pd.concat([first, second], ignore_index=True)


def barrier_table(
    rng: np.random.Generator, roster: Roster, starts: Starts, main: np.ndarray, dates: pd.DatetimeIndex, last: int
) -> pd.DataFrame:
    """Barriers of mentored students: the main one for 85 %, a second for a third; found 1-24 days after the start."""
    names = np.array(list(s.BARRIERS))
    found = rng.random(len(starts.row)) < 0.85
    first = pd.DataFrame(
        {"row": starts.row[found], "pattern": names[main[starts.row[found]]], "begin": starts.begin[found]}
    )
    extra = first[rng.random(len(first)) < 0.33].copy()
    extra["pattern"] = rng.choice(names, len(extra))
    rows = pd.concat([first, extra], ignore_index=True).drop_duplicates(["row", "pattern"])
    day = np.minimum(rows["begin"].to_numpy() + rng.integers(1, 25, len(rows)), last)
    status = rng.choice(["open", "in_progress", "resolved", "cannot_resolve"], len(rows), p=[0.25, 0.32, 0.38, 0.05])
    done = np.minimum(day + rng.integers(8, 60, len(rows)), last)
    return pd.DataFrame(
        {
            "student_id": roster.student_id[rows["row"]],
            "pattern": rows["pattern"].to_numpy(),
            "identified_date": dates[day].to_numpy(),
            "source": rng.choice(["mentor", "family", "student", "staff"], len(rows), p=[0.55, 0.22, 0.13, 0.10]),
            "status": status,
            "resolved_date": np.where(status == "resolved", dates[done].to_numpy(), np.datetime64("NaT")),
            "confidence": rng.choice(["high", "medium", "low"], len(rows), p=[0.5, 0.35, 0.15]),
        }
    )


RESOURCES = (
    ("RS01", "Riverbend Clinic asthma days", "health_physical;health_appointment", 40, True, 20),
    ("RS02", "School bus pass desk", "transportation", 25, True, 15),
    ("RS03", "Walking school bus", "transportation;safety_community", 20, True, 60),
    ("RS04", "Morning child care room", "child_care", 8, True, 30),
    ("RS05", "Family support line", "family_care;housing;food", 30, True, 240),
    ("RS06", "Clothing closet", "clothing_hygiene", 50, True, 45),
    ("RS07", "Counselor hours", "mental_health;school_anxiety;bullying", 18, True, 10),
    ("RS08", "Weekend food bags", "food", 35, True, 300),
    ("RS09", "After-school music studio", "bored_no_purpose;skipping", 24, True, 25),
    ("RS10", "Housing navigator", "housing", 6, False, 400),
)


def resource_table(complete: pd.Timestamp) -> pd.DataFrame:
    """The resource list: some entries unchecked for half a year, one no longer there, no help for some barriers."""
    return pd.DataFrame(
        {
            "resource_id": [row[0] for row in RESOURCES],
            "name": [row[1] for row in RESOURCES],
            "patterns": [row[2] for row in RESOURCES],
            "contact": [f"{row[0].lower()}@riverbend.example" for row in RESOURCES],
            "languages": "en;es",
            "eligibility": "",
            "capacity": [row[3] for row in RESOURCES],
            "checked_date": [complete - pd.Timedelta(days=row[5]) for row in RESOURCES],
            "active": [row[4] for row in RESOURCES],
        }
    )


def referral_table(
    rng: np.random.Generator,
    barriers: pd.DataFrame,
    resources: pd.DataFrame,
    complete: pd.Timestamp,
) -> pd.DataFrame:
    """Referrals for two thirds of the barriers that a resource answers; three of five end connected."""
    serves = {pattern: row[0] for row in RESOURCES for pattern in row[2].split(";")}
    known = barriers[barriers["pattern"].isin(list(serves))]
    chosen = known[rng.random(len(known)) < 0.68].reset_index(drop=True)
    made = chosen["identified_date"] + pd.to_timedelta(rng.integers(0, 15, len(chosen)), unit="D")
    made = made.clip(upper=complete)
    outcome = rng.choice(
        ["connected", "waitlisted", "declined", "no_show", "not_eligible", "unknown"],
        len(chosen),
        p=[0.58, 0.14, 0.08, 0.08, 0.04, 0.08],
    )
    ended = (made + pd.to_timedelta(rng.gamma(2, 8, len(chosen)).astype(int), unit="D")).clip(upper=complete)
    return pd.DataFrame(
        {
            "referral_id": [f"F{k + 1:05d}" for k in range(len(chosen))],
            "student_id": chosen["student_id"],
            "pattern": chosen["pattern"],
            "resource_id": chosen["pattern"].map(serves),
            "made_date": made,
            "outcome": outcome,
            "outcome_date": ended.where(outcome != "unknown"),
        }
    )
