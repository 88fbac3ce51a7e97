"""The planned outcome of who was chosen: counted in each one's window, or its last value in the table outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from evalkit import measures
from evalkit.comparison.starts import as_dates
from evalkit.errors import UserError

if TYPE_CHECKING:
    from evalkit.comparison.risk_sets import World

EARLIER = {"absence_rate": "prior_absence_rate", "is_chronic": "prior_chronic"}
"""What a difference-in-differences takes as the earlier value of an outcome, unless the plan's `before` says."""
WITHOUT_VALUE = "no value of the planned outcome"
WITHOUT_EARLIER = "no earlier value to take the change from"


def earlier_column(outcome: str) -> str:
    """Where the last value of a measure before the start stands."""
    return f"earlier_{outcome}"


def earlier_value(plan: Any) -> str:
    """The column a difference-in-differences takes as before."""
    return plan.before or EARLIER.get(plan.outcome, earlier_column(plan.outcome))


def with_planned_outcome(world: World, members: pd.DataFrame) -> pd.DataFrame:
    """The members with the planned outcome as a column, missing where nobody measured it (never zero).

    Outcomes of attendance are there already (`measure_follow_up`). A measure of the table outcome is each student's
    last value on or after its own start; its last value before it stands beside it as earlier_<measure>.
    """
    outcome = world.plan.outcome
    if measures.outcome_row(outcome) is not None:
        return members
    if outcome in members.columns:
        raise UserError(f'The measure "{outcome}" of the table outcome has the name of a column of the comparison.',
                        column="measure", file="outcome", remedy="Give the measure another name.")
    later, before = _last_values(world.study, outcome, members)
    if np.isnan(later).all():
        raise UserError("Nobody who is compared has a value of the planned outcome after the start.", column="value",
                        file="outcome", remedy="Add later rows to the table outcome, or plan another outcome.")
    found = {outcome: later} if np.isnan(before).all() else {outcome: later, earlier_column(outcome): before}
    return members.assign(**found)


def _last_values(study: Any, outcome: str, members: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Each member's last value on or after its own start, and its last before it; NaN where there is none."""
    table = study.table("outcome")
    seen = table.loc[table["measure"].eq(outcome), ["student_id", "date", "value"]].dropna()
    own = pd.DataFrame({"row": np.arange(len(members)), "student_id": members["student_id"].to_numpy(),
                        "start": as_dates(members["own_landmark"]).to_numpy()})
    dated = own.merge(seen, on="student_id").sort_values(["row", "date"], kind="stable")
    dated["value"] = dated["value"].astype("float64")
    is_later = dated["date"] >= dated["start"]
    later, before = (part.drop_duplicates("row", keep="last").set_index("row")["value"].reindex(range(len(members)))
                     for part in (dated[is_later], dated[~is_later]))
    return later.to_numpy("float64"), before.to_numpy("float64")
