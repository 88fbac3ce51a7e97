"""Unit-by-period data for the panel estimators: integer codes, first treated period, weights and clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.errors import UserError
from evalkit.estimators.linear import Array
from evalkit.estimators.sample import Request, need_columns, numbers

NEVER = np.iinfo(np.int64).max // 4
"""The period of the first treatment for units that are never treated: later than any period."""
PANEL_OPTIONS = ("unit_id", "time", "first_treated")


@dataclass(frozen=True)
class PanelData:
    """Rows sorted by unit and period. unit, time: codes from 0; first: period code of the first treatment per unit."""

    frame: pd.DataFrame
    unit: NDArray[np.int64]
    time: NDArray[np.int64]
    y: Array
    weight: Array
    first: NDArray[np.int64]
    clusters: NDArray[np.int64]
    times: tuple[Any, ...]
    clustered_by: str
    caveats: tuple[str, ...] = ()

    @property
    def n_units(self) -> int:
        return len(self.first)

    @property
    def n_periods(self) -> int:
        return len(self.times)

    @property
    def is_balanced(self) -> bool:
        return len(self.y) == self.n_units * self.n_periods

    @property
    def ever_treated(self) -> NDArray[np.bool_]:
        return self.first < NEVER

    @property
    def is_on(self) -> NDArray[np.bool_]:
        """Rows at or after their unit's first treated period."""
        return self.time >= self.first[self.unit]

    def wide(self, values: Array) -> Array:
        """units x periods, NaN where a unit has no row."""
        table = np.full((self.n_units, self.n_periods), np.nan)
        table[self.unit, self.time] = values
        return table


def make_panel(panel: pd.DataFrame | None, comparison: Any, ask: Request, *, extra: tuple[str, ...] = ()) -> PanelData:
    """Check grain, types and treatment timing; rows with a missing outcome are left out and counted."""
    if panel is None:
        raise UserError(f"{ask.estimator} needs one row per unit and period.",
                        remedy="Give the panel, not only a comparison.")
    unit, time, first = (ask.option(name, default) for name, default in
                         zip(PANEL_OPTIONS, ("student_id", "month", "first_treated"), strict=True))
    by = ask.clustered_by if isinstance(ask.clustered_by, str | None) else ask.clustered_by[0]
    need_columns(panel, [unit, time, first, ask.outcome, *([by] if by else []), *extra], what="The panel estimator")
    rows = _weighted(panel, comparison, unit)
    kept = rows[~np.isnan(numbers(rows[ask.outcome]))].sort_values([unit, time], kind="stable").reset_index(drop=True)
    if kept.duplicated([unit, time]).any():
        raise UserError(f"Some units have more than one row in the same {time}.", column=str(time),
                        remedy="Give exactly one row per unit and period.")
    caveats = (() if len(kept) == len(rows) else
               (f"{len(rows) - len(kept)} rows without an outcome were left out.",))
    data = _coded(kept, unit, time, first, by or unit, ask, caveats)
    if ask.estimator != "interrupted_series":  # which names the schools' breaks itself
        _refuse_no_start(data, str(first))
    return data


def _refuse_no_start(data: PanelData, first: str) -> None:
    """Some unit must be seen before its start: else there is no change to estimate."""
    if not data.ever_treated.any():
        raise UserError("Nobody in the panel starts within its periods, so there is no effect to estimate.",
                        column=first, remedy="Check the column of the first treated period (missing or 0 means never).")
    if not (data.ever_treated & (data.first > 0)).any():
        raise UserError("Everybody who is treated is so from the first period on: there is nothing before the start.",
                        column=first, remedy="Give earlier periods, or compare students from their start on.")


def _weighted(panel: pd.DataFrame, comparison: Any, unit: str) -> pd.DataFrame:
    """Only the units the comparison uses, with its weights; every row with weight 1 where there is none."""
    students = getattr(comparison, "students", comparison)
    if students is None:
        return panel.assign(weight=numbers(panel["weight"]) if "weight" in panel.columns else 1.0)
    need_columns(students, [unit, "weight"], what="The comparison")
    weight = students.assign(weight=numbers(students["weight"])).groupby(unit)["weight"].sum()
    rows = panel.drop(columns=["weight"], errors="ignore").assign(weight=panel[unit].map(weight).to_numpy(dtype=float))
    return rows[rows["weight"] > 0]


def _coded(rows: pd.DataFrame, unit: str, time: str, first: str, by: str, ask: Request,
           caveats: tuple[str, ...]) -> PanelData:
    units = pd.factorize(rows[unit], sort=True)[0].astype(np.int64)
    times = sorted(rows[time].unique())
    codes = rows[time].map({value: code for code, value in enumerate(times)}).to_numpy(dtype=np.int64)
    start = _first_codes(rows[first], times)
    at = np.unique(units, return_index=True)[1]
    if (start != start[at][units]).any():
        raise UserError("A unit changes its first treated period from row to row.", column=str(first),
                        remedy="Give the same first treated period on every row of a unit.")
    clusters = pd.factorize(rows[by], sort=True)[0].astype(np.int64)
    if (clusters != clusters[at][units]).any():
        caveats = (*caveats, f"Some units change their {by}; the first one counts as their cluster.")
    y = numbers(rows[ask.outcome])
    if np.ptp(y) == 0:
        raise UserError("The outcome has the same value in every row, so there is no effect to estimate.",
                        column=ask.outcome, remedy="Choose another outcome.")
    return PanelData(rows, units, codes, y, rows["weight"].to_numpy(dtype=float), start[at], clusters[at],
                     tuple(times), by, caveats)


def _first_codes(column: pd.Series, times: list[Any]) -> NDArray[np.int64]:
    """Period code of the first treatment: NEVER where missing, 0 or after the last period; the next one if between."""
    never = column.isna() | (column == 0 if pd.api.types.is_numeric_dtype(column) else False)
    codes = np.full(len(column), NEVER, dtype=np.int64)
    known = column[~never]
    found = np.searchsorted(np.array(times), known.to_numpy(dtype=np.array(times).dtype))
    codes[np.flatnonzero(~never.to_numpy())] = np.where(found < len(times), found, NEVER)
    return codes
