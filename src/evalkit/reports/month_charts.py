"""Page 1's figures and released numbers, each drawn from a released table: what is hidden is not drawn."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.measures import BANDS
from evalkit.panel import student_panel
from evalkit.programme import book_of, year_days
from evalkit.render.blocks import Callout, Column, Figure, Table
from evalkit.reports.gate import Gate, is_whole
from evalkit.reports.month_facts import NO_DENOMINATOR, Facts
from evalkit.reports.month_release import band_rows, released_bands
from evalkit.wording import (
    date_words,
    listed,
    number,
    percent,
    say,
    share_title,
)


def released_impact(facts: Facts, gate: Gate) -> dict[str, Any]:
    """results.json `impact_to_date`: the verdict; values only where both arms are large enough.

    For others numbers of students are to the nearest ten: a look in one copy is an earlier look in the next, and two
    looks differ by a few students.
    """
    found = facts.impact.to_dict()
    look = facts.impact.now
    if gate.is_team or look is None:
        return found
    arms = [look.n_treated, look.n_comparison]
    return gate.numbers(
        "impact",
        verdict=(look.verdict, None),
        gain_days=(look.value, arms),
        ci_low=(look.low, arms),
        ci_high=(look.high, arms),
        n_treated=(gate.about(look.n_treated), look.n_treated),
        n_comparison=(gate.about(look.n_comparison), look.n_comparison),
    ) | {"unit": found["unit"]}


def day_label(study, on: pd.Timestamp) -> str:
    """ "day 96" where every school stands on the same school day, else the date alone."""
    days = year_days(study)
    numbers = days[days["date"] <= on].groupby("school_id")["day_number"].max().unique()
    return f", day {numbers[0]}" if len(numbers) == 1 else ""


def days_missed_table(study, gate: Gate) -> Table:
    """Where days enrolled are not known: students by days missed, counts only. Grain: days missed, in bins."""
    days = student_panel(study, book=book_of(study))["absent_days"]
    names = {
        "Up to 2 days": (0, 2),
        "Over 2 to 5 days": (2, 5),
        "Over 5 to 10 days": (5, 10),
        "Over 10 to 18 days": (10, 18),
    }
    rows = [{"days": name, "n": int(((days > low) & (days <= high)).sum())} for name, (low, high) in names.items()]
    rows.append({"days": "Over 18 days", "n": int((days > 18).sum())})
    table = gate.table("days_missed", pd.DataFrame(rows), keys=("days",), counts=("n",))
    note = f"{NO_DENOMINATOR} Shares are therefore withheld." + ("" if is_whole(table) else f" {table.rule}")
    measure = f"Students with a day missed on record, to {date_words(study.as_of)}"
    return Table(
        gate.fixed("Students by days missed"),
        gate.fixed(measure),
        table,
        (Column("days", "Days missed"), Column("n", "Students", "integer")),
        note=gate.fixed(note),
        key="days_missed",
    )


def bands_figure(study, facts: Facts, gate: Gate) -> Figure | Table | Callout:
    """Students by share of days missed: last year, at the last review, now."""
    if "rates" not in study.can and "daily" in study.can:
        return days_missed_table(study, gate)
    if not len(facts.now):
        return Callout(
            gate.fixed("Students by share of days missed"),
            (gate.fixed(facts.overall.get("reason") or "There is no school day to count yet."),),
            tone="caution",
        )
    before = facts.window.before
    labels = {
        "last_year": facts.last_year.get("label", "Last year, same school day"),
        "before": f"Last review, {date_words(before, year=False)}{day_label(study, before)}"
        if before is not None
        else "",
        "now": f"Now, {date_words(facts.window.end, year=False)}{day_label(study, facts.window.end)}",
    }
    rows = band_rows(facts, labels)
    table = released_bands(facts, gate, labels)
    columns = (
        Column("when", "When"),
        *(Column(name, say(f"band.{name}"), "integer", "students") for name in BANDS),
        Column("n", "All", "integer", "students"),
    )
    where = f"{_place(study)}, {date_words(facts.window.end)}. Each band includes its lower edge."
    if not is_whole(table):
        return Table(
            gate.fixed("Students by share of days missed"),
            gate.fixed(f"{where[:1].upper()}{where[1:]}"),
            table,
            columns,
            note=gate.fixed(table.rule),
            key="bands",
        )
    shares = rows.assign(label=rows["when"], **{name: rows[name] / rows["n"] for name in BANDS})
    chronic = (rows["n_chronic"] / rows["n"]).tolist()
    has_last = bool(facts.last_year.get("n"))
    title = (
        share_title(chronic[-1], chronic[0], "last year")
        if has_last
        else share_title(chronic[-1], chronic[-2] if len(chronic) > 1 else None, "at the last review")
    )
    alt = " ".join(
        f"{row.when}: "
        + listed(f"{percent(getattr(row, name) / row.n, 1)} {say(f'band.{name}').lower()}" for name in BANDS)
        + "."
        for row in rows.itertuples()
    )
    measure = gate.fixed(f"Students by share of days missed, {where} The black line marks 10%.")
    return Figure(gate.fixed(title), measure, figures.band_bars(shares), gate.fixed(alt), table, columns, key="bands")


def _place(study) -> str:
    if study.school:
        return study.school_name(study.school)
    n = study.table("enrollment")["school_id"].nunique()
    return f"all {n} schools" if n > 1 else "the whole school"


SHOWN_LOOKS = 4
"""The figure shows the newest looks, so that page 1 holds all year; the table behind it and the verdict use all."""


def looks_figure(study, facts: Facts, gate: Gate) -> Figure | Callout:
    """The monthly looks at the mentored beside similar students, plan changes as dotted lines."""
    looks = facts.impact.looks
    title = gate.fixed("With a mentor, beside similar students")
    if not any(look.value is not None for look in looks):
        return Callout(
            title,
            (gate.fixed(facts.impact.off or "Too early: fewer than 20 school days since the match."),),
            tone="caution",
        )
    rows = pd.DataFrame(
        [
            {
                "label": look.label,
                "value": look.value,
                "ci_low": look.low,
                "ci_high": look.high,
                "state": "" if look.value is not None else "Too few" if look.verdict == "too_few" else "Too early",
                "change": _change(study, looks, place),
                "n_treated": look.n_treated,
                "n_comparison": look.n_comparison,
            }
            for place, look in enumerate(looks)
        ]
    )
    table = gate.table(
        "looks",
        rows.drop(columns=["state", "change"]),
        keys=("label",),
        counts=("n_treated", "n_comparison"),
        plain={"value": "n_treated", "ci_low": "n_treated", "ci_high": "n_treated"},
        about=() if gate.is_team else ("n_treated", "n_comparison"),  # another month's copy shows its own look
    )
    shown = table.frame.assign(state=rows["state"], change=rows["change"])
    shown.loc[shown["value"].isna() & shown["state"].eq(""), "state"] = "hidden"
    shown = shown.tail(SHOWN_LOOKS).reset_index(drop=True)
    columns = (
        Column("label", "Month"),
        Column("value", "More days in school", "signed1", "days per 180-day year"),
        Column("ci_low", "From", "signed1"),
        Column("ci_high", "To", "signed1"),
        Column("n_treated", "Mentored", "integer", "students"),
        Column("n_comparison", "Similar", "integer", "students"),
    )
    alt = " ".join(f"{row.label}: {row.state or _range_words(row)}." for row in shown.itertuples())
    note = " ".join(
        [*_change_notes(study, gate), "The interval stays valid although we look every month. Gray: earlier looks."]
    )
    return Figure(
        title,
        gate.fixed("Difference in days per 180-day year; each end of the interval is 95% safe for monthly looks"),
        figures.interval_looks(shown.astype({"value": "float64", "ci_low": "float64", "ci_high": "float64"})),
        gate.fixed(alt),
        table,
        columns,
        note=gate.fixed(note),
        key="looks",
    )


def _range_words(row) -> str:
    return f"{number(row.value, 1)} days, from {number(row.ci_low, 1)} to {number(row.ci_high, 1)}"


def _changes(study) -> pd.DataFrame:
    table = study.table("plan_change")
    table = table[
        table["changed_on"].notna()
        & (table["changed_on"] <= study.as_of)
        & (table["changed_on"] >= pd.Timestamp(study.school_year - 1, 7, 1))
    ]
    return table.sort_values("changed_on").reset_index(drop=True)


def _change(study, looks, place: int) -> str:
    since = pd.Timestamp(looks[place - 1].on) if place else pd.Timestamp(study.school_year - 1, 7, 1)
    changes = _changes(study)
    hit = changes.index[(changes["changed_on"] > since) & (changes["changed_on"] <= pd.Timestamp(looks[place].on))]
    return f"Plan change {hit[0] + 1}" if len(hit) else ""


def _change_notes(study, gate: Gate) -> list[str]:
    """What the plan changes were; for others their day alone, as what a person typed never leaves."""
    return [
        f"Plan change {place + 1} ({date_words(row.changed_on, year=False)})"
        + (f": {str(row.what)[:1].lower()}{str(row.what)[1:]}." if gate.is_team else ".")
        for place, row in _changes(study).iterrows()
    ]
