"""Page 2 of the impact study: who is in the result, groups, balance, cost, limits, strength of evidence."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.render.blocks import BulletList, Callout, Column, Figure, Table
from evalkit.reports.gate import Gate
from evalkit.reports.impact_answer import YEAR, arms, gain
from evalkit.reports.impact_run import Analysis
from evalkit.wording import number, plural

COVARIATES = {
    "prior_absence_rate": "Days missed last year",
    "pre_absence_rate": "Days missed this year, before the start",
    "grade_level": "Grade",
    "english_learner": "English learner",
    "disability_idea": "Special education",
    "econ_disadvantaged": "Economic disadvantage",
    "homeless": "Housing: moving often",
    "distance": "Chance of having a mentor",
    "school_id": "School",
}

STEPS = {"with 20 enrolled days of follow-up": "compared, with 20 days or more to follow", "at risk on a start date": "enrolled on a mentor’s start day",
         "matched": "alike enough to be matched"}


def flow(main: Analysis, gate: Gate) -> Figure:
    """From the roster to the result, by arm, with the reason for every one left out."""
    frame = main.comparison.flow[["step", "treated", "comparison"]].rename(columns={"step": "stage"})
    table = gate.table("flow", frame, keys=("stage",), counts=("treated", "comparison"))
    boxes = [
        {"step": row.stage, "n": value, "text": _box_text(str(row.stage), who, first=place == 0), "kind": _kind(row.stage, frame)}
        for place, row in enumerate(table.frame.itertuples())
        for who, value in (("mentored students", row.treated), ("other students", row.comparison))
    ]
    columns = (
        Column("stage", "Step"),
        Column("treated", "Mentored", "integer", "students"),
        Column("comparison", "Others", "integer", "students"),
    )
    alt = " ".join(
        f"{row.stage}: {_count(row.treated)} mentored, {_count(row.comparison)} others."
        for row in table.frame.itertuples()
    )
    return Figure(
        gate.fixed("Who is in the result"),
        gate.fixed("From the roster to the comparison"),
        figures.flow_diagram(pd.DataFrame(boxes)),
        gate.fixed(alt),
        table,
        columns,
        note=gate.fixed(table.rule) if not gate.is_team else "",
        key="flow",
    )


def _box_text(stage: str, who: str, *, first: bool) -> str:
    """The words of one box; who they are is said once, at the top."""
    words = STEPS.get(stage, stage)
    return f"{who} {words}" if first else words


def _kind(stage: str, frame: pd.DataFrame) -> str:
    if stage == frame["stage"].iloc[-1]:
        return "end"
    return "out" if str(stage).lower().startswith(("left out", "dropped", "not ")) else "kept"


def _count(value: Any) -> str:
    return "hidden" if pd.isna(value) else number(int(value))


def groups(main: Analysis, gate: Gate) -> Figure | Callout:
    """The planned difference by group of students, in days; groups too small to tell have no number."""
    rows = main.groups
    scale = YEAR if main.planned.outcome == "absence_rate" else 1
    frame = rows[["group", "label", "n", "n_comparison"]].assign(
        value=-pd.to_numeric(rows["value"]) * scale,
        ci_low=-pd.to_numeric(rows["ci_high"]) * scale,
        ci_high=-pd.to_numeric(rows["ci_low"]) * scale,
    )
    title = gate.fixed("The difference, by group of students")
    if frame["value"].notna().sum() < 2 or main.planned.outcome not in ("absence_rate", "absent_days"):
        return Callout(title, (gate.fixed("The groups are too small to tell apart."),), tone="caution")
    table = gate.table(
        "groups",
        frame,
        keys=("group", "label"),
        counts=("n", "n_comparison"),
        plain={"value": "n", "ci_low": "n", "ci_high": "n"},
    )
    columns = (
        Column("label", "Group"),
        Column("n", "Mentored", "integer", "students"),
        Column("value", "Difference", "signed1", "days per 180"),
        Column("ci_low", "From", "signed1"),
        Column("ci_high", "To", "signed1"),
    )
    alt = " ".join(
        f"{row.label}: {number(row.value, 1)} days, from {number(row.ci_low, 1)} to {number(row.ci_high, 1)}."
        for row in table.frame.itertuples()
        if pd.notna(row.value)
    )
    found = gain(main)
    overall = (found.value, found.low, found.high) if found else None
    note = "Dashed line and band: all students. Groups were not chosen after the result; many looks bring chance findings, so none is ranked."
    return Figure(
        title,
        gate.fixed(
            "Days in school per 180-day year, mentored minus similar, with number of mentored students and 95% interval"
        ),
        figures.interval_forest(
            table.frame.astype({"value": "float64", "ci_low": "float64", "ci_high": "float64"}),
            group="group",
            overall=overall,
        ),
        gate.fixed(alt),
        table,
        columns,
        note=gate.fixed(note if gate.is_team else f"{note} {table.rule}"),
        key="groups",
    )


def balance(main: Analysis, gate: Gate) -> Figure:
    """How alike the groups were at the start, before and after selection."""
    frame = balance_frame(main)
    table = gate.table(
        "balance",
        frame[["label", "smd_before", "smd_after", "n"]],
        keys=("label",),
        counts=("n",),
        plain={"smd_before": "n", "smd_after": "n"},
    )
    columns = (
        Column("label", "Measure"),
        Column("smd_before", "Before", "signed2", "standard units"),
        Column("smd_after", "Compared", "signed2", "standard units"),
    )
    worst = frame["smd_after"].abs().max()
    title = (
        "The two groups were close at the start"
        if worst <= 0.10
        else "The two groups were near each other at the start"
        if worst <= 0.25
        else "The two groups still differed at the start"
    )
    alt = " ".join(
        f"{row.label}: {number(row.smd_before, 2)} before, {number(row.smd_after, 2)} compared."
        for row in table.frame.itertuples()
    )
    shown = table.frame.rename(columns={"label": "covariate"})
    return Figure(
        gate.fixed(title),
        gate.fixed("Difference between the groups in standard units. Inner band: within 0.05. Outer band: within 0.25"),
        figures.love_plot(shown),
        gate.fixed(alt),
        table,
        columns,
        key="balance",
    )


def balance_frame(main: Analysis, most: int = 9) -> pd.DataFrame:
    """Balance rows with words for the measures, levels of a factor reduced to the one furthest apart."""
    rows = main.comparison.balance.copy()
    rows = rows[rows["smd_after"].notna() & rows["smd_before"].notna()].reset_index(drop=True)
    rows = rows[~rows["covariate"].astype(str).str.startswith(("landmark_month", "distance"))].reset_index(drop=True)
    rows["base"] = [_base(name) for name in rows["covariate"].astype(str)]
    rows["gap"] = rows["smd_after"].abs()
    rows = rows.sort_values("gap", kind="stable").groupby("base", sort=False).tail(1).sort_index()
    rows["label"] = [COVARIATES.get(base, base.replace("_", " ").capitalize()) for base in rows["base"]]
    rows["n"] = min(arms(main))
    return rows.drop(columns=["gap"]).head(most).reset_index(drop=True)


def _base(name: str) -> str:
    """The covariate a balance row belongs to: school_id_0001 and grade_level=07 are levels of one factor."""
    known = [base for base in COVARIATES if name == base or name.startswith((f"{base}_", f"{base}=", f"{base}:"))]
    return max(known, key=len) if known else name


def cost(study, main: Analysis, gate: Gate) -> Table | Callout:
    """Money spent, per mentored student and per added day, with the interval carried through."""
    table, title = study.table("cost"), "What it cost"
    amounts = (
        pd.to_numeric(table["quantity"]) * pd.to_numeric(table["unit_price"]) if len(table) else pd.Series(dtype=float)
    )
    n_mentored = study.table("assignment")["student_id"].nunique()
    if amounts.sum() <= 0 or not n_mentored:
        return Callout(
            gate.fixed(title),
            (gate.fixed("The table cost would switch on the cost per student and per added day."),),
            tone="answer",
        )
    total, found = float(amounts.sum()), gain(main)
    rows = [
        ("Whole program", total, "Every line of the cost table"),
        ("Per mentored student", total / n_mentored, f"{plural(n_mentored, 'student')}"),
    ]
    if found and found.low > 0:
        each = total / n_mentored
        rows.append(
            (
                "Per added day",
                each / found.value,
                f"From {number(each / found.high)} to {number(each / found.low)}, the ends of the interval",
            )
        )
    frame = pd.DataFrame(rows, columns=["item", "amount", "how"]).assign(n=n_mentored)
    released = gate.table("cost", frame, keys=("item", "how"), counts=("n",), plain={"amount": "n"})
    note = (
        "" if found and found.low > 0 else "A cost per added day is shown only when the whole interval lies above zero."
    )
    return Table(
        gate.fixed(title),
        gate.fixed("Money spent. Time given free is not priced"),
        released,
        (
            Column("item", "Cost"),
            Column("amount", "Amount", "integer", _currency(table)),
            Column("how", "How it was counted"),
        ),
        note=gate.fixed(note),
    )


def _currency(table: pd.DataFrame) -> str:
    names = table["currency"].dropna().unique() if "currency" in table else []
    return "US $" if list(names) in ([], ["USD"]) else str(names[0])


def limits(study, main: Analysis, gate: Gate) -> BulletList:
    """What this study cannot say, from what was actually done."""
    lines = []
    if main.plan.comparison != "randomized":
        lines.append(
            "Mentors were not given by lottery. If families differed in ways nobody recorded, the true difference may be smaller or larger."
        )
    if main.plan.comparison == "prior_cohort":
        lines.append(
            "The comparison students are of another year. Whatever else changed between the years is part of the difference."
        )
    n_schools = main.comparison.used["school_id"].nunique()
    lines.append(f"It covers one year and {plural(int(n_schools), 'school')}.")
    if main.comparison.n_treated_dropped:
        lines.append(
            "Some mentored students had no similar student or too few days to follow; the result is not about them."
        )
    lines.append("We do not know which part of mentoring did the work.")
    return BulletList(gate.fixed("What this study cannot say"), tuple(map(gate.fixed, lines)), style="bullets")


def evidence(main: Analysis, gate: Gate) -> Callout:
    """The WWC and ESSA reading, worded as a claim that could be supported if reviewed."""
    reading = main.evidence
    lines = [f"Under federal law (ESSA) it **{reading['essa']}**.", f"A What Works Clearinghouse review: {reading['wwc']}."]
    lines += [str(reason) for reason in list(reading.get("reasons", ()))[:3]] if gate.is_team else []
    lines.append("No outside reviewer has rated it.")
    return Callout(gate.fixed("How strong is this evidence?"), tuple(map(gate.fixed, lines)), tone="caution")


def next_year(study, gate: Gate) -> BulletList | Callout:
    """What the program changed and will change, from the plan-change log."""
    table = study.table("plan_change")
    lines = [str(what) for what in table.sort_values("changed_on")["what"].dropna().tail(4)] if len(table) else []
    title = gate.fixed("What the program changed on the way")
    if not lines:
        return Callout(title, (gate.fixed("Nothing is in the log of plan changes."),), tone="answer")
    return BulletList(title, tuple(map(gate.fixed, lines)), style="bullets")
