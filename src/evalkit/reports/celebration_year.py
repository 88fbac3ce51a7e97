"""What changed beside similar students, what we learned, and what next year needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from evalkit import figures
from evalkit.disclosure.free_text import People
from evalkit.disclosure.ladder import LadderShare
from evalkit.disclosure.types import HIDDEN, Released, ReleasedNumbers
from evalkit.render.blocks import (
    BulletList,
    Callout,
    Column,
    Figure,
    FormLines,
    Row,
    Table,
)
from evalkit.reports import celebration_facts as facts
from evalkit.reports.gate import Gate, is_whole
from evalkit.reports.impact_line import Impact
from evalkit.reports.month_patterns import reason_label, theme_words
from evalkit.wording import date_words, grade_words, listed, number

ROUNDED = "Numbers of students are rounded to 10."
ENDS = {"under": "under 10%", "moderate": "10–20%", "severe": "20% or more"}
FLOWS_TITLE = "Where students who missed 10% or more last year are now"
FLOWS_NOTE = "Many students do better after a hard year, with or without a mentor. That is why both groups are shown."


def flows_figure(study, impact: Impact, gate: Gate) -> Figure | Table | Callout:
    """Bands last year and this year, of students over 10 % last year: with a mentor beside similar ones."""
    pairs = (impact.details or {}).get("students")
    if pairs is None or "prior_year" not in study.can:
        why = ("Shown only beside similar students, because many students do better after a hard year, with or without "
               "a mentor. A comparison and last year's days (prior_year) would switch this on.")
        return Callout(gate.fixed(FLOWS_TITLE), (gate.fixed(why),), tone="caution")
    rows = _flow_rows(study, pairs)
    if rows.empty:
        why = "No student who is compared missed 10% or more last year."
        return Callout(gate.fixed(FLOWS_TITLE), (gate.fixed(why),), tone="caution")
    keys = ("panel", "source", "target")
    table = _released_flows(rows, keys, gate)
    if not is_whole(table):
        return _ends_table(rows, gate, FLOWS_TITLE, FLOWS_NOTE)
    under = rows[rows["to_band"] == "under"].groupby("panel")["share"].sum()
    alt = " ".join(f"{name}: {number(100 * share)}% now under 10%." for name, share in under.items())
    columns = (Column("panel", "Group"), Column("source", "Last year"), Column("target", "This year"),
               Column("n_students", "Students", "integer"), Column("share", "Share", "percent"))
    measure = "Students who missed 10% or more of days last year, and the share they missed this year"
    named = [f"{row.panel} ({number(gate.about(row.n))} students)" for row in rows.itertuples()]
    drawing = figures.flow_bands(table.frame.assign(panel=named), strong=(ENDS["under"],))
    return Figure(gate.fixed(FLOWS_TITLE), gate.fixed(measure), drawing, gate.fixed(alt), table, columns,
                  note=gate.fixed(FLOWS_NOTE), key="flows")


def _flow_rows(study, pairs) -> pd.DataFrame:
    """Both groups' flows with their shares. Grain: panel x from_band x to_band."""
    arms = (("treated", "With a mentor"), ("comparison", "Similar, no mentor"))
    rows = pd.concat([facts.year_flows(study, pairs[arm]).assign(panel=name) for arm, name in arms])
    rows = rows.assign(source=rows["from_band"].map(ENDS), target=rows["to_band"].map(ENDS),
                       order=rows["to_band"].map({name: place for place, name in enumerate(ENDS)}))
    rows = rows.sort_values(["panel", "order", "from_band"], ascending=[False, True, True]).reset_index(drop=True)
    total = rows.groupby("panel")["n_students"].transform("sum")
    return rows.assign(n=total, share=rows["n_students"] / total)


