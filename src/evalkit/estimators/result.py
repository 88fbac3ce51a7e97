"""What an estimator hands back: the number, its uncertainty, who it is about, and what to know before quoting it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

LEAST_DF = 4.0
"""Satterthwaite degrees of freedom below which a CR2 p-value and interval cannot be relied on (Pustejovsky & Tipton
2018, doi:10.1080/07350015.2016.1247004; Imbens & Kolesar 2016, doi:10.1162/REST_a_00552)."""


@dataclass(frozen=True)
class Estimate:
    """One effect, treated minus comparison (fewer absences is negative), with its interval and its caveats.

    Shares are 0-1. A number that cannot be had is None, and `reason` says why and what would mend it.
    `details` holds what belongs to the method (ratio, group-time effects, dropped columns ...).
    """

    comparison: str
    estimator: str
    estimand: str
    outcome: str
    unit: str
    value: float | None
    standard_error: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    df: float | None
    n_treated: int
    n_comparison: int
    clustered_by: str
    standard_errors: str = ""
    level: float = 0.95
    exploratory: bool = False
    reason: str = ""
    caveats: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Numbers are plain floats, whatever library made them."""
        for name in ("value", "standard_error", "ci_low", "ci_high", "p_value", "df"):
            found = getattr(self, name)
            object.__setattr__(self, name, None if found is None else float(found))

    @property
    def is_thin(self) -> bool:
        """Whether so few clusters carry the interval that its p-value cannot be relied on."""
        return self.df is not None and self.ci_low is not None and self.df < LEAST_DF

    def to_dict(self) -> dict[str, Any]:
        """The fields of results.json; `exploratory` only where it is true, `reason` only where a number is missing."""
        names = ("comparison", "estimator", "estimand", "outcome", "unit", "value", "standard_error", "ci_low",
                 "ci_high", "p_value", "df", "n_treated", "n_comparison", "clustered_by", "standard_errors")
        found = {name: plain(getattr(self, name)) for name in names}
        if self.exploratory:
            found["exploratory"] = True
        if self.reason:
            found["reason"] = self.reason
        return found

    def describe(self) -> str:
        """One line for a person reading code output: value, interval, groups, method."""
        if self.value is None:
            return f"{self.outcome}: no estimate. {self.reason}"
        band = (f"{self.level:.0%} interval {self.ci_low:.4g} to {self.ci_high:.4g}"
                if self.ci_low is not None and self.ci_high is not None else f"no interval: {self.reason}")
        by = f", clustered by {self.clustered_by}" if self.clustered_by else ""
        return (f"{self.outcome}: {self.value:.4g} {self.unit} ({band}); {self.n_treated} treated, "
                f"{self.n_comparison} comparison; {self.estimator}, {self.standard_errors}{by}")

    def as_exploratory(self) -> Estimate:
        """The same estimate, labelled as run beyond the plan."""
        return replace(self, exploratory=True)


def no_estimate(reason: str, *, estimator: str, outcome: str, comparison: str = "", estimand: str = "ATT",
                n_treated: int = 0, n_comparison: int = 0, exploratory: bool = False, unit: str = "") -> Estimate:
    """An Estimate without a number, that says why and what would mend it."""
    return Estimate(comparison=comparison, estimator=estimator, estimand=estimand, outcome=outcome, unit=unit,
                    value=None, standard_error=None, ci_low=None, ci_high=None, p_value=None, df=None,
                    n_treated=n_treated, n_comparison=n_comparison, clustered_by="", exploratory=exploratory,
                    reason=reason)


def plain(value: Any) -> Any:
    """Numpy scalars as Python ones and NaN or infinity as None, so that JSON can hold the value."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple) or hasattr(value, "tolist"):
        return [plain(item) for item in (value.tolist() if hasattr(value, "tolist") else value)]
    return value
