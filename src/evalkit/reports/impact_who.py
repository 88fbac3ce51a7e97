"""Page 2 of the impact study: who is in the result, groups, balance, cost, limits, strength of evidence."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.comparison.follow_up import NO_EARLIER, NO_VALUE
from evalkit.comparison.landmark import FOLLOWED, WITH_EARLIER, WITH_OUTCOME
from evalkit.comparison.planned_outcome import WITHOUT_EARLIER, WITHOUT_VALUE
from evalkit.disclosure.release import two_digits
from evalkit.render.blocks import BulletList, Callout, Column, Figure, Table
from evalkit.reports.gate import Gate
from evalkit.reports.impact_balance import near_threshold, note, shown_balance
from evalkit.reports.impact_estimators import FOLLOWED_MONTHS, NEAR, measures_change
from evalkit.reports.impact_groups import LEAST_PER_ARM
from evalkit.reports.impact_run import NOT_AT_RISK, NOT_FOLLOWED, Analysis, left_out
from evalkit.reports.impact_units import YEAR, arms, comes_back_anyway, gain, n_failed, turned, year_factor
from evalkit.reports.impact_words import COVARIATES, no_number, too_few_note, worded
from evalkit.wording import date_words, number, plural

STEPS = {
    "in the data": "in the data",
    FOLLOWED: "compared, with 20 days or more to follow",
    WITH_OUTCOME: "compared, with a value of the outcome",
    WITH_EARLIER: "compared, with an earlier value",
    FOLLOWED_MONTHS: "followed month by month",
    NEAR: "near the threshold",
    "at risk on a start date": "enrolled on a mentor’s start day",
    "matched": "alike enough to be matched",
}
REASONS = {
    "every partner within reach was already taken": "similar students were taken",
    "nobody of the other group is within the caliper": "nobody was alike enough",
    "nobody of the other group is equal on the exact columns": "nobody in the same school or grade",
    "not needed as a partner": "not needed as a partner",
    "fewer than 20 enrolled school days of follow-up": "too few days to follow",
    "every partner had fewer than 20 enrolled school days of follow-up": "partners had too few days to follow",
    "its treated student had fewer than 20 enrolled school days of follow-up": "partner had too few days to follow",
    WITHOUT_VALUE: "no value of the outcome",
    NO_VALUE.partners: "partners had no value of the outcome",
    NO_VALUE.focal: "partner had no value of the outcome",
    WITHOUT_EARLIER: "no earlier value",
    NO_EARLIER.partners: "partners had no earlier value",
    NO_EARLIER.focal: "partner had no earlier value",
    NOT_FOLLOWED: "no month before the start, or too few who started with them",
    NOT_AT_RISK: "not there or not eligible on a start day",
}
MOST_REASONS = 2


def flow(main: Analysis, gate: Gate) -> Figure:
    """From the roster to the result, by arm, with the reason for every one left out."""
    frame = main.comparison.flow[["step", "treated", "comparison"]].rename(columns={"step": "stage"})
    table = gate.table("flow", frame, keys=("stage",), counts=("treated", "comparison"),
                       steps=("treated", "comparison"))
    boxes = _boxes(table.frame, left_out(main.comparison), gate, main.plan.comparison)
    columns = (
        Column("stage", "Step"),
        Column("treated", "Mentored", "integer", "students"),
        Column("comparison", "Enrolled", "integer", "students"),
    )
    alt = " ".join(
        f"{row.stage}: {_count(row.treated)} mentored, {_count(row.comparison)} of those enrolled."
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


def _boxes(frame: pd.DataFrame, lost: list[dict[str, Any]], gate: Gate, design: str) -> list[dict[str, Any]]:
    """First step, those at risk, those left out with their reasons, and those compared; a box for each arm."""
    boxes: list[dict[str, Any]] = []
    pool = "students of the year before" if design == "prior_cohort" else "students enrolled, the mentored among them,"
    arms_of = (("treated", "mentored students"), ("comparison", pool))
    for place, row in enumerate(frame.itertuples()):
        is_last = place == len(frame) - 1
        if row.stage == "matched" or (row.stage == FOLLOWED and not is_last):
            continue
        if is_last:
            boxes += [_left_out_box(frame, lost, arm, gate) for arm, _ in arms_of]
        words = STEPS.get(str(row.stage), str(row.stage))
        boxes += [{"step": row.stage, "n": getattr(row, arm), "text": words if place else f"{who} {words}",
                   "kind": "end" if is_last else "kept"} for arm, who in arms_of]
    return boxes


def _left_out_box(frame: pd.DataFrame, lost: list[dict[str, Any]], arm: str, gate: Gate) -> dict[str, Any]:
    """Everyone of one arm who is not compared, with the reasons; their counts are for the team."""
    first, last = frame[arm].iloc[0], frame[arm].iloc[-1]
    n = None if pd.isna(first) or pd.isna(last) else int(first) - int(last)
    if n is not None:
        n = gate.numbers("left out", n=(n, n))["n"]
    mine = sorted((row for row in lost if row["arm"] == arm), key=lambda row: -row["n"])
    words = [REASONS.get(row["reason"], row["reason"]) for row in mine]
    told = [f"{number(row['n'])} {word}" if gate.is_team else word for row, word in zip(mine, words, strict=True)]
    more = "; other reasons" if len(told) > MOST_REASONS else ""
    return {"step": "left out", "n": n, "text": f"left out: {'; '.join(told[:MOST_REASONS])}{more}", "kind": "out"}


def _count(value: Any) -> str:
    return "hidden" if pd.isna(value) else number(int(value))


GROUPS_NOTE = (
    "Dashed line and band: all students. Groups are those of the mentored student, the same in every study; their "
    "partners may be of another group. The plan does not name them, so they are exploratory."
)


def _no_groups(main: Analysis, gate: Gate) -> Callout:
    in_days = year_factor(main, main.planned) is not None
    why = ("The groups are too small to tell apart." if in_days else
           "Results by group are shown where the outcome is days in school.")
    return Callout(gate.fixed("Results by group"), (gate.fixed(why),), tone="caution")


def groups(main: Analysis, gate: Gate) -> Figure | Callout:
    """The planned difference by group of students, in days; groups too small to tell have no number."""
    rows = main.groups
    scale = year_factor(main, main.planned) or 1.0
    known = rows[["value", "ci_low", "ci_high"]].apply(pd.to_numeric)
    value, low, high = turned(known["value"], known["ci_low"], known["ci_high"], scale)
    frame = rows[["group", "label", "n", "n_comparison", "group_p", "group_q"]].assign(
        value=value, ci_low=low, ci_high=high, shrunk=-pd.to_numeric(rows["shrunk"]) * scale)
    differ = bool((rows["group_q"] < 0.05).any())
    title = gate.fixed("Some groups differ; read with care" if differ else "No group clearly differs from the others")
    too_small = _no_groups(main, gate)
    if frame["value"].notna().sum() < 2 or year_factor(main, main.planned) is None:
        return too_small
    table = gate.parts(
        "groups", frame, keys=("group", "label"), by="group",
        whole={"n": main.planned.n_treated, "n_comparison": main.planned.n_comparison},
        plain=dict.fromkeys(("value", "ci_low", "ci_high", "shrunk", "group_p", "group_q"), "n"),
    )
    if not table.frame["value"].notna().any():
        return too_small
    columns = (
        Column("label", "Group"),
        Column("n", "Mentored", "integer", "students"),
        Column("value", "Difference", "signed1", "days per 180"),
        Column("ci_low", "From", "signed1"),
        Column("ci_high", "To", "signed1"),
        Column("shrunk", "Shrunk", "signed1", "days per 180"),
        Column("group_q", "Groups differ", "p_value", "corrected p"),
    )
    alt = " ".join(
        f"{row.label}: {number(row.value, 1)} days, from {number(row.ci_low, 1)} to {number(row.ci_high, 1)}."
        for row in table.frame.itertuples()
        if pd.notna(row.value)
    )
    found = gain(main)
    overall = (found.value, found.low, found.high) if found else None
    note = f"{GROUPS_NOTE} {too_few_note(gate.is_team, LEAST_PER_ARM)}"
    return Figure(
        title,
        gate.fixed(
            "Days in school per 180-day year, mentored minus similar, with number of mentored students and 95% interval"
        ),
        figures.interval_forest(
            table.frame.astype({"value": "float64", "ci_low": "float64", "ci_high": "float64"}),
            group="group",
            overall=overall,
            hidden=no_number(gate.is_team),
        ),
        gate.fixed(alt),
        table,
        columns,
        note=gate.fixed(note if gate.is_team else f"{note} {table.rule}"),
        key="groups",
    )


def balance(main: Analysis, gate: Gate) -> Figure | Callout:
    """How alike the groups were at the start, before and after selection."""
    if (instead := near_threshold(main, gate)) is not None:
        return instead
    frame, told = balance_frame(main.comparison.balance, main), balance_frame(shown_balance(main, gate), main)
    if told.empty:
        why = "Too few students share any one measure to show how alike the groups were."
        return Callout(gate.fixed("How alike the groups were"), (gate.fixed(why),), tone="caution")
    table = gate.table(
        "balance",
        told[["label", "smd_before", "smd_after", "n"]],
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
        note=gate.fixed(note(main, gate)),
        key="balance",
    )


def balance_frame(balance: pd.DataFrame, main: Analysis, most: int = 9) -> pd.DataFrame:
    """Balance rows with words for the measures, levels of a factor reduced to the one furthest apart."""
    rows = balance.copy()
    rows = rows[rows["smd_after"].notna() & rows["smd_before"].notna()].reset_index(drop=True)
    names = rows["covariate"].astype(str)
    matters = ~names.str.endswith("_missing") | rows["smd_after"].abs().gt(0.05)
    rows = rows[~names.str.startswith(("landmark_month", "distance")) & matters]
    rows = rows.reset_index(drop=True)
    rows["base"] = [_base(name) for name in rows["covariate"].astype(str)]
    rows["gap"] = rows["smd_after"].abs()
    rows = rows.sort_values("gap", kind="stable").groupby("base", sort=False).tail(1).sort_index()
    rows["label"] = [_label(base) for base in rows["base"]]
    rows["n"] = min(arms(main))
    return rows.drop(columns=["gap"]).head(most).reset_index(drop=True)


def _label(base: str) -> str:
    stem = base.removesuffix("_missing")
    words = COVARIATES.get(stem, stem.replace("_", " ").capitalize())
    return words if stem == base else f"{words}: not known"


def _base(name: str) -> str:
    """The covariate a balance row belongs to: school_id_0001 and grade_level=07 are levels of one factor."""
    if name.endswith("_missing"):
        return name
    known = [base for base in COVARIATES if name == base or name.startswith((f"{base}_", f"{base}=", f"{base}:"))]
    return max(known, key=len) if known else name


def cost(study, main: Analysis, gate: Gate) -> Table | Callout:
    """Money spent, per mentored student and per added day, with the interval carried through (R63).

    A day is added while a student is followed: the difference per day enrolled, times the days enrolled from the start.
    All the money stands against the days of the mentored who were compared; the result says nothing of the others.
    """
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
    rows: list[tuple[Any, ...]] = [
        ("Program", total, None, None, "Every line of the cost table"),
        ("Per student", total / n_mentored, None, None, _mentored_words(n_mentored, gate)),
    ]
    shows_days = found is not None and found.low > 0 and not comes_back_anyway(main)
    if found and shows_days:
        n_compared = main.planned.n_treated
        per_day = [total / (n_compared * days * main.enrolled_days / YEAR)
                   for days in (found.value, found.high, found.low)]
        how = (f"{number(per_day[1])} to {number(per_day[2])}; {number(main.enrolled_days)} days followed, "
               "those compared only")
        rows.append(("Per added day", *per_day, how))
    frame = pd.DataFrame(rows, columns=["item", "amount", "low", "high", "how"]).assign(n=n_mentored)
    figures_of = dict.fromkeys(("amount", "low", "high"), "n")
    frame = frame.astype(dict.fromkeys(figures_of, "float64"))
    if not gate.is_team:  # the whole sum divided by the sum per student is the number of students
        frame = frame.assign(**{name: [two_digits(value) for value in frame[name]] for name in figures_of})
    released = gate.table("cost", frame, keys=("item", "how"), counts=("n",), plain=figures_of,
                          about=() if gate.is_team else ("n",))
    note = "" if shows_days else "A cost per added day is shown only when the whole interval lies above zero"
    note += "." if note and not comes_back_anyway(main) else " and the difference can be relied on." if note else ""
    return Table(
        gate.fixed(title),
        gate.fixed("Money spent; time given free is not priced. The range is that of the 95% interval"),
        released,
        (
            Column("item", "Cost"),
            Column("amount", "Amount", "integer", _currency(table)),
            Column("how", "How it was counted"),
        ),
        note=gate.fixed(note),
        key="cost",
    )


def _mentored_words(n: int, gate: Gate) -> str:
    return plural(n, "mentored student") if gate.is_team else f"About {plural(gate.about(n), 'mentored student')}"


def _currency(table: pd.DataFrame) -> str:
    names = table["currency"].dropna().unique() if "currency" in table else []
    return "US $" if list(names) in ([], ["USD"]) else str(names[0])


def limits(study, main: Analysis, gate: Gate) -> BulletList:
    """What this study cannot say, from what was actually done."""
    lines = []
    if main.plan.comparison != "randomized":
        lines.append(
            "Mentors were not given by lottery. If families differed in ways nobody recorded, the true difference may "
            "be smaller or larger."
        )
    if main.plan.comparison == "randomized":
        lines.append(
            "The study has no list of who was in the draw: every student who could be compared and has no assignment "
            "counts as having been in it. If some never were, this is no lottery result."
        )
    if main.plan.comparison == "prior_cohort":
        lines.append(
            "The comparison students are of another year. Whatever else changed between the years is part of the "
            "difference."
        )
    if measures_change(main.plan) and main.plan.comparison != "randomized":
        lines.append("The number is a change since an earlier time. Students who get a mentor in a hard time come back "
                     "toward their usual level anyway, and that may be part of it.")
    if "prior_year" not in study.can:
        instead = "pre_absence_rate" in main.plan.covariates
        lines.append("Last year’s attendance is not in the study, so it was not compared" + (
            "; this year’s days before the start stand for it." if instead else
            ", and nor was this year’s before the start."))
    n_schools = main.comparison.used["school_id"].nunique()
    lines.append(f"It covers one year and {plural(int(n_schools), 'school')}.")
    if main.comparison.n_treated_dropped:
        lacking = ("no similar student, too few days to follow or no value of the outcome"
                   if WITH_OUTCOME in set(main.comparison.flow["step"]) else
                   "no similar student or too few days to follow")
        lines.append(f"Some mentored students had {lacking}; the result is not about them.")
    lines.append("If mentoring helped, we do not know which part of it did.")
    return BulletList(gate.fixed("What this study cannot say"), tuple(map(gate.fixed, lines)), style="bullets")


def evidence(main: Analysis, gate: Gate) -> Callout:
    """The WWC and ESSA reading, worded as a claim that could be supported if reviewed."""
    reading = main.evidence
    lines = [
        f"Under federal law (ESSA) it **{reading['essa']}**.",
        f"A What Works Clearinghouse review: {reading['wwc']}.",
    ]
    lines += [worded(str(reason)) for reason in list(reading.get("reasons", ()))[:2]] if gate.is_team else []
    if min(arms(main)) < LEAST_PER_ARM:
        lines.append(f"With under {LEAST_PER_ARM} students on a side, no claim should rest on this study alone.")
    if failed := n_failed(main):
        lines.append(f"{plural(failed, 'check')} of the method did not hold; a reviewer would ask about each.")
    lines.append("No outside reviewer has rated it.")
    return Callout(gate.fixed("How strong is this evidence?"), tuple(map(gate.fixed, lines)), tone="caution")


def next_year(study, gate: Gate) -> BulletList | Callout:
    """What the program changed and will change, from the plan-change log."""
    table = study.table("plan_change")
    table = table.dropna(subset=["what"]).sort_values("changed_on").tail(4) if len(table) else table
    lines = [str(row.what) if gate.is_team else f"A change of plan on {date_words(row.changed_on)}"
             for row in table.itertuples()]
    title = gate.fixed("What the program changed on the way")
    if not lines:
        return Callout(title, (gate.fixed("Nothing is in the log of plan changes."),), tone="answer")
    return BulletList(title, tuple(map(gate.fixed, lines)), style="bullets")
