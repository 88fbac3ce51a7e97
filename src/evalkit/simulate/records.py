"""What the programme writes down: mentors, assignments, contacts a-h, barriers, referrals, resources."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.simulate import settings as s
from evalkit.simulate.people import Roster
from evalkit.simulate.programme import Starts

TYPES, TYPE_WEIGHTS = ("school_staff", "partner_staff", "volunteer", "college"), (0.45, 0.30, 0.15, 0.10)
CASELOAD = 9
ACTIVITIES = ("a_greet", "c_track_celebrate", "d_meeting", "e_family_intro", "f_connect_resource", "g_notes")
ACTIVITY_WEIGHTS = (0.40, 0.16, 0.24, 0.05, 0.07, 0.08)
STATUSES = ("held", "attempted", "no_answer", "student_absent", "cancelled")


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


def contact_table(
    rng: np.random.Generator,
    roster: Roster,
    assignments: pd.DataFrame,
    absent: np.ndarray,
    dates: pd.DatetimeIndex,
    last: int,
) -> pd.DataFrame:
    """Contacts a-h: about two a week a student, a call on most absences, attempts kept, some entered late."""
    place = pd.Index(roster.student_id).get_indexer(assignments["student_id"])
    begin = dates.get_indexer(assignments["begin_date"])
    end = np.where(assignments["end_date"].isna(), last, dates.searchsorted(assignments["end_date"], side="right") - 1)
    pairs = [_one_pair(rng, k, begin[k], min(end[k], last), absent[place[k]]) for k in range(len(assignments))]
    rows = pd.concat(pairs, ignore_index=True)
    pair, day = rows.pop("pair").to_numpy(), rows["day"].to_numpy()
    rows["student_id"] = assignments["student_id"].to_numpy()[pair]
    rows["mentor_id"] = assignments["mentor_id"].to_numpy()[pair]
    rows["date"] = dates[day].to_numpy()
    team = _team_rows(rng, assignments["mentor_id"].unique(), dates, last)
    rows = pd.concat([rows, team], ignore_index=True).sort_values(["date", "student_id"], kind="stable")
    late = rng.choice([0, 1, 3, 7, 21, 34], len(rows), p=[0.55, 0.18, 0.12, 0.09, 0.04, 0.02])
    rows["entered_date"] = rows["date"] + pd.to_timedelta(late, unit="D")
    rows["contact_id"] = [f"C{k + 1:06d}" for k in range(len(rows))]
    rows["group_size"] = np.where(rng.random(len(rows)) < 0.06, 3, 1)
    rows["needs_team"] = rng.random(len(rows)) < 0.012
    columns = [
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
    ]
    return rows[columns].reset_index(drop=True)


def _one_pair(rng: np.random.Generator, pair: int, begin: int, end: int, absent: np.ndarray) -> pd.DataFrame:
    """One pairing's contacts: planned ones on random days, a call on six of ten days absent."""
    span = np.arange(begin, max(end, begin) + 1)
    rate = rng.gamma(6, 0.4 / 6)
    day = span[rng.random(span.size) < min(rate, 0.9)]
    activity = rng.choice(ACTIVITIES, day.size, p=ACTIVITY_WEIGHTS)
    away = absent[day]
    here = rng.choice(STATUSES, day.size, p=[0.82, 0.08, 0.02, 0.02, 0.06])
    gone = rng.choice(STATUSES, day.size, p=[0.02, 0.10, 0.04, 0.80, 0.04])
    mode = np.where(activity == "e_family_intro", "phone", np.where(activity == "g_notes", "letter", "in_person"))
    status = np.where(away & (mode == "in_person"), gone, here)
    called = span[absent[span] & (rng.random(span.size) < 0.6)]
    calls = pd.DataFrame(
        {
            "day": called,
            "activity": "b_call_absent",
            "with_whom": "family",
            "mode": rng.choice(["phone", "text", "home_visit"], called.size, p=[0.7, 0.27, 0.03]),
            "status": rng.choice(["held", "no_answer", "attempted"], called.size, p=[0.55, 0.3, 0.15]),
        }
    )
    other = pd.DataFrame(
        {
            "day": day,
            "activity": activity,
            "mode": mode,
            "status": status,
            "with_whom": np.where(
                activity == "e_family_intro", "family", np.where(activity == "f_connect_resource", "agency", "student")
            ),
        }
    )
    rows = pd.concat([other, calls], ignore_index=True).assign(pair=pair)
    held = rows["status"].eq("held")
    rows["minutes"] = np.where(
        held, rng.choice([5, 10, 15, 20, 30, 45], len(rows), p=[0.3, 0.25, 0.15, 0.12, 0.13, 0.05]), 0
    )
    return rows


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
