"""The sample recounted from its csv files in plain Python: no evalkit, no pandas. Used by the review's tests."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
YEAR = (date(2025, 7, 1), date(2026, 6, 30))
OUT = {"homebound", "hospital"}


@cache
def rows(name: str) -> list[dict[str, str]]:
    """The rows of a table, without the two planted faults that evalkit sets aside: a pairing of an unknown student and
    a talk of more than 240 minutes."""
    with (SAMPLE / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        found = list(csv.DictReader(handle))
    if name == "assignment":
        known = {row["student_id"] for row in rows("student")}
        return [row for row in found if row["student_id"] in known]
    return [row for row in found if int(row["minutes"] or 0) <= 240] if name == "contact" else found


def day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


@cache
def calendar() -> dict[str, tuple[date, ...]]:
    found: dict[str, set[date]] = defaultdict(set)
    for row in rows("calendar"):
        when = day(row["date"])
        if row["is_instructional"] == "true" and YEAR[0] <= when <= YEAR[1]:
            found[row["school_id"]].add(when)
    return {school: tuple(sorted(days)) for school, days in found.items()}


@cache
def calendar_set(school: str) -> frozenset[date]:
    return frozenset(calendar().get(school, ()))


@cache
def missed() -> dict[tuple[str, date], Fraction]:
    """Share of the day missed, by student and date: the event's own value, else the code's; the largest wins."""
    codes = {row["code_local"]: row for row in rows("code_table")}
    found: dict[tuple[str, date], Fraction] = {}
    for row in rows("attendance_event"):
        code = codes[row["code_local"]]
        value = Fraction(row.get("absent_days") or code["counts_absent"])
        if code["counts_enrolled"] != "true":
            continue
        key = (row["student_id"], day(row["date"]))
        found[key] = max(found.get(key, Fraction(0)), value)
    return found


@cache
def not_expected() -> frozenset[tuple[str, date]]:
    codes = {row["code_local"] for row in rows("code_table") if row["counts_enrolled"] != "true"}
    return frozenset(
        (row["student_id"], day(row["date"])) for row in rows("attendance_event") if row["code_local"] in codes
    )


@cache
def spans() -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = defaultdict(list)
    for row in rows("enrollment"):
        kind = "".join(c for c in row.get("exit_type", "").lower() if c.isalpha())
        if kind in ("noshow", "invalidenrollment") or row["school_year"] != "2026":
            continue
        found[row["student_id"]].append(
            {
                "school": row["school_id"],
                "first": day(row["entry_date"]),
                "last": day(row["exit_date"]) or YEAR[1],
                "primary": row.get("is_primary", "") != "false",
                "setting": row.get("setting", ""),
            }
        )
    return found


def school_on(student: str, when: date) -> str | None:
    """The school a student is counted at on a date: primary first, then the span entered last."""
    here = [span for span in spans()[student] if span["first"] <= when <= span["last"]]
    if not here:
        return None
    best = max(here, key=lambda span: (span["primary"], span["first"]))
    return None if best["setting"] in OUT else best["school"]


@cache
def enrolled_days(student: str) -> tuple[tuple[date, str], ...]:
    """Every school day of the year on which the student counts as enrolled, with the school."""
    days = sorted(
        {
            d
            for span in spans()[student]
            for d in calendar().get(span["school"], ())
            if span["first"] <= d <= span["last"]
        }
    )
    found = [(d, school_on(student, d)) for d in days]
    return tuple((d, s) for d, s in found if s and d in calendar_set(s) and (student, d) not in not_expected())


@cache
def through(as_of: date) -> dict[str, date]:
    return {row["school_id"]: min(as_of, day(row["complete_through"])) for row in rows("school")}


@cache
def year_of(student: str, as_of: date) -> list[tuple[date, str, Fraction]]:
    """The student's counted days up to as_of: date, school, share missed."""
    last = through(as_of)
    return [(d, s, missed().get((student, d), Fraction(0))) for d, s in enrolled_days(student) if d <= last[s]]


def students() -> list[str]:
    return sorted(spans())


def band_of(absent: Fraction, enrolled: int) -> str:
    edges = (Fraction(1, 20), Fraction(1, 10), Fraction(1, 5), Fraction(1, 2))
    names = ("satisfactory", "at_risk", "moderate", "severe", "extreme")
    return names[sum(absent >= edge * enrolled for edge in edges)]


def measures(as_of: date) -> dict[str | None, dict[str, object]]:
    """n_students, days and bands by school and in all (None)."""
    totals: dict[str | None, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for student in students():
        by_school: dict[str | None, list[Fraction]] = defaultdict(list)
        for _, school, share in year_of(student, as_of):
            by_school[school].append(share)
            by_school[None].append(share)
        for school, shares in by_school.items():
            totals[school][band_of(sum(shares), len(shares))].append((sum(shares), len(shares)))
    return {
        school: {
            "n_students": sum(map(len, bands.values())),
            "n_enrolled_days": sum(e for b in bands.values() for _, e in b),
            "n_absent_days": float(sum(a for b in bands.values() for a, _ in b)),
            **{name: len(bands.get(name, [])) for name in ("satisfactory", "at_risk", "moderate", "severe", "extreme")},
        }
        for school, bands in totals.items()
    }


@cache
def past_days(school: str, as_of: date) -> tuple[date, ...]:
    return tuple(d for d in calendar()[school] if d <= through(as_of)[school])


def last_days(student: str, as_of: date, n: int, back: int = 0) -> list[Fraction] | None:
    """Shares missed in the school's last n days that end `back` days ago; None when not enrolled on its last day."""
    days = year_of(student, as_of)
    if not days:
        return None
    school = days[-1][1]
    past = past_days(school, as_of)
    if not past or not any(d == past[-1] for d, _ in enrolled_days_raw(student)):
        return None
    window = past[max(0, len(past) - back - n) : len(past) - back]
    inside = set(window)
    return [share for d, s, share in days if d in inside] if window else []


@cache
def enrolled_days_raw(student: str) -> tuple[tuple[date, str], ...]:
    days = sorted(
        {
            d
            for span in spans()[student]
            for d in calendar().get(span["school"], ())
            if span["first"] <= d <= span["last"]
        }
    )
    return tuple((d, s) for d in days if (s := school_on(student, d)) and d in calendar_set(s))


def month_ends() -> list[date]:
    """The last school day of each month with school, up to the last complete day."""
    last = max(day(row["complete_through"]) for row in rows("school"))
    every = sorted({d for days in calendar().values() for d in days if d <= last})
    return [
        max(d for d in every if (d.year, d.month) == month) for month in dict.fromkeys((d.year, d.month) for d in every)
    ]


def active_pairs(as_of: date) -> list[dict]:
    found = []
    for row in rows("assignment"):
        begin, end = day(row["begin_date"]), day(row["end_date"])
        if begin <= as_of and (end is None or end > as_of or end == as_of):
            found.append({"student": row["student_id"], "mentor": row["mentor_id"], "begin": begin, "end": end})
    return found


ONE_DAY = timedelta(days=1)
