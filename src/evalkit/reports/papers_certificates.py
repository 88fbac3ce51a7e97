"""Certificates: a name only where the family said yes, and never a number about absence."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.render.view import runs
from evalkit.reports.papers_people import People
from evalkit.wording import date_words, say

AWARDS = ("improved", "good", "sustained", "streak", "other")
SEASONS = {12: "winter", 1: "winter", 2: "winter", 3: "spring", 4: "spring", 5: "spring", 6: "spring", 7: "summer",
           8: "summer"}


def consented(study) -> pd.DataFrame:
    """Awards of this year whose name may be printed: name_consent is yes; unknown means no. Grain: student_id x award.

    Where a student's last answer for an award is not yes, none of that award's certificates are made.
    """
    table = study.table("recognition")
    first = pd.Timestamp(study.school_year - 1, 7, 1)
    table = table[(table["date"] >= first) & (table["date"] <= study.as_of)]
    refused = table.loc[table["name_consent"].eq("no").fillna(False), "student_id"]
    table = table[table["name_consent"].eq("yes").fillna(False) & ~table["student_id"].isin(refused)]
    table = table.sort_values(["student_id", "award", "date"]).drop_duplicates(["student_id", "award"], keep="last")
    return table.reset_index(drop=True)


def certificates(study, people: People) -> dict[str, list[dict[str, Any]]]:
    """school_id -> certificates by the name on them."""
    made: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for row in consented(study).to_dict("records"):
        person = people.person(row["student_id"])
        given = row["display_name"]
        name = given.strip() if isinstance(given, str) and given.strip() else person.first
        if name:
            award = row["award"] if row["award"] in AWARDS else "other"
            page = _page(study, award, name, row["date"], person.language)
            made.setdefault(person.school_id, []).append((name.casefold(), f"{row['student_id']}{award}", page))
    return {school: [page for *_, page in sorted(rows, key=lambda r: r[:2])] for school, rows in made.items()}


def _page(study, award: str, name: str, on: pd.Timestamp, language: str) -> dict[str, Any]:
    season = say(f"certificate.season_{SEASONS.get(on.month, 'fall')}", language, year=on.year)
    return {"tint": "student", "language": language, "to": say("certificate.this_is_for", language),
            "kick": say(f"certificate.{award}_title", language, season=season), "name": runs(name),
            "what": say(f"certificate.{award}", language), "why": say("certificate.why", language),
            "sign_left": say("certificate.your_mentor", language), "sign_right": say("certificate.principal", language),
            **_foot(study, language)}


def mentor_page(study) -> dict[str, Any]:
    """The thanks to a mentor, with a line for the name: print as many as there are mentors."""
    language = study.config.language or "en"
    language = language if language in ("en", "es") else "en"
    term, year = study.config.mentor_term.strip(), study.school_year
    title = say("certificate.mentor_title", language, term=term, years=f"{year - 1}–{year % 100:02d}")
    return {"tint": "mentor", "language": language, "to": say("certificate.this_is_for", language), "kick": title,
            "name": [], "what": say("certificate.mentor", language), "why": say("certificate.mentor_why", language),
            "sign_left": say("certificate.coordinator", language), "sign_right": say("certificate.principal", language),
            **_foot(study, language)}


def _foot(study, language: str) -> dict[str, Any]:
    given = str(study.config.celebration.get("date", "")).strip()
    day = pd.to_datetime(given, format="%Y-%m-%d", errors="coerce") if given else study.as_of
    return {"org": runs(study.name), "day": given if pd.isna(day) else date_words(day, language),
            "sample": say("certificate.sample", language) if study.config.is_sample else ""}
