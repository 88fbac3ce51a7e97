"""The success plan: one page for every student with a mentor, made with the family; blank lines where none is made yet.

Seed 004: assets and needs, a goal in days, a list of helpers, a review in one month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from evalkit.render.view import runs
from evalkit.reports.papers_people import People, Person, pairs_of
from evalkit.reports.papers_sheets import PEER, cut_text
from evalkit.wording import date_words, number, say

MONTH = pd.DateOffset(months=1)
LEAD = "program-lead"


def plan_pages(study, people: People, mentor: str = "") -> Mapping[str, list[dict[str, Any]]]:
    """Mentor -> the plan pages of their students, by the name on them. A trained peer's students' plans are under
    "program-lead": a peer holds no plan of another child."""
    kinds = study.table("mentor").set_index("mentor_id")["mentor_type"].to_dict()
    persons: dict[str, dict[str, Person]] = {}
    for row in pairs_of(study, mentor).itertuples():
        holder = LEAD if kinds.get(row.mentor_id) == PEER else str(row.mentor_id)
        persons.setdefault(holder, {})[row.student_id] = people.person(row.student_id)
    return {name: [plan_page(study, person) for person in _ordered(found.values())]
            for name, found in sorted(persons.items())}


def _ordered(persons: Any) -> Sequence[Person]:
    return sorted(persons, key=lambda person: (person.name.casefold(), person.student_id))


def plan_page(study, person: Person) -> dict[str, Any]:
    """One plan as a page of `papers.typ`, in the language spoken at home."""
    language = person.language
    grade = person.grade if language == "en" else ""  # grades have English names only
    where = [text for text in (grade, person.school) if text]
    left = [*_strong(person), *_goal(study, person), _h(say("plan.way", language)), *_lines("", 4),
            *_review(study, person)]
    right = [*_helpers(person), _h(say("plan.family", language)), *_lines("", 3),
             _h(say("plan.school", language)), *_lines("", 3), *_lines(say("plan.signed", language), 3)]
    counted = say("plan.counted", language, date=date_words(study.as_of, language))
    return {"kind": "sheet", "language": language, "mark": "", "greeting": [],
            "band": runs(say("plan.band", language)),
            "title": runs(say("plan.title", language, name=person.name or person.student_id)),
            "head": [runs(" · ".join(where)), runs(counted)],
            "blocks": [{"kind": "cols", "left": left, "right": right}],
            "foot": runs(_foot(study, language))}


def _foot(study, language: str) -> str:
    sample = f" {say('resource_sheet.foot_sample', language)}" if study.config.is_sample else ""
    return say("plan.foot", language, study=study.name) + sample


def _strong(person: Person) -> list[dict[str, Any]]:
    head = _h(say("plan.strong", person.language))
    said = person.plan["strengths"] if person.plan else None
    if isinstance(said, str) and said.strip():
        return [head, {"kind": "list", "items": [runs(cut_text(said))]}, *_lines("", 1)]
    return [head, *_lines(say("plan.strong_ask", person.language), 2)]


def _goal(study, person: Person) -> list[dict[str, Any]]:
    """The goal in days with its date; a line to fill in where none is made."""
    language, plan = person.language, person.plan
    found = [_h(say("plan.goal", language))]
    if person.missed is not None and person.enrolled:
        found.append(_p(say("plan.now", language, missed=_short(person.missed), enrolled=_short(person.enrolled))))
    if plan is None or pd.isna(plan["goal_days"]):
        until = date_words(_review_day(study, person), language)
        return [*found, *_lines(say("plan.goal_ask", language, date=until), 1)]
    until = date_words(_review_day(study, person), language)
    found.append(_p(f"**{say('plan.goal_is', language, days=_days(plan['goal_days'], language), date=until)}**"))
    if person.plan_missed is not None:
        made = date_words(plan["made_on"], language, year=False)
        found.append(_p(say("plan.goal_so_far", language, days=_days(person.plan_missed, language), date=made)))
    return found


def _review_day(study, person: Person) -> pd.Timestamp:
    """The plan's own review day, else one month after it was made, else one month from today."""
    if person.plan is None:
        return study.as_of + MONTH
    given = person.plan["review_on"]
    return pd.Timestamp(given) if pd.notna(given) else pd.Timestamp(person.plan["made_on"]) + MONTH


def _review(study, person: Person) -> list[dict[str, Any]]:
    day = _review_day(study, person)
    key = "plan.review_past" if day < study.as_of else "plan.review_on"
    text = say(key, person.language, date=date_words(day, person.language))
    return [_h(say("plan.review", person.language)), _p(text)]


def _helpers(person: Person) -> list[dict[str, Any]]:
    """The family's own list of helpers: those on file, then lines."""
    language, said = person.language, person.plan["helpers"] if person.plan else None
    found = [_h(say("plan.help_every_day", language))]
    if isinstance(said, str) and said.strip():
        names = [cut_text(part) for part in said.split(";") if part.strip()]
        found.append({"kind": "list", "items": [runs(name) for name in names[:4]]})
    return [*found, *_lines("", 1), *_lines(say("plan.help_sometimes", language), 2),
            *_lines(say("plan.help_maybe", language), 2)]


def _days(n: Any, language: str) -> str:
    key = {0.0: "none", 1.0: "one"}.get(float(n), "many")
    return say(f"plan.days_{key}", language, n=_short(float(n)))


def _short(n: float) -> str:
    return number(n, 0 if float(n).is_integer() else 1)


def _h(text: str) -> dict[str, Any]:
    return {"kind": "h", "text": runs(text)}


def _p(text: str) -> dict[str, Any]:
    return {"kind": "p", "text": runs(text), "tone": "body"}


def _lines(label: str, n: int) -> list[dict[str, Any]]:
    return [{"kind": "lines", "label": runs(label), "n": n}]


__all__ = ["LEAD", "plan_page", "plan_pages"]
