"""The smaller tables of a study: names, meetings, actions, insights, services, costs, surveys, recognition."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.simulate import settings as s
from evalkit.simulate.people import Roster

FIRST = (
    "Amara",
    "Diego",
    "Mei",
    "Fatima",
    "Liam",
    "Zuri",
    "Noah",
    "Yara",
    "Kofi",
    "Elena",
    "Tariq",
    "Nia",
    "Mateo",
    "Aiyana",
    "Ravi",
    "Sofia",
    "Omar",
    "Linh",
    "Jada",
    "Lucas",
    "Priya",
    "Malik",
    "Ines",
    "Kai",
    "Rosa",
    "Samir",
    "Ada",
    "Tomas",
    "Leilani",
    "Jonah",
    "Marisol",
    "Ezra",
    "Anika",
    "Darius",
    "Luz",
    "Hana",
    "Theo",
    "Imani",
    "Pablo",
    "Wren",
)
LAST_A = (
    "Alder",
    "Amber",
    "Birch",
    "Brook",
    "Cedar",
    "Clover",
    "Copper",
    "Ember",
    "Fern",
    "Flint",
    "Hazel",
    "Heron",
    "Indigo",
    "Juniper",
    "Lark",
    "Maple",
    "Meadow",
    "Moss",
    "Otter",
    "Pebble",
    "Quill",
    "River",
    "Saffron",
    "Willow",
)
LAST_B = (
    "bridge",
    "brook",
    "dale",
    "field",
    "grove",
    "haven",
    "hill",
    "lake",
    "mere",
    "path",
    "ridge",
    "shore",
    "stone",
    "vale",
    "wick",
    "wood",
)
SCHOOL_NAMES = (
    "Otter Creek",
    "Sunrise Hill",
    "Riverbend",
    "Harbor View",
    "Maple Grove",
    "Stone Bridge",
    "Lark Meadow",
    "Cedar Point",
    "Quarry Lane",
    "Willow Park",
)
THEMES = ("greeting", "knows_my_name", "too_many_calls", "bus", "schedule", "trust")
QUOTES = {
    "student": ("Someone is glad when I walk in.", "I like that she asks about my week."),
    "family": ("They called to help, not to scold.", "The bus pass made the difference for us."),
    "teacher": ("I see more hands up in first period.", "The shared plan helps me call sooner."),
    "mentor": ("Short hellos work better than long talks.", "Logging a call takes me one minute now."),
    "partner": ("Referrals reach us with what we need.", "We have room for ten more families."),
}


def identity_table(rng: np.random.Generator, roster: Roster, complete: pd.Timestamp) -> pd.DataFrame:
    """Made-up names and contacts; siblings share a surname. No real person is meant."""
    n = roster.n
    home = roster.household
    a, b = rng.integers(0, len(LAST_A), home.max() + 1), rng.integers(0, len(LAST_B), home.max() + 1)
    last = np.char.add(np.array(LAST_A)[a[home]], np.array(LAST_B)[b[home]])
    first = rng.choice(FIRST, n)
    phone = [f"555-01{k:02d}" for k in rng.integers(0, 100, n)]
    old = rng.choice([10, 25, 50, 80, 200], n, p=[0.3, 0.3, 0.2, 0.12, 0.08])
    spoken = np.where(roster.groups["english_learner"], "es", "en")
    return pd.DataFrame(
        {
            "student_id": roster.student_id,
            "first_name": first,
            "last_name": last,
            "preferred_name": np.where(rng.random(n) < 0.05, rng.choice(FIRST, n), ""),
            "family_contact": np.char.add(rng.choice(FIRST, n), np.char.add(" ", last)),
            "phone": phone,
            "home_language": spoken,
            "last_verified_date": complete - pd.to_timedelta(old, unit="D"),
        }
    )


def school_table(roster: Roster, complete: pd.Timestamp) -> pd.DataFrame:
    """The `school` table: two thirds of the schools run the programme."""
    n = len(roster.school_id)
    level = np.array(s.LEVELS)[roster.school_level]
    kind = np.array(["Elementary School", "Middle School", "High School"])[roster.school_level]
    name = [_school_name(k, kind[k]) for k in range(n)]
    return pd.DataFrame(
        {
            "school_id": roster.school_id,
            "name": name,
            "level": level,
            "district_id": "D01",
            "zip5": roster.zip5[np.arange(n) % len(roster.zip5)],
            "complete_through": complete,
            "programme_school": roster.is_programme,
        }
    )


def _school_name(k: int, kind: str) -> str:
    again = f" {k // len(SCHOOL_NAMES) + 1}" if k >= len(SCHOOL_NAMES) else ""
    return f"{SCHOOL_NAMES[k % len(SCHOOL_NAMES)]}{again} {kind}"


def meeting_tables(
    rng: np.random.Generator, mentors: pd.DataFrame, dates: pd.DatetimeIndex, last: int
) -> dict[str, pd.DataFrame]:
    """team_meeting, action, plan_change, observation."""
    days = np.arange(15, last + 1, 10)
    ids = mentors["mentor_id"].to_numpy()
    meetings = pd.DataFrame(
        {
            "meeting_id": [f"T{k + 1:03d}" for k in range(days.size)],
            "date": dates[days].to_numpy(),
            "kind": np.where(np.arange(days.size) % 2 == 0, "attendance_team", "mentor_meeting"),
            "topic": rng.choice(
                ["lists and next steps", "late bus", "caseloads", "family calls", "spring plan"], days.size
            ),
            "mentor_ids": [";".join(ids[rng.random(ids.size) < 0.6]) for _ in days],
        }
    )
    return {
        "team_meeting": meetings,
        "action": _actions(rng, dates, days),
        "plan_change": _plan_changes(dates, last),
        "observation": _observations(rng, ids, dates, last),
    }


def _actions(rng: np.random.Generator, dates: pd.DatetimeIndex, days: np.ndarray) -> pd.DataFrame:
    what = (
        ("barrier", "Ask the bus company about the late route", "Coordinator"),
        ("school", "Greet at the side door", "Principal"),
        ("programme", "Call every family once before the break", "Mentor lead"),
        ("mentor", "Find a substitute mentor", "Mentor lead"),
        ("barrier", "Open the clinic on Tuesday mornings", "School nurse"),
    )
    day = days[::2]
    pick = rng.integers(0, len(what), day.size)
    decided = dates[day]
    due = decided + pd.to_timedelta(rng.choice([14, 21, 28], day.size), unit="D")
    status = np.where(
        np.arange(day.size) < day.size - 3,
        rng.choice(["done", "dropped", "open"], day.size, p=[0.75, 0.1, 0.15]),
        "open",
    )
    closed = due - pd.to_timedelta(rng.integers(-5, 8, day.size), unit="D")
    about = np.array([what[k][0] for k in pick])
    return pd.DataFrame(
        {
            "action_id": [f"A{k + 1:03d}" for k in range(day.size)],
            "decided_on": decided,
            "about": about,
            "about_id": np.where(about == "barrier", "transportation", ""),
            "what": [what[k][1] for k in pick],
            "owner": [what[k][2] for k in pick],
            "due_on": due,
            "status": status,
            "closed_on": np.where(status == "open", np.datetime64("NaT"), closed.to_numpy()),
        }
    )


def _plan_changes(dates: pd.DatetimeIndex, last: int) -> pd.DataFrame:
    day = [int(last * share) for share in (0.35, 0.65)]
    return pd.DataFrame(
        {
            "changed_on": dates[day].to_numpy(),
            "what": ["Calls the same morning", "Mentors greet at the bus stop"],
            "reason": ["Calls came too late in the day", "Late arrivals at one door"],
            "owner": ["Mentor lead", "Coordinator"],
            "check_back_on": dates[[min(d + 25, len(dates) - 1) for d in day]].to_numpy(),
        }
    )


def _observations(rng: np.random.Generator, ids: np.ndarray, dates: pd.DatetimeIndex, last: int) -> pd.DataFrame:
    who = np.repeat(ids, 2)
    day = np.tile([last // 3, 2 * last // 3], ids.size)
    return pd.DataFrame({"mentor_id": who, "date": dates[day].to_numpy(), "score": rng.beta(8, 2, who.size).round(2)})


def voice_tables(
    rng: np.random.Generator, mentored: np.ndarray, dates: pd.DatetimeIndex, last: int
) -> dict[str, pd.DataFrame]:
    """insight (coded voices, some quotes with consent) and survey (two waves)."""
    n = 60
    role = rng.choice(list(QUOTES), n)
    quote = [str(rng.choice(QUOTES[r])) if rng.random() < 0.5 else "" for r in role]
    insight = pd.DataFrame(
        {
            "insight_id": [f"I{k + 1:03d}" for k in range(n)],
            "date": np.sort(dates[rng.integers(20, last, n)].to_numpy()),
            "source_role": role,
            "theme": rng.choice(THEMES, n),
            "coder": rng.choice(["K1", "K2"], n),
            "pattern": rng.choice(
                ["transportation", "health_physical", "bullying", "child_care", ""], n, p=[0.2, 0.15, 0.1, 0.1, 0.45]
            ),
            "works": rng.choice(["works_well", "works_less", "could_do"], n, p=[0.55, 0.2, 0.25]),
            "quote": quote,
            "quote_consent": np.where(
                np.array(quote) == "", "not_asked", rng.choice(["yes", "no", "not_asked"], n, p=[0.6, 0.15, 0.25])
            ),
        }
    )
    pieces = []
    for wave, day in enumerate((25, last - 5)):
        asked = mentored[rng.random(mentored.size) < 0.7 - 0.1 * wave]
        for item, p in (("trusted_adult", 0.62 + 0.1 * wave), ("belonging", 0.58 + 0.08 * wave)):
            pieces.append(
                pd.DataFrame(
                    {
                        "student_id": asked,
                        "asked_on": dates[day],
                        "item": item,
                        "respondent": "student",
                        "value": np.where(rng.random(asked.size) < p, "agree", "disagree"),
                    }
                )
            )
    return {"insight": insight, "survey": pd.concat(pieces, ignore_index=True)}


def support_tables(
    rng: np.random.Generator,
    mentored: np.ndarray,
    roster: Roster,
    mentors: pd.DataFrame,
    absent: np.ndarray,
    dates: pd.DatetimeIndex,
    last: int,
) -> dict[str, pd.DataFrame]:
    """service, cost, nomination, success_plan, outcome, organization."""
    who = rng.choice(roster.student_id, min(roster.n, max(20, roster.n // 20)), replace=False)
    n = 12 * who.size
    place = pd.Index(roster.student_id).get_indexer(np.repeat(who, 12))
    day = rng.integers(20, last, n)
    attended = ~absent[place, day] & (rng.random(n) < 0.85)
    service = pd.DataFrame(
        {
            "service_id": [f"V{k + 1:05d}" for k in range(n)],
            "student_id": roster.student_id[place],
            "intervention_code": "TUTORING",
            "approach": "prevention",
            "support_tier": "tier2",
            "scheduled_date": dates[day].to_numpy(),
            "attended": attended,
            "minutes": np.where(attended, 45, 0),
            "group_size": rng.integers(1, 5, n),
            "in_school_day": True,
            "domain": "academic",
        }
    )
    plan = rng.choice(mentored, int(mentored.size * 0.7), replace=False) if mentored.size else mentored
    plans = pd.DataFrame(
        {
            "student_id": plan,
            "made_on": dates[rng.integers(25, min(110, last), plan.size)].to_numpy(),
            "strengths": rng.choice(
                ["kind to younger students", "loves drawing", "good with bikes", "never gives up"], plan.size
            ),
            "goal_days": rng.integers(2, 9, plan.size),
            "helpers": rng.choice(["aunt", "neighbor", "coach", "older cousin"], plan.size),
        }
    )
    plans["review_on"] = plans["made_on"] + pd.Timedelta(days=30)
    named = rng.choice(mentored, mentored.size // 3, replace=False) if mentored.size else mentored
    nominations = pd.DataFrame(
        {
            "student_id": named,
            "mentor_id": rng.choice(mentors["mentor_id"], named.size),
            "relationship": rng.choice(["coach", "former teacher", "club"], named.size),
            "strength": rng.integers(1, 4, named.size),
        }
    )
    return {
        "service": service,
        "success_plan": plans,
        "nomination": nominations,
        "cost": _costs(len(mentors)),
        "outcome": _outcomes(rng, roster, absent, dates, last),
        "organization": _organizations(),
    }


def _costs(n_mentors: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item": ["Coordinator, half time", "Mentor stipends", "Background checks", "Training days", "Bus passes"],
            "quantity": [0.5, n_mentors, n_mentors, 2.0, 40.0],
            "unit_price": [62000.0, 600.0, 45.0, 1500.0, 30.0],
            "currency": "USD",
            "paid_by": ["district", "grant", "grant", "grant", "partner"],
        }
    )


def _outcomes(
    rng: np.random.Generator, roster: Roster, absent: np.ndarray, dates: pd.DatetimeIndex, last: int
) -> pd.DataFrame:
    """Course failures of grades 6 to 12, more of them where more days were missed."""
    rows = np.flatnonzero(roster.grade >= 6)
    fails = rng.poisson(0.2 + 4 * absent[rows].mean(axis=1))
    return pd.DataFrame(
        {
            "student_id": roster.student_id[rows],
            "measure": "course_failures",
            "date": dates[last],
            "value": fails.astype(float),
        }
    )


def _organizations() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "organization_id": ["O1", "O2", "O3"],
            "name": ["Riverbend Youth Corps", "Harbor College Mentors", "Neighbors Together"],
            "kind": ["nonprofit", "college", "nonprofit"],
            "thank_consent": ["yes", "yes", "not_asked"],
        }
    )