def _released_flows(rows: pd.DataFrame, keys: Sequence[str], gate: Gate) -> Released:
    """Flows as this copy may show them: for others to the nearest ten and in whole percents, for the impact study and
    the review count nearly the same students; each group's flows are protected with all of the group."""
    if gate.is_team:
        return gate.table("flows", rows[[*keys, "n_students", "n", "share"]], keys=keys, counts=("n_students", "n"),
                          shares={"share": ("n_students", "n")})
    rows = rows.reset_index(drop=True)
    few = {row: ("share",) for row, (share, n) in enumerate(zip(rows["share"], rows["n"], strict=True))
           if gate.audience == "public" and not LadderShare(share, int(n), min_cell=gate.rules.min_cell).is_exact}
    frame = rows.assign(share=rows["share"].round(2))[[*keys, "n_students", "share"]]
    return gate.exact.parts("flows", frame, keys=keys, by="panel", plain={"share": "n_students"}, also=few,
                            whole={"n_students": dict(zip(rows["panel"], rows["n"], strict=True))},
                            about=("n_students",))


def _ends_table(rows: pd.DataFrame, gate: Gate, title: str, note: str) -> Table | Callout:
    """Where a flow is too small to show: only where each group ends, in the same release for nothing else."""
    ends = (
        rows.groupby(["panel", "target", "order", "n"], as_index=False)["n_students"]
        .sum()
        .sort_values(["panel", "order"], ascending=[False, True])
    )
    ends = ends.assign(share=ends["n_students"] / ends["n"]).reset_index(drop=True)
    table = _released_flows(ends, ("panel", "target"), gate)
    if not table.frame["share"].notna().any():
        return Callout(gate.fixed(title), (gate.fixed("Too few students to show where each group is now."),),
                       tone="caution")
    columns = (
        Column("panel", "Group"),
        Column("target", "Missed this year"),
        Column("n_students", "Students", "integer"),
        Column("share", "Share", "percent"),
    )
    return Table(
        gate.fixed(title),
        gate.fixed("Students who missed 10% or more of days last year, by the share they missed this year"),
        table,
        columns,
        note=gate.fixed(note if is_whole(table) else f"{note} {table.rule}"),
        key="flows",
    )


def good_news(study, gate: Gate) -> Callout | None:
    """The share of all students over 10 %, this year and last, and that we cannot say why it moved."""
    from evalkit.measures import is_chronic, prior_rates

    year, prior = facts.banded(study), prior_rates(study)
    if year.empty or prior.empty:
        return None
    n, of = int(year["is_chronic"].eq(True).sum()), len(year)
    n0, of0 = int(is_chronic(prior, rules=study.rules).eq(True).sum()), len(prior)
    better = n / of < n0 / of0
    text = gate.exact.text(
        "**{now:.0%}** of students missed 10% or more of days so far this year. Over the whole of "
        "last year it was **{before:.0%}**. We cannot say why. Thank you to every "
        "family and every classroom.",
        now=(n / of, (n, of)),
        before=(n0 / of0, (n0, of0)),
    )
    if HIDDEN in text:
        return None
    return Callout(
        gate.fixed("Good news for all students" if better else "All students together"), (text,), tone="thanks"
    )


def learned(study, gate: Gate) -> Row:
    """What we learned, what we will change, how you can help."""
    table = study.table("insight")
    table = table[table["date"].notna() & (table["date"] <= study.as_of)]
    if not gate.is_team:
        people = People(study)
        table = table.loc[[not people.in_code(str(theme)) for theme in table["theme"]]]
    worked = _top(table[table["works"] == "works_well"], "What works well, we were told: ") + _top(
        table[table["works"] == "works_less"], "What works less well: "
    )
    changes = study.table("plan_change")
    changes = changes[changes["changed_on"].notna() & (changes["changed_on"] <= study.as_of)].sort_values("changed_on")
    will = [f"Keep: {what[:1].lower()}{what[1:]}." for what in changes["what"].dropna().astype(str)][:3]
    if will and not gate.is_team:  # what a person typed never leaves
        days = listed(date_words(day, year=False) for day in changes.dropna(subset=["what"])["changed_on"].head(3))
        will = [f"Keep what we changed on {days}."]
    will += _top(table[table["works"] == "could_do"], "Try what people asked for: ")
    return Row(
        (
            (_or_lines("What we learned", worked[:3], gate),),
            (_or_lines("What we will change", will[:3], gate),),
            (_asks(study, gate),),
        ),
        (4, 4, 4),
    )


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]


def _top(table: pd.DataFrame, before: str) -> list[str]:
    counts = (
        table["theme"]
        .dropna()
        .value_counts()
        .rename_axis("theme")
        .reset_index(name="n")
        .sort_values(["n", "theme"], ascending=[False, True])
    )
    named = listed(_lower(theme_words(theme)) for theme in counts["theme"].head(3))
    return [f"{before}{named}."] if named else []


