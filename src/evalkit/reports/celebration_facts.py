"""What the year's celebration counts: contacts, thanks, recognised students, band flows, and next year's needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from evalkit.measures import BANDS, add_rates, band, prior_rates
from evalkit.measures import CHRONIC_BANDS as CHRONIC
from evalkit.panel import has_days, student_panel, window_panel
from evalkit.programme import (
    active_assignments,
    answered_absences,
    assignments,
    book_of,
    caseloads,
    family_introductions,
    held_contacts,
    referral_funnel,
    wilson,
    year_days,
)
from evalkit.reports.gate import Gate
from evalkit.reports.month_facts import measure_rows
from evalkit.reports.month_lists import improved
from evalkit.rules import UNITS_PER_DAY

IMPROVED_DAYS, GOOD_DAYS = 20, 20
TRANSITION_GRADES = ("KG", "06", "09")
LAST_GRADE = "12"


@dataclass(frozen=True)
class Recognised:
    """Students to recognise. Grain of both frames: student_id x award list."""

    good: pd.DataFrame
    improved: pd.DataFrame
    named: pd.DataFrame
    halves: tuple[pd.Timestamp, pd.Timestamp] | None


def totals(study) -> dict[str, int | None]:
    """The year's work in counts: students, mentors, contacts, calls answered, links to help, hours, families met."""
    pairs, held = assignments(study), held_contacts(study, *_year(study))
    found: dict[str, int | None] = {
        "n_students": pairs["student_id"].nunique(),
        "n_mentors": pairs["mentor_id"].nunique(),
    }
    if "contact" in study.can:
        calls = answered_absences(study)
        met = family_introductions(study)
        found |= {
            "n_contacts": int((held["activity"] != "h_team_meeting").sum()),
            "n_absences": len(calls),
            "n_answered": int(calls["answered"].sum()),
            "n_hours": int(held["minutes"].astype("float64").fillna(0).sum() // 60),
            "n_families_met": int(met.loc[met["introduced_on"].notna(), "student_id"].nunique()),
        }
    if "referral" in study.can:
        made = referral_funnel(study)
        found |= {"n_referrals": len(made), "n_connected": int((made["state"] == "connected").sum())}
    if "organization" in study.can:
        found["n_partners"] = study.table("organization")["organization_id"].nunique()
    return found


def rests_on(study) -> dict[str, int]:
    """How many students each count of `totals` is about, where it does not count students itself."""
    found: dict[str, int] = {}
    if "contact" in study.can:
        held = held_contacts(study, *_year(study))
        called = int(answered_absences(study)["student_id"].nunique())
        talked = int(held.loc[held["activity"].ne("h_team_meeting").fillna(True), "student_id"].nunique())
        found |= {"n_contacts": talked, "n_hours": talked, "n_absences": called, "n_answered": called}
    if "referral" in study.can:
        made = referral_funnel(study)
        connected = made.loc[made["state"] == "connected", "student_id"].nunique()
        found |= {"n_referrals": int(made["student_id"].nunique()), "n_connected": int(connected)}
    return found


def told_on(study, counts: Mapping[str, Any], gate: Gate) -> dict[str, int | None]:
    """Key of `totals` -> the students it may be told on (0 hides it; None: it is not about students).

    Families met are a part of the students with a mentor: where nearly all of them were, the few others would follow.
    """
    everyone = counts["n_students"]
    told: dict[str, int | None] = {**rests_on(study), "n_students": everyone}
    if "n_families_met" in counts:
        told["n_families_met"] = gate.beside(counts["n_families_met"], everyone)
    return told


def told_ahead(study, ahead: Mapping[str, Any], gate: Gate) -> dict[str, int]:
    """Key of `next_year` -> the students it may be told on, beside the month's review, which counts nearly the same.

    Those who return are all students but the last grade; those with a mentor today are a part of those of the year.
    """
    row = measure_rows(study)[-1]
    told = {"n_may_need_support": gate.beside(ahead["n_may_need_support"], int(row["n_chronic"] or 0), exact=True),
            "n_returning": gate.beside(ahead["n_returning"], int(row["n_students"] or 0), exact=True)}
    if "n_mentored" in ahead:
        today, ever = ahead["n_mentored"], assignments(study)["student_id"].nunique()
        told |= {"n_mentored": gate.beside(today, ever),
                 "n_mentored_returning": gate.beside(ahead["n_mentored_returning"], today)}
        told["n_mentored_returning"] *= bool(told["n_mentored"])
    return told


def _year(study) -> tuple[pd.Timestamp, pd.Timestamp]:
    return pd.Timestamp(study.school_year - 1, 7, 1), study.as_of


def mentors_by_type(study) -> dict[str, int]:
    """Mentors who had a student this year, by type."""
    used = assignments(study)["mentor_id"].unique()
    table = study.table("mentor")
    return {
        str(kind): int(n)
        for kind, n in table.loc[table["mentor_id"].isin(used), "mentor_type"].value_counts().sort_index().items()
    }


def recognised(study) -> Recognised:
    """Good: missed under 5 % of 20 enrolled days or more. Improved: the year's second half against its first, by the
    rule of standards 7.3, 20 enrolled days in both. Names only where recognition.name_consent is yes."""
    year = banded(study)
    good = year[(year["band"] == BANDS[0]) & (year["enrolled_units"] >= GOOD_DAYS * UNITS_PER_DAY)][
        ["student_id", "school_id"]
    ]
    better, halves = _improved(study)
    better = better.merge(year[["student_id", "school_id"]], on="student_id")
    table = study.table("recognition")
    table = table[
        (table["date"].isna() | (table["date"] <= study.as_of)) & table["name_consent"].eq("yes").fillna(False)
    ]
    return Recognised(
        good.reset_index(drop=True),
        better[["student_id", "school_id"]].reset_index(drop=True),
        table.sort_values(["award", "student_id"]).reset_index(drop=True),
        halves,
    )


def _improved(study) -> tuple[pd.DataFrame, tuple[pd.Timestamp, pd.Timestamp] | None]:
    """Students whose second half of the year to as_of was better than the first. Grain: student_id."""
    days = year_days(study)
    dates = sorted(days.loc[days["date"] <= study.as_of, "date"].unique()) if len(days) else []
    if len(dates) < 2 * IMPROVED_DAYS or "rates" not in study.can:
        return pd.DataFrame({"student_id": pd.Series(dtype="str")}), None
    middle = pd.Timestamp(dates[len(dates) // 2])
    students = student_panel(study, book=book_of(study))[["student_id"]]
    first = window_panel(study, students.assign(start=dates[0], end=middle - pd.Timedelta(days=1)), book=book_of(study))
    second = window_panel(study, students.assign(start=middle, end=study.as_of), book=book_of(study))
    columns = ["student_id", "enrolled_units", "absent_units", "n_days"]
    both = second[columns].merge(first[columns], on="student_id", suffixes=("", "_before"))
    both = both[(both["n_days"] >= IMPROVED_DAYS) & (both["n_days_before"] >= IMPROVED_DAYS)].reset_index(drop=True)
    return both[improved(both, study.rules)], (middle, study.as_of)


def banded(study) -> pd.DataFrame:
    """Students with any enrolled day, with band. Grain: student_id."""
    panel = student_panel(study, book=book_of(study) if has_days(study) else None)
    panel = panel[panel["enrolled_units"].notna() & (panel["enrolled_units"] > 0)]
    return add_rates(panel, rules=study.rules).reset_index(drop=True)


def year_flows(study, students: pd.Series) -> pd.DataFrame:
    """Of students who missed 10 % or more last year: their band then and now. Grain: from_band x to_band.

    to_band joins the two bands under 10 % ("under") and the two from 20 % on ("severe").
    """
    prior = prior_rates(study)
    before = prior.assign(from_band=band(prior, rules=study.rules))[["student_id", "from_band"]]
    now = banded(study)[["student_id", "band"]].rename(columns={"band": "to_band"})
    both = before.merge(now, on="student_id")
    both = both[both["student_id"].isin(students) & both["from_band"].isin(CHRONIC)]
    joined = {
        "satisfactory": "under",
        "at_risk": "under",
        "moderate": "moderate",
        "severe": "severe",
        "extreme": "severe",
    }
    both = both.assign(from_band=both["from_band"].map(joined), to_band=both["to_band"].map(joined))
    return both.groupby(["from_band", "to_band"]).size().rename("n_students").reset_index()


def by_school(study, found: Recognised) -> pd.DataFrame:
    """Recognised students per school, in order of the school's id. Grain: school_id."""
    table = pd.DataFrame(
        {"good": found.good["school_id"].value_counts(), "improved": found.improved["school_id"].value_counts()}
    )
    table = table.fillna(0).astype("int64").rename_axis("school_id").reset_index().sort_values("school_id")
    return table.assign(school=[study.school_name(school) for school in table["school_id"]]).reset_index(drop=True)


def next_year(study) -> dict[str, Any]:
    """Forecast for next year: who may need support, who returns, open places, grades moving up.

    need: students now missing 10 % or more below the last grade, with a Wilson range as if next year were like
    this one.
    """
    year = banded(study).merge(study.table("student")[["student_id", "grade_level"]], on="student_id", how="left")
    staying = year[year["grade_level"].ne(LAST_GRADE).fillna(True)]
    n, of = int(staying["is_chronic"].eq(True).sum()), len(staying)
    found: dict[str, Any] = {"n_may_need_support": n, "n_returning": of, **range_ahead(n, of)}
    rising = _next_grade(staying["grade_level"])
    found["n_into_transition"] = {
        grade: int((rising == grade).sum()) for grade in TRANSITION_GRADES if (rising == grade).any()
    }
    if {"assignment", "mentor"} <= study.can:
        active = active_assignments(study).merge(study.table("student")[["student_id", "grade_level"]], on="student_id")
        loads = caseloads(study)
        working = loads[loads["n_students"] > 0]
        found |= {
            "n_mentored_returning": int(
                active.loc[active["grade_level"].ne(LAST_GRADE).fillna(True), "student_id"].nunique()
            ),
            "n_mentored": active["student_id"].nunique(),
            "n_mentors": len(working),
            "n_places": int(loads["cap"].sum()),
        }
    return found


def range_ahead(n: int, of: int) -> dict[str, int | None]:
    """The Wilson range of n of `of`, as numbers of students."""
    low, high = wilson(n, of) if of else (None, None)
    return {"low": None if low is None else int(of * low), "high": None if high is None else int(of * high) + 1}


def satisfactory(study) -> dict[str | None, int]:
    """School id (None: all students) -> students who missed under 5 %, as the month's review counts them."""
    return {row["school_id"]: int(row["n_satisfactory"] or 0) for row in measure_rows(study)}


def _next_grade(grades: pd.Series) -> pd.Series:
    order = ["PR", "PK", "TK", "KG", *(f"{g:02d}" for g in range(1, 13))]
    following: Mapping[str, str] = dict(pairwise(order)) | {"PK": "KG", "TK": "KG"}
    return grades.map(following)


def waiting_needs(study) -> pd.DataFrame:
    """Needs whose referrals wait, largest first: what partners could still give. Grain: pattern."""
    made = referral_funnel(study)
    waiting = made[made["state"].isin(["waitlisted", "unknown"]) & made["pattern"].notna()]
    table = waiting.groupby("pattern")["student_id"].nunique().rename("n_students").reset_index()
    return table.sort_values(["n_students", "pattern"], ascending=[False, True]).reset_index(drop=True)
