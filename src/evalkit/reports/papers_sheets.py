"""The student information sheet (one page, confidential) and the mentor packet around a mentor's sheets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from evalkit.render.view import runs
from evalkit.reports.papers_letters import resources_for
from evalkit.reports.papers_people import Person, is_stale
from evalkit.tables import plain
from evalkit.vocabulary import activities, reason
from evalkit.wording import date_words, days, listed, missed_days, number

MARK = "CONFIDENTIAL"
PEER = "peer"
PRIVATE = "Something private. Ask the program lead."
LANGUAGE_NAMES = {"en": "English", "es": "Spanish"}
AWARD_WORDS = {"improved": "was thanked for a personal gain", "good": "was thanked for good attendance",
               "sustained": "was thanked for keeping it going", "streak": "had a long run in school",
               "other": "was thanked for a personal step"}
OUTCOMES = {"connected": "connected", "waitlisted": "on a waiting list", "declined": "the family said not now",
            "no_show": "not reached yet, try again", "not_eligible": "not eligible, look for another",
            "unknown": "not yet known"}
MODES = {"in_person": "in person", "home_visit": "home visit", "phone": "by phone", "text": "by text",
         "email": "by email", "video": "by video", "letter": "by letter"}
MOST, LONGEST = 3, 140
PROMPTS = (
    "What is going well with each student? Name one thing.",
    "What surprised you this month?",
    "What do you worry about? Say it again as what the student may need.",
    "What did the student teach you?",
    "What would you try next time?",
    "What is beyond you alone? Bring it to the team.",
)
REFRAMED = ("An example of saying it again: a mentor is sad that a student of fourteen has no career in mind. "
            "It is good news that the student thinks about careers at all. You are on the right track, both of you.")
KIND_WORDS = ("“Good morning, I am glad you are here.”", "“We missed you. Is everything all right?”",
              "“What would help you get here tomorrow?”", "“You came three days in a row. I noticed.”")
PROMISES = ("Keep sheets in a locked place. Give them back at the end of the year.",
            "Talk about a student only with the family, the program lead and the team.",
            "If you think a child is not safe, tell the program lead at once.")


def sheet_page(study, person: Person, mentor: str, kind: str) -> dict[str, Any]:
    """One student's sheet as a page of `papers.typ`. A trained peer's sheet holds the name and what is strong."""
    name = person.name or f"Student {person.student_id}"
    is_peer = kind == PEER
    left, right = _strengths(person, is_peer), _together() if is_peer else _plan(study, person)
    if not is_peer:
        left += [*_days(person), *_way(study, person), *_help(study, person)]
        right += [*_family(study, person), *_contacts(person)]
    where = " · ".join(part for part in (person.grade, person.school) if part)
    return {"kind": "sheet", "language": "en", "mark": MARK, "title": runs(name), "greeting": [],
            "band": runs(f"**{MARK}.** For mentor {mentor} only. Do not copy. Give it back to the program lead."),
            "head": [runs(where), runs(f"Days counted to {date_words(study.as_of)}")],
            "blocks": [{"kind": "cols", "left": left, "right": right},
                       _rest("Notes: the day, what we tried, what we learned")],
            "foot": runs(f"{study.name}. A sheet is a start for a talk, not a file on a child.{_sample(study)}")}


def _together() -> list[dict[str, Any]]:
    return [_h("What we want to do together"), *_lines("", 3)]


def _strengths(person: Person, is_peer: bool) -> list[dict[str, Any]]:
    found = []
    if person.plan and isinstance(person.plan["strengths"], str):
        found.append(cut_text(person.plan["strengths"]))
    if person.gain is not None and not is_peer:
        before, now = (_days_of(n) for n in person.gain)
        found.append(f"Getting better: missed {now} in the last 20 school days, {before} in the 20 before")
    elif person.recent is not None and person.recent[1] >= 10 and person.recent[0] == 0 and not is_peer:
        found.append("Here every day of the last 10 school days")
    if not is_peer:
        found += [f"This year {AWARD_WORDS.get(award, AWARD_WORDS['other'])}" for award in person.awards]
    head = _h("What is strong")
    if found:
        return [head, _list([text[:1].upper() + text[1:] for text in found[:4]])]
    return [head, *_lines("Ask: what do you like to do? Who do you like to be with?", 2)]


def _days(person: Person) -> list[dict[str, Any]]:
    if person.missed is None:
        return [_h("Days in school"), _p("No school day is counted yet.")]
    year = missed_days(person.missed, person.enrolled) if person.enrolled else f"missed {_days_of(person.missed)}"
    said = [f"**This year: {year}.**"]
    if person.recent is not None and person.recent[1] > 0:
        said.append(f"In the last {number(person.recent[1])} school days: missed {_days_of(person.recent[0])}.")
    if person.days_left is not None and person.days_left >= 0:
        said.append(f"Room left: {_days_of(person.days_left)} more this year keeps it under 10%.")
    return [_h("Days in school"), *(_p(text) for text in said)]


def _way(study, person: Person) -> list[dict[str, Any]]:
    """Known factors; what is sensitive is not written down, in either column."""
    now = [_factor(pattern) for pattern in person.barriers]
    lines = list(dict.fromkeys(now))[:4]
    solved = [label for label in dict.fromkeys(_factor(pattern) for pattern in person.solved) if label != PRIVATE]
    if solved:
        lines.append(f"Solved: {listed([label.lower() for label in solved[:MOST]])}")
    head = _h("What gets in the way, as far as we know")
    return [head, _list(lines)] if lines else [head, _p("Nothing is on file. Ask: what would help?")]


def _factor(pattern: str) -> str:
    known = reason(pattern)
    if known is None:
        return plain(pattern.replace("_", " ")).capitalize()
    return PRIVATE if known.sensitive else known.label_en


def _help(study, person: Person) -> list[dict[str, Any]]:
    names = study.table("resource").set_index("resource_id")["name"].to_dict()
    lines = []
    for row in [row for row in person.referrals if not _is_private(row["pattern"])][-MOST:]:
        name = names.get(row["resource_id"])
        late = pd.notna(row["outcome_date"]) and row["outcome_date"] > study.as_of
        outcome = "unknown" if late or not isinstance(row["outcome"], str) else row["outcome"]
        lines.append(f"{cut_text(name) if isinstance(name, str) else 'A resource'}: {OUTCOMES.get(outcome, outcome)}")
    tried = {row["resource_id"] for row in person.referrals}
    ideas = [row for row in resources_for(study, person) if row["resource_id"] not in tried]
    lines += [f"Could help: {cut_text(row['name'])}" + (f", {cut_text(row['contact'])}" if row["contact"] else "")
              for row in ideas]
    return [_h("Help so far"), _list(lines[:5])] if lines else []


def _is_private(pattern: Any) -> bool:
    known = reason(pattern) if isinstance(pattern, str) else None
    return known is not None and known.sensitive


def _plan(study, person: Person) -> list[dict[str, Any]]:
    """The success plan with its goal in days; lines to make one where there is none."""
    if person.plan is None:
        labels = ("What we build on", "Goal: no more than ___ days missed", "People who can help", "We look again on")
        return [_h("Success plan, to make together"), *(line for label in labels for line in _lines(label, 1))]
    plan, rows = person.plan, []
    until = f" until {date_words(plan['review_on'])}" if pd.notna(plan["review_on"]) else ""
    if pd.notna(plan["goal_days"]):
        rows.append(("Goal", f"No more than {_days_of(plan['goal_days'])} missed{until}"))
    if person.plan_missed is not None:
        since = date_words(plan["made_on"], year=False)
        rows.append(("So far", f"{_days_of(person.plan_missed)} missed since {since}"))
    if isinstance(plan["helpers"], str):
        rows.append(("Helpers", cut_text(plan["helpers"])))
    due = pd.notna(plan["review_on"]) and plan["review_on"] < study.as_of
    note = [_p("The review date has passed: look at the plan together and set a new one.")] if due else []
    return [_h("Success plan"), _facts(rows), *note]


def _family(study, person: Person) -> list[dict[str, Any]]:
    known = person.family
    said = [("Name", known.get("family_contact")), ("Phone", known.get("phone")),
            ("Speaks", _language_name(known.get("home_language")))]
    rows = [(label, cut_text(value)) for label, value in said if isinstance(value, str) and value.strip()]
    head = _h("Family")
    if not rows:
        return [head, *_lines("Name and phone", 2)]
    seen = known.get("last_verified_date")
    is_known = seen is not None and pd.notna(seen)
    checked = "checked since" if is_known and seen > study.as_of else f"checked {date_words(seen)}" if is_known else (
        "never checked")
    return [head, _facts(rows), _p(f"**Ask if this is still right** ({checked})." if is_stale(person, study.as_of)
                                   else f"Up to date ({checked}).")]


def _language_name(value: Any) -> Any:
    return LANGUAGE_NAMES.get(value.strip().casefold(), value) if isinstance(value, str) else value


def _contacts(person: Person) -> list[dict[str, Any]]:
    rows = []
    for label, contact in (("Family", person.outreach), ("Check-in", person.checkin)):
        how = MODES.get(contact["mode"], "") if contact and isinstance(contact["mode"], str) else ""
        said = date_words(contact["date"]) + (f", {how}" if how else "") if contact else "Not on file yet"
        rows.append((label, said))
    return [_h("Last contact"), _facts(rows)]


def packet_cover(study, mentor: str, n_students: int, is_peer: bool) -> dict[str, Any]:
    """The packet's first page: the role's eight parts, and how sheets are kept."""
    role = [runs(f"**{activity.letter}** {activity.label}") for activity in activities()]
    term = study.config.mentor_term.strip()
    who = "A friend" if is_peer else "An adult"
    blocks = [_p(f"Thank you. {who} who is glad to see you is a reason to come to school.", "lead"),
              _h("What you do, all year"), {"kind": "list", "items": role},
              _p("Three contacts a week is the least. A good morning counts."),
              _h("Words that help"), _list(KIND_WORDS), _h("Keep their trust"), _list(PROMISES),
              *_lines("The program lead, and how to reach them", 2), _rest("Notes")]
    students = "1 student" if n_students == 1 else f"{n_students} students"
    return {"kind": "packet", "language": "en", "mark": "", "band": [], "greeting": [], "blocks": blocks,
            "title": runs(f"Welcome, {term[:1].upper()}{term[1:]}"),
            "head": [runs(f"Mentor {mentor}"), runs(students), runs(study.name)], "foot": runs(_sample(study).strip())}


def packet_prompts(study, mentor: str) -> dict[str, Any]:
    """The packet's last page: prompts to reflect on, with room to write."""
    blocks = [_p("Ten quiet minutes before each mentor meeting. Nobody grades this page.", "lead")]
    for number_, text in enumerate(PROMPTS, 1):
        blocks += _lines(f"{number_}. {text}", 3)
    blocks.append({"kind": "wash", "title": runs("Say it again in a kinder way"), "items": [runs(REFRAMED)]})
    return {"kind": "packet", "language": "en", "mark": "", "band": [], "greeting": [], "blocks": blocks,
            "title": runs("Looking back"), "head": [runs(f"Mentor {mentor}"), runs(study.name)],
            "foot": runs(_sample(study).strip())}


def _days_of(n: Any) -> str:
    return "no days" if float(n) == 0 else days(float(n))


def cut_text(text: Any) -> str:
    """Typed text as far as a sheet has room for it."""
    said = " ".join(plain(text).split())
    return said if len(said) <= LONGEST else said[: LONGEST - 1].rsplit(" ", 1)[0] + "…"


def _sample(study) -> str:
    return " Sample: every person in it is made up." if study.config.is_sample else ""


def _rest(label: str) -> dict[str, Any]:
    """Lines to write on down to the foot of the page."""
    return {"kind": "rest", "label": runs(label)}


def _h(text: str) -> dict[str, Any]:
    return {"kind": "h", "text": runs(text)}


def _p(text: str, tone: str = "body") -> dict[str, Any]:
    return {"kind": "p", "text": runs(text), "tone": tone}


def _list(items: Sequence[str]) -> dict[str, Any]:
    return {"kind": "list", "items": [runs(item) for item in items]}


def _facts(rows: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {"kind": "facts", "rows": [[runs(label), runs(value)] for label, value in rows]}


def _lines(label: str, n: int) -> list[dict[str, Any]]:
    return [{"kind": "lines", "label": runs(label), "n": n}]
