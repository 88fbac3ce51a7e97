"""Page 4 of the review: last month's actions, what works, plan changes, questions, and lines to write on."""

from __future__ import annotations

import pandas as pd

from evalkit.render.blocks import BulletList, Column, FormLines, FormTable, Heading, Paragraph, Quote, Row, Table
from evalkit.reports.month_facts import Facts
from evalkit.reports.month_patterns import theme_words
from evalkit.reports.month_proposals import work_words
from evalkit.wording import date_words, number, plural, say

QUESTIONS = (
    "What are we proud of this month?",
    "Which groups of students face more barriers, in percent and in numbers?",
    "Is what we record right? What is missing?",
    "Which list will move most if we act on one thing?",
    "What will we change, by whom, by when?",
)
WORKS = {"works_well": "What works well", "works_less": "What works less well", "could_do": "What we could do"}
MOST = 5


def actions(study, facts: Facts) -> pd.DataFrame:
    """Actions decided by as_of that were open at the last review or since. Grain: action_id. status is as of as_of."""
    table = study.table("action")
    table = table[table["decided_on"].isna() | (table["decided_on"] <= study.as_of)]
    table = table.drop_duplicates("action_id", keep="last").copy()
    closed = table["closed_on"].notna() & (table["closed_on"] <= study.as_of)
    undated = table["closed_on"].isna() & table["status"].isin(["done", "dropped"])
    table["state"] = table["status"].where(closed | undated, "open").fillna("open")
    since = facts.window.before if facts.window.before is not None else facts.window.start
    recent = (table["state"] == "open") | (table["closed_on"] > since) | (table["decided_on"] > since)
    return (
        table[recent]
        .sort_values(["state", "due_on", "action_id"], ascending=[False, True, True])
        .reset_index(drop=True)
    )


def actions_table(study, facts: Facts) -> Table | Paragraph:
    """Last month's actions, open ones first; a sentence when there is none."""
    table = actions(study, facts)
    if table.empty:
        return Paragraph(
            "No actions are on file yet. Write the next ones below; the notes file keeps them for next month."
        )
    done = int((table["state"] == "done").sum())
    shown = pd.DataFrame(
        {
            "what": table["what"],
            "owner": table["owner"],
            "due_on": table["due_on"],
            "state": table["state"].map({"open": "Open", "done": "Done", "dropped": "Dropped"}),
            "closed_on": table["closed_on"].where(table["closed_on"] <= study.as_of),
        }
    )
    columns = (
        Column("what", "Action"),
        Column("owner", "Owner"),
        Column("due_on", "Due", "date"),
        Column("state", "Status", "status"),
        Column("closed_on", "Closed", "date"),
    )
    n = len(table)
    return Table(
        title=_done_title(done, n),
        measure="Open since the last review, or closed since then.",
        data=shown,
        columns=columns,
        most_rows=6,
        key="actions",
        note="" if n <= 6 else f"Shown: 6 of {n}.",
    )


def _done_title(done: int, n: int) -> str:
    if n > 1 and done == n:
        return f"All {number(n)} actions are done"
    if n == 1:
        return f"One action is on file: {'done' if done else 'open'}"
    if not done:
        return f"{plural(n, 'action is', 'actions are')} open"
    return f"{number(done)} of {number(n)} actions {'is' if done == 1 else 'are'} done"


def works(study, facts: Facts) -> Row:
    """Three columns: what works, works less, could do; from coded insights and the month's data, with lines to add."""
    table = _insights(study, facts)
    seen, cells = work_words(study, facts.elements, facts.elements_before), []
    for code, title in WORKS.items():
        themes = (*_themes(table[table["works"] == code]), *seen[code])[:4]
        block = BulletList(title, themes, "bullets") if themes else Heading(title)
        cells.append((block, FormLines("", ("", ""))))
    return Row(tuple(cells), (4, 4, 4))


def _insights(study, facts: Facts) -> pd.DataFrame:
    table = study.table("insight")
    since = facts.window.before if facts.window.before is not None else facts.window.start
    return table[table["date"].notna() & (table["date"] <= study.as_of) & (table["date"] > since)]


def _themes(table: pd.DataFrame) -> tuple[str, ...]:
    counts = table["theme"].dropna().value_counts()
    counts = counts.rename_axis("theme").reset_index(name="n").sort_values(["n", "theme"], ascending=[False, True])
    return tuple(
        f"{theme_words(theme)} ({n})"
        for theme, n in zip(counts["theme"], counts["n"], strict=True)
    )[:3]


def quotes(study, facts: Facts, most: int = 2) -> tuple[Quote, ...]:
    """Quotes with consent from the window, by role only."""
    from evalkit.disclosure import plain_text

    table = _insights(study, facts)
    table = table[table["quote_consent"].eq("yes").fillna(False) & table["quote"].notna()].sort_values(
        ["date", "insight_id"]
    )
    return tuple(
        Quote(plain_text(row.quote), say(f"role.{row.source_role if isinstance(row.source_role, str) else 'other'}"))
        for row in table.head(most).itertuples()
    )


def voices(study, facts: Facts) -> BulletList | None:
    """Who said what how often: counts by role and theme."""
    table = _insights(study, facts).dropna(subset=["source_role", "theme"])
    if table.empty:
        return None
    counts = table.groupby(["source_role", "theme"]).size().rename("n").reset_index()
    counts = counts.sort_values(["n", "source_role", "theme"], ascending=[False, True, True]).head(3)
    roles = table["source_role"].value_counts()
    lines = tuple(
        f"{say(f'role.{row.source_role}')}, {row.n} of {roles[row.source_role]} notes: "
        f"{theme_words(row.theme)[:1].lower()}{theme_words(row.theme)[1:]}"
        for row in counts.itertuples()
    )
    return BulletList("Insights since the last review", lines)


def plan_changes(study) -> BulletList | None:
    """What the programme changed this year, newest first, with the date to look back."""
    table = study.table("plan_change")
    table = table[table["changed_on"].notna() & (table["changed_on"] <= study.as_of)]
    table = table[table["changed_on"] >= pd.Timestamp(study.school_year - 1, 7, 1)].sort_values(
        "changed_on", ascending=False
    )
    if table.empty:
        return None
    lines = [
        f"{date_words(row.changed_on)}: {str(row.what).rstrip('.')}."
        + (f" Look back on {date_words(row.check_back_on, year=False)}." if pd.notna(row.check_back_on) else "")
        for row in table.head(3).itertuples()
    ]
    return BulletList("Plan changes this year", tuple(lines))


def next_actions() -> FormTable:
    return FormTable("Next actions", ("Action", "Owner", "Due", "We will know it worked when"), 4)


def questions() -> BulletList:
    return BulletList("Questions for the meeting", QUESTIONS, "numbers")
