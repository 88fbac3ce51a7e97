"""Two-stage difference-in-differences: Gardner 2022, arXiv:2207.05943; errors as generated regressors (GMM).

Unit and period effects from untreated rows alone, then the adjusted outcome on treatment. Exact: units are
eliminated analytically, so nothing iterates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import UserError
from evalkit.estimators.aggregate import cluster_sums
from evalkit.estimators.leads import lead_test
from evalkit.estimators.linear import Array
from evalkit.estimators.panel_data import NEVER, PanelData, make_panel
from evalkit.estimators.panel_estimate import panel_estimate
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request
from evalkit.estimators.within import period_columns


def run(panel: pd.DataFrame | None, comparison: Any, ask: Request) -> Estimate:
    """The static effect; details hold the event study (base: the period before the start)."""
    data = make_panel(panel, comparison, ask)
    clean = ~data.is_on
    _refuse_without_clean(data, clean)
    stage = _FirstStage(data, clean)
    value, error = _second_stage(data, stage, data.is_on.astype(float)[:, None])
    steps, columns = _event_columns(data)
    study, errors = _second_stage(data, stage, columns)
    groups = len(np.unique(data.clusters))
    return panel_estimate(data, ask, float(value[0]), float(error[0]), groups - 1.0 if groups < data.n_units else None,
                          details={"event": steps, "event_att": study.tolist(), "pre_test": lead_test(data),
                                   "event_standard_error": errors.tolist()})


def two_stage(data: PanelData) -> tuple[float, Array]:
    """The static effect and its influence per row: what two-way fixed effects are compared with."""
    clean = ~data.is_on
    _refuse_without_clean(data, clean)
    value, score = _scores(data, _FirstStage(data, clean), data.is_on.astype(float)[:, None])
    return float(value[0]), score[:, 0]


def _refuse_without_clean(data: PanelData, clean: Array) -> None:
    if len(np.unique(data.unit[clean])) < data.n_units:
        raise UserError("Some units are treated in every period they are seen in, so their own level cannot be had.",
                        remedy="Leave them out, or give an earlier period.")
    if len(np.unique(data.time[clean])) < data.n_periods:
        raise UserError("In some period every unit is treated, so the period's own level cannot be had.",
                        remedy="Leave out the periods in which nobody is untreated.")


class _FirstStage:
    """Normal equations of unit and period effects on untreated rows, units eliminated: a T-1 square system."""

    def __init__(self, data: PanelData, clean: Array) -> None:
        self.data, self.weight = data, np.where(clean, data.weight, 0.0)
        self.periods = period_columns(data.time, data.n_periods)
        self.unit_total = np.bincount(data.unit, self.weight)
        self.unit_periods = self.by_unit(self.periods, self.weight)
        inner = (self.periods * self.weight[:, None]).T @ self.periods
        self.schur = inner - self.unit_periods.T @ (self.unit_periods / self.unit_total[:, None])
        self.effects = self.solve(self.by_unit(data.y[:, None], self.weight),
                                  self.periods.T @ (self.weight * data.y)[:, None])
        self.residual = data.y - self.predict(self.effects)[:, 0]

    def by_unit(self, columns: Array, weight: Array) -> Array:
        return np.column_stack([np.bincount(self.data.unit, weight * column) for column in columns.T])

    def solve(self, unit_side: Array, period_side: Array) -> tuple[Array, Array]:
        """(unit part, period part) of the solution for right-hand sides given in the same two parts."""
        right = period_side - self.unit_periods.T @ (unit_side / self.unit_total[:, None])
        period = np.linalg.solve(self.schur, right)
        return (unit_side - self.unit_periods @ period) / self.unit_total[:, None], period

    def predict(self, effects: tuple[Array, Array]) -> Array:
        return effects[0][self.data.unit] + self.periods @ effects[1]


def _second_stage(data: PanelData, stage: _FirstStage, columns: Array) -> tuple[Array, Array]:
    """Coefficients and errors: scores summed per cluster."""
    coef, score = _scores(data, stage, columns)
    sums = cluster_sums(score, data.clusters[data.unit])
    return coef, np.sqrt((sums**2).sum(axis=0))


def _scores(data: PanelData, stage: _FirstStage, columns: Array) -> tuple[Array, Array]:
    """Coefficients, and each row's score of stage two less what stage one's errors pass on."""
    weighted = columns * data.weight[:, None]
    bread = np.linalg.inv(weighted.T @ columns)
    coef = bread @ (weighted.T @ stage.residual)
    left = stage.residual - columns @ coef
    passed = stage.predict(stage.solve(stage.by_unit(columns, data.weight), stage.periods.T @ weighted))
    first_residual = np.where(stage.weight > 0, stage.residual, 0.0)
    return coef, (weighted * left[:, None] - passed * (stage.weight * first_residual)[:, None]) @ bread


def _event_columns(data: PanelData) -> tuple[list[int], Array]:
    event = data.time - data.first[data.unit]
    treated = data.first[data.unit] < NEVER
    steps = [int(step) for step in np.unique(event[treated]) if step != -1]
    return steps, np.column_stack([(treated & (event == step)).astype(float) for step in steps])
