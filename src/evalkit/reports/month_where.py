"""Page 3's figures: schools, reasons and weekdays, each drawn from a released table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.programme import (
    wilson,
)
from evalkit.render.blocks import Callout, Column, Figure, Paragraph, Row, Table
from evalkit.reports import month_mentors, month_more, month_patterns, month_schools
from evalkit.reports.gate import Gate, is_whole
from evalkit.reports.month_facts import Facts
from evalkit.reports.month_glance import window_words
from evalkit.reports.month_release import hidden_by_school
from evalkit.reports.rough import shown_columns
from evalkit.wording import (
    count_words,
    date_words,
    listed,
    percent,
    string_table,
)


def pattern_rows(study, facts: Facts, gate: Gate) -> list[Any]:
    """Page 3: schools and reasons, weekdays and what mentors do, help that waits."""
    schools, reasons = schools_figure(study, facts, gate), reasons_figure(study, facts, gate)
    weekdays, doing = weekday_figure(study, facts, gate), month_mentors.fidelity_table(facts, gate)
    top = Row(((schools,), (reasons,)), (8, 4)) if schools is not None else reasons
    rows: list[Any] = [top, Row(((weekdays,), (doing,)), (4, 8))]
    rows += [
        block
        for block in (month_mentors.help_table(study, gate), month_mentors.mentor_note(study, facts, gate))
        if block is not None
    ]
    return rows


def _school_frame(study, facts: Facts, rows: list) -> pd.DataFrame:
    """Grain: school. Share now with Wilson's interval, and last year's share where it is known."""
    before = facts.last_year.get("by_school", {})
    frame = pd.DataFrame([
        {"school": study.school_name(row["school_id"]), "n": row["n_students"], "n_chronic": row["n_chronic"],
         "value": row["n_chronic"] / row["n_students"], "n_before": before.get(row["school_id"], (None, None))[1],
         "n_chronic_before": before.get(row["school_id"], (None, None))[0]} for row in rows])
    frame["before"] = pd.to_numeric(frame["n_chronic_before"]) / pd.to_numeric(frame["n_before"])
    ends = [wilson(n, of) for n, of in zip(frame["n_chronic"], frame["n"], strict=True)]
    return frame.assign(ci_low=[low for low, _ in ends], ci_high=[high for _, high in ends])


def _released_schools(frame: pd.DataFrame, rows: list, facts: Facts, gate: Gate):
    gone = hidden_by_school(facts, gate)
    return gate.table(
        "schools", frame.drop(columns=["before", "n_before", "n_chronic_before"]), keys=("school",),
        counts=("n", "n_chronic"), shares={"value": ("n_chronic", "n")},
        plain={"ci_low": "n_chronic", "ci_high": "n_chronic"},
        also={place: {name if name == "n_chronic" else "n" for name in gone.get(row["school_id"], ())
                      if name in ("n_chronic", "n_students")} for place, row in enumerate(rows)})


def schools_figure(study, facts: Facts, gate: Gate) -> Figure | Table | Paragraph | None:
    """Share missing 10 % or more by school with Wilson's interval, in order of the school's id."""
    rows = [
        row
        for row in facts.measures
        if row["school_id"] is not None and row["n_chronic"] is not None and row["n_students"]
    ]
    if len(rows) < 2:
        return None
    fair = {"daily", "rates"} <= study.can and not study.school
    if len(rows) > month_schools.MANY:
        gone = hidden_by_school(facts, gate)
        return month_schools.schools_table(study, facts, gate, gone) if fair else None
    beside = month_schools.standing_words(study, month_schools.shown_standing(study, gate)) if fair else ""
    frame = _school_frame(study, facts, rows)
    table = _released_schools(frame, rows, facts, gate)
    columns = (
        Column("school", "School"),
        Column("n_chronic", "Missed 10% or more", "integer", "students"),
        Column("n", "All", "integer", "students"),
        Column("value", "Share", "percent1"),
    )
    measure = gate.fixed(f"Share of students who missed 10% or more of days, {date_words(facts.window.end)}")
    title = gate.fixed(_schools_title(frame))
    if not is_whole(table):
        title = gate.fixed("Schools side by side")  # what is hidden is not told by the title either
        return Table(title, measure, table, columns, note=gate.fixed(table.rule), key="schools")
    shown = table.frame.assign(label=table.frame["school"], before=shown_before(frame, gate))
    alt = listed(f"{row.school} {percent(row.value, 1)}" for row in frame.itertuples()) + "."
    return Figure(
        title,
        measure,
        figures.school_dots(shown),
        gate.fixed(alt),
        table,
        columns,
        key="schools",
        note=gate.fixed(" ".join(text for text in (month_more.schools_note(table.frame), beside) if text)),
    )


def shown_before(frame: pd.DataFrame, gate: Gate) -> pd.Series:
    """Last year's share of each school. Outside the team whole percents, and none where one rests on few students: the
    bands table has last year's sum, so a school without a dot would follow from the others."""
    if gate.is_team:
        return frame["before"]
    over, of = (frame[name].astype("Float64") for name in ("n_chronic_before", "n_before"))
    few = over.isna() | (over < gate.rules.min_cell) | (of - over < gate.rules.min_cell)
    return frame["before"].astype("float64").mask(pd.Series(bool(few.any()), index=frame.index)).round(2)


