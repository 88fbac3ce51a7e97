"""Breaks and seasons of school series: which schools changed when, whether there are points enough, month terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.errors import UserError
from evalkit.estimators.linear import Array
from evalkit.estimators.panel_data import NEVER, PanelData
from evalkit.estimators.sample import Request

BEFORE, AFTER = 4, 3
BEFORE_ALONE, AFTER_ALONE = 8, 4


@dataclass(frozen=True)
class Break:
    """A period in which some units changed. label: the period as the data name it; is_first: nobody's later break."""

    code: int
    label: str
    units: NDArray[np.bool_]
    is_first: bool


def find_breaks(data: PanelData, ask: Request) -> list[Break]:
    """First breaks from first_treated, then later ones from the option `breaks` (unit -> periods)."""
    starts = {code: data.first == code for code in np.unique(data.first[data.ever_treated])}
    if not starts:
        raise UserError("No school has a break in its series.", remedy="Give the first period after the plan change.")
    found = [Break(int(code), str(data.times[code]), units, True) for code, units in starts.items()]
    later: dict[int, NDArray[np.bool_]] = {}
    for unit, code in _named(data, ask):
        if code > data.first[unit]:
            later.setdefault(code, np.zeros(data.n_units, dtype=bool))[unit] = True
    return found + [Break(code, f"{data.times[code]} (later)", units, False) for code, units in sorted(later.items())]


def _named(data: PanelData, ask: Request) -> list[tuple[int, int]]:
    """(unit, period code) of every break named in the option."""
    named = ask.option("breaks", {})
    if not isinstance(named, Mapping):
        raise UserError("breaks must say for each school in which periods its plan changed.",
                        remedy='Write breaks={"school 1": [5, 12]}.')
    column = data.frame[ask.option("unit_id", "student_id")]
    place = {label: int(code) for label, code in zip(column, data.unit, strict=True)}
    unknown = [str(unit) for unit in named if unit not in place]
    if unknown:
        raise UserError(f"breaks names {len(unknown)} schools that are not in the series.",
                        remedy="Use the names of the unit column.")
    codes = {label: code for code, label in enumerate(data.times)}
    missing = [str(period) for periods in named.values() for period in periods if period not in codes]
    if missing:
        raise UserError("breaks names periods that are not in the series.", culprits=missing,
                        remedy="Use the periods of the time column.")
    never = [unit for unit in named if data.first[place[unit]] >= NEVER]
    if never:
        raise UserError(f"breaks names {len(never)} schools that have no first_treated.",
                        remedy="Give the first change in first_treated and the later ones in breaks.")
    return [(place[unit], codes[period]) for unit, periods in named.items() for period in periods]


def refuse_short(data: PanelData, breaks: list[Break], alone: bool) -> None:
    """Enough points before, after and between the breaks of every school that changed."""
    before, after = (BEFORE_ALONE, AFTER_ALONE) if alone else (BEFORE, AFTER)
    there = ~np.isnan(data.wide(data.y))
    for unit in np.flatnonzero(data.ever_treated):
        cuts = [0, *sorted(one.code for one in breaks if one.units[unit]), data.n_periods]
        counts = [int(there[unit, a:b].sum()) for a, b in pairwise(cuts)]
        if counts[0] < before or min(counts[1:]) < after:
            raise UserError(
                f"An interrupted series needs {before} periods before the break and {after} after each"
                + (" where no school without a change is in it" if alone else "")
                + f"; one school has {counts[0]} before and {min(counts[1:])} after.",
                remedy="Wait for more months, use weeks, or add schools without a change.")


def season_columns(data: PanelData, season: str | None, alone: bool, breaks: list[Break]) -> tuple[Array, str]:
    """Month terms, and a sentence about them. With comparison schools every period has its own term already."""
    if not alone:
        return (data.time[:, None] == np.arange(1, data.n_periods)[None, :]).astype(float), ""
    nothing = np.zeros((len(data.y), 0))
    values = data.frame[season] if season else _month_of(data)
    if values is None:
        return nothing, ('No month terms: a season that returns every year may be part of this number (season="..." '
                         "names the column of the month).")
    codes, levels = pd.factorize(values, sort=True)
    seen = pd.Series(data.time).groupby(codes).nunique()
    early = set(codes[data.time < min(one.code for one in breaks)])
    if (seen < 2).any() or early != set(range(len(levels))):
        if season:
            raise UserError("Month terms need every month twice in the series and once before the break.",
                            column=season, remedy="Give a longer series, or add schools without a change.")
        return nothing, "No month terms: the series has not seen every month twice and once before the break."
    return ((codes[:, None] == np.arange(1, len(levels))[None, :]).astype(float),
            f"Month terms ({len(levels)}) take out what returns every year.")


def _month_of(data: PanelData) -> pd.Series | None:
    times = pd.Series(list(data.times))
    if isinstance(times.dtype, pd.PeriodDtype) or pd.api.types.is_datetime64_any_dtype(times):
        return times.dt.month.iloc[data.time].reset_index(drop=True)
    return None
