"""The rows an estimate rests on: outcome joined to the comparison's weights by row identity, never by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.errors import UserError
from evalkit.estimators.linear import Array
from evalkit.measures.outcomes import FLAG, SHARE, outcome_row

_KEYS = ("student_id", "landmark")
_NO_SHARE = 2.0
"""A value above it is in percent; made data with noise may pass 1 by a little."""


@dataclass(frozen=True)
class Request:
    """Everything asked of an estimator besides its data."""

    estimator: str
    outcome: str
    clustered_by: str | tuple[str, ...] | None = None
    standard_errors: str = "CR2"
    covariates: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    estimand: str = "ATT"
    comparison: str = ""
    unit: str = ""
    level: float = 0.95
    seed: int = 20260
    options: Mapping[str, Any] | None = None

    def option(self, name: str, default: Any = None) -> Any:
        value = (self.options or {}).get(name)
        return default if value is None else value


@dataclass(frozen=True)
class Sample:
    """Rows with a weight above zero. frame: one row per unit, with `treated` (0/1), `weight` and the outcome."""

    frame: pd.DataFrame
    outcome: str
    caveats: tuple[str, ...] = ()

    @cached_property
    def treated(self) -> Array:
        return self.frame["treated"].to_numpy(dtype=float)

    @cached_property
    def weights(self) -> Array:
        return self.frame["weight"].to_numpy(dtype=float)

    @cached_property
    def y(self) -> Array:
        return numbers(self.frame[self.outcome])

    @property
    def n_treated(self) -> int:
        return self._count(1)

    @property
    def n_comparison(self) -> int:
        return self._count(0)

    def _count(self, arm: int) -> int:
        """Students of an arm, each once however many start dates it is compared at; rows where nobody has an id."""
        rows = self.frame[self.treated == arm]
        return int(rows["student_id"].nunique()) if "student_id" in rows.columns else len(rows)


def numbers(column: pd.Series) -> Array:
    """A column as floats, missing as NaN; text is refused."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb":
        return column.to_numpy(dtype=float)
    try:
        return pd.to_numeric(column).astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    except (ValueError, TypeError):
        raise UserError("A column that must hold numbers holds text.", column=str(column.name),
                        remedy="Turn it into numbers, or name another column.") from None


def need_columns(frame: pd.DataFrame, columns: Sequence[str], *, what: str) -> None:
    """Refuse when a named column is not there."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise UserError(f"{what} names columns that are not in the data.", culprits=missing,
                        remedy=f"Use columns of the data: {', '.join(map(str, frame.columns[:40]))}.")


def plan_value(comparison: Any, name: str, default: Any) -> Any:
    """A setting of the comparison's plan, whether the plan is a record or a mapping."""
    plan = getattr(comparison, "plan", None)
    found = plan.get(name) if isinstance(plan, Mapping) else getattr(plan, name, None)
    return default if found is None else found


def make_sample(panel: pd.DataFrame | None, comparison: Any, outcome: str, *, missing: str = "refuse") -> Sample:
    """Join the outcome to the weighted rows and refuse what would give a number that only looks fine."""
    students = _students(comparison)
    frame = panel if students is None else students if panel is None else _join(students, panel, outcome)
    if frame is None:
        raise UserError("There is neither a comparison nor a frame to estimate from.", remedy="Give one of the two.")
    need_columns(frame, [outcome], what="The outcome")
    if "treated" not in frame.columns:
        raise UserError("The data have no column saying who was treated.",
                        remedy="Give the Comparison of choose_comparison, or a frame with a column treated (0/1).")
    used = frame.assign(treated=numbers(frame["treated"]),
                        weight=numbers(frame["weight"]) if "weight" in frame.columns else 1.0)
    used = used[used["weight"] > 0].reset_index(drop=True)
    used, caveats = _without_missing(used, outcome, missing)
    _refuse_empty_arm(used)
    _refuse_constant(used, outcome)
    _refuse_percent(used, outcome)
    return Sample(used, outcome, caveats)


def _students(comparison: Any) -> pd.DataFrame | None:
    if comparison is None or isinstance(comparison, pd.DataFrame):
        return comparison
    return comparison.students


