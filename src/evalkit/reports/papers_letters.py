"""The family letter: days missed, no blame, what would help, in the language spoken at home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from evalkit.measures import is_chronic
from evalkit.panel import student_panel
from evalkit.programme import active_assignments
from evalkit.render.view import runs
from evalkit.reports.papers_people import People, Person
from evalkit.vocabulary import reason
from evalkit.wording import date_words, number, say

LEAST_DAYS = 10
FRESH_RESOURCE = pd.Timedelta(days=180)
MOST_RESOURCES = 3


def families_to_write(study, people: People) -> list[str]:
    """Students on roll who missed a day, from 10 enrolled days on: matched with a mentor, or missed 10 % or more."""
    panel = student_panel(study, book=people.book)
    panel = panel[panel["absent_units"] > 0]
    panel = panel[panel["enrolled_units"].notna() & (panel["enrolled_days"] >= LEAST_DAYS)]
    chronic = is_chronic(panel, rules=study.rules).eq(True).fillna(False)
    matched = panel["student_id"].isin(active_assignments(study)["student_id"])
    return sorted(s for s in panel.loc[chronic | matched, "student_id"] if s in people.on_roll)


def letter_page(study, person: Person) -> dict[str, Any]:
    """One letter as a page of `papers.typ`."""
    language = person.language
    blocks = [_p(text) for text in letter_sentences(study, person)]
    helpers = resources_for(study, person)
    if helpers:
        listed = [runs(f"**{row['name']}**" + (f" · {row['contact']}" if row["contact"] else "")) for row in helpers]
        blocks += [{"kind": "h", "text": runs(say("letter.resources", language))}, {"kind": "list", "items": listed}]
    asked = "letter.ask" if person.is_back else "letter.ask_away"
    blocks += [_p(say(asked, language, name=person.first)), *_contact(study, language),
               _p(say("letter.closing", language)), _p(say("letter.team", language, school=person.school)),
               {"kind": "gap", "height": 8}, _p(say("letter.as_of", language, date=_date(study, language)), "note")]
    return {"kind": "letter", "language": language, "mark": "", "band": [],
            "title": runs(say("letter.title", language)),
            "head": [runs(f"**{person.school}**"), runs(study.name), runs(_date(study, language))],
            "greeting": runs(say("letter.greeting", language, name=person.name)), "blocks": blocks,
            "foot": runs(say("certificate.sample", language)) if study.config.is_sample else []}


def letter_sentences(study, person: Person) -> list[str]:
    """The letter's paragraphs in order: welcome, days, what went well, what counts, a goal."""
    language, first = person.language, person.first
    return [say("letter.glad", language, name=first, school=person.school), _missed(person), *_lately(person),
            f"{say('letter.add_up', language)} {_goal(study, person)}", say("letter.sick", language, name=first)]


def _missed(person: Person) -> str:
    language, missed = person.language, person.missed or 0.0
    enrolled = _short(person.enrolled or 0.0)
    text = say("letter.missed", language, name=person.first, missed=f"**{_short(missed)}**", enrolled=enrolled)
    if person.guess is not None and person.guess < missed:
        text += " " + say("letter.guess", language, guess=days_in_words(person.guess, language, "plain"))
    return text


def _lately(person: Person) -> list[str]:
    """What went well lately, or the plain count."""
    language = person.language
    if person.gain is not None:
        before, now = (days_in_words(n, language) for n in person.gain)
        return [say("letter.gain", language, now=now, before=before)]
    if person.recent is None or person.recent[1] < LEAST_DAYS:
        return []
    missed, of = person.recent
    if not missed:
        return [say("letter.recent_none", language, name=person.first, of=number(of))]
    said = days_in_words(missed, language, "plain")
    return [say("letter.recent", language, name=person.first, of=number(of), missed=said)]


def _goal(study, person: Person) -> str:
    """A goal the record allows; where the line is out of reach, the next day counts."""
    if person.days_left is None or person.days_left < 1 or abs(study.rules.threshold - 0.1) > 1e-9:
        return say("letter.every_day", person.language)
    left = days_in_words(person.days_left, person.language, "plain")
    return say("letter.room", person.language, left=left, name=person.first)


def days_in_words(n: float, language: str, kind: str = "missed") -> str:
    """no days missed, 1 day missed, 8.5 days missed; kind "plain": no days, 1 day, 8.5 days."""
    word = {0.0: "none", 1.0: "one"}.get(float(n), "days")
    return say(f"letter.{kind}_{word}", language, n=_short(n))


def resources_for(study, person: Person) -> list[dict[str, Any]]:
    """Up to three checked resources for what the student is known to face; nothing private is named in a letter."""
    wanted = [p for p in person.barriers if (known := reason(p)) is None or not known.sensitive]
    table = study.table("resource")
    table = table[table["active"].eq(True).fillna(table["active"].isna()).astype(bool)]
    table = table[table["checked_date"].isna() | (study.as_of - table["checked_date"] <= FRESH_RESOURCE)]
    rows = table.sort_values("resource_id").to_dict("records")
    found = [row for row in rows if set(_split(row["patterns"])) & set(wanted)]
    return [_shown(row) for row in found if speaks(row["languages"], person.language)][:MOST_RESOURCES]


def speaks(languages: Any, language: str) -> bool:
    """Whether a resource serves a language; one that names none serves all."""
    known = _split(languages)
    return not known or language in known


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] if isinstance(row[key], str) else "" for key in ("resource_id", "name", "contact")}


def _split(value: Any) -> list[str]:
    return [part.strip().casefold() for part in value.split(";")] if isinstance(value, str) else []


def _contact(study, language: str) -> list[dict[str, Any]]:
    given = str(study.config.brief.get("contact", "")).strip()
    if given:
        return [_p(say("letter.contact", language, contact=given))]
    blank = {"kind": "lines", "label": runs(say("letter.contact_line", language)), "n": 1}
    return [blank, {"kind": "gap", "height": 10}]


def _date(study, language: str) -> str:
    return date_words(study.as_of, language)


def _short(n: float) -> str:
    return number(n, 0 if float(n).is_integer() else 1)


def _p(text: str, tone: str = "body") -> dict[str, Any]:
    return {"kind": "p", "text": runs(text), "tone": tone}


def letters(study, people: People, students: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """school_id -> its letters, by the name on them; a student whose name is not on file gets none."""
    persons = [person for person in (people.person(s) for s in students) if person.first]
    pages: dict[str, list[dict[str, Any]]] = {}
    for person in sorted(persons, key=lambda p: (p.school_id, p.name.casefold(), p.student_id)):
        pages.setdefault(person.school_id, []).append(letter_page(study, person))
    return pages
