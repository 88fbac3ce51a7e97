"""How a difference is told: days in school a year where it is about such days, else points, percent or its own unit."""

from __future__ import annotations

from collections.abc import Callable
from math import expm1
from typing import Any

from evalkit.estimators.linear_estimate import unit_of
from evalkit.estimators.panel_estimate import LOG_RATIO
from evalkit.measures import outcome_row
from evalkit.reports.impact_run import COMES_BACK, Analysis
from evalkit.wording.verdicts import Gain

YEAR = 180


def gain(main: Analysis) -> Gain | None:
    """The planned answer in days more in school per 180-day year; None where it is not in days or has no interval."""
    return in_days(main, main.planned)


def year_factor(main: Analysis, found: Any) -> float | None:
    """What turns an estimate into days absent of a 180-day year, by its unit; None where it is not about such days.

    A share of days times 180; days from the start on, times 180 over the days followed. Below zero for days present.
    """
    row = outcome_row(found.outcome)
    if row is None or not row.in_school:
        return None
    unit = found.unit or unit_of(found.outcome)
    factor = {"days": YEAR / main.enrolled_days, "share": float(YEAR)}.get(unit)
    return None if factor is None else -row.in_school * factor


def turned(value: Any, low: Any, high: Any, factor: float) -> Any:
    """A difference and its ends, times -factor (days absent become days in school), ends in their order."""
    ends = (-high * factor, -low * factor)
    return (-value * factor, *(ends if factor > 0 else ends[::-1]))


def in_days(main: Analysis, found: Any) -> Gain | None:
    """An estimate as days more in school per 180-day year; None where it is not about such days or has no interval."""
    factor = year_factor(main, found)
    if factor is None or None in (found.value, found.ci_low, found.ci_high):
        return None
    return Gain(*turned(found.value, found.ci_low, found.ci_high, factor))


def any_gain(main: Analysis) -> tuple[Gain | None, bool]:
    """The answer in days, and whether it was planned; else the exploratory run on the share of days missed."""
    if (planned := gain(main)) is not None:
        return planned, True
    others = [in_days(main, found) for _, found in main.beyond if found.outcome == "absence_rate"]
    return next((found for found in others if found is not None), None), False


def arms(main: Analysis) -> list[int]:
    """The students each estimate rests on, by group: both must be large enough to show it."""
    return [main.planned.n_treated, main.planned.n_comparison]


def comes_back_anyway(main: Analysis) -> bool:
    """Whether the difference may be nothing but students coming back toward their usual level."""
    return any(check.name == COMES_BACK and check.verdict == "fail" for check in main.checks)


def n_failed(main: Analysis) -> int:
    """How many checks of the planned estimate did not hold."""
    return sum(check.verdict == "fail" for check in main.checks)


def outcome_words(outcome: str) -> str:
    """An outcome at the head of a sentence, in the plural."""
    row = outcome_row(outcome)
    return row.head if row else outcome.replace("_", " ").capitalize()


def shown_as(found: Any) -> tuple[Callable[[float], float], str, int]:
    """(how it is turned, unit, decimals) that a difference not told in days in school is shown in."""
    row, unit = outcome_row(found.outcome), found.unit or unit_of(found.outcome)
    if found.estimator == "poisson":
        return _times(YEAR), f"{'days ' if row else ''}per {YEAR}-day year", 2
    if unit == LOG_RATIO:
        return lambda value: 100 * expm1(value), "percent", 1
    if unit == "share":
        return _times(100), "points", 1
    return (_times(1), "days", 2) if row else (_times(1), "on the measure’s own scale", 2)


def _times(factor: float) -> Callable[[float], float]:
    return lambda value: float(value) * factor
