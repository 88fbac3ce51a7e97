"""The agenda of the attendance team's meeting, with the standing report of the program lead. No student is named."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from evalkit.programme import escalations, fidelity
from evalkit.render.blocks import BulletList, Callout, Column, CountList, FormLines, Paragraph, Row, Section, Table
from evalkit.reports import month_actions
from evalkit.reports.month_lists import LISTS, review_lists
from evalkit.reports.month_patterns import theme_words
from evalkit.reports.month_windows import Window, review_window
from evalkit.reports.params import Params, make_context
from evalkit.wording import date_words, month_words, number, plural, say

TITLE = "Meeting agenda"
LIST_WORDS = {
    "celebrate": "to celebrate", "watch": "to watch", "decide": "to decide on: steady mentoring, no gain yet",
    "reach_out_first": "to reach out to first", "no_family_contact": "whose family the mentor has not met yet",
    "escalations": "for whom a mentor asked for help", "newly_flagged": "newly flagged",
    "crossed_10": "who reached 10% of days missed",
}
STEPS = ("Good news first: who to celebrate, and how (5 minutes)", "The program lead reports (10 minutes)",
         "What the numbers say (5 minutes)", "The lists: one next step for each student (15 minutes)",
         "Last month's actions: done, open, dropped (5 minutes)", "Decide: who does what by when (5 minutes)")


@dataclass(frozen=True)
class Moment:
    """The part of a review's facts that the action table asks for."""

    window: Window


def agenda(study, *, month: str = "") -> list[Section]:
    """The agenda as sections of an ordinary page: steps, the lead's block, lists in counts, actions, next actions."""
    params = Params(study=study.folder.name, month=month, school=study.school)
    context = make_context(study, params, TITLE)
    moment = Moment(review_window(study))
    place = study.school_name(study.school) if study.school else study.name
    title = f"Attendance team, {place}: {month_words(study.as_of, year=True)}"
    blank = FormLines("", ("Day, time, place", "Who is here", "Who writes"))
    top = Row(((BulletList("Steps", STEPS, "numbers"),), (blank,)), (7, 5))
    opening = Section(context, "opening", title, (top, *lead_block(study, moment.window)), is_opening=True,
                      lead="Every name on the lists is a child who is missed. Talk about what would help.")
    lists = Section(context, "lists", "The lists, in counts", (_lists(study, moment.window),))
    actions = Section(context, "actions", "Actions", (
        month_actions.actions_table(study, moment), month_actions.next_actions(),  # type: ignore[arg-type]
        month_actions.questions()))
    return [opening, lists, actions]


def lead_block(study, window: Window) -> list:
    """What the program lead reports each time: the role in numbers, open calls for help, three themes (R42)."""
    head = f"{date_words(window.start, year=False)} to {date_words(window.end)}"
    rows = [{"what": say(f"element.{e.code}"), "n": e.n, "of": e.of, "counted": say(f"element_counted.{e.code}")}
            for e in fidelity(study, start=window.start, end=window.end) if e.of]
    if not rows:
        return [Callout("The program lead reports", ("No mentor's work is on file for this month.",), tone="caution")]
    frame = pd.DataFrame(rows).astype({"n": "Int64", "of": "Int64"})
    columns = (Column("what", "What mentors did"), Column("n", "Done", "integer"), Column("of", "Of", "integer"),
               Column("counted", "Counted"))
    return [Table("The program lead reports", head, frame, columns), *_open(study, window)]


def _open(study, window: Window) -> list:
    n = escalations(study, window.start, window.end)["student_id"].nunique()
    said = study.table("insight")
    said = said[(said["date"] >= window.start) & (said["date"] <= window.end)]
    counts = said["theme"].dropna().value_counts().rename_axis("theme").reset_index(name="n")
    counts = counts.sort_values(["n", "theme"], ascending=[False, True]).head(3)
    themes = tuple(f"{theme_words(row.theme)}: {plural(row.n, 'note')}"
                   for row in counts.itertuples())
    help_ = f"Mentors asked the team for help with {plural(n, 'student')} this month."
    return [Paragraph(help_), *([BulletList("Three themes from notes", themes)] if themes else [])]


def _lists(study, window: Window) -> CountList | Paragraph:
    found = review_lists(study, window)
    items = tuple((number(len(found[name])), f"{'student' if len(found[name]) == 1 else 'students'} {LIST_WORDS[name]}")
                  for name in LISTS if len(found[name]))
    if not items:
        return Paragraph("Nobody is on a list this month, or dated absences are not on file.")
    return CountList("", items)
