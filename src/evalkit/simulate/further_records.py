"""What a programme writes down besides: belonging and estimates in surveys, training, other supports, behavior notes.

Drawn from a stream of its own and added below the rows that are there, so that no other table changes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

TOPICS = ("orientation", "confidentiality", "referral", "resources")
SUPPORTS = (
    # code, approach, tier, domain, share of students, sessions each
    ("MORNING-CLUB", "prevention", "tier1", "social_emotional_behavioral", 0.03, 5),
    ("CHECK-CONNECT", "problem_solving", "tier2", "social_emotional_behavioral", 0.02, 6),
    ("NURSE-VISITS", "problem_solving", "tier2", "physical_health", 0.015, 3),
    ("HOUSING-HELP", "mitigation", "tier3", "family", 0.01, 3),
)
ASKED_ELSEWHERE = 0.12
BEHAVIOR_DAYS = (55, 95, 135)


def add_further(
    rng: np.random.Generator,
    tables: dict[str, pd.DataFrame],
    students: np.ndarray,
    mentored: np.ndarray,
    absent: np.ndarray,
    dates: pd.DatetimeIndex,
    last: int,
) -> dict[str, pd.DataFrame]:
    """survey, team_meeting, service and outcome with more rows. students, absent: everyone, in the same order."""
    more = {
        "survey": _answers(rng, students, mentored, absent, dates, last),
        "team_meeting": _trainings(rng, tables["mentor"]["mentor_id"].to_numpy(), dates, last),
        "service": _sessions(rng, students, absent, dates, last),
        "outcome": _behavior(rng, students, absent, dates, last),
    }
    return {name: pd.concat([tables[name], rows], ignore_index=True) for name, rows in more.items()}


def _answers(
    rng: np.random.Generator,
    students: np.ndarray,
    mentored: np.ndarray,
    absent: np.ndarray,
    dates: pd.DatetimeIndex,
    last: int,
) -> pd.DataFrame:
    """A friend at school, asked of the mentored twice and of some others once with trusted adult and belonging; and
    how many days families think their child missed: about half."""
    place = pd.Index(students)
    others = students[(rng.random(students.size) < ASKED_ELSEWHERE) & ~np.isin(students, mentored)]
    waves = [(mentored[rng.random(mentored.size) < 0.6], 25), (mentored[rng.random(mentored.size) < 0.55], last - 5)]
    pieces = [_asked(rng, who, "friend_at_school", dates[day], _rate(absent, place, who, day)) for who, day in waves]
    middle = min(last, 85)
    rate = _rate(absent, place, others, middle)
    pieces += [_asked(rng, others, item, dates[middle], rate)
               for item in ("trusted_adult", "friend_at_school", "belonging")]
    families = mentored[rng.random(mentored.size) < 0.45]
    day = min(last, 100)
    missed = absent[place.get_indexer(families), : day + 1].sum(axis=1)
    guess = np.round(missed * rng.lognormal(np.log(0.5), 0.45, families.size)).astype(int)
    pieces.append(_rows(families, dates[day], "estimated_days_missed", "family", guess.astype(str)))
    return pd.concat(pieces, ignore_index=True)


def _rate(absent: np.ndarray, place: pd.Index, who: np.ndarray, day: int) -> np.ndarray:
    return absent[place.get_indexer(who), : day + 1].mean(axis=1)


def _asked(
    rng: np.random.Generator, who: np.ndarray, item: str, day: pd.Timestamp, rate: np.ndarray
) -> pd.DataFrame:
    """Yes less often where more days were missed."""
    yes = rng.random(who.size) < np.clip(0.85 - 1.2 * rate, 0.1, 0.95)
    return _rows(who, day, item, "student", np.where(yes, "agree", "disagree"))


def _rows(who: np.ndarray, day: pd.Timestamp, item: str, respondent: str, value: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {"student_id": who, "asked_on": day, "item": item, "respondent": respondent, "value": value}
    )


def _trainings(rng: np.random.Generator, ids: np.ndarray, dates: pd.DatetimeIndex, last: int) -> pd.DataFrame:
    """Four topics at the start, and two of them again in the winter."""
    days = [2, 4, 12, 14, min(last, 80), min(last, 82)]
    topics = [*TOPICS, "referral", "resources"]
    return pd.DataFrame(
        {
            "meeting_id": [f"TR{k + 1:02d}" for k in range(len(days))],
            "date": dates[days].to_numpy(),
            "kind": "training",
            "topic": topics,
            "mentor_ids": [";".join(ids[rng.random(ids.size) < share]) for share in (0.9, 0.8, 0.6, 0.5, 0.3, 0.3)],
        }
    )


def _sessions(
    rng: np.random.Generator, students: np.ndarray, absent: np.ndarray, dates: pd.DatetimeIndex, last: int
) -> pd.DataFrame:
    """Sessions of four other supports, on days drawn without a look at attendance."""
    pieces, n = [], 0
    for code, approach, tier, domain, share, each in SUPPORTS:
        rows = rng.choice(students.size, max(3, int(students.size * share)), replace=False)
        place = np.repeat(rows, each)
        day = rng.integers(15, last, place.size)
        came = ~absent[place, day] & (rng.random(place.size) < 0.85)
        pieces.append(
            pd.DataFrame(
                {
                    "service_id": [f"W{n + k + 1:05d}" for k in range(place.size)],
                    "student_id": students[place],
                    "intervention_code": code,
                    "approach": approach,
                    "support_tier": tier,
                    "scheduled_date": dates[day].to_numpy(),
                    "attended": came,
                    "minutes": np.where(came, 30, 0),
                    "group_size": rng.integers(1, 7, place.size),
                    "in_school_day": code != "HOUSING-HELP",
                    "domain": domain,
                }
            )
        )
        n += place.size
    return pd.concat(pieces, ignore_index=True)


def _behavior(
    rng: np.random.Generator, students: np.ndarray, absent: np.ndarray, dates: pd.DatetimeIndex, last: int
) -> pd.DataFrame:
    """Behavior referrals by term, more of them where more days were missed; only students with one have a row."""
    pieces = []
    for day in (min(last, d) for d in BEHAVIOR_DAYS):
        found = rng.poisson(0.02 + 0.25 * absent[:, : day + 1].mean(axis=1))
        rows = np.flatnonzero(found)
        pieces.append(
            pd.DataFrame(
                {
                    "student_id": students[rows],
                    "measure": "behavior_referrals",
                    "date": dates[day],
                    "value": found[rows].astype(float),
                }
            )
        )
    return pd.concat(pieces, ignore_index=True)
