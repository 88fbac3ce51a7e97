"""The mentored beside similar students, month by month, for the review and the celebration. The one place that asks.

Each look is a landmark comparison of the study cut at that month's end; the verdict uses a confidence sequence that
stays valid although a team looks every month.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

NOT_COMPARED = "Students with a mentor are not compared with similar students here."


@dataclass(frozen=True)
class Look:
    """One month's answer in days more in school per 180-day year; low and high are the anytime-valid 95 % ends."""

    on: str
    label: str
    value: float | None
    low: float | None
    high: float | None
    n_treated: int
    n_comparison: int
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        return {"as_of": self.on, "verdict": self.verdict, "gain_days": self.value, "ci_low": self.low,
                "ci_high": self.high, "n_treated": self.n_treated, "n_comparison": self.n_comparison}


@dataclass(frozen=True)
class Impact:
    """Looks of the year to as_of, the newest last. off: why there is none, and what would switch it on."""

    looks: tuple[Look, ...] = ()
    off: str = ""
    details: Mapping[str, Any] | None = None

    @property
    def now(self) -> Look | None:
        return self.looks[-1] if self.looks else None

    def to_dict(self) -> dict[str, Any]:
        if self.now is None:
            return {"verdict": None, "reason": self.off}
        return {**self.now.to_dict(), "unit": "days per 180-day year", "looks": [look.to_dict() for look in self.looks]}


def impact_to_date(study) -> Impact:
    """The year's looks at the mentored against similar students; off, with a sentence, where the study cannot bear it."""
    if "assignment" not in study.can:
        return Impact(off=f"{NOT_COMPARED} The table assignment would switch this on.")
    if "daily" not in study.can or "rates" not in study.can:
        return Impact(off=f"{NOT_COMPARED} The tables enrollment, calendar and attendance_event would switch this on.")
    if "unmentored" not in study.can:
        return Impact(off=f"{NOT_COMPARED} Every student in the study has a mentor: the whole roster would switch this on.")
    return Impact(off=f"{NOT_COMPARED} The comparison is not part of this version.")


def look_dates(study, days: pd.DataFrame) -> list[pd.Timestamp]:
    """The last school day of each month from the first match to as_of."""
    reached = days[days["date"] <= study.as_of]
    return list(reached.groupby(reached["date"].dt.strftime("%Y-%m"))["date"].max())
