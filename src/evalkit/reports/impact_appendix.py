"""The method appendix of the impact study: every estimate, the balance, the checks, written from what was done."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from operator import mul
from typing import Any

import pandas as pd

from evalkit import tables
from evalkit.measures import outcome_row
from evalkit.render.blocks import Callout, Column, Figure, Row, Table
from evalkit.reports.gate import Gate
from evalkit.reports.impact_balance import meaning, near_threshold, note, shown_balance, step_of
from evalkit.reports.impact_estimators import adjusts_for
from evalkit.reports.impact_method import method_lines
from evalkit.reports.impact_run import Analysis
from evalkit.reports.impact_units import YEAR, arms, shown_as, year_factor
from evalkit.reports.impact_who import balance_frame
from evalkit.reports.impact_words import check_title, worded
from evalkit.tables import long_date
from evalkit.wording import number, plural
from evalkit.wording.verdicts import CHECK_WORDS

WORST_FIRST = ("fail", "caution", "pass")
BALANCE_WORDS = ((0.05, "alike"), (0.25, "alike after adjustment"))
UNADJUSTED = ((0.05, "alike"), (0.25, "not adjusted for"))


def results_row(analysis: Analysis, gate: Gate) -> Row:
    """One planned analysis: its estimates beside the balance of its groups."""
    return Row(((estimates_table(analysis, gate),), (balance_table(analysis, gate),)), (7, 5))


def method_row(study, found: Sequence[Analysis], gate: Gate) -> Row:
    """How it was done, beside the data and versions it was done with; for partners also how the checks came out."""
    words = () if gate.is_team else tuple(checks_words(analysis, gate) for analysis in found)
    return Row(((how_it_was_done(found[0], gate),), (data_and_versions(study, found[0], gate), *words)), (6, 6))


def estimates_table(analysis: Analysis, gate: Gate) -> Table:
    """The planned estimate first, then what was run beyond the plan. Days more in school, or points for a share."""
    rows = [("As planned", analysis.planned), *analysis.beyond]
    frame = pd.DataFrame([_estimate_row(analysis, name, found) for name, found in rows])
    released = gate.table(
        f"estimates_{analysis.plan.id}",
        frame,
        keys=("name", "unit"),
        counts=("n", "n_comparison"),
        plain={"value": "n", "ci_low": "n", "ci_high": "n", "p_value": "n"},
        about=() if gate.is_team else ("n", "n_comparison"),
    )
    signed = "signed2" if (~frame["unit"].isin(["days", "points"])).any() else "signed1"
    columns = (
        Column("name", "Method"),
        Column("value", "Difference", signed),
        Column("ci_low", "From", signed),
        Column("ci_high", "To", signed),
        Column("unit", "Unit"),
        Column("p_value", "p", "p_value"),
    )
    note = (
        f"Only the first line was planned; the others are exploratory. {_units_note(frame['unit'])}. From and to: 95% "
        "interval. Why a number is missing is in results.json."
    )
    return Table(
        gate.fixed(f"The answer to plan “{analysis.plan.id}”, and the same question asked in other ways"),
        gate.fixed("Mentored minus similar students"),
        released,
        columns,
        note=gate.fixed(note + _several(analysis) + _thin(rows, gate)),
        key=f"estimates_{analysis.plan.id}",
    )


UNITS = {"days": "more days in school per 180-day year", "points": "percentage points",
         "days counted": "days of the outcome itself while followed",
         "days a year": "days of the outcome itself per 180-day year", "a year": "the measure per 180-day year",
         "own scale": "the measure’s own unit"}


def _units_note(units: pd.Series) -> str:
    """What the units of a table are, those that stand in it."""
    text = "; ".join(f"{unit}: {words}" for unit, words in UNITS.items() if (units == unit).any())
    return text[:1].upper() + text[1:]


def _unit_word(word: str) -> str:
    """The unit of `shown_as` as a cell holds it."""
    return {"points": "points", "percent": "percent", "days": "days counted",
            f"days per {YEAR}-day year": "days a year", f"per {YEAR}-day year": "a year"}.get(word, "own scale")


def _several(analysis: Analysis) -> str:
    """What correcting for several planned analyses does to the planned p."""
    if analysis.q_value is None:
        return ""
    return (f" The planned p is {tables.cell(analysis.q_value, 'p_value')} once corrected for the number of planned "
            "analyses of attendance (Benjamini-Hochberg).")


def _thin(rows: Sequence[tuple[str, Any]], gate: Gate) -> str:
    """Lines whose interval so few clusters carry that it cannot be relied on; how few is for the team."""
    thin = [(f"“{name}” ({found.df:.1f} degrees of freedom)" if gate.is_team else f"“{name}”")
            for name, found in rows if found.is_thin]
    return "" if not thin else (" Too few clusters to rely on the interval and p (under four degrees of freedom): "
                                f"{'; '.join(thin)}.")


def _estimate_row(analysis: Analysis, name: str, found) -> dict[str, Any]:
    turn, word, _ = shown_as(found)
    a_year = year_factor(analysis, found)
    if a_year is not None:
        turn = partial(mul, -a_year)
    unit = "days" if a_year is not None else _unit_word(word)
    ends = [None if end is None else turn(end) for end in (found.ci_low, found.ci_high)]
    low, high = ends if turn(1.0) > 0 else ends[::-1]
    return {
        "name": name,
        "unit": unit,
        "value": None if found.value is None else turn(found.value),
        "ci_low": low,
        "ci_high": high,
        "p_value": found.p_value,
        "n": found.n_treated,
        "n_comparison": found.n_comparison,
    }


def balance_table(analysis: Analysis, gate: Gate) -> Table | Callout:
    """Standardized differences before and after, with what they mean under the WWC's lines of 0.05 and 0.25."""
    if (instead := near_threshold(analysis, gate)) is not None:
        return instead
    frame = balance_frame(shown_balance(analysis, gate), analysis)
    title = gate.fixed("Groups before and after selection")
    if frame.empty:
        return Callout(title, (gate.fixed("Too few students share any one measure to show it here."),), tone="caution")
    steps = [step_of(analysis) if flag and not gate.is_team else 0.0 for flag in frame["is_binary"]]
    adjusted = {*adjusts_for(analysis.plan), *(analysis.comparison.plan["exact"] if adjusts_for(analysis.plan) else ())}
    words = [meaning(row, BALANCE_WORDS if row.base.removesuffix("_missing") in adjusted else UNADJUSTED, step)
             for row, step in zip(frame.itertuples(), steps, strict=True)]
    frame = frame[["label", "smd_before", "smd_after", "n"]].assign(meaning=words)
    released = gate.table(
        f"balance_{analysis.plan.id}",
        frame,
        keys=("label", "meaning"),
        counts=("n",),
        plain={"smd_before": "n", "smd_after": "n"},
    )
    denominator = (
        str(analysis.comparison.balance["denominator"].iloc[0]) if len(analysis.comparison.balance) else "treated"
    )
    columns = (
        Column("label", "Measure"),
        Column("smd_before", "Before", "signed2"),
        Column("smd_after", "After", "signed2"),
        Column("meaning", "Meaning"),
    )
    return Table(
        title,
        gate.fixed(f"Difference in means divided by the standard deviation of the {denominator} group"),
        released,
        columns,
        note=gate.fixed("For a factor, the level furthest apart is shown. A missing value stands at the mean; "
                        + ("all levels are in results.json." if gate.is_team else note(analysis, gate))),
        key=f"balance_{analysis.plan.id}",
    )


