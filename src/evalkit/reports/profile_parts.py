"""The blocks of the program's profile: the program in numbers, who mentors are, years, and messages by audience."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.measures import is_chronic, recent_window
from evalkit.panel import has_days, student_panel
from evalkit.programme import active_assignments, assignments, book_of, caseloads
from evalkit.render.blocks import BulletList, Callout, Column, Paragraph, Table, Tile, Tiles
from evalkit.reports.gate import Gate
from evalkit.reports.month_facts import measure_rows
from evalkit.vocabulary import activities
from evalkit.wording import plural, say

ROUNDED = "Numbers of students are rounded to 10."
NO_NAMES = "No student is named on this page, in any copy."


def counts(study) -> dict[str, int]:
    """What the profile counts today. n_students: with a mentor; n_mentors: with a student; n_places: open; n_waiting:
    missed 10 % or more so far and no mentor; n_ever: students with a mentor this year; n_schools: with one of them."""
    active = active_assignments(study)
    mentors = study.table("mentor")
    loads = caseloads(study) if len(mentors) else pd.DataFrame({"n_open": pd.Series(dtype="int64")})
    here = mentors.loc[mentors["mentor_id"].isin(active["mentor_id"])]
    return {"n_students": active["student_id"].nunique(), "n_mentors": active["mentor_id"].nunique(),
            "n_places": int(loads["n_open"].sum()), "n_waiting": len(waiting(study)),
            "n_ever": assignments(study)["student_id"].nunique(), "n_schools": here["school_id"].nunique(),
            "n_partners": here["organization_id"].dropna().nunique()}


def waiting(study) -> pd.DataFrame:
    """Students on the roll who missed 10 % or more so far and have no mentor. Grain: student_id."""
    if "rates" not in study.can:
        return pd.DataFrame({"student_id": pd.Series(dtype="str")})
    book = book_of(study) if has_days(study) else None
    year = student_panel(study, book=book)
    if has_days(study):
        year = year[year["student_id"].isin(recent_window(study, days=1, book=book)["student_id"])]
    over = is_chronic(year, rules=study.rules).eq(True).fillna(False)
    free = ~year["student_id"].isin(active_assignments(study)["student_id"])
    return year[over & free].reset_index(drop=True)


def told_on(study, found: dict[str, int], gate: Gate) -> dict[str, int | None]:
    """Key of `counts` -> the students it may be told on (0 hides it; None: it is not about students).

    Those with a mentor today are a part of those of the year, and those who wait a part of all who missed 10 % or more
    (the month's review shows them): where few are left over, the part is hidden.
    """
    told: dict[str, int | None] = {"n_ever": found["n_ever"], "n_waiting": found["n_waiting"],
                                   "n_students": gate.beside(found["n_students"], found["n_ever"])}
    if not gate.is_team and "rates" in study.can:
        told["n_waiting"] = gate.beside(found["n_waiting"], int(measure_rows(study)[-1]["n_chronic"] or 0), exact=True)
    return told


def opening(study, found: dict[str, int], gate: Gate) -> tuple[str, str]:
    """Title and lead: who we are, in two sentences."""
    term, n, told = study.config.mentor_term, found["n_students"], told_on(study, found, gate)["n_students"]
    about = "" if gate.is_team else "About "
    have = "student has" if n == 1 else "students have"
    title = gate.text("{about}{n:,} {have} a {term} today", n=(n, told),
                      words={"term": term, "about": about, "have": have},
                      otherwise=f"Our {term}s: someone is glad you came")
    where = f" at {plural(found['n_schools'], 'school')}" if found["n_schools"] else ""
    lead = gate.fixed(f"A {term} greets a student at the door, calls when the student is out, and helps the family "
                      f"find support{where}. Students are matched because they missed many days, never as a reward.")
    return title, lead


def tiles(study, found: dict[str, int], gate: Gate) -> Tiles:
    """The program in four numbers."""
    rows = (("Students with a mentor", "n_students", "today"), ("Mentors", "n_mentors", "with a student now"),
            ("Open places", "n_places", "a student could start tomorrow"),
            ("Students to reach", "n_waiting", "missed 10% or more, no mentor yet"))
    told = told_on(study, found, gate)
    return Tiles(tuple(Tile(gate.fixed(label), gate.text("{n:,}", n=(found[key], told.get(key))), gate.fixed(note))
                       for label, key, note in rows))


def role(gate: Gate) -> BulletList:
    """What a mentor does, the eight parts of the role."""
    labels = tuple(gate.fixed(item.label) for item in activities())
    return BulletList(gate.fixed("What a mentor does"), labels, "bullets")


def mentor_table(study, gate: Gate) -> Table | Callout:
    """Who the mentors are: mentors and students by kind."""
    title = gate.fixed("Who the mentors are")
    if not {"mentor", "assignment"} <= study.can:
        return Callout(title, (gate.fixed("The tables mentor and assignment would switch this on."),), tone="caution")
    kinds = study.table("mentor").drop_duplicates("mentor_id").set_index("mentor_id")["mentor_type"]
    rows = active_assignments(study)
    rows = rows.assign(kind=rows["mentor_id"].map(kinds).fillna("other"))
    table = rows.groupby("kind").agg(mentors=("mentor_id", "nunique"), n_students=("student_id", "nunique"))
    table = table.reset_index().assign(kind=lambda t: [say(f"mentor_type.{kind}") for kind in t["kind"]])
    released = gate.parts("mentor_types", table, keys=("kind",), whole={"n_students": rows["student_id"].nunique()},
                          plain={"mentors": "n_students"})
    if not released.frame["n_students"].notna().any():
        return Callout(title, (gate.fixed("Too few students in each kind to show how many each stands by."),),
                       tone="answer")
    columns = (Column("kind", "Kind"), Column("mentors", "Mentors", "integer"),
               Column("n_students", "Students", "integer"))
    return Table(title, gate.fixed("Pairings in force today"), released, columns, key="mentor_types",
                 note=gate.fixed("" if gate.is_team else released.rule))


def partners(study, gate: Gate) -> BulletList | Paragraph:
    """Organizations that said yes to be named, and those the team names in study.toml ([brief] partner_names)."""
    table = study.table("organization")
    agreed = table.loc[table["thank_consent"].eq("yes").fillna(False), "name"].dropna()
    names = sorted({*agreed, *study.config.brief.get("partner_names", ())})
    if not names:
        return Paragraph(gate.fixed("Partners are named here once they say yes (organization.thank_consent)."), "note")
    return BulletList(gate.fixed("With us"), tuple(gate.fixed(name) for name in names[:8]), "bullets")


def honest(study, gate: Gate) -> Callout:
    """What this page does not say: whether it helps. Then whom to ask, and who pays ([brief] contact, funder)."""
    contact, funder = (study.config.brief.get(key, "") for key in ("contact", "funder"))
    lines = ("This page says what we do and for whom. Whether it helps is asked each month in the review, and in the "
             "impact study, beside similar students.",
             f"Questions: {contact}" if contact else "Questions: ask the school office for the program lead.",
             *((f"Funded by {funder if isinstance(funder, str) else ', '.join(funder)}.",) if funder else ()))
    return Callout(gate.fixed("Does it help?"), tuple(map(gate.fixed, lines)), tone="answer")


def messages_table(study, found: dict[str, int], gate: Gate) -> Table:
    """What to say to whom, and what to ask for: a row per audience."""
    term = study.config.mentor_term
    told = told_on(study, found, gate)["n_waiting"]
    rows = [{"who": who, "message": message, "ask": ask} for who, message, ask in _messages(term, found, told, gate)]
    table = gate.table("messages", pd.DataFrame(rows), keys=("who", "message", "ask"))
    columns = (Column("who", "For"), Column("message", "Say"), Column("ask", "Ask"))
    measure = gate.fixed("Short enough for a poster, a text or a meeting")
    return Table(gate.fixed("Messages and asks, by audience"), measure, table, columns, key="messages",
                 note=gate.fixed("Change the words to yours; keep them kind."))


def _messages(term: str, found: dict[str, int], told: int | None, gate: Gate) -> list[tuple[str, str, str]]:
    places, n = found["n_places"], found["n_waiting"]
    to_reach = gate.text("{n:,} students could still be matched.", n=(n, told),
                         otherwise="Some students could still be matched.")
    open_now = (f"{plural(places, 'place is', 'places are')} open now." if places else
                "All places are taken: more mentors are needed." if found["n_mentors"] else
                "The first mentors are needed.")
    return [
        ("Students", "We are glad when you are here, and we notice when you are not.",
         "Tell one adult what would help you get here."),
        ("Families", "Two days missed a month add up to 18 a year, for any reason. You know your child best.",
         "Call us when a day is hard. Ask for the sheet of people who can help."),
        ("Mentors", "A good morning counts. Three short hellos a week beat one long talk.",
         "Log each contact. Bring what is beyond you to the team."),
        ("School staff", f"Attendance is everyone's. {to_reach}",
         f"Be a {term} for one or two students. {open_now}"),
        ("Partners", "You reach what a school cannot: health, rides, food, work, a room to be in.",
         "Tell us your open places each month, and who to call."),
        ("School board and district",
         "A school cannot teach a child who is not there. Missing 10% is the line to watch.",
         "Put attendance beside reading in each plan. Pay for a coordinator at each site."),
        ("Neighbors and local business", "A child on the street at ten is a child someone misses.",
         "Say good morning. Offer a ride, a coat, an hour."),
    ]


def message_words(study, found: dict[str, int], gate: Gate) -> list[str]:
    """Every sentence of the table, for tests of words."""
    told = told_on(study, found, gate)["n_waiting"]
    return [text for row in _messages(study.config.mentor_term, found, told, gate) for text in row]


def numbers(study, found: dict[str, int], gate: Gate) -> dict[str, Any]:
    """results.json `profile`."""
    told = told_on(study, found, gate)
    return {"profile": gate.numbers("profile", **{key: (n, told.get(key)) for key, n in found.items()})}


__all__ = ["NO_NAMES", "counts", "honest", "mentor_table", "message_words", "messages_table", "numbers",
           "opening", "partners", "role", "tiles", "waiting"]