def _schools_title(frame: pd.DataFrame) -> str:
    """Says "lower" or "higher" only of schools whose change since last year has an interval that excludes zero."""
    known = frame[frame["before"].notna()]
    changes = [
        share_change(int(row.n_chronic), int(row.n), int(row.n_chronic_before), int(row.n_before))
        for row in known.itertuples()
    ]
    lower, higher = sum(high < 0 for _, high in changes), sum(low > 0 for low, _ in changes)
    if known.empty or not (lower or higher):
        return "No school is clearly off its share of last year" if len(known) else "Schools side by side"
    parts = [f"{count_words(n)} clearly {way}" for n, way in ((lower, "lower"), (higher, "higher")) if n]
    verb = "is" if lower + higher == 1 else "are"
    return f"Of {count_words(len(known))} schools, {listed(parts).replace(' ', f' {verb} ', 1)} than last year"


def share_change(n: int, of: int, n_before: int, of_before: int) -> tuple[float, float]:
    """95 % interval of the change of a share (Newcombe 1998, method 10: from the two Wilson intervals)."""
    now, before = n / of, n_before / of_before
    (low, high), (low0, high0) = wilson(n, of), wilson(n_before, of_before)
    down = ((now - low) ** 2 + (high0 - before) ** 2) ** 0.5
    up = ((high - now) ** 2 + (before - low0) ** 2) ** 0.5
    return now - before - down, now - before + up


def reasons_figure(study, facts: Facts, gate: Gate) -> Figure | Table | Callout:
    """Known reasons of the window's absences, the largest five."""
    if "reasons" not in study.can:
        return Callout(
            gate.fixed("Reasons are not recorded"),
            (gate.fixed("A pattern in code_table, or barriers in the mentors' log, would switch this on."),),
            tone="caution",
        )
    rows = month_patterns.known_reasons(study, facts.window).head(5)
    if rows.empty:
        return Callout(
            gate.fixed("No reason is known yet"),
            (gate.fixed("Ask what would help, and write it down."),),
            tone="caution",
        )
    n, of = month_patterns.reasons_known(study, facts.window.start, facts.window.end)
    rows = rows.assign(n=[gate.days(n) for n in rows["n"]],
                       share=[gate.day_share(share, 0) for share in rows["share"]])
    table = gate.table(
        "reasons",
        rows[["label", "n_students", "n", "share"]],
        keys=("label",),
        counts=("n_students",),
        plain={"n": "n_students", "share": "n_students"},
        about=() if gate.is_team else ("n_students",),
    )
    columns = (
        Column("label", "Reason"),
        Column("n", "Absences", "integer"),
        Column("n_students", "Students", "integer"),
        Column("share", "Share of known", "percent"),
    )
    shown = table.frame[table.frame["share"].notna()]
    known = gate.text(" ({share:.0%} of all)", share=(n / of, (n, of)), otherwise=" ")
    measure = gate.fixed(f"Known reasons, share of absences with a reason{known.rstrip()}, {window_words(facts)}")
    if shown.empty:
        return Table(gate.fixed("Known reasons"), measure, table, columns, note=gate.fixed(table.rule), key="reasons")
    alt = listed(f"{row.label} {percent(row.share)}" for row in shown.itertuples()) + "."
    first = shown["label"].iloc[0]
    return Figure(
        gate.fixed(f"{first} is named most"),
        measure,
        figures.share_bars(shown),
        gate.fixed(alt),
        table,
        columns,
        key="reasons",
    )