def _or_lines(title: str, items: list[str], gate: Gate) -> BulletList | FormLines:
    return (
        BulletList(gate.fixed(title), tuple(map(gate.fixed, items)), "bullets")
        if items
        else FormLines(gate.fixed(title), (gate.fixed(""),) * 3)
    )


def _asks(study, gate: Gate) -> BulletList:
    asks = [gate.fixed("**Be a mentor:** 15 minutes a day, three days a week.")]
    needs = facts.waiting_needs(study) if "referral" in study.can else pd.DataFrame()
    if len(needs):
        row = needs.iloc[0]
        asks.append(
            gate.text(
                "**Help with {need}:** {n:,} students still wait.",
                words={"need": reason_label(row["pattern"]).lower()},
                n=(int(row["n_students"]), int(row["n_students"])),
                otherwise=f"**Help with {reason_label(row['pattern']).lower()}:** some students still wait.",
            )
        )
    asks.append(gate.fixed("**Tell a neighbor:** two days missed a month add up to 18 a year."))
    return BulletList(gate.fixed("How you can help"), tuple(asks), "bullets")


def transitions(rising: Mapping[str, int], gate: Gate) -> Any:
    """results.json `n_into_transition`: students by the grade they move up into, protected with their sum."""
    if gate.is_team:
        return gate.numbers("transition", **{f"grade_{grade}": (n, n) for grade, n in rising.items()})
    frame = pd.DataFrame({"grade": list(rising), "n": list(rising.values())}).astype({"grade": "str", "n": "int64"})
    rows = gate.parts("transition", frame, keys=("grade",), whole={"n": sum(rising.values())}).numbers["rows"]
    return ReleasedNumbers({f"grade_{row['grade']}": row["n"] for row in rows})


def _rows_ahead(ahead: dict[str, Any], released: Mapping[str, Any], gate: Gate) -> list[tuple[str, Any, Any, str]]:
    """(what, n, of, how we know): as counted for the team, as released for others."""
    told = ahead if gate.is_team else released
    rows = [("May need support", told["n_may_need_support"], told["n_returning"],
             "Missed 10% or more this year and stay, if next year is like this one")]
    if "n_mentored" in ahead:
        rows += [("Mentored, returning", told["n_mentored_returning"], told["n_mentored"],
                  "Matched today, not in grade 12"),
                 ("Mentors today", told["n_mentors"], None, "With a student now; ask each about next year"),
                 ("Places in the plan", told["n_places"], None, "Most students per mentor, added up")]
    if ahead["n_into_transition"]:
        grades = listed((grade_words(grade) for grade in ahead["n_into_transition"]), "or")
        n_rising: int | None = sum(ahead["n_into_transition"].values())
        if not gate.is_team:
            n_rising = gate.numbers("rising", n=(n_rising, n_rising))["n"]
        rows.append((f"Moving up into {grades}", n_rising, None, "A new start to plan for"))
    return rows


def next_year_table(ahead: dict[str, Any], released: Mapping[str, Any], gate: Gate, school_year: int) -> Table:
    """The forecast in four rows, each with how we know. released: results.json `next_year`, which it agrees with."""
    n = ahead["n_may_need_support"]
    frame = pd.DataFrame(_rows_ahead(ahead, released, gate), columns=["what", "n", "of", "how"])
    frame = frame.astype({"n": "Int64", "of": "Int64"})
    also = {} if gate.is_team else {row: ("n",) for row in np.flatnonzero(frame["n"].isna()).tolist()}
    table = gate.exact.table("next_year", frame, keys=("what", "how"), counts=("n", "of"), also=also)
    places = ahead.get("n_places")
    title = (
        "More students may need a mentor than we have places"
        if places is not None and n > places
        else "What we know about next year"
    )
    return Table(
        gate.fixed(title),
        gate.fixed(f"Forecast for {school_year}–{str(school_year + 1)[2:]}"),
        table,
        (Column("what", "Next year"), Column("n", "Number", "integer"), Column("how", "How we know")),
        note=gate.fixed("" if gate.is_team else f"{table.rule} {ROUNDED}"),
        key="next_year",
    )