def _held_title(analysis: Analysis) -> str:
    n_held = sum(check.verdict == "pass" for check in analysis.checks)
    return f"{n_held} of {plural(len(analysis.checks), 'check')} hold"


def checks_words(analysis: Analysis, gate: Gate) -> Callout:
    """How the checks came out, without the reasons: those hold counts of students, and are in the team's copy."""
    lines = []
    for verdict in WORST_FIRST:
        names = [check_title(check.name) for check in analysis.checks if check.verdict == verdict]
        if names:
            lines.append(gate.fixed(f"**{CHECK_WORDS[verdict].capitalize()}:** {'; '.join(names)}."))
    return Callout(gate.fixed(_held_title(analysis)), tuple(lines), tone="answer")


def checks_table(analysis: Analysis, gate: Gate) -> Table:
    """Every check with its verdict and reason, for the team."""
    rows = [
        {
            "check": check_title(check.name),
            "verdict": CHECK_WORDS[check.verdict],
            "text": worded(check.text),
            "n": min(arms(analysis)),
        }
        for check in sorted(analysis.checks, key=lambda check: WORST_FIRST.index(check.verdict))
    ]
    frame = pd.DataFrame(rows, columns=["check", "verdict", "text", "n"])
    columns = [Column("check", "Check"), Column("verdict", "Came out"), Column("text", "Why")]
    released = gate.table(f"checks_{analysis.plan.id}", frame, keys=tuple(c.key for c in columns), counts=("n",))
    return Table(
        gate.fixed(_held_title(analysis)),
        gate.fixed(f"What could make the number wrong, and what the data say. Here minus means {_minus(analysis)}"),
        released,
        tuple(columns),
        key=f"checks_{analysis.plan.id}",
    )


def _minus(analysis: Analysis) -> str:
    """What a minus sign stands for in the sentences of the checks."""
    row = outcome_row(analysis.plan.outcome)
    return ("less of the outcome" if row is None or not row.in_school else
            "fewer days absent" if row.in_school < 0 else "fewer days in school")


