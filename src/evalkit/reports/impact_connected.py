"""Belonging beside the result: do mentored students say yes more often than similar students, and who misses less?

Asked after the start, of those who answered: a place the program may work through, shown as an association. It is no
mediation analysis: nobody was given a trusted adult by lot, and an answer may follow from days in school.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.estimators import estimate_or_reason
from evalkit.programme.connected import ITEMS, answers
from evalkit.render.blocks import Callout, Column, Table
from evalkit.reports.barrier_belonging import WORDS
from evalkit.reports.gate import Gate
from evalkit.reports.rough import is_few

LEAST = 10
COLUMNS = ["item", "n", "n_comparison", "yes", "yes_comparison", "difference", "ci_low", "ci_high", "rate_yes",
           "rate_no"]


def answers_since_start(study: Any, used: pd.DataFrame) -> pd.DataFrame:
    """Each compared student's newest answer after the start, to the end of follow-up. Grain: row of `used` x item."""
    rows = used.reset_index(drop=True).rename_axis("row").reset_index()
    both = rows.merge(answers(study), on="student_id")
    inside = (both["asked_on"] > both["landmark"]) & (both["asked_on"] <= both["follow_up_end"])
    both = both[inside].sort_values(["row", "item", "asked_on"], kind="stable")
    return both.drop_duplicates(["row", "item"], keep="last").reset_index(drop=True)


def belonging_gap(study: Any, used: pd.DataFrame) -> pd.DataFrame:
    """Shares of yes, mentored beside similar students, with the comparison's weights. Grain: item.

    difference: mentored minus similar with a 95 % interval, clustered by student. rate_yes, rate_no: share of days
    missed since the start by the answer, both groups together. Items with under 10 answers in an arm are left out.
    """
    said = answers_since_start(study, used)
    rows = []
    for item in ITEMS:
        part = said[said["item"] == item].assign(says_yes=lambda p: p["is_yes"].astype("float64"))
        arms = [part[part["treated"] == arm] for arm in (1, 0)]
        if min(map(len, arms)) < LEAST:
            continue
        found = estimate_or_reason(None, part, estimator="difference", outcome="says_yes", exploratory=True,
                                   clustered_by="student_id", standard_errors="CR2", estimand="ATT")
        shares = [float((arm["says_yes"] * arm["weight"]).sum() / arm["weight"].sum()) for arm in arms]
        rates = [part.loc[part["is_yes"] == flag, "absence_rate"].astype("float64").mean() for flag in (True, False)]
        rows.append([item, len(arms[0]), len(arms[1]), *shares, found.value, found.ci_low, found.ci_high, *rates])
    return pd.DataFrame(rows, columns=COLUMNS)


def connected(study: Any, main: Any, gate: Gate) -> Table | Callout:
    """The block of the appendix; a sentence where too few were asked."""
    title = gate.fixed("Belonging, beside similar students")
    used = main.comparison.used
    dated = {"landmark", "follow_up_end"} <= set(used.columns)
    rows = belonging_gap(study, used) if dated and "survey" in study.can else pd.DataFrame(columns=COLUMNS)
    if rows.empty:
        text = ("Answers of students (survey: trusted_adult, friend_at_school, belonging) after the start, ten or more "
                "on each side, would show whether mentored students say yes more often than similar ones.")
        return Callout(title, (gate.fixed(text),), tone="answer")
    shares = ["yes", "yes_comparison", "difference", "ci_low", "ci_high", "rate_yes", "rate_no"]
    frame = rows.assign(item=rows["item"].map(WORDS)).astype(dict.fromkeys(shares, "float64"))
    few = {k: shares for k, row in enumerate(rows.itertuples())
           if is_few(gate, round(row.yes * row.n), row.n) or is_few(gate, round(row.yes_comparison * row.n_comparison),
                                                                    row.n_comparison)}
    points = {name: 100 * frame[name] for name in ("difference", "ci_low", "ci_high")}
    frame = frame.assign(**points)
    if not gate.is_team:
        frame[["yes", "yes_comparison", "rate_yes", "rate_no"]] = frame[
            ["yes", "yes_comparison", "rate_yes", "rate_no"]].round(2)
        frame[list(points)] = frame[list(points)].round(0)
    table = gate.table("belonging_gap", frame, keys=("item",), counts=("n", "n_comparison"),
                       plain=dict.fromkeys(shares, "n"), also=few,
                       about=() if gate.is_team else ("n", "n_comparison"))
    columns = (Column("item", "Students say"), Column("yes", "Mentored", "percent"),
               Column("yes_comparison", "Similar", "percent"), Column("difference", "Difference", "signed0", "points"),
               Column("ci_low", "From", "signed0"), Column("ci_high", "To", "signed0"),
               Column("rate_yes", "Missed, yes", "percent1"), Column("rate_no", "Missed, no", "percent1"))
    note = ("Exploratory. Of students who were asked after the start. It goes along with days in school; it does not "
            "show that belonging is how mentoring works.")
    measure = gate.fixed("Newest answer since the start, with 95% interval; days missed by answer, both groups")
    return Table(title, measure, table, columns,
                 note=gate.fixed(note if gate.is_team else f"{note} {table.rule}"), key="belonging_gap")


__all__ = ["answers_since_start", "belonging_gap", "connected"]
