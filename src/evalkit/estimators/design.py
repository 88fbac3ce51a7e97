"""Covariates as a design matrix: numbers as they are, text and flags as factors, missing values by an indicator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from evalkit.errors import UserError
from evalkit.estimators.linear import Array
from evalkit.estimators.sample import Sample, need_columns, numbers

MISSING = "(missing)"


def design_matrix(sample: Sample, covariates: Sequence[str], exact: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    """Intercept, exact strata as factors, covariates, month of the landmark, and treated last: n x p and the names.

    Treated stands last so that a covariate that tells the arms apart completely costs treated its place, and is seen.
    """
    frame = sample.frame
    wanted = [*exact, *(name for name in covariates if name not in exact)]
    need_columns(frame, wanted, what="The plan")
    parts: list[tuple[str, Array]] = [("(intercept)", np.ones(len(frame)))]
    for name in wanted:
        parts += encode(frame[name], factor=name in exact)
    month = landmark_month(frame)
    if month is not None and wanted:
        parts += encode(month, factor=True)
    parts.append(("treated", sample.treated))
    return np.column_stack([values for _, values in parts]), tuple(name for name, _ in parts)


def landmark_month(frame: pd.DataFrame) -> pd.Series | None:
    """The month each row's comparison starts in, where starts are staggered."""
    if "landmark_month" in frame.columns:
        return frame["landmark_month"]
    if "landmark" not in frame.columns or frame["landmark"].nunique() < 2:
        return None
    return pd.to_datetime(frame["landmark"]).dt.strftime("%Y-%m").rename("landmark_month")


def encode(column: pd.Series, *, factor: bool = False) -> list[tuple[str, Array]]:
    """One covariate as named columns of floats; the first level of a factor is the reference."""
    name = str(column.name)
    if factor or is_factor(column):
        codes, levels = pd.factorize(column.astype("string").fillna(MISSING), sort=True)
        return [(f"{name}={level}", (codes == place).astype(float)) for place, level in enumerate(levels) if place]
    if pd.api.types.is_datetime64_any_dtype(column):
        raise UserError("A date cannot be a covariate.", column=name, remedy="Use the number of days, or the month.")
    values = numbers(column)
    absent = np.isnan(values)
    if not absent.any():
        return [(name, values)]
    if absent.all():
        raise UserError("A covariate is missing for every student.", column=name, remedy="Take it out of the plan.")
    filled = np.where(absent, values[~absent].mean(), values)
    return [(name, filled), (f"{name} missing", absent.astype(float))]


def is_factor(column: pd.Series) -> bool:
    """Text and categories are factors; flags and numbers are used as numbers."""
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
                or pd.api.types.is_datetime64_any_dtype(column))