def _join(students: pd.DataFrame, panel: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """The comparison's rows with the panel's columns, by student (and landmark), else by the frame's index."""
    if students is panel:
        return students
    used = students[numbers(students["weight"]) > 0] if "weight" in students.columns else students
    need_columns(panel, [outcome], what="The outcome")
    keys = [key for key in _KEYS if key in used.columns and key in panel.columns]
    extra = [column for column in panel.columns if column not in used.columns or column == outcome]
    if keys and not panel.duplicated(keys).any():
        left = used.drop(columns=[outcome], errors="ignore")
        return left.merge(panel[keys + [column for column in extra if column not in keys]], on=keys, how="left",
                          validate="many_to_one")
    if panel.index.is_unique and used.index.isin(panel.index).all():
        _refuse_other_rows(used, panel)
        return used.drop(columns=[outcome], errors="ignore").join(panel[extra])
    raise UserError("The rows of the outcome cannot be told apart, so they cannot be joined to the comparison.",
                    remedy="Give one row per student with student_id, or the frame choose_comparison was given.")


def _refuse_other_rows(used: pd.DataFrame, panel: pd.DataFrame) -> None:
    """An index that was reset points at other students: shared columns then disagree."""
    made = {"treated", "weight", "subclass", "distance"}
    for column in [c for c in used.columns if c in panel.columns and c not in made]:
        left, right = used[column], panel.loc[used.index, column]
        if not (left.eq(right) | (left.isna() & right.isna())).all():
            raise UserError("The outcome's rows are not the rows the comparison was made from.", column=str(column),
                            remedy="Give student_id in both frames, or keep the index choose_comparison saw.")


def _without_missing(used: pd.DataFrame, outcome: str, missing: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    absent = np.isnan(numbers(used[outcome]))
    if not absent.any():
        return used, ()
    treated = int((absent & (used["treated"] == 1)).sum())
    counts = f"{treated} treated and {int(absent.sum()) - treated} comparison rows"
    if missing != "drop":
        raise UserError(f"The outcome is missing for {counts} of the analysis.", column=outcome,
                        remedy='Leave them out before choosing the comparison, or say missing="drop": then they are '
                               "left out with their sets and counted as attrition.")
    return drop_with_sets(used, absent), (f"{counts} were left out because their outcome is missing.",)


def drop_with_sets(used: pd.DataFrame, gone: NDArray[np.bool_]) -> pd.DataFrame:
    """Leave rows out: a treated row takes its matched set along, and the partners kept share their set's weight."""
    kept = used[~gone]
    if "subclass" not in used.columns or used["subclass"].isna().all():
        return kept.reset_index(drop=True)
    arms = kept.groupby("subclass")["treated"].agg(["min", "max"])
    whole = kept["subclass"].isin(arms.index[(arms["min"] == 0) & (arms["max"] == 1)]) | kept["subclass"].isna()
    kept = kept[whole].copy()
    arm = ["subclass", "treated"]
    before = used.groupby(arm)["weight"].sum().rename("before").reset_index()
    share = kept[arm].merge(before, on=arm, how="left")["before"].to_numpy(dtype=float)
    now = kept.groupby(arm)["weight"].transform("sum").to_numpy(dtype=float)
    comparison = (kept["treated"] == 0).to_numpy() & kept["subclass"].notna().to_numpy()
    kept["weight"] = np.where(comparison, kept["weight"] * share / now, kept["weight"])
    return kept.reset_index(drop=True)


def _refuse_empty_arm(used: pd.DataFrame) -> None:
    for value, word in ((1, "treated"), (0, "comparison")):
        if int((used["treated"] == value).sum()) < 2:
            raise UserError(f"Fewer than two {word} students are left in the analysis, so nothing can be compared.",
                            remedy="Loosen the caliper or the exact variables, or choose another comparison design.")


def _refuse_percent(used: pd.DataFrame, outcome: str) -> None:
    """A share is told as days of a year: in percent the number would be a hundred times too large."""
    row = outcome_row(outcome)
    if row is None or row.kind not in (SHARE, FLAG):
        return
    values = numbers(used[outcome])
    if values.max() > _NO_SHARE:
        raise UserError(f'"{outcome}" is a share from 0 to 1, and the data hold {values.min():g} to {values.max():g}.',
                        column=outcome, remedy="Divide percents by 100, or give the column another name.")


def _refuse_constant(used: pd.DataFrame, outcome: str) -> None:
    values = numbers(used[outcome])
    if np.isinf(values).any():
        raise UserError("The outcome holds an infinite value.", column=outcome,
                        remedy="Look for a division by zero enrolled days.")
    if np.ptp(values) == 0:
        raise UserError("The outcome has the same value for every student, so there is no effect to estimate.",
                        column=outcome, remedy="Choose another outcome, or a follow-up in which it can differ.")