def beyond_row(analysis: Analysis, gate: Gate) -> Row | None:
    """Change since last year for both groups beside the result by dose, where the study has them."""
    cells = [(block,) for block in (change_table(analysis, gate), dose_table(analysis, gate)) if block is not None]
    return Row(tuple(cells), (12 // len(cells),) * len(cells)) if cells else None


def change_table(analysis: Analysis, gate: Gate) -> Table | None:
    """Days missed last year and since the start, both groups; never the mentored alone."""
    frame = analysis.change
    if frame.empty:
        return None
    days = frame.assign(**{name: frame[name] * YEAR for name in ("before", "after", "change")})
    released = gate.table(f"change_{analysis.plan.id}", days, keys=("arm",), counts=("n",),
                          plain=dict.fromkeys(("before", "after", "change"), "n"), about=() if gate.is_team else ("n",))
    columns = (Column("arm", "Group"), Column("n", "Students", "integer"), Column("before", "Last year", "decimal1"),
               Column("after", "Since the start", "decimal1"), Column("change", "Change", "signed1"))
    chosen = ("Last year’s days helped choose who is compared" if "prior_absence_rate" in analysis.plan.covariates else
              "Students get a mentor in a hard time")
    note = (f"This is not the result. {chosen}, so both groups may move back toward their usual level, and not alike. "
            "Students known in both years only.")
    return Table(gate.fixed("Days missed before and after, both groups"),
                 gate.fixed("Days missed per 180-day year"), released, columns, note=gate.fixed(note),
                 key=f"change_{analysis.plan.id}")


def dose_table(analysis: Analysis, gate: Gate) -> Table | None:
    """The difference by contacts a week, with what it cannot show."""
    frame = analysis.doses
    if frame.empty or analysis.planned.outcome != "absence_rate" or frame["value"].isna().all():
        return None
    days = pd.DataFrame({"label": frame["label"], "n": frame["n"], "n_comparison": frame["n_comparison"],
                         "value": -frame["value"].astype(float) * YEAR,
                         "ci_low": -frame["ci_high"].astype(float) * YEAR,
                         "ci_high": -frame["ci_low"].astype(float) * YEAR})
    whole = {"n": analysis.planned.n_treated, "n_comparison": analysis.planned.n_comparison}
    released = gate.parts(f"dose_{analysis.plan.id}", days, keys=("label",), whole=whole,
                          plain=dict.fromkeys(("value", "ci_low", "ci_high"), "n"))
    columns = (Column("label", "Contacts"), Column("n", "Mentored", "integer"),
               Column("value", "Difference", "signed1"), Column("ci_low", "From", "signed1"),
               Column("ci_high", "To", "signed1"))
    note = ("Exploratory. Mentors reach students who are in school more easily, and call more when a student is away. "
            "So this cannot show that more contacts bring more days.")
    return Table(gate.fixed("The difference, by contacts a week"),
                 gate.fixed("More days in school per 180-day year, with 95% interval"), released, columns,
                 note=gate.fixed(note), key=f"dose_{analysis.plan.id}")


def main_tables(blocks: Sequence[Any]) -> dict[str, Table]:
    """The tables of the appendix by the name of their file, rows walked."""
    walked = [inner for block in blocks for inner in
              ((b for cell in block.cells for b in cell) if isinstance(block, Row) else (block,))]
    found = {block.key: _as_table(block) for block in walked if isinstance(block, Table | Figure) and block.key}
    return {key: table for key, table in found.items() if table is not None}


def _as_table(block: Table | Figure) -> Table | None:
    """The numbers behind a figure are a table like any other."""
    if isinstance(block, Table):
        return block
    return Table(block.title, block.measure, block.data, block.columns, note=block.note, key=block.key)


def how_it_was_done(analysis: Analysis, gate: Gate) -> Callout:
    """The method in words, written from the plan that ran."""
    lines = method_lines(analysis)
    modelled = analysis.plan.method != "none" or adjusts_for(analysis.plan)  # else no model has an indicator
    lines += [worded(str(remark)) for remark in analysis.comparison.remarks[:3]] if gate.is_team and modelled else []
    lines += [worded(line) for line in analysis.planned.caveats if gate.is_team or not any(map(str.isdigit, line))]
    return Callout(gate.fixed(f"How it was done: plan “{analysis.plan.id}”"), tuple(map(gate.fixed, lines)),
                   tone="answer")


def data_and_versions(study, analysis: Analysis, gate: Gate) -> Callout:
    """Where the numbers come from, and how to get them again."""
    account = study.account.to_dict()["files"]
    read, aside = sum(f["rows_read"] for f in account), sum(f["quarantined"] for f in account)
    lines = [
        f"Attendance to {long_date(study.as_of)}; {number(read)} rows read from {plural(len(account), 'file')}"
        + (f", {number(aside)} set aside with a reason." if gate.is_team else "."),
        f"Plan “{analysis.plan.id}”, fingerprint {analysis.plan.sha256[:12]}, seed {analysis.plan.seed}; evalkit "
        f"{version('evalkit')}.",
        "To check: MANIFEST.json lists every input and output with its fingerprint; results.json holds every number at "
        "full precision." if gate.is_team else
        "To check: MANIFEST.json lists every file of this copy with its fingerprint; results.json holds its numbers.",
    ]
    if gate.is_team:
        lines.append("The folder replication holds the plan, the call and the versions; “evalkit export” makes a file "
                     "for R.")
    return Callout(gate.fixed("Data and versions"), tuple(map(gate.fixed, lines)), tone="answer")
