"""Which balance rows a copy shows, and how exactly: the spread of a yes-or-no measure tells how many students say yes.

The mean difference and the KS distance of a 0/1 measure together give its share p (their ratio is its standard
deviation), and p times the number of students is a count. So a copy for others holds no KS distance, leaves out a
measure whose yes or no stands for fewer than `min_cell` students of a group, and rounds the others so that at least
five counts fit what is shown.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.disclosure.release import two_digits
from evalkit.render.blocks import Callout
from evalkit.reports.gate import Gate
from evalkit.reports.impact_run import Analysis
from evalkit.reports.impact_words import worded

STEPS = ((262, 0.1), (73, 0.2), (0, 0.5))
"""(least number of mentored students, step in SDs). One student moves the difference by 1 / (n sd), where n sd is at
least sqrt(10 (n - 10)) for 10 students of n; a step of at least five such moves leaves five counts possible."""
WHEN = ("before", "after")


def step_of(main: Analysis) -> float:
    """What the difference of a yes-or-no measure is rounded to outside the team, in SDs."""
    n = len(main.comparison.arm(1))
    return next(step for least, step in STEPS if n >= least)


def shown_balance(main: Analysis, gate: Gate) -> pd.DataFrame:
    """The balance table as this copy may hold it: as it is for the team; rounded, with rows left out, for others."""
    table = main.comparison.balance
    if gate.is_team or table.empty:
        return table
    told = np.array([_is_told(main, row, gate) for row in table.to_dict("records")], dtype=bool)
    kept = table[told].reset_index(drop=True)
    binary = kept["is_binary"].astype(bool)
    for when in WHEN:
        exact = kept[f"smd_{when}"].astype("float64")
        kept[f"smd_{when}"] = _to_step(exact, step_of(main)).where(binary, exact.round(2))
        kept[f"variance_ratio_{when}"] = [two_digits(ratio) for ratio in kept[f"variance_ratio_{when}"]]
        kept[f"ks_{when}"] = np.nan
    return kept


def _to_step(values: pd.Series, step: float) -> pd.Series:
    return ((values / step).round() * step).round(2) + 0.0


def _is_told(main: Analysis, row: dict[str, Any], gate: Gate) -> bool:
    """Whether yes and no of a 0/1 measure each stand for enough students in both groups, before and after."""
    if not row["is_binary"]:
        return True
    for when, used in (("before", False), ("after", True)):
        for arm, name in ((1, "treated"), (0, "comparison")):
            n, share = len(main.comparison.arm(arm, used=used)), row[f"mean_{name}_{when}"]
            if pd.isna(share) or min(round(n * share), n - round(n * share)) < gate.rules.min_cell:
                return False
    return True


def released_rows(main: Analysis, gate: Gate, about: list[int]) -> list[Any]:
    """results.json `balance` for others: the keys of the team's rows, only what `shown_balance` holds."""
    frame = shown_balance(main, gate)
    names = ("covariate", *(f"{what}_{when}" for what in ("smd", "variance_ratio", "ks") for when in WHEN))
    return [gate.numbers("row", **{name: (_plain(row[name]), None if name == "covariate" else about) for name in names})
            for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def near_threshold(main: Analysis, gate: Gate) -> Callout | None:
    """Instead of a table of everybody's balance: at a threshold what matters is that nothing known before jumps there.

    None for other designs.
    """
    if main.plan.estimator != "discontinuity":
        return None
    lines = ["Students above and below a threshold need not be alike. What must not happen is that something known "
             "before jumps there, or that scores were moved over the line."]
    lines += [worded(check.text) for check in main.checks if check.name == "balance" and gate.is_team]
    return Callout(gate.fixed("Alike near the threshold?"), tuple(map(gate.fixed, lines)), tone="answer")


def meaning(row: Any, words: tuple[tuple[float, str], ...], step: float) -> str:
    """What a difference means under the WWC's lines; of a rounded one only what holds wherever the true one lies.

    step: 0 for an exact figure.
    """
    least, most = abs(row.smd_after) - step / 2, abs(row.smd_after) + step / 2
    if least > words[-1][0]:
        return "differ"
    return next((word for edge, word in words if most <= edge), "differ" if not step else "")


def note(main: Analysis, gate: Gate) -> str:
    """What was rounded and left out, for the note under the table."""
    if gate.is_team:
        return ""
    return (f"Yes-or-no measures are to the nearest {step_of(main):g}; those with fewer than {gate.rules.min_cell} "
            "students on a side are left out.")
