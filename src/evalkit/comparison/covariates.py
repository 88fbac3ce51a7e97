"""Columns of a frame -> numbers: factors, missing values with an indicator, constant and repeated columns.

Text and categorical columns are factors, true/false columns 0/1. A missing number takes the mean of the observed ones
and gets an indicator column; a missing text is a level of its own. Nothing is left out without a remark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evalkit.errors import UserError, nearest

MISSING_LEVEL = "(missing)"
ALIASED = 1e-10
"""Squared share of a standardized column left over by the columns before it, below which it says nothing new."""


@dataclass(frozen=True)
class Column:
    """One covariate as numbers. `levels` is empty for a number, else values are codes into it. `absent`: missing."""

    name: str
    values: np.ndarray
    levels: tuple[str, ...] = ()
    absent: np.ndarray | None = None


@dataclass(frozen=True)
class Design:
    """Model matrix without its intercept: one name a column, row order as given. `remarks` say what was done."""

    names: tuple[str, ...]
    matrix: np.ndarray
    remarks: tuple[str, ...] = ()


def require_columns(frame: pd.DataFrame, names: Sequence[str], *, role: str) -> None:
    """Refuse column names that are not in the frame; the nearest name is offered."""
    for name in names:
        if name not in frame.columns:
            near = nearest(str(name), map(str, frame.columns))
            raise UserError(f'The {role} column "{name}" is not in the data.',
                            remedy=f'Did you mean "{near}"?' if near else
                            f"Use one of: {', '.join(map(str, frame.columns[:30]))}.")


def is_number(values: pd.Series) -> bool:
    """Numbers and true/false columns; everything else is a factor."""
    kind = values.dtype
    if pd.api.types.is_bool_dtype(kind) or pd.api.types.is_numeric_dtype(kind):
        return True
    if not pd.api.types.is_object_dtype(kind):
        return False
    return bool(values.map(lambda v: isinstance(v, bool | np.bool_) or v is None or v is pd.NA).all())


def read_column(values: pd.Series, *, name: str) -> Column:
    """One covariate as a float column, or as codes into its sorted levels."""
    if is_number(values):
        numbers = values.astype("Float64" if values.dtype == object else values.dtype)
        floats = numbers.to_numpy(dtype=float, na_value=np.nan)
        if np.isinf(floats).any():
            raise UserError(f'The covariate "{name}" holds an infinite value.',
                            remedy="Look for a division by zero days and correct or blank it.")
        absent = np.isnan(floats)
        return Column(name, floats, absent=absent if absent.any() else None)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        raise UserError(f'The covariate "{name}" is a date.', remedy="Turn it into a number of days or a text first.")
    codes, levels = pd.factorize(values, sort=True)
    names = [str(level) for level in levels]
    if (codes < 0).any():
        codes, names = np.where(codes < 0, len(names), codes), [*names, MISSING_LEVEL]
    return Column(name, codes.astype(np.intp), tuple(names))


def read_columns(frame: pd.DataFrame, names: Sequence[str]) -> list[Column]:
    return [read_column(frame[name], name=name) for name in names]


def take(column: Column, rows: np.ndarray) -> Column:
    """The column for some of the rows; levels that nobody has left are gone."""
    absent = None if column.absent is None else column.absent[rows]
    absent = absent if absent is not None and absent.any() else None
    if not column.levels:
        return Column(column.name, column.values[rows], absent=absent)
    there, codes = np.unique(column.values[rows], return_inverse=True)
    return Column(column.name, codes.astype(np.intp), tuple(column.levels[code] for code in there))


def one_armed(columns: Sequence[Column], treated: np.ndarray) -> np.ndarray:
    """Rows whose level of some factor (or missing number) nobody of the other arm has: no model can compare them."""
    kept = np.ones(len(treated), dtype=bool)
    factors = [column.values for column in columns if column.levels]
    factors += [column.absent.astype(np.intp) for column in columns if column.absent is not None]
    while factors:
        before = int(kept.sum())
        for codes in factors:
            size = int(codes.max()) + 1
            counts = [np.bincount(codes[kept & (treated == arm)], minlength=size) for arm in (0, 1)]
            kept &= ((counts[0] > 0) & (counts[1] > 0))[codes]
        if int(kept.sum()) == before:
            break
    return ~kept


def filled(column: Column) -> np.ndarray:
    """A numeric column with missing values at the mean of the observed ones."""
    if column.absent is None:
        return column.values
    if column.absent.all():
        raise UserError(f'The covariate "{column.name}" has no value for anybody who can be compared.',
                        remedy="Take it out of the covariates.")
    return np.where(column.absent, np.nanmean(column.values), column.values)


def indicator(column: Column) -> tuple[str, np.ndarray]:
    return f"{column.name}_missing", np.asarray(column.absent, dtype=float)


def model_matrix(columns: Sequence[Column]) -> Design:
    """Treatment-coded columns for a regression with an intercept; constant and repeated ones left out, and said."""
    names: list[str] = []
    parts: list[np.ndarray] = []
    remarks = missing_remarks(columns)
    for column in columns:
        if column.levels:
            for code, level in enumerate(column.levels[1:], start=1):
                names.append(f"{column.name}_{level}")
                parts.append((column.values == code).astype(float))
            continue
        names.append(column.name)
        parts.append(filled(column))
        if column.absent is not None:
            label, values = indicator(column)
            names.append(label)
            parts.append(values)
    kept, dropped = telling_columns(parts, names)
    remarks += [f'"{name}" is the same for everyone and was left out.' for name, why in dropped if why == "constant"]
    remarks += [f'"{name}" repeats what other covariates say and was left out of the model.'
                for name, why in dropped if why == "repeated"]
    matrix = np.empty((len(parts[0]) if parts else 0, len(kept)), order="F")
    for place, index in enumerate(kept):
        matrix[:, place] = parts[index]
    return Design(tuple(names[i] for i in kept), matrix, tuple(remarks))


def missing_remarks(columns: Sequence[Column]) -> list[str]:
    remarks = []
    for column in columns:
        if column.absent is not None:
            remarks.append(f'"{column.name}" is missing for {int(column.absent.sum())} rows: they take the mean of the '
                           f"others and the model has an indicator for them.")
        elif MISSING_LEVEL in column.levels:
            count = int((column.values == column.levels.index(MISSING_LEVEL)).sum())
            remarks.append(f'"{column.name}" is missing for {count} rows: "missing" is a level of its own.')
    return remarks


def telling_columns(parts: Sequence[np.ndarray], names: Sequence[str]) -> tuple[list[int], list[tuple[str, str]]]:
    """Which columns to keep, in order: not constant, and not a combination of those before (as R's pivoted QR)."""
    if not parts:
        return [], []
    spread = [float(part.max() - part.min()) if len(part) else 0.0 for part in parts]
    varied = [i for i, size in enumerate(spread) if size > 0]
    dropped = [(names[i], "constant") for i in range(len(parts)) if i not in set(varied)]
    gram = _correlations([parts[i] for i in varied])
    kept_places = _independent(gram)
    kept = [varied[place] for place in kept_places]
    dropped += [(names[i], "repeated") for i in varied if i not in set(kept)]
    return kept, dropped


def _correlations(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Correlation matrix in blocks of rows, so that a million rows need no second copy."""
    if not parts:
        return np.zeros((0, 0))
    n, p = len(parts[0]), len(parts)
    means = np.array([part.mean() for part in parts])
    total = np.zeros((p, p))
    for start in range(0, n, 65_536):
        block = np.stack([part[start:start + 65_536] for part in parts], axis=1) - means
        total += block.T @ block
    scale = np.sqrt(np.diag(total))
    return total / np.outer(scale, scale)


def _independent(gram: np.ndarray) -> list[int]:
    """Places of columns that add something to those before them (modified Gram-Schmidt on the correlations)."""
    left = gram.copy()
    kept = []
    for place in range(len(left)):
        if left[place, place] <= ALIASED:
            continue
        kept.append(place)
        row = left[place] / left[place, place]
        left = left - np.outer(left[:, place], row)
    return kept


def all_level_columns(columns: Sequence[Column]) -> tuple[list[str], list[np.ndarray]]:
    """Every covariate as readers want to see it in a balance table: all levels of a factor, and the indicators."""
    names: list[str] = []
    parts: list[np.ndarray] = []
    for column in columns:
        if column.levels:
            names += [f"{column.name}_{level}" for level in column.levels]
            parts += [(column.values == code).astype(float) for code in range(len(column.levels))]
            continue
        names.append(column.name)
        parts.append(filled(column))
        if column.absent is not None:
            label, values = indicator(column)
            names.append(label)
            parts.append(values)
    return names, parts


def strata_codes(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """One integer a row for the combination of exact columns; missing is a value like any other."""
    codes = np.zeros(len(frame), dtype=np.int64)
    for name in names:
        found, levels = pd.factorize(frame[name], sort=True, use_na_sentinel=False)
        codes = codes * max(len(levels), 1) + found
    return np.unique(codes, return_inverse=True)[1].astype(np.int64) if len(names) else codes
