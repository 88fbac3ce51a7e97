"""What every check looks at: rows, comparison, estimate, plan, and a study where there is one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from evalkit.estimators import ESTIMATORS, Estimate, Method, estimate_or_reason
from evalkit.estimators.linear_estimate import unit_of
from evalkit.estimators.panel_estimate import LOG_RATIO
from evalkit.estimators.sample import make_sample, plan_value
from evalkit.measures import outcome_row

DAYS = 180


class Known(NamedTuple):
    """An estimate whose interval is known."""

    value: float
    standard_error: float
    ci_low: float
    ci_high: float
    p_value: float
    df: float


def known(found: Estimate) -> Known | None:
    """The numbers of an estimate, or None where it has no interval."""
    if found.value is None or found.standard_error is None or found.ci_low is None or found.ci_high is None:
        return None
    return Known(found.value, found.standard_error, found.ci_low, found.ci_high,
                 1.0 if found.p_value is None else found.p_value, found.df or 1e6)


def p_words(p_value: float, digits: int = 2) -> str:
    """p = 0.04; never p = 0.00: that is p < 0.01."""
    least = 10.0**-digits
    return f"p < {least:.{digits}f}" if p_value < least else f"p = {p_value:.{digits}f}"


@dataclass(frozen=True)
class Context:
    """study: a Study or None. panel: a row per student with the outcome or None (the comparison's own rows hold it).

    given: further inputs by name (history, household, dose, attrition ...); what is not given is taken from the study.
    """

    comparison: Any
    estimate: Estimate
    plan: Any = None
    study: Any = None
    panel: pd.DataFrame | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Rows with a weight: outcome, treated, weight, subclass and the comparison's columns."""
        return make_sample(self.panel, self.comparison, self.estimate.outcome, missing="drop").frame

    def setting(self, name: str, default: Any = None) -> Any:
        """A setting of the plan, else of the comparison's own plan."""
        found = getattr(self.plan, name, None)
        return plan_value(self.comparison, name, default) if found in (None, "", ()) else found

    @property
    def covariates(self) -> tuple[str, ...]:
        return tuple(self.setting("covariates", ()))

    @property
    def exact(self) -> tuple[str, ...]:
        """The strata that the comparison held fixed, else the plan's."""
        return tuple(plan_value(self.comparison, "exact", ()) or self.setting("exact", ()))

    @property
    def clustered_by(self) -> Any:
        return tuple(self.estimate.clustered_by.split(" and ")) if self.estimate.clustered_by else None

    @property
    def is_adjusted(self) -> bool:
        """Whether the estimator has a place for covariates."""
        method = ESTIMATORS.get(self.estimate.estimator)  # somebody's own estimate may have a name of its own
        return method is None or method.takes_covariates

    def adjusts(self, name: str) -> bool:
        """Whether the estimate takes out a gap in this measure (or in this level of one)."""
        design = (*self.covariates, *self.exact, "landmark_month") if self.is_adjusted else ()
        before = self.estimate.details.get("before", "") if self.months is None else "pre_absence_rate"
        held = [*design, str(before)]
        return any(name == one or name.startswith((f"{one}_", f"{one}=")) for one in held if one)

    @property
    def value(self) -> float:
        """The estimate; checks that use it run only where there is one."""
        assert self.estimate.value is not None
        return self.estimate.value

    @property
    def measures_change(self) -> bool:
        """Whether the estimate is a change from an earlier period, of two periods or of many."""
        return self.estimate.estimator == "did" or self.months is not None

    @property
    def as_rate(self) -> float | None:
        """The estimate as a share of days, which earlier windows can be set beside; None on any other scale."""
        row = outcome_row(self.estimate.outcome)
        if row is not None and not row.in_school:
            return None
        if self.is_a_year:
            return self.value * (-row.in_school if row else 1)
        if self.estimate.unit != "days" or "enrolled_days" not in self.rows:
            return None
        treated = self.rows[self.rows["treated"] == 1]
        return self.value / float(np.average(treated["enrolled_days"].astype(float), weights=treated["weight"]))

    @property
    def is_a_year(self) -> bool:
        """Whether the estimate is a share of days, told as days of a 180-day year."""
        outcome, row = self.estimate.outcome, outcome_row(self.estimate.outcome)
        of_days = row.kind in ("share", "days") if row else "rate" in outcome or outcome.endswith("_days")
        return self.estimate.unit == "share" and of_days

    @property
    def is_about_absence(self) -> bool:
        """Whether the outcome is about days in school, so that it can stand beside published days."""
        row = outcome_row(self.estimate.outcome)
        return row.in_school != 0 if row else "rate" in self.estimate.outcome

    @property
    def is_clear(self) -> bool:
        """Whether the planned interval leaves out no effect."""
        return self.estimate.ci_low is not None and not self.holds(0.0)

    def holds(self, value: float) -> bool:
        """Whether the planned interval holds this value."""
        low, high = self.estimate.ci_low, self.estimate.ci_high
        return low is not None and high is not None and low <= value <= high

    def again(self, rows: pd.DataFrame | None = None, **changes: Any) -> Estimate:
        """The estimate once more, on other rows or with another setting; a refusal comes back as a reason."""
        name = changes.get("estimator", self.estimate.estimator)
        method, rows = ESTIMATORS[name], self.rows if rows is None else rows
        kind = self.estimate.standard_errors  # an estimator without these has its own
        options = {"estimator": name, "outcome": self.estimate.outcome, "missing": "drop",
                   "clustered_by": self.clustered_by,
                   "standard_errors": kind if kind in method.standard_errors else None,
                   "covariates": self.covariates, "exact": self.exact, "level": self.estimate.level,
                   "exploratory": True,
                   **{key: value for key, value in self.given.get("options", {}).items() if key in method.options},
                   **changes}
        if method.shape == "panel" and self.months is not None:
            rows, options = self._months_of(rows), self._as_followed(method, options)
        return estimate_or_reason(rows if method.shape == "panel" else None, None if method.shape == "panel" else rows,
                                  **options)

    @property
    def months(self) -> pd.DataFrame | None:
        """The months of the students compared, where the estimate follows them."""
        details = getattr(self.comparison, "details", {})
        return details.get("months")

    def _months_of(self, rows: pd.DataFrame) -> pd.DataFrame:
        assert self.months is not None
        return self.months[self.months["student_id"].isin(rows["student_id"])]

    @staticmethod
    def _as_followed(method: Method, options: dict[str, Any]) -> dict[str, Any]:
        """Settings that make sense for months: the estimator's own standard errors, covariates where it has a place."""
        asked = options["standard_errors"]
        return {**options, "standard_errors": asked if asked in method.standard_errors else None, "exact": (),
                "covariates": options["covariates"] if method.takes_covariates else ()}

    def outcome_words(self, value: float) -> str:
        """A difference in the outcome itself, as a linear fit gives it (a Poisson model of days speaks in shares)."""
        return self._days(value) if unit_of(self.estimate.outcome) == "days" else self.in_words(value)

    @property
    def what(self) -> str:
        """What the outcome is about, in a word."""
        return "absence" if self.is_about_absence else "the outcome"

    def _days(self, value: float) -> str:
        """Days of the outcome; runs and tardies are few, so their differences take a second decimal."""
        row = outcome_row(self.estimate.outcome)
        return f"{value:+.{2 if row and not row.in_school else 1}f} days"

    def same_scale(self, found: Estimate) -> bool:
        """Whether another estimate is in the unit of the planned one."""
        return found.unit == self.estimate.unit

    def rate_words(self, value: float) -> str:
        """A difference in the share of days missed, as days of a 180-day year."""
        row = outcome_row(self.estimate.outcome)
        return f"{value * DAYS:+.1f} days {'absent ' if row and row.in_school > 0 else ''}a year"

    def in_words(self, value: float) -> str:
        """A difference in the reader's unit: days of a 180-day year for a rate, points for another share."""
        if self.is_a_year:
            return f"{value * DAYS:+.1f} days a year"
        if self.estimate.unit == "days":
            return self._days(value)
        if self.estimate.unit == LOG_RATIO:
            return f"{100 * math.expm1(value):+.0f} %"
        return f"{value * 100:+.1f} percentage points" if self.estimate.unit == "share" else f"{value:+.3g}"