def weekday_figure(study, facts: Facts, gate: Gate) -> Figure | Table | Callout:
    """Share of days missed by weekday, the year so far."""
    if "daily" in study.can and "rates" not in study.can:
        return weekday_counts(study, facts, gate)
    rows = month_patterns.by_weekday(study) if {"daily", "rates"} <= study.can else pd.DataFrame()
    if rows.empty:
        return Callout(
            gate.fixed("Weekdays are not known"),
            (
                gate.fixed(
                    "Dated absences and a calendar (attendance_event, calendar, enrollment) would switch this on."
                ),
            ),
            tone="caution",
        )
    names = string_table("en")["weekdays"]
    rows = rows.assign(day=[names[int(d)] for d in rows["weekday"]])
    title, digits = gate.fixed(weekday_title(rows)), weekday_digits(rows, gate)
    rows = coarse_weekdays(rows, gate)
    days = ["absent_days", *(["enrolled_days"] if gate.is_team else []), "share"]
    table = gate.table(
        "weekdays",
        rows[["day", "n_students", *days]],
        keys=("day",),
        counts=("n_students",),
        plain=dict.fromkeys(days, "n_students"),
        about=() if gate.is_team else ("n_students",),
    )
    columns = shown_columns(
        table,
        Column("day", "Weekday"),
        Column("absent_days", "Days missed", days_kind(rows["absent_days"])),
        Column("enrolled_days", "Days enrolled", days_kind(rows["enrolled_days"]) if gate.is_team else "integer"),
        Column("share", "Share", "percent1" if digits > 2 else "percent"),
    )
    measure = gate.fixed(f"Share of days missed by weekday, school year to {date_words(facts.window.end)}")
    if not is_whole(table):
        title = gate.fixed("Days missed by weekday")
        return Table(title, measure, table, columns, note=gate.fixed(table.rule), key="weekdays")
    strong = [f"{day}s" in title for day in table.frame["day"]] if title.endswith("stand out") else pd.NA
    shown = table.frame.assign(value=table.frame["share"], day=[str(d)[:1] for d in table.frame["day"]], strong=strong)
    alt = listed(f"{row.day} {percent(row.share, digits - 2)}" for row in rows.itertuples()) + "."
    return Figure(
        title,
        measure,
        figures.weekday_dots(shown),
        gate.fixed(alt),
        table,
        columns,
        key="weekdays",
        note=gate.fixed("Every student of these schools, all reasons. Every day is counted, so no interval is drawn."),
    )


def days_kind(days: pd.Series) -> str:
    """How days are written: with one decimal where parts of days were missed (0 days beside 16.7% reads as a fault)."""
    return "integer" if (days.round(6) % 1 == 0).all() else "decimal1"


def weekday_digits(rows: pd.DataFrame, gate: Gate) -> int:
    """Decimals of the weekdays' shares: three, or two where the days are few."""
    return 3 if gate.is_team else min(gate.share_digits(of) for of in rows["enrolled_days"])


def coarse_weekdays(rows: pd.DataFrame, gate: Gate) -> pd.DataFrame:
    """Days by weekday outside the team: from one week to the next one absence of one student would stand out, and
    days enrolled (not shown) would tell who left."""
    if gate.is_team:
        return rows
    return rows.assign(share=rows["share"].astype("float64").round(weekday_digits(rows, gate)),
                       absent_days=[gate.days(value) for value in rows["absent_days"]])


def weekday_counts(study, facts: Facts, gate: Gate) -> Table:
    """Days missed by weekday as counts, where days enrolled are not known."""
    names = string_table("en")["weekdays"]
    rows = month_patterns.counts_by_weekday(study).assign(day=lambda d: [names[int(place)] for place in d["weekday"]])
    table = gate.table(
        "weekdays",
        rows.assign(absent_days=[gate.days(n) for n in rows["absent_days"]])[["day", "n_students", "absent_days"]],
        keys=("day",),
        counts=("n_students",),
        plain={"absent_days": "n_students"},
        about=() if gate.is_team else ("n_students",),
    )
    columns = (
        Column("day", "Weekday"),
        Column("absent_days", "Days missed", days_kind(rows["absent_days"])),
        Column("n_students", "Students", "integer"),
    )
    measure = gate.fixed(f"Days missed by weekday, school year to {date_words(facts.window.end)}. Counts, not shares.")
    return Table(
        gate.fixed("Days missed by weekday"),
        measure,
        table,
        columns,
        key="weekdays",
        note=gate.fixed("Without days enrolled a day with more school days also has more absences."),
    )


def weekday_title(rows: pd.DataFrame) -> str:
    """Names the weekday most days are missed on, only where it stands a tenth above the mean of the week."""
    mean = rows["absent_days"].sum() / rows["enrolled_days"].sum()
    high = rows[rows["share"] >= 1.05 * mean].sort_values("weekday")["day"].tolist()
    if not mean or not high or len(high) > 2:
        return "Weekdays look much alike"
    return f"{listed(f'{day}s' for day in high)} stand out"


def pattern_numbers(study, facts: Facts, gate: Gate) -> dict[str, Any]:
    """results.json `patterns`: shares by weekday and month, reasons known."""
    if not {"daily", "rates"} <= study.can:
        return {"reason": "Dated absences and a calendar would switch patterns on."}
    days, months = month_patterns.by_weekday(study), month_patterns.by_month(study)
    n, of = month_patterns.reasons_known(study, facts.window.start, facts.window.end)
    students = len(facts.now)
    days = coarse_weekdays(days, gate) if len(days) else days
    shares = {f"weekday_{int(row.weekday)}": (row.share, row.n_students) for row in days.itertuples()}
    shares |= {f"month_{row.month}": (gate.day_share(row.share, row.enrolled_days), students)
               for row in months.itertuples()}
    return gate.numbers("patterns", **shares, reasons_known=(gate.days(n), (n, of)), absences=(gate.days(of), of))
