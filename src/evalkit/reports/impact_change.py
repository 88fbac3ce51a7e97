"""The effect month by month around the start, for a planned estimator that follows students over the year."""

from __future__ import annotations

from statistics import NormalDist

import pandas as pd

from evalkit import figures
from evalkit.estimators import Estimate
from evalkit.render.blocks import Column, Figure
from evalkit.reports.gate import Gate
from evalkit.reports.impact_run import Analysis
from evalkit.reports.impact_units import YEAR
from evalkit.wording import number


def event_steps(found: Estimate) -> pd.DataFrame:
    """The effect by months since the start. Grain: month (negative: before); value and interval (normal, pointwise).

    Empty where the estimator has none.
    """
    details = found.details
    if "aggregates" in details:
        one = details["aggregates"]["event"]
        columns = one["egt"], one["att"], one["standard_error"]
    else:
        columns = tuple(details.get(name, ()) for name in ("event", "event_att", "event_standard_error"))
    rows = pd.DataFrame(dict(zip(("month", "value", "standard_error"), columns, strict=True)))
    rows = rows.astype({"value": "float64", "standard_error": "float64"}).dropna()
    reach = NormalDist().inv_cdf((1 + found.level) / 2) * rows["standard_error"]
    return rows.assign(ci_low=rows["value"] - reach, ci_high=rows["value"] + reach).reset_index(drop=True)


def by_month(analysis: Analysis, gate: Gate) -> Figure | None:
    """The event study, for the team: before the start it should lie near zero. None where the estimator has none."""
    steps = event_steps(analysis.planned)
    if steps.empty or not gate.is_team or analysis.planned.unit != "share":
        return None
    frame = pd.DataFrame({"label": [_when(int(month)) for month in steps["month"]],
                          "value": -YEAR * steps["value"], "ci_low": -YEAR * steps["ci_high"],
                          "ci_high": -YEAR * steps["ci_low"], "n": analysis.planned.n_treated})
    shown = gate.table(f"months_{analysis.plan.id}", frame, keys=("label",), counts=("n",),
                       plain=dict.fromkeys(("value", "ci_low", "ci_high"), "n"))
    columns = (Column("label", "Month"), Column("value", "Difference", "signed1"), Column("ci_low", "From", "signed1"),
               Column("ci_high", "To", "signed1"))
    alt = " ".join(f"{row.label}: {number(row.value, 1)} days." for row in shown.frame.itertuples())
    note = ("Each month by itself, with a 95% interval that holds for that month alone. Before the start the "
            "difference should lie near zero: a dip there that is gone later is students coming back anyway.")
    return Figure(gate.fixed("The difference by months since the start"),
                  gate.fixed("More days in school per 180-day year, mentored minus similar"),
                  figures.interval_forest(shown.frame.drop(columns="n").astype(dict.fromkeys(
                      ("value", "ci_low", "ci_high"), "float64"))),
                  gate.fixed(alt), shown, columns, note=gate.fixed(note), key=f"months_{analysis.plan.id}")


def _when(month: int) -> str:
    if month == 0:
        return "The month it began"
    return f"{abs(month)} month{'s' if abs(month) != 1 else ''} {'before' if month < 0 else 'after'}"
